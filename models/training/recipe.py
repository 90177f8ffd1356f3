"""Training settings, chosen by the model's size and the number of rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        epochs: Maximum number of epochs.
        batch_size: Rows per step.
        learning_rate: Peak learning rate.
        patience: Epochs without improvement after which training stops; never if `None`.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    patience: int | None = None


LORA_LEARNING_RATE = 10
"""Ratio of LoRA's learning rate to that for training all weights."""

_FROM_SCRATCH_LEARNING_RATE = 5e-4

# Pairs: up to this many rows, this batch size.
_BATCH_SIZES = ((200, 8), (5_000, 16), (100_000, 32))
_LARGEST_BATCH = 64

# Pairs: up to this many rows, at least this many epochs.
_EPOCHS = ((100_000, 3), (500_000, 2))
_MOST_EPOCHS = 20

# In all epochs together, for MiniLM's width; a narrower model learns more slowly, and costs less.
_ROWS_SEEN = 8_000
_WIDTH = 384


def choose_recipe(
    num_rows: int, hidden_dim: int, *, from_scratch: bool = False, lora: bool = False
) -> Recipe:
    """Chooses training settings; `docs/finetuning.md` has the study behind them.

    Args:
        num_rows: Number of rows to train on.
        hidden_dim: Width of the model: the wider it is, the smaller its learning rate.
        from_scratch: Whether its weights are random.
        lora: Whether only LoRA's matrices are trained.
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
    """Returns after how many epochs without improvement a training of that many stops."""
    return max(3, epochs // 2)
