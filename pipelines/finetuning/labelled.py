"""Labelled texts for training, read from the files that the other commands read."""

import os
import random
import sys
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import pyarrow as pa

from models.errors import UserError
from pipelines.finetuning.labels import LabelKind, OneLabel, OneNumber, SeveralLabels
from transforms.reading.column_names import find_column
from transforms.reading.corpus import Corpus, plan_corpus
from transforms.reading.dialect import UNKNOWN, Dialect
from transforms.reading.layout import InputColumn
from transforms.reading.units import plan_units, read_unit
from transforms.schemas import POSITION, SOURCE

HELD_OUT = 0.1
"""Share of the rows held out if no validation data is given."""

_HELD_OUT_ROWS = (100, 10_000)
"""Fewest rows to hold out, unless that is over a fifth of them, and most rows to hold out."""

# With this many rows it is no accident if all texts are numbers.
_ENOUGH_TO_TELL = 10

# Labels such as 3.5 that a scale of classes may have.
_MOST_FRACTIONS = 20

Task = Literal["classification", "regression"]
"""What is learned: a label, or several, or a number."""


@dataclass(frozen=True)
class LabelledTexts:
    """Rows to train or to validate on.

    Attributes:
        segments: The texts; for pairs the first ones and the second ones.
        labels: The label of each row, as `LabelKind.read` returns it.
        places: The name of each row's file, and its `position` there; empty if they are not known.
    """

    segments: tuple[list[str], ...]
    labels: list[Any]
    places: list[tuple[str, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def x(self) -> Any:
        """What a classifier's `fit` takes: the texts, or a tuple for pairs."""
        return self.segments if len(self.segments) > 1 else self.segments[0]

    def rows(self) -> Iterable[tuple[str, ...]]:
        """Returns the texts of each row as they are compared: white space does not count."""
        folded = ([" ".join(text.split()) for text in texts] for texts in self.segments)
        return zip(*folded, strict=True)

    def take(self, chosen: Sequence[int]) -> "LabelledTexts":
        """Returns some of the rows, by index."""
        return LabelledTexts(
            tuple([texts[row] for row in chosen] for texts in self.segments),
            [self.labels[row] for row in chosen],
            [self.places[row] for row in chosen] if self.places else [],
        )


@dataclass(frozen=True)
class TrainingData:
    """What a classifier is trained on.

    Attributes:
        kind: What its labels are.
        train: Rows to learn from, no two with the same text, none with a validation text.
        validation: Rows to choose the epoch on.
        labels: The names of the classes in the training rows, sorted; numbers by value.
        dropped: Why rows were left out of the input, in words, with how many.
        contradictions: Texts that the input has with different labels; the first label counts.
        is_held_out: Whether the validation rows are held out of the input.
    """

    kind: LabelKind
    train: LabelledTexts
    validation: LabelledTexts
    labels: list[str]
    dropped: Counter[str] = field(default_factory=Counter)
    contradictions: int = 0
    is_held_out: bool = False


def read_training_data(
    inputs: Sequence[str],
    validation: Sequence[str] | None,
    seed: int,
    *,
    text_column: str,
    text_pair_column: str | None,
    label_column: str,
    input_format: str | None,
    dialect: Dialect = UNKNOWN,
    label_separator: str | None = None,
    task: Task | None = None,
) -> TrainingData:
    """Reads the rows to train and to validate on.

    Args:
        inputs: Files, globs and folders with labelled texts.
        validation: The same for validation; some of the inputs' rows if `None`.
        seed: Seed for choosing those rows.
        text_column: Name of the column with the text.
        text_pair_column: Name of the column with the second text of a pair.
        label_column: Name of the column with the label.
        input_format: As for `plan_corpus`.
        dialect: The same.
        label_separator: What separates the labels of a row that may have several.
        task: Whether the label is a number to predict, or a class; classes if `None`, unless labels
            look like numbers to predict.

    Raises:
        UserError: Too few rows, fewer than two labels, a label only in the validation data, or
            labels that look like numbers to predict, without a task.
    """
    columns: dict[str, Any] = {
        "text_column": text_column,
        "text_pair_column": text_pair_column,
        "label_column": label_column,
        "input_format": input_format,
        "dialect": dialect,
    }
    dropped: Counter[str] = Counter()
    corpus = plan_labelled(inputs, **columns)
    kind = _label_kind(corpus, label_column, label_separator, task)
    read = read_rows(corpus, label_column, kind, dropped)
    train, contradictions = without_duplicates(read, dropped)
    if validation:
        unread: Counter[str] = Counter()
        held = read_rows(plan_labelled(validation, **columns), label_column, kind, unread)
        dropped += unread
        if not len(held):
            raise UserError(f"there is no row to validate on{reason_of(unread)}")
        chosen = []
    else:
        chosen = held_out_rows(kind.strata(train.labels), seed)
        held = train.take(chosen)
    known = set(held.rows())
    kept = [row for row, texts in enumerate(train.rows()) if texts not in known]
    dropped["the text is among the validation texts"] += len(train) - len(kept) - len(chosen)
    train = train.take(kept)
    labels = kind.names(train.labels)
    if task is None and isinstance(kind, OneLabel):
        _check_classes(labels, len(train), label_column)
    _check(kind, train, labels, +dropped)
    check_texts(train, text_column)
    _check_held(kind, held, labels, label_column)
    return TrainingData(
        kind, train, held, labels, +dropped, contradictions, is_held_out=not validation
    )


def _check_held(
    kind: LabelKind, held: LabelledTexts, labels: Sequence[str], label_column: str
) -> None:
    """Raises `UserError` if nothing can be judged by the validation rows."""
    if not len(held):
        raise UserError(
            f"there is no row to validate on: no label of {label_column!r} has two rows, one to "
            "learn from and one to judge by; give rows with --validation, or name another "
            "--label_column"
        )
    if unknown := sorted(set(kind.names(held.labels)) - set(labels)):
        raise UserError(f"label {unknown[0]!r} is in the validation data but not in the input")


def _check(
    kind: LabelKind,
    train: LabelledTexts,
    labels: Sequence[str],
    dropped: Mapping[str, int],
) -> None:
    """Raises `UserError` unless there is something to learn in the training rows."""
    needed = {
        OneLabel: "rows of at least two labels",
        SeveralLabels: "rows with at least two labels",
    }.get(type(kind), "rows with numbers that differ")
    found = sorted({" + ".join(x) if isinstance(x, tuple) else str(x) for x in train.labels})
    if len(found if isinstance(kind, OneNumber) else labels) < 2:
        there = f"only {found[0]!r}" if found else "none"
        raise UserError(f"a classifier needs {needed}; there is {there}{reason_of(dropped)}")


def check_texts(train: LabelledTexts, text_column: str) -> None:
    """Raises `UserError` if all texts are numbers: another column holds the texts."""
    if len(train) >= _ENOUGH_TO_TELL and all(map(_is_number, chain(*train.segments))):
        raise UserError(
            f"column {text_column!r} for --text_column holds numbers, such as "
            f"{train.segments[0][0]!r}, and no texts; name the column with the texts"
        )


def _check_classes(labels: Sequence[str], num_rows: int, label_column: str) -> None:
    """Raises `UserError` if labels look like measurements: fractions, hardly two of them alike."""
    if len(labels) <= min(_MOST_FRACTIONS, num_rows / 2) or not all(map(_is_number, labels)):
        return
    fraction = next((label for label in labels if not float(label).is_integer()), None)
    if fraction is not None:
        raise UserError(
            f"column {label_column!r} for --label_column holds numbers, such as {fraction}: "
            "--task=regression predicts numbers, --task=classification takes each for a label"
        )


def reason_of(dropped: Mapping[str, int]) -> str:
    """Returns the most common reason why rows were left out, to be added to a message.

    Args:
        dropped: The reasons, and how many rows each.
    """
    if not (dropped := +Counter(dropped)):
        return ""
    reason, count = Counter(dropped).most_common(1)[0]
    return f", and {count:,} {'row was' if count == 1 else 'rows were'} left out: {reason}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def plan_labelled(
    inputs: Sequence[str],
    text_column: str,
    text_pair_column: str | None,
    label_column: str | None,
    input_format: str | None,
    dialect: Dialect,
) -> Corpus:
    """Finds the files and the columns of texts, and of their labels if a column is named."""
    return plan_corpus(
        inputs,
        input_format=input_format,
        text_column=text_column,
        text_pair_column=text_pair_column,
        columns=[] if label_column is None else [label_column],
        columns_flag="--label_column",
        dialect=dialect,
    )


def _label_field(corpus: Corpus, label_column: str) -> InputColumn:
    """Returns the column that the labels are in."""
    names = [column.name for column in corpus.fields]
    found = find_column(label_column, names) or find_column(label_column.strip(), names)
    return corpus.fields[names.index(found or label_column)]


def _label_kind(
    corpus: Corpus, label_column: str, separator: str | None, task: Task | None
) -> LabelKind:
    """Returns what the labels are, by the flags and the type of their column."""
    kind = _label_field(corpus, label_column).type
    is_list = any(
        is_kind(kind)
        for is_kind in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    )
    if task == "regression":
        if is_list or separator:
            raise UserError("--task=regression takes one number a text, not several labels")
        return OneNumber(label_column)
    return SeveralLabels(separator) if is_list or separator else OneLabel()


def read_rows(
    corpus: Corpus,
    label_column: str | None,
    kind: LabelKind,
    dropped: Counter[str],
    *,
    needs_labels: bool = True,
) -> LabelledTexts:
    """Reads texts and their labels into memory.

    Args:
        corpus: The files.
        label_column: Name of the column with the label, if there is one.
        kind: What the labels are.
        dropped: Collects the reasons why rows were left out, and how many.
        needs_labels: Whether rows without a label are left out; else their label is `None`. Those
            whose label is of another kind are left out in any case.
    """
    label = None if label_column is None else _label_field(corpus, label_column).output_name
    segments: tuple[list[str], ...] = tuple([] for _ in corpus.text_columns)
    labels: list[Any] = []
    places: list[tuple[str, int]] = []
    for unit in plan_units(corpus):
        for _, batch in read_unit(corpus, unit):
            dropped.update(batch.rejected.column("error").to_pylist())
            found, missing = _labels(kind, batch.rows, label)
            texts = [_values(corpus, batch.rows, name) for name in corpus.text_columns]
            if not needs_labels:
                del missing[_NO_LABEL]
            dropped.update(missing)
            lacking = (_UNREADABLE, None) if needs_labels else (_UNREADABLE,)
            rows = [row for row, label in enumerate(found) if label not in lacking]
            blank = [row for row in rows if not any(column[row].strip() for column in texts)]
            if blank:
                dropped["the text is empty"] += len(blank)
                rows = sorted(set(rows).difference(blank))
            labels += [found[row] for row in rows]
            sources, positions = (batch.rows.column(each.name) for each in (SOURCE, POSITION))
            names = [sys.intern(os.path.basename(source)) for source in sources.to_pylist()]
            at = positions.to_pylist()
            places += [(names[row], at[row]) for row in rows]
            for kept, column in zip(segments, texts, strict=True):
                kept += [column[row] for row in rows]
    return LabelledTexts(segments, labels, places)


def _labels(
    kind: LabelKind, rows: pa.RecordBatch, label: str | None
) -> tuple[list[Any], Counter[str]]:
    """Returns the label of each row, and why there is none, with how many rows.

    It is `None` where there is none, and `_UNREADABLE` where it is of another kind.
    """
    missing: Counter[str] = Counter()
    if label is None:
        return [None] * rows.num_rows, missing

    def read(value: Any) -> Any:
        try:
            found = kind.read(value)
        except ValueError as error:
            missing[str(error)] += 1
            return _UNREADABLE
        missing[_NO_LABEL] += found is None
        return found

    return [read(value) for value in rows.column(label).to_pylist()], +missing


_NO_LABEL = "there is no label"
_UNREADABLE = object()


def without_duplicates(data: LabelledTexts, dropped: Counter[str]) -> tuple[LabelledTexts, int]:
    """Returns the first row of each text, and how many texts have rows with other labels too.

    Where some rows of a text have a label, it is the first of these.
    """
    first: dict[tuple[str, ...], int] = {}
    contradicted = set()
    for row, (texts, label) in enumerate(zip(data.rows(), data.labels, strict=True)):
        known = data.labels[first.setdefault(texts, row)]
        if label is not None and known is None:
            first[texts] = row
        elif label not in (None, known):
            contradicted.add(texts)
    dropped["the text is a duplicate"] += len(data) - len(first)
    return data.take(list(first.values())), len(contradicted)


def held_out_rows(strata: Sequence[Hashable], seed: int) -> list[int]:
    """Chooses rows to validate on, the same share of each stratum, leaving at least one of each.

    Args:
        strata: The stratum of each row.
        seed: Seed of the choice.
    """
    count = len(strata)
    few, many = _HELD_OUT_ROWS
    wanted = min(max(HELD_OUT * count, min(0.2 * count, few)), many)
    order = list(range(count))
    random.Random(seed).shuffle(order)
    members: dict[Hashable, list[int]] = {}
    for row in order:
        members.setdefault(strata[row], []).append(row)
    # The strata that lose most by rounding down get one more, until there are as many as wanted.
    shares = {stratum: wanted * len(rows) / max(1, count) for stratum, rows in members.items()}
    taken = {stratum: min(int(shares[stratum]), len(rows) - 1) for stratum, rows in members.items()}
    for stratum in sorted(members, key=lambda each: taken[each] - shares[each]):
        if sum(taken.values()) >= round(wanted):
            break
        taken[stratum] += taken[stratum] < len(members[stratum]) - 1
    return [row for stratum, rows in members.items() for row in rows[: taken[stratum]]]


def _values(corpus: Corpus, rows: pa.RecordBatch, name: str) -> list[Any]:
    """Returns the values of a column, by its name in the input."""
    return rows.column(corpus.renamed.get(name, name)).to_pylist()
