"""Trains a model on texts: `python -m pipelines.finetune`.

Starts from a preset (a backbone or a classifier) or, with `--config`, from parts of one or from
scratch, with a vocabulary of the corpus. Learns labels or, with `--teacher`, what a larger model
says of the texts. Keeps the epoch that is best on the validation data, compares it with others, and
writes a preset for `python -m pipelines.classify` or `embed`. `docs/finetuning.md` and
`docs/distillation.md` say how settings are chosen.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipelines.finetuning.data_report import look
from pipelines.finetuning.figures import measure_classifier
from pipelines.finetuning.flags import LABEL_COLUMN, check_no_teacher, make_parser
from pipelines.finetuning.labels import OneLabel, class_weights, label_names
from pipelines.finetuning.model import classifier_to_train
from pipelines.finetuning.new_preset import (
    TRAINING,
    check_output,
    output_errors,
    output_folder,
    publish,
    unfinished_folder,
    write_preset,
)
from pipelines.finetuning.page import check_page, report_training
from pipelines.finetuning.record import classifier_facts, training_key, training_record
from pipelines.finetuning.start import find_start
from pipelines.finetuning.training import (
    begin,
    check_tensorboard,
    lesson_of_labels,
    recipe_of,
    run_training,
)
from pipelines.flags import options
from pipelines.reporting.console import leaving, run_command, run_process
from pipelines.reporting.shown import visible

if TYPE_CHECKING:
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
    start = find_start(args)
    check_tensorboard(args.tensorboard)
    if args.teacher is not None:
        from pipelines.distilling.distil import distil

        return distil(args, start, output)
    check_no_teacher(args)
    args.label_column = args.label_column or LABEL_COLUMN

    with unfinished_folder(output) as folder:
        data = _read_data(args)
        labels = label_names(data.labels, args.label_names)
        weights = _class_weights(args, data)

        from pipelines.finetuning.report import tell_written

        begin(args.seed)
        activation = data.kind.activation([*data.train.labels, *data.validation.labels])
        classifier, is_new = classifier_to_train(args, start, data, labels, activation)
        found = look(classifier, data, weights is not None)
        # The classes take the order of the classifier, which may be that of its preset.
        order = [labels.index(label) for label in classifier.labels]
        data = replace(data, labels=[data.labels[index] for index in order])
        weights = None if weights is None else weights[order]
        recipe = recipe_of(args, classifier, len(data.train), from_scratch=start.preset is None)
        key = training_key(args, data, start, recipe)
        lesson = lesson_of_labels(classifier, data, activation, is_new, weights)
        training, seconds = run_training(classifier, lesson, recipe, args, folder / TRAINING, key)
        new = write_preset(classifier, folder, output, args.weights_dtype)
        figures = measure_classifier(classifier, data, weights is not None)
        facts = classifier_facts(data, found, classifier, figures)
        record = training_record(args, start, recipe, training, seconds, facts)
        place = publish(args, new, output, record, found.facts)
    with leaving(f"the preset is written to {visible(place)}"):
        tell_written(place, training, figures, record)
        return 0 if report_training(args.report, record, figures, place) else 1


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


def _class_weights(args: argparse.Namespace, data: "TrainingData") -> np.ndarray | None:
    """Returns how much a row of each class counts; `None` if all count the same."""
    if args.class_weights == "none" or not isinstance(data.kind, OneLabel):
        return None
    return class_weights(data.kind.counts(data.train.labels), data.labels)


if __name__ == "__main__":
    run_process(main)
