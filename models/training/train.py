"""Fine-tuning a model, or training one from scratch, with the settings that BERT's papers use.

AdamW with warm-up and linear decay, gradient clipping, an exponential moving average of the
weights, and the best epoch kept.
"""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models.errors import RunError
from models.inputs import as_segments
from models.serialization import register
from models.tasks.classifier import Classifier
from models.tasks.task import Task
from models.training.batches import check_targets, random_generator, token_batches
from models.training.recipe import Recipe
from models.training.state import BestEpoch, TrainingState

WARMUP_SHARE = 0.06
"""Share of the steps in which the learning rate grows from 0."""
WEIGHT_DECAY = 0.01
CLIP_NORM = 1.0
"""Maximum norm of all gradients together."""
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


class TimeLimit(keras.callbacks.Callback):
    """Stops a training when its time is up; the current epoch is evaluated as it stands.

    Args:
        seconds: Time limit, from the start of the training.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self.is_over = False
        """Whether the training was stopped."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts the clock."""
        self._end = time.monotonic() + self._seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Checks the clock."""
        if time.monotonic() > self._end:
            self.is_over = True
            self.model.stop_training = True


class EpochSeconds(keras.callbacks.Callback):
    """Adds the seconds that an epoch took to its history, those of its evaluation included."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts the clock."""
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds `seconds` to what the callbacks after it are told, as Keras's own callbacks do."""
        logs["seconds"] = round(time.monotonic() - self._began, 3)


class FiniteLoss(keras.callbacks.Callback):
    """Stops a training once its loss is not finite, since no later one would be."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the epoch, for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Raises `RunError` if the loss is not finite."""
        if not math.isfinite(logs["loss"]):
            raise RunError(
                f"the loss is {logs['loss']} in step {batch + 1} of epoch {self._epoch + 1}: the "
                "learning rate is too high for this model, or its weights are broken; a smaller "
                "--learning_rate may help"
            )


@dataclass(frozen=True)
class Resumable:
    """Where a training keeps what it needs to resume after its process has died.

    Attributes:
        path: The file, in an existing folder.
        key: Identifies the data and the settings: what another training left is not resumed.
    """

    path: Path
    key: str


@dataclass(frozen=True)
class Objective:
    """What a training minimizes, and what its best epoch is chosen by.

    Attributes:
        loss: As of `keras.Model.compile`; `auto` is the model's own.
        metrics: The same.
        weighted_metrics: The same.
        chosen_by: The validation metric by which epochs are compared; a loss is better if lower.
    """

    loss: Any = "auto"
    metrics: Any = "auto"
    weighted_metrics: Sequence[keras.metrics.Metric] = ()
    chosen_by: str = "val_loss"


@dataclass(frozen=True)
class Training:
    """The result of a training.

    Attributes:
        history: `loss`, `val_loss`, `seconds` and the metrics of each epoch.
        best_epoch: The epoch whose weights were kept, counting from 0.
        resumed_epoch: The first epoch that does not come from an earlier process.
        is_out_of_time: Whether the time limit stopped it.
        problem: Why its state could not be written, if it could not.
    """

    history: dict[str, list[float]]
    best_epoch: int
    resumed_epoch: int = 0
    is_out_of_time: bool = False
    problem: str | None = None


def train(
    model: Task,
    texts: Any,
    targets: np.ndarray,
    validation: tuple[Any, np.ndarray],
    recipe: Recipe,
    objective: Objective,
    *,
    class_weights: np.ndarray | None = None,
    token_dropout: float = 0.0,
    seconds: float | None = None,
    resumable: Resumable | None = None,
    on_resume: Callable[[int], None] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Training:
    """Trains a model and leaves it with the weights of its best epoch.

    Args:
        model: Trained in place; it has a preprocessor.
        texts: Strings `[rows]`, or a tuple of first and second texts.
        targets: What the loss compares with what the model gives, `[rows, …]`.
        validation: Texts and targets to choose the epoch on.
        recipe: Epochs, batch size, learning rate and patience.
        objective: What is minimized; `objective_of` returns a classifier's own.
        class_weights: float `[classes]`: how much a row of each class counts; all the same if
            `None`.
        token_dropout: Share of the tokens masked in training; see `Classifier.fit`.
        seconds: Time after which no step begins, that of an earlier process included; learning rate
            and moving average are set for the steps that fit into it. No limit if `None`.
        resumable: Where to keep what a later process can resume from.
        on_resume: Called with the first epoch to train, counting from 0, if there is an earlier
            state; with 0 if that is of other data or settings.
        callbacks: Additional callbacks.

    Raises:
        RunError: The loss is no longer finite.
    """
    # First the rows to evaluate on: both draw from the seed, and a seed must always give the same
    # weights.
    judging = _batches(model, *validation, _balance(class_weights, validation[1]), recipe)
    random = random_generator()
    weights = None if class_weights is None else class_weights[targets]
    learning = _batches(model, texts, targets, weights, recipe, random, token_dropout)
    chosen_by = objective.chosen_by
    best = BestEpoch(chosen_by, is_loss=chosen_by.endswith("loss"), patience=recipe.patience)
    state = TrainingState(resumable.path, resumable.key, random, best) if resumable else None
    if state and on_resume and (state.epoch or state.is_of_another):
        on_resume(state.epoch)
    if state and state.is_finished:
        state.restore_best()
        model.set_weights(best.weights)
        return Training(state.history, best.epoch, state.epoch)

    first = state.epoch if state else 0
    steps_an_epoch = -(-len(targets) // recipe.batch_size)
    steps = recipe.epochs * steps_an_epoch
    limit = []
    if seconds is not None:
        left = seconds - (state.seconds if state else 0)
        rate = _seconds_a_step(model, objective, learning, judging, steps_an_epoch)
        steps = max(1, min(steps, first * steps_an_epoch + int(left / rate)))
        limit.append(TimeLimit(left))
    optimizer = optimizer_for(recipe.learning_rate, steps)
    compile_for(model, objective, optimizer)
    # The order matters: the average is swapped in before an epoch is evaluated, and the weights
    # being trained are swapped back after it.
    history = model.fit(
        learning,
        validation_data=judging,
        epochs=min(recipe.epochs, -(-steps // steps_an_epoch)),
        initial_epoch=first,
        callbacks=[
            EpochSeconds(),
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            best,
            *([state] if state else []),
            *limit,
            FiniteLoss(),
            *callbacks,
        ],
        verbose=0,
    ).history
    earlier = state.history if state else {}
    return Training(
        {name: earlier.get(name, []) + values for name, values in history.items()},
        best.epoch,
        first,
        any(callback.is_over for callback in limit) or steps < recipe.epochs * steps_an_epoch,
        state.problem if state else None,
    )


def compile_for(model: Task, objective: Objective, optimizer: keras.optimizers.Optimizer) -> None:
    """Compiles a model for what it is to learn."""
    model.compile(
        optimizer,
        objective.loss,
        metrics=objective.metrics,
        weighted_metrics=list(objective.weighted_metrics) or None,
    )


def optimizer_for(learning_rate: float, steps: int) -> keras.optimizers.Optimizer:
    """Returns what trains for a number of steps, with a moving average of the weights."""
    optimizer = keras.optimizers.AdamW(
        WarmupThenDecay(learning_rate, steps),
        weight_decay=WEIGHT_DECAY,
        global_clipnorm=CLIP_NORM,
        use_ema=True,
        ema_momentum=1 - 1 / min(EMA_STEPS, max(2, steps // 10)),
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


# Steps that are timed and then undone.
_TIMED_STEPS = 15


def _seconds_a_step(
    model: Task, objective: Objective, learning: Any, judging: Any, steps: int
) -> float:
    """Returns how long a step takes, with its share of an evaluation; leaves the weights alone.

    Args:
        model: Trained for a few steps, which are then undone.
        objective: What is minimized.
        learning: Batches to train on.
        judging: Batches to evaluate on.
        steps: Steps per epoch.
    """
    weights = model.get_weights()
    compile_for(model, objective, keras.optimizers.AdamW(1e-9))
    learned = _seconds_a_call(partial(keras.Model.train_on_batch, model), learning)
    judged = _seconds_a_call(partial(keras.Model.test_on_batch, model), judging)
    model.set_weights(weights)
    return learned + judged * len(judging) / steps


def _seconds_a_call(function: Callable[..., Any], batches: Iterable[Any]) -> float:
    """Returns the median time of calls, since some of the first ones compile."""
    took = []
    for batch in itertools.islice(batches, _TIMED_STEPS):
        began = time.monotonic()
        function(*batch)
        took.append(time.monotonic() - began)
    return statistics.median(took)


def objective_of(classifier: Classifier, has_class_weights: bool = False) -> Objective:
    """Returns what a classifier learns from labels, or from numbers.

    The best epoch has the highest accuracy; with class weights, the highest mean of the classes'
    recalls; if classes are not mutually exclusive, the highest F1; for a model that gives a number,
    the lowest loss.

    Args:
        classifier: The classifier.
        has_class_weights: Whether some classes count more than others.
    """
    if classifier.gives_numbers:
        return Objective()
    if classifier.is_multi_label:
        f1 = keras.metrics.F1Score(average="micro", threshold=0.5, name="f1")
        return Objective(weighted_metrics=[f1], chosen_by="val_f1")
    if has_class_weights:
        recall = keras.metrics.SparseCategoricalAccuracy(name="mean_recall")
        return Objective(weighted_metrics=[recall], chosen_by="val_mean_recall")
    return Objective(chosen_by="val_accuracy")


def _balance(class_weights: np.ndarray | None, classes: np.ndarray) -> np.ndarray | None:
    """Returns row weights that make each class count the same, if classes have weights."""
    if class_weights is None:
        return None
    counts = np.bincount(classes, minlength=len(class_weights))
    return (len(classes) / np.maximum(counts, 1) / np.sum(counts > 0))[classes].astype("float32")


def _batches(
    model: Task,
    texts: Any,
    targets: np.ndarray,
    weights: np.ndarray | None,
    recipe: Recipe,
    random: np.random.Generator | None = None,
    token_dropout: float = 0.0,
) -> Any:
    """Returns batches to train on, shuffled by `random`, or to evaluate on, in their own order."""
    preprocessor = model.preprocessor
    if preprocessor is None:
        raise ValueError("a model needs a preprocessor to train on texts")
    tokens, _ = preprocessor.encode(*as_segments(texts)[0])
    arrays = [targets] if weights is None else [targets, weights]
    check_targets(arrays, len(tokens))
    return token_batches(
        tokens,
        arrays,
        preprocessor,
        recipe.batch_size,
        random or random_generator(),
        shuffle=random is not None,
        token_dropout=token_dropout,
    )
