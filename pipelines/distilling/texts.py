"""The texts that a student learns from: all that have a label, and all that have none."""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.errors import UserError
from pipelines.distilling.teacher import Teacher
from pipelines.finetuning.flags import LABEL_COLUMN
from pipelines.finetuning.labelled import (
    LabelledTexts,
    TrainingData,
    check_texts,
    held_out_rows,
    plan_labelled,
    read_rows,
    reason_of,
    without_duplicates,
)
from pipelines.finetuning.labels import (
    LabelKind,
    OneLabel,
    OneNumber,
    SeveralLabels,
    label_names,
)
from pipelines.flags import options
from pipelines.reporting.shown import printable
from transforms.reading.column_names import find_column
from transforms.reading.corpus import plan_corpus

_ENOUGH = 50
"""Rows with a label, unless all have one, from which on some of them judge; rows to judge by, below
which others without a label join them."""


def read_texts(args: argparse.Namespace, teacher: Teacher) -> TrainingData:
    """Reads the texts to learn from and to judge by, with their labels where they have some.

    Where some texts have labels, those that are held out are among them. For vectors any labels
    will do: they only judge.

    Args:
        args: The flags.
        teacher: The teacher.

    Returns:
        The rows; the label of a row without one is `None`, and `labels` are the teacher's.

    Raises:
        UserError: Too few rows, texts that are numbers, or labels that the teacher does not know.
    """
    is_classifier = teacher.task == "classify"
    kind = teacher.kind(args.label_separator) if is_classifier else _Topic()
    dropped: Counter[str] = Counter()
    train, contradictions = without_duplicates(_read(args, args.input, kind, dropped), dropped)
    held = train.take([])
    if args.validation:
        unread: Counter[str] = Counter()
        held, _ = without_duplicates(_read(args, args.validation, kind, unread), unread)
        dropped += unread
    if is_classifier:
        train, held = _named(kind, train, held, teacher.preset.labels, args)
    chosen: list[int] = []
    if not args.validation:
        chosen = _held_out(kind if is_classifier else None, train.labels, args.seed)
        held = train.take(chosen)
    if not len(train) and not len(held):
        raise UserError(f"there is no text to learn from{reason_of(dropped)}")
    if not len(held):
        raise UserError(
            "there is no row to judge the student by: give more rows, or some with --validation"
            f"{reason_of(dropped)}"
        )
    known = set(held.rows())
    kept = [row for row, texts in enumerate(train.rows()) if texts not in known]
    dropped["the text is among the validation texts"] += len(train) - len(kept) - len(chosen)
    train = train.take(kept)
    if not len(train):
        raise UserError(f"there is no text to learn from{reason_of(dropped)}")
    check_texts(train, args.text_column)
    labels = list(teacher.preset.labels) if is_classifier else []
    if isinstance(kind, OneNumber):
        labels = kind.names([])
    return TrainingData(
        *(kind, train, held, labels, +dropped, contradictions), is_held_out=not args.validation
    )


def _held_out(kind: LabelKind | None, labels: Sequence[Any], seed: int) -> list[int]:
    """Chooses rows to judge by: of those with labels where enough rows have some.

    Args:
        kind: What the labels are of which the same share is chosen; `None` if any rows will do.
        labels: The label of each row.
        seed: Seed of the choice.
    """
    of_all = held_out_rows([None] * len(labels), seed)
    labelled = [row for row, label in enumerate(labels) if label is not None]
    if len(labelled) < min(_ENOUGH, len(labels)):
        return of_all
    strata = kind.strata([labels[row] for row in labelled]) if kind else [None] * len(labelled)
    chosen = [labelled[row] for row in held_out_rows(strata, seed)]
    others = [row for row in of_all if labels[row] is None]
    return chosen + others[: max(0, min(len(of_all), _ENOUGH) - len(chosen))]


class _Topic(OneLabel):
    """What judges vectors: what is no label counts as none."""

    def read(self, value: Any) -> str | None:
        """Returns the label."""
        try:
            return super().read(value)
        except ValueError:
            return None


def _read(
    args: argparse.Namespace, inputs: Sequence[str], kind: LabelKind, dropped: Counter[str]
) -> LabelledTexts:
    """Reads rows; those without a label have `None`, all of them if no column has labels."""
    columns: dict[str, Any] = {
        "text_column": args.text_column,
        "text_pair_column": args.text_pair_column,
        "input_format": args.input_format,
        "dialect": options.asked_dialect(args),
    }
    label = args.label_column
    if args.label_weight == 0:
        label = None
    elif label is None:
        every = plan_corpus(inputs, columns=None, **columns)
        label = find_column(LABEL_COLUMN, [column.name for column in every.fields])
    corpus = plan_labelled(inputs, label_column=label, **columns)
    return read_rows(corpus, label, kind, dropped, needs_labels=False)


def _named(
    kind: LabelKind,
    train: LabelledTexts,
    held: LabelledTexts,
    classes: Sequence[str],
    args: argparse.Namespace,
) -> tuple[LabelledTexts, LabelledTexts]:
    """Returns rows whose labels are spelled as the teacher spells them.

    Raises:
        UserError: It has no such classes.
    """
    if isinstance(kind, OneNumber):
        return train, held
    every = [*train.labels, *held.labels]
    found = kind.names([label for label in every if label is not None])
    if not found and args.label_names:
        why = "no text has a label; leave it out, or name a --label_column"
        if args.label_weight == 0:
            why = "--label_weight=0 leaves labels unread; leave one of the two out"
        raise UserError(f"--label_names: {why}")
    names = label_names(found, args.label_names)
    if unknown := sorted(set(names).difference(classes)):
        renaming = "--label_names gives them the teacher's names, in this order, or "
        column = args.label_column or LABEL_COLUMN
        raise UserError(
            f"label {unknown[0]!r:.80} of column {column!r} is no class of --teacher="
            f"{args.teacher}, whose classes are {printable(', '.join(classes), 500)}; the data has "
            f"{printable(', '.join(found), 500)}: {renaming if len(found) <= len(classes) else ''}"
            "--label_weight=0 learns from the teacher alone"
        )
    spelled = dict(zip(found, names, strict=True))

    def renamed(rows: LabelledTexts) -> LabelledTexts:
        return replace(rows, labels=[_spelled(label, spelled) for label in rows.labels])

    return renamed(train), renamed(held)


def _spelled(label: Any, names: Mapping[str, str]) -> Any:
    if isinstance(label, tuple):
        return tuple(sorted(names[each] for each in label))
    return None if label is None else names[label]


@dataclass(frozen=True)
class Answered:
    """Rows with what the teacher says of them.

    Attributes:
        rows: The rows that it answers, each with a label: its own, or the teacher's.
        answers: float32 `[rows, classes]`: the teacher's probabilities or numbers.
        labels: float32 `[rows, classes]`: 1 for a row's own labels, 0 for the others, or its own
            number; `NO_LABEL` where it has none.
        every_label: The same, with the teacher's label where it has none.
        is_own: bool `[rows]`: whether a row has labels of its own.
    """

    rows: LabelledTexts
    answers: np.ndarray
    labels: np.ndarray
    every_label: np.ndarray
    is_own: np.ndarray


def answered(
    kind: LabelKind, rows: LabelledTexts, answers: np.ndarray, classes: Sequence[str]
) -> Answered:
    """Returns the rows that a teacher answers.

    Args:
        kind: What its answers are.
        rows: The rows.
        answers: float32 `[rows, classes]`; a row that it cannot answer has NaN.
        classes: Its classes, in the order of its answers.
    """
    from models.training.distillation import NO_LABEL

    known = np.flatnonzero(np.isfinite(answers).all(axis=1))
    rows, answers = rows.take(known.tolist()), answers[known]
    predicted = _labels_of(kind, answers, classes)
    filled = [predicted[row] if label is None else label for row, label in enumerate(rows.labels)]
    every = kind.targets(filled, classes)
    if isinstance(kind, OneLabel):
        every = np.eye(len(classes), dtype=np.float32)[every]
    every = every.reshape(answers.shape).astype(np.float32, copy=False)
    is_own = np.array([label is not None for label in rows.labels], bool)
    own = np.where(is_own[:, None], every, np.float32(NO_LABEL))
    return Answered(replace(rows, labels=filled), answers, own, every, is_own)


def mixed(found: Answered, label_weight: float) -> LabelledTexts:
    """Returns rows whose number is between the teacher's and their own, where they have one.

    Args:
        found: The rows, of numbers.
        label_weight: How much their own counts.
    """
    numbers = (1 - label_weight) * found.answers + label_weight * found.every_label
    return replace(found.rows, labels=numbers[:, 0].astype(float).tolist())


def _labels_of(kind: LabelKind, answers: np.ndarray, classes: Sequence[str]) -> list[Any]:
    """Returns the labels that answers stand for, as the rows of data have them."""
    predicted = kind.predict(answers)
    if isinstance(kind, OneLabel):
        return [classes[index] for index in predicted]
    if isinstance(kind, SeveralLabels):
        return [
            tuple(sorted(name for name, is_there in zip(classes, row, strict=True) if is_there))
            for row in predicted
        ]
    return predicted.tolist()
