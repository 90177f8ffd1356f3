"""Training a model while a person waits: with progress, and with a state to resume from."""

import argparse
import contextlib
import importlib.util
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import UserError
from models.training.recipe import Recipe, choose_recipe, patience_of
from pipelines.finetuning.labels import OneNumber
from pipelines.finetuning.model import scale_head
from pipelines.reporting.console import print_error, telling
from pipelines.reporting.messages import say_outcome

if TYPE_CHECKING:
    import keras

    from models.tasks.classifier import Classifier
    from models.tasks.task import Task
    from models.training.train import Objective, Training
    from pipelines.finetuning.labelled import TrainingData


@dataclass(frozen=True)
class Lesson:
    """What a model is to give for each text.

    Attributes:
        texts: What a model's `fit` takes.
        targets: Beside each of them, `[rows, …]`.
        judged: Texts and targets to choose the epoch on.
        objective: What is minimized.
        class_weights: float `[classes]`: how much a row of each class counts; all the same if
            `None`.
        scale: Mean and deviation by which numbers were scaled; the head undoes it in the end.
    """

    texts: Any
    targets: np.ndarray
    judged: tuple[Any, np.ndarray]
    objective: "Objective"
    class_weights: np.ndarray | None = None
    scale: tuple[float, float] | None = None


def lesson_of_labels(
    classifier: "Classifier",
    data: "TrainingData",
    activation: str | None,
    is_new: bool,
    class_weights: np.ndarray | None = None,
) -> Lesson:
    """Returns what a classifier learns from labels, or from numbers.

    Args:
        classifier: The classifier.
        data: The rows, the labels in the order of the classifier's.
        activation: Activation of its scores.
        is_new: Whether its scores mean something else than before.
        class_weights: As of `Lesson`.
    """
    from models.training.train import objective_of

    learned, judged = (
        data.kind.targets(rows.labels, data.labels) for rows in (data.train, data.validation)
    )
    scale = None
    if isinstance(data.kind, OneNumber):
        if activation is None:
            # Once scaled, numbers of any size are learned as well as those around 0.
            scale = mean, deviation = data.kind.scale(learned)
            learned, judged = ((numbers - mean) / deviation for numbers in (learned, judged))
            if not is_new:
                scale_head(classifier, 1 / deviation, -mean / deviation)
        learned, judged = (numbers.astype("float32") for numbers in (learned, judged))
    return Lesson(
        *(data.train.x, learned, (data.validation.x, judged)),
        *(objective_of(classifier, class_weights is not None), class_weights, scale),
    )


def begin(seed: int) -> None:
    """Starts what computes, and seeds all random numbers."""
    from models.inference import runtime

    runtime.start(streams=False)
    import keras

    keras.utils.set_random_seed(seed)


def run_training(
    model: "Task", lesson: Lesson, recipe: Recipe, args: argparse.Namespace, state: Path, key: str
) -> tuple["Training", float]:
    """Trains; returns the result and the seconds it took.

    Args:
        model: Trained in place.
        lesson: What it learns.
        recipe: Its settings.
        args: The flags.
        state: The file to resume from.
        key: What the file belongs to.
    """
    from models.training.train import Resumable, train
    from pipelines.finetuning.progress import TrainingProgress

    began = time.monotonic()
    with contextlib.closing(TrainingProgress()) as progress, _going_on(state, key):
        training = train(
            model,
            lesson.texts,
            lesson.targets,
            lesson.judged,
            recipe,
            lesson.objective,
            class_weights=lesson.class_weights,
            token_dropout=args.token_dropout,
            seconds=args.minutes and 60 * args.minutes,
            resumable=Resumable(state, key),
            on_resume=_tell_resumed,
            callbacks=[progress, *_tensorboard(args.tensorboard)],
        )
    if lesson.scale is not None:
        mean, deviation = lesson.scale
        scale_head(model, deviation, mean)
    if training.problem:
        print_error(f"the state to resume the training from was not saved: {training.problem}")
    return training, time.monotonic() - began


def recipe_of(
    args: argparse.Namespace, model: "Task", num_rows: int, *, from_scratch: bool
) -> Recipe:
    """Returns the settings that the flags give, with the others chosen; says what they are.

    Args:
        args: The flags.
        model: What is trained.
        num_rows: Rows to train on.
        from_scratch: Whether its weights are random.
    """
    chosen = choose_recipe(
        num_rows,
        model.backbone.hidden_dim,
        from_scratch=from_scratch,
        lora=args.lora_rank is not None,
    )
    given = ("epochs", "batch_size", "learning_rate")
    values = {name: getattr(args, name) for name in given if getattr(args, name) is not None}
    recipe = replace(chosen, **values)
    recipe = replace(recipe, patience=patience_of(recipe.epochs))
    with telling():
        say_outcome(
            f"at most {recipe.epochs} epochs of batches of {recipe.batch_size}, learning rate "
            f"{recipe.learning_rate:g}"
        )
    return recipe


def check_tensorboard(folder: str | None) -> None:
    """Raises `UserError` if logs are asked for and the package that writes them is missing."""
    if folder is None:
        return
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError("--tensorboard needs another package: pip install tensorboard")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"--tensorboard={folder}: {error.strerror or error}") from None


@contextlib.contextmanager
def _going_on(state: Path, key: str) -> Iterator[None]:
    """Says on an interrupt that the same command resumes, if there is a state to resume from."""
    from models.training.state import is_state_of

    try:
        yield
    except KeyboardInterrupt:
        if is_state_of(state, key):
            raise KeyboardInterrupt("the same command resumes from the last epoch") from None
        raise


def _tell_resumed(epoch: int) -> None:
    """Says whether a stopped training is resumed."""
    with telling():
        if epoch:
            say_outcome(f"resuming from epoch {epoch + 1}")
        else:
            say_outcome("the stopped training had other data or settings: starting over")


def _tensorboard(folder: str | None) -> list["keras.callbacks.Callback"]:
    """Returns the callback that writes logs for TensorBoard, if any."""
    if folder is None:
        return []
    import keras

    return [keras.callbacks.TensorBoard(folder, write_graph=False)]
