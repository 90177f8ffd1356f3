"""Fine-tuning a classifier, or training one from scratch, with the settings that BERT's papers use.

AdamW with warm-up and linear decay, gradients clipped, an exponential moving average of the
weights, and the best epoch kept.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from models.classifier import Classifier
from models.serialization import register

WARMUP_SHARE = 0.06
"""Share of the steps in which the learning rate grows from 0."""
WEIGHT_DECAY = 0.01
CLIP_NORM = 1.0
"""Largest norm of all gradients together."""
EMA_STEPS = 200
"""About how many of the last steps the moving average of the weights covers."""


class WarmupThenDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Grows linearly to a peak, then falls linearly to zero.

    Args:
        peak: The highest learning rate.
        steps: Steps in all.
    """

    def __init__(self, peak: float, steps: int) -> None:
        self.peak = peak
        self.steps = steps
        self.warmup = max(1, round(steps * WARMUP_SHARE))

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step."""
        step = keras.ops.cast(step, "float32")
        rising = (step + 1) / self.warmup
        falling = (self.steps - step) / max(1, self.steps - self.warmup)
        return self.peak * keras.ops.clip(keras.ops.minimum(rising, falling), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"peak": self.peak, "steps": self.steps}


register(WarmupThenDecay)


class BestEpoch(keras.callbacks.Callback):
    """Leaves a model with the weights of the epoch of the highest validation accuracy.

    Among equals that of the lowest validation loss.
    """

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets an earlier training."""
        self._score = (-1.0, 0.0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the weights if they are the best so far."""
        score = (logs["val_accuracy"], -logs["val_loss"])
        if score > self._score:
            self._score = score
            self._weights = self.model.get_weights()

    def on_train_end(self, logs: Any = None) -> None:
        """Puts the best weights back."""
        self.model.set_weights(self._weights)


def train(
    classifier: Classifier,
    texts: Any,
    classes: np.ndarray,
    validation: tuple[Any, np.ndarray],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    token_dropout: float = 0.0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.callbacks.History:
    """Trains a classifier and leaves it with the weights of its best epoch.

    Args:
        classifier: Trained in place.
        texts: Strings `[rows]`, or a tuple of first and second texts.
        classes: int64 `[rows]`: the class of each row.
        validation: Texts and classes to choose the epoch on, by accuracy.
        epochs: Times that every row is seen.
        batch_size: Rows of a step.
        learning_rate: At its peak.
        token_dropout: Share of the tokens hidden in training; see `Classifier.fit`.
        callbacks: More of them.

    Returns:
        The history, with `loss`, `accuracy`, `val_loss` and `val_accuracy` of each epoch.
    """
    steps = epochs * -(-len(classes) // batch_size)
    optimizer = keras.optimizers.AdamW(
        WarmupThenDecay(learning_rate, steps),
        weight_decay=WEIGHT_DECAY,
        global_clipnorm=CLIP_NORM,
        use_ema=True,
        ema_momentum=1 - 1 / min(EMA_STEPS, max(2, steps // 10)),
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    classifier.compile(optimizer=optimizer)
    # The average is put in place before an epoch is judged, and the weights of its training back
    # after: so the order matters.
    return classifier.fit(
        texts,
        classes,
        batch_size,
        validation_data=validation,
        token_dropout=token_dropout,
        epochs=epochs,
        callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True), BestEpoch(), *callbacks],
        verbose=0,
    )
