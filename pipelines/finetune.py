"""Trains a classifier on labelled texts: `python -m pipelines.finetune`.

Starts from a preset (a backbone or a classifier) or, with `--config`, from scratch, with a
vocabulary trained on the corpus. Keeps the epoch that is best on the validation data, compares it
with simpler models, and writes a preset for `python -m pipelines.classify --preset=…`.
`docs/finetuning.md` says how settings are chosen.
"""

import argparse
import contextlib
import importlib.util
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import RunError, UserError
from models.presets.keras_hub import write_json
from models.training.recipe import Recipe, choose_recipe, patience_of
from pipelines.finetuning.flags import make_parser
from pipelines.finetuning.labels import OneLabel, OneNumber, class_weights
from pipelines.finetuning.model import (
    find_start,
    from_preset,
    from_scratch,
    scale_head,
)
from pipelines.finetuning.new_preset import (
    NEW,
    TRAINING,
    check_output,
    output_errors,
    output_folder,
    put_in_place,
    unfinished_folder,
)
from pipelines.finetuning.page import check_page, report_training
from pipelines.finetuning.record import training_key, training_record
from pipelines.flags import options
from pipelines.reporting.console import (
    leaving,
    print_error,
    report,
    run_command,
    run_process,
    telling,
)
from pipelines.reporting.messages import say, say_outcome, shows_outcome
from pipelines.reporting.shown import printable, visible

if TYPE_CHECKING:
    import keras

    from models.presets.preset import Preset
    from models.tasks.classifier import Classifier
    from models.training.train import Training
    from pipelines.finetuning.data_report import DataReport
    from pipelines.finetuning.figures import Figures
    from pipelines.finetuning.labelled import TrainingData


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run_command(_finetune, argv)


def _finetune(argv: Sequence[str]) -> int:
    args = make_parser().parse_own(argv)
    options.choose_backend(args)
    output = output_folder(args.output)
    with output_errors(output):
        check_output(output, args.if_exists)
    check_page(args.report, output)
    preset, shape, length = find_start(args)
    _check_tensorboard(args.tensorboard)

    with unfinished_folder(output) as folder:
        data = _read_data(args)
        labels = _label_names(data.labels, args.label_names)
        weights = _class_weights(args, data)

        from models.inference import runtime

        runtime.start(streams=False)
        import keras

        keras.utils.set_random_seed(args.seed)
        activation = data.kind.activation([*data.train.labels, *data.validation.labels])
        classifier, is_new = _classifier(args, preset, shape, length, data, labels, activation)
        found = _look(classifier, data, weights is not None)
        # The classes take the order of the classifier, which may be that of its preset.
        order = [labels.index(label) for label in classifier.labels]
        data = replace(data, labels=[data.labels[index] for index in order])
        weights = None if weights is None else weights[order]
        recipe = _recipe(args, classifier, len(data.train))
        key = training_key(args, data, length, recipe, preset.digest if preset else shape)
        training, seconds = _train(
            classifier, data, weights, recipe, args, activation, is_new, folder / TRAINING, key
        )
        figures = _measure(classifier, data, weights is not None)
        start = preset.name if preset else shape
        record = training_record(
            *(args, start, length, data, found, classifier, activation, recipe),
            *(training, seconds, figures),
        )
        written = _write(args, folder, output, classifier, record, found.facts)
    place = args.output if written == output else str(written)
    with leaving(f"the preset is written to {visible(place)}"):
        _tell_written(place, training, figures, record)
        return 0 if report_training(args.report, record, figures, place) else 1


def _classifier(
    args: argparse.Namespace,
    preset: "Preset | None",
    shape: Any,
    length: int,
    data: "TrainingData",
    labels: list[str],
    activation: str | None,
) -> tuple["Classifier", bool]:
    """Returns the classifier to train, and whether its head is new."""
    if preset:
        is_number = isinstance(data.kind, OneNumber)
        classifier, is_new = from_preset(preset, labels, length, activation, is_number=is_number)
    else:
        texts = [text for segment in data.train.segments for text in segment]
        classifier, is_new = from_scratch(shape, labels, length, texts, activation), True
    if args.lora_rank:
        classifier.backbone.enable_lora(args.lora_rank)
    if args.freeze_layers:
        classifier.backbone.freeze_layers(args.freeze_layers)
    return classifier, is_new


def _write(
    args: argparse.Namespace,
    folder: Path,
    output: Path,
    classifier: "Classifier",
    record: Mapping[str, Any],
    facts: Sequence[tuple[str, str]],
) -> Path:
    """Writes the preset beside its output folder, and puts it there; returns where it is."""
    from pipelines.finetuning.model_card import write_model_card

    new = folder / NEW
    with output_errors(output):
        try:
            classifier.save_to_preset(new, args.weights_dtype)
        except ValueError as error:
            raise RunError(f"the model cannot be saved: {error}") from None
        write_json(new, "training.json", record)
        write_model_card(new, output.name, record, facts)
        written = put_in_place(new, output, args.if_exists)
        (folder / TRAINING).unlink(missing_ok=True)
    return written


def _tell_written(
    place: str, training: "Training", figures: "Figures", record: Mapping[str, Any]
) -> None:
    """Prints how well the preset does, and how to use it; where nobody looks, a line."""
    from pipelines.finetuning.report import print_figures

    ended = ", when time ran out" if training.is_out_of_time else ""
    kept = f"kept epoch {training.best_epoch + 1} of {len(training.history['loss'])}{ended}"
    with report(f"the preset is written to {visible(place)}"):
        print_figures(figures)
        if shows_outcome():
            print(
                f"\n{kept}\nwrote {visible(place)}; to use it:\n"
                f"  python -m pipelines.classify --preset={visible(shlex.quote(place))} --input=… "
                "--output=…"
            )
        else:
            facts = {"output": place, "figures": record["figures"]}
            say("INFO", f"{kept}, and wrote {place}", **facts)


def _check_tensorboard(folder: str | None) -> None:
    """Raises `UserError` if logs are asked for and the package that writes them is missing."""
    if folder is None:
        return
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError("--tensorboard needs another package: pip install tensorboard")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"--tensorboard={folder}: {error.strerror or error}") from None


def _read_data(args: argparse.Namespace) -> "TrainingData":
    from pipelines.finetuning.labelled import read_training_data

    return read_training_data(
        args.input,
        args.validation,
        args.seed,
        text_column=args.text_column,
        text_pair_column=args.text_pair_column,
        label_column=args.label_column,
        input_format=args.input_format,
        dialect=options.asked_dialect(args),
        label_separator=args.label_separator,
        task=args.task,
    )


def _label_names(found: list[str], names: list[str] | None) -> list[str]:
    if names is None:
        return found
    if len(names) != len(found) or len(set(names)) != len(names):
        raise UserError(
            f"--label_names must be {len(found)} different names, for the labels "
            f"{printable(', '.join(found), 500)}"
        )
    return names


def _class_weights(args: argparse.Namespace, data: "TrainingData") -> np.ndarray | None:
    """Returns how much a row of each class counts; `None` if all count the same."""
    if args.class_weights == "none" or not isinstance(data.kind, OneLabel):
        return None
    return class_weights(data.kind.counts(data.train.labels), data.labels)


def _look(classifier: "Classifier", data: "TrainingData", is_weighted: bool) -> "DataReport":
    """Looks at the data and prints what was found."""
    from pipelines.finetuning.data_report import look_at
    from pipelines.finetuning.report import print_data

    assert classifier.preprocessor is not None
    _, lengths = classifier.preprocessor.encode(*data.train.segments)
    found = look_at(data, lengths, classifier.preprocessor.sequence_length, is_weighted)
    with telling():
        print_data(found)
    return found


def _recipe(args: argparse.Namespace, classifier: "Classifier", num_rows: int) -> Recipe:
    """Returns the settings that the flags give, with the others chosen."""
    chosen = choose_recipe(
        num_rows,
        classifier.backbone.hidden_dim,
        from_scratch=args.preset is None,
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


def _train(
    classifier: "Classifier",
    data: "TrainingData",
    weights: np.ndarray | None,
    recipe: Recipe,
    args: argparse.Namespace,
    activation: str | None,
    is_new: bool,
    state: Path,
    key: str,
) -> tuple["Training", float]:
    """Trains; returns the result and the seconds it took."""
    from models.training.train import Resumable, objective_of, train
    from pipelines.finetuning.progress import TrainingProgress

    began = time.monotonic()
    learned, judged = (
        data.kind.targets(rows.labels, data.labels) for rows in (data.train, data.validation)
    )
    scale = None
    if isinstance(data.kind, OneNumber) and activation is None:
        # Once scaled, numbers of any size are learned as well as those around 0.
        scale = mean, deviation = data.kind.scale(learned)
        learned, judged = ((numbers - mean) / deviation for numbers in (learned, judged))
        if not is_new:
            scale_head(classifier, 1 / deviation, -mean / deviation)
    if isinstance(data.kind, OneNumber):
        learned, judged = (numbers.astype("float32") for numbers in (learned, judged))
    with contextlib.closing(TrainingProgress()) as progress, _going_on(state, key):
        training = train(
            classifier,
            data.train.x,
            learned,
            (data.validation.x, judged),
            recipe,
            objective_of(classifier, weights is not None),
            class_weights=weights,
            token_dropout=args.token_dropout,
            seconds=args.minutes and 60 * args.minutes,
            resumable=Resumable(state, key),
            on_resume=_tell_resumed,
            callbacks=[progress, *_tensorboard(args.tensorboard)],
        )
    if scale is not None:
        mean, deviation = scale
        scale_head(classifier, deviation, mean)
    if training.problem:
        print_error(f"the state to resume the training from was not saved: {training.problem}")
    return training, time.monotonic() - began


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


def _measure(classifier: "Classifier", data: "TrainingData", is_weighted: bool) -> "Figures":
    """Judges the classifier on the validation rows."""
    import keras

    from pipelines.finetuning.figures import measure

    scores = classifier.predict(data.validation.x, verbose=0)
    if isinstance(data.kind, OneLabel) and classifier.activation == keras.activations.linear:
        scores = keras.ops.convert_to_numpy(keras.ops.softmax(scores))
    return measure(data, scores, classifier.labels, is_weighted)


if __name__ == "__main__":
    run_process(main)
