"""The settings of a training, chosen by the model's size and the number of rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        epochs: Times that every row is seen at most.
        batch_size: Rows of a step.
        learning_rate: At its peak.
        patience: Epochs that get no better after which the training ends; never if `None`.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    patience: int | None = None


LORA_LEARNING_RATE = 10
"""How many times the rate of all weights the thin matrices of LoRA learn with."""

_FROM_SCRATCH_LEARNING_RATE = 5e-4

# Rows up to which a step has as many rows as stands beside them.
_BATCH_SIZES = ((200, 8), (5_000, 16), (100_000, 32))
_LARGEST_BATCH = 64

# Rows up to which every row is seen at least as often as stands beside them.
_EPOCHS = ((100_000, 3), (500_000, 2))
_MOST_EPOCHS = 20

# All epochs together, for the width of MiniLM; a narrower model learns slower, and costs less.
_ROWS_SEEN = 8_000
_WIDTH = 384


def choose_recipe(
    num_rows: int, hidden_dim: int, *, from_scratch: bool = False, lora: bool = False
) -> Recipe:
    """Chooses the settings of a training; `docs/finetuning.md` has the study behind them.

    Args:
        num_rows: Rows to learn from.
        hidden_dim: Width of the model: the wider it is, the smaller its learning rate.
        from_scratch: Whether its weights are random.
        lora: Whether only the thin matrices of LoRA are learned.
    """
    batch_size = next((size for rows, size in _BATCH_SIZES if num_rows <= rows), _LARGEST_BATCH)
    least = next((epochs for rows, epochs in _EPOCHS if num_rows <= rows), 1)
    rows_seen = _ROWS_SEEN * _WIDTH / hidden_dim
    epochs = max(least, min(_MOST_EPOCHS, round(rows_seen / num_rows)))
    rate = 1e-4 * (_WIDTH / hidden_dim) ** 2 * (LORA_LEARNING_RATE if lora else 1)
    if from_scratch:
        rate = min(_FROM_SCRATCH_LEARNING_RATE, 4 * rate)
    rate = float(f"{min(rate, 1e-2):.2g}")
    return Recipe(epochs, batch_size, rate, patience_of(epochs))


def patience_of(epochs: int) -> int:
    """Returns the epochs that get no better after which a training of so many ends."""
    return max(3, epochs // 2)
