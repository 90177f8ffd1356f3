"""Labelled texts for training, read from the files that the other commands read."""

import functools
import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from models.errors import UserError
from pipelines.console import printable
from transforms.corpus import Corpus, plan_corpus
from transforms.units import read_unit, split_file


@dataclass(frozen=True)
class LabelledTexts:
    """Rows to train or to validate on.

    Attributes:
        segments: The texts; for pairs the first ones and the second ones.
        labels: The label of each row, as the data spells it.
    """

    segments: tuple[list[str], ...]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def x(self) -> Any:
        """What a classifier's `fit` takes: the texts, or a tuple for pairs."""
        return self.segments if len(self.segments) > 1 else self.segments[0]

    def classes(self, labels: Sequence[str]) -> np.ndarray:
        """Returns the index of each row's label, int64 `[rows]`."""
        index = {label: number for number, label in enumerate(labels)}
        return np.array([index[label] for label in self.labels], np.int64)

    def rows(self) -> Iterable[tuple[str, ...]]:
        """Returns the texts of each row, as they are told apart: white space does not count."""
        folded = ([" ".join(text.split()) for text in texts] for texts in self.segments)
        return zip(*folded, strict=True)

    def take(self, chosen: Sequence[int]) -> "LabelledTexts":
        """Returns some of the rows, by index."""
        return LabelledTexts(
            tuple([texts[row] for row in chosen] for texts in self.segments),
            [self.labels[row] for row in chosen],
        )


@dataclass(frozen=True)
class TrainingData:
    """What a classifier is trained on.

    Attributes:
        train: Rows to learn from, no two alike, none of them a validation text.
        validation: Rows to choose the epoch on.
        labels: The labels in the training rows, sorted; numbers by value.
        dropped: What was left out of the input, in words, with how many rows.
    """

    train: LabelledTexts
    validation: LabelledTexts
    labels: list[str]
    dropped: Counter[str] = field(default_factory=Counter)

    def describe(self) -> str:
        """Returns a line on the data for a person."""
        counts = Counter(self.train.labels)
        labels = ", ".join(f"{printable(label)} {counts[label]:,}" for label in self.labels[:20])
        more = f" and {len(self.labels) - 20} more" if len(self.labels) > 20 else ""
        lines = [
            f"training on {len(self.train):,} texts ({labels}{more}), "
            f"validating on {len(self.validation):,}"
        ]
        for reason, count in self.dropped.items():
            rows = "row" if count == 1 else "rows"
            lines.append(f"left out {count:,} {rows}: {printable(reason)}")
        return "\n".join(lines)


def read_training_data(
    inputs: Sequence[str],
    validation: Sequence[str] | None,
    held_out: float,
    seed: int,
    **columns: Any,
) -> TrainingData:
    """Reads the rows to train and to validate on.

    Args:
        inputs: Files, globs and folders with labelled texts.
        validation: The same for validation; some of the inputs' rows if `None`.
        held_out: Share of the rows to hold out if there is no validation data.
        seed: Of the choice of those rows.
        **columns: Of `read_labelled`.

    Raises:
        UserError: Too few rows, fewer than two labels, or a label in the validation data alone.
    """
    dropped: Counter[str] = Counter()
    train = _without_duplicates(read_labelled(inputs, dropped=dropped, **columns), dropped)
    if validation:
        held = read_labelled(validation, dropped=dropped, **columns)
        chosen = []
    else:
        chosen = _held_out_rows(train.labels, held_out, seed)
        held = train.take(chosen)
    known = set(held.rows())
    kept = [row for row, texts in enumerate(train.rows()) if texts not in known]
    dropped["the text is among the validation texts"] += len(train) - len(kept) - len(chosen)
    train = train.take(kept)
    labels = sorted(set(train.labels), key=_by_value)
    if len(labels) < 2:
        found = f"only {labels[0]!r}" if labels else "none"
        if dropped := +dropped:
            reason, count = dropped.most_common(1)[0]
            found += f", and {count:,} rows were left out: {reason}"
        raise UserError(f"a classifier needs rows of at least two labels; there is {found}")
    if not len(held):
        raise UserError("there is no row to validate on; give some with --validation")
    if unknown := sorted(set(held.labels) - set(labels)):
        raise UserError(f"label {unknown[0]!r} is in the validation data but not in the input")
    return TrainingData(train, held, labels, +dropped)


def read_labelled(
    inputs: Sequence[str],
    *,
    text_column: str,
    text_pair_column: str | None,
    label_column: str,
    input_format: str | None,
    dropped: Counter[str],
) -> LabelledTexts:
    """Reads texts and their labels into memory.

    Args:
        inputs: Files, globs and folders.
        text_column: Name of the column with the text.
        text_pair_column: Name of the column with the second text of a pair.
        label_column: Name of the column with the label.
        input_format: As for `plan_corpus`.
        dropped: Takes the reasons why rows were left out, and how many.

    Raises:
        UserError: No such file or column.
    """
    plan = functools.partial(
        plan_corpus,
        inputs,
        input_format=input_format,
        text_column=text_column,
        text_pair_column=text_pair_column,
    )
    corpus = plan()
    there = [column.name for column in corpus.fields]
    if label_column not in there:
        listed = ", ".join(map(repr, there))
        raise UserError(
            f"no column {label_column!r} for --label_column in {corpus.files[0].path!r}, which "
            f"has {listed}"
        )
    corpus = plan(columns=[label_column])
    segments: tuple[list[str], ...] = tuple([] for _ in corpus.text_columns)
    labels: list[str] = []
    for file in corpus.files:
        for unit in split_file(corpus, file):
            for batch in read_unit(corpus, unit):
                dropped.update(batch.rejected.column("error").to_pylist())
                spelled = [_spell(value) for value in _values(corpus, batch.rows, label_column)]
                rows = [row for row, label in enumerate(spelled) if label.strip()]
                dropped["there is no label"] += len(spelled) - len(rows)
                labels += [spelled[row] for row in rows]
                for kept, name in zip(segments, corpus.text_columns, strict=True):
                    column = _values(corpus, batch.rows, name)
                    kept += [column[row] for row in rows]
    return LabelledTexts(segments, labels)


def _without_duplicates(data: LabelledTexts, dropped: Counter[str]) -> LabelledTexts:
    first: dict[tuple[str, ...], int] = {}
    for row, texts in enumerate(data.rows()):
        first.setdefault(texts, row)
    dropped["the text stands in the input before"] += len(data) - len(first)
    return data.take(list(first.values()))


def _held_out_rows(labels: Sequence[str], share: float, seed: int) -> list[int]:
    """Chooses a share of the rows at random; of each label at least one row is left."""
    order = list(range(len(labels)))
    random.Random(seed).shuffle(order)
    left = Counter(labels)
    chosen: list[int] = []
    for row in order:
        if len(chosen) == max(1, round(share * len(order))):
            break
        if left[labels[row]] > 1:
            left[labels[row]] -= 1
            chosen.append(row)
    return chosen


def _values(corpus: Corpus, rows: pa.RecordBatch, name: str) -> list[Any]:
    """Returns the values of a column, which the input calls by this name."""
    return rows.column(corpus.renamed.get(name, name)).to_pylist()


def _spell(label: Any) -> str:
    if label is None:
        return ""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _by_value(label: str) -> tuple[float, str]:
    try:
        value = float(label)
    except ValueError:
        value = math.inf
    return (value if math.isfinite(value) else math.inf), label
