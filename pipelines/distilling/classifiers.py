"""A student that gives the teacher's classes or numbers."""

import argparse
from dataclasses import replace
from pathlib import Path

from models.errors import UserError
from pipelines.distilling.comparison import compare, print_comparison
from pipelines.distilling.teacher import Teacher
from pipelines.distilling.texts import Answered, answered, mixed, read_texts
from pipelines.finetuning.data_report import look
from pipelines.finetuning.figures import measure_classifier
from pipelines.finetuning.flags import LABEL_WEIGHT, TEMPERATURE
from pipelines.finetuning.labelled import TrainingData
from pipelines.finetuning.labels import OneLabel, OneNumber, SeveralLabels
from pipelines.finetuning.model import classifier_to_train
from pipelines.finetuning.new_preset import (
    TRAINING,
    publish,
    unfinished_folder,
    write_preset,
)
from pipelines.finetuning.page import report_training
from pipelines.finetuning.record import classifier_facts, training_key, training_record
from pipelines.finetuning.report import tell_written
from pipelines.finetuning.start import Start
from pipelines.finetuning.training import Lesson, begin, lesson_of_labels, recipe_of, run_training
from pipelines.reporting.console import leaving, telling
from pipelines.reporting.messages import say_outcome
from pipelines.reporting.shown import printable, visible


def distil_classifier(
    args: argparse.Namespace, start: Start, teacher: Teacher, output: Path
) -> int:
    """Trains a student of a classifier; arguments as of `distil`, and the teacher."""
    with unfinished_folder(output) as folder:
        data = read_texts(args, teacher)
        classes = data.labels
        if isinstance(data.kind, OneNumber):
            _check_numbers([*data.train.labels, *data.validation.labels], teacher)
        begin(args.seed)
        classifier, is_new = classifier_to_train(args, start, data, classes, teacher.activation)
        # The classes take the order of the student, which may be that of its preset.
        order = [classes.index(label) for label in classifier.labels]
        lots = [rows.segments for rows in (data.train, data.validation)]
        answers = [found[:, order] for found in teacher.answers(*lots)]
        begin(args.seed)  # again, for loading the teacher takes some random numbers
        _tell_labels(data)
        weight = LABEL_WEIGHT if args.label_weight is None else args.label_weight
        learned, judged = (
            answered(data.kind, rows, found, classifier.labels)
            for rows, found in zip((data.train, data.validation), answers, strict=True)
        )
        is_own = [label is not None for label in data.train.labels]
        data = _with_answers(data, learned, judged, classifier.labels, teacher)
        if isinstance(data.kind, OneNumber):
            data = replace(data, train=mixed(learned, weight))
        found = look(classifier, data, is_weighted=False)
        recipe = recipe_of(args, classifier, len(data.train), from_scratch=start.preset is None)
        key = training_key(args, data, start, recipe, teacher.preset.digest, is_own)
        if isinstance(data.kind, OneNumber):
            lesson = lesson_of_labels(classifier, data, teacher.activation, is_new)
        else:
            lesson = _soft_lesson(args, data, learned, judged, weight)
        training, seconds = run_training(classifier, lesson, recipe, args, folder / TRAINING, key)
        new = write_preset(classifier, folder, output, args.weights_dtype)
        figures = measure_classifier(classifier, data, is_weighted=False)
        targets = data.kind.targets(data.validation.labels, data.labels)
        taught = data.kind.evaluate(judged.answers, targets, classifier.labels)
        facts = classifier_facts(data, found, classifier, figures)
        record = training_record(args, start, recipe, training, seconds, facts)
        both = (taught, figures.model)
        compared = compare(
            teacher, new, data.validation.segments, both, int((~judged.is_own).sum())
        )
        record["teacher"] = compared and compared.record()
        place = publish(args, new, output, record, found.facts)
    with leaving(f"the preset is written to {visible(place)}"):
        tell_written(place, training, figures, record, lambda: print_comparison(compared))
        return 0 if report_training(args.report, record, figures, place) else 1


def _tell_labels(data: TrainingData) -> None:
    """Says how many rows have a label of their own; a wrong `--label_column` is seen here."""
    labels = [*data.train.labels, *data.validation.labels]
    own = sum(label is not None for label in labels)
    with telling():
        say_outcome(f"{own:,} of them have a label of their own")


def _check_numbers(labels: list[float | None], teacher: Teacher) -> None:
    """Raises `UserError` if labels are beyond the numbers that the teacher can give."""
    numbers = [label for label in labels if label is not None]
    if teacher.activation != "sigmoid" or not numbers:
        return
    low, high = min(numbers), max(numbers)
    if not 0 <= low <= high <= 1:
        raise UserError(
            f"--teacher={printable(teacher.name)} gives numbers from 0 to 1, and the labels are "
            f"from {low:g} to {high:g}: bring them to 0 to 1, or --label_weight=0 learns from the "
            "teacher alone"
        )


def _with_answers(
    data: TrainingData, learned: Answered, judged: Answered, labels: list[str], teacher: Teacher
) -> TrainingData:
    """Returns the rows that the teacher answers, each with a label.

    Raises:
        UserError: It answers none, or says the same of all.
    """
    unanswered = len(data.train) + len(data.validation)
    unanswered -= len(learned.rows) + len(judged.rows)
    dropped = data.dropped
    if unanswered:
        dropped["the teacher's answer is not finite"] += unanswered
    if not len(learned.rows) or not len(judged.rows):
        raise UserError(
            f"--teacher={printable(teacher.name)} gives no finite answer to the texts: try it with "
            "python -m pipelines.classify"
        )
    if isinstance(data.kind, OneLabel) and len(set(learned.rows.labels)) < 2:
        raise UserError(
            f"all {len(learned.rows):,} texts have the same label, by the teacher and by the data: "
            f"{printable(str(learned.rows.labels[0]))}; a student would learn nothing else"
        )
    return replace(data, train=learned.rows, validation=judged.rows, labels=labels)


def _soft_lesson(
    args: argparse.Namespace,
    data: TrainingData,
    learned: Answered,
    judged: Answered,
    label_weight: float,
) -> Lesson:
    """Returns what is learned of a teacher's probabilities, and of labels."""
    from models.training.distillation import Kind, soft_objective, targets_of

    temperature = TEMPERATURE if args.temperature is None else args.temperature
    kind: Kind = "several labels" if isinstance(data.kind, SeveralLabels) else "one label"
    return Lesson(
        data.train.x,
        targets_of(learned.answers, learned.labels),
        (data.validation.x, targets_of(judged.answers, judged.labels)),
        soft_objective(kind, temperature, label_weight),
    )
