"""Rows of any kind through a model: gathered within a bundle, and given back one by one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import FixedWindows, GlobalWindows, Sessions, WindowFn
from apache_beam.utils.windowed_value import WindowedValue

from models.errors import UserError
from models.inference.prediction import Pending
from transforms.infer import Classify, Embed, PredictorHandler
from transforms.reading.layout import BATCH_BYTES, BATCH_ROWS
from transforms.rows.counting import is_told, with_counts
from transforms.rows.kinds import (
    UNIT_BATCHES,
    BatchesOfRows,
    Kind,
    RejectedRow,
    SingleRows,
    check_new_names,
    kind_or_other,
    python_values,
    shown,
)
from transforms.rows.texts import (
    MISSING,
    decoded_text,
    row_of,
    text_problem,
)
from transforms.rows.types import element_problem, text_column_of
from transforms.schemas import NUM_TOKENS, TRUNCATED
from transforms.tokenize import Tokenize
from transforms.unit_batch import UnitBatch, count_done, count_rejected, without_rows

REJECTED = "rejected"
"""The tag of rejected rows."""

_Given = Any
"""A `WindowedValue`, or one in a `TaggedOutput`, of which Beam would make a type hint."""


@dataclass(frozen=True)
class TextModel:
    """A model and what it does to rows, as it is sent to workers.

    Attributes:
        name: The name of the transform, for messages.
        tokenize: Tokenizes the columns of `stage_columns`.
        handler: Runs the model.
        infer: Makes columns of what the model gives.
        text_columns: Names of the columns with the texts.
        added: The columns that are added to rows, by the names that they have between the stages.
    """

    name: str
    tokenize: Tokenize
    handler: PredictorHandler
    infer: Classify | Embed
    text_columns: tuple[str, ...]
    added: Mapping[str, pa.Field]


def stage_columns(num_texts: int) -> list[str]:
    """Returns what the columns of texts are called between the stages."""
    return ["text", "text_pair"][:num_texts]


@dataclass(slots=True)
class _Held:
    """An element that waits for its results.

    Attributes:
        value: The element, with its timestamp, windows and pane.
        kind: Its kind.
        first: The index of its first row in the batch.
        stop: That after its last.
        is_wrong: Whether none of its rows can be read, and nothing is left of it.
    """

    value: WindowedValue
    kind: Kind
    first: int
    stop: int
    is_wrong: bool


@dataclass
class _Gathered:
    """Elements that go through the model together.

    Attributes:
        texts: Their texts, for each column of texts; None where `errors` has the row.
        held: The elements.
        errors: What is wrong with a row, by its index: the stage, and a message.
        size: Characters or bytes of the texts, about.
    """

    texts: list[list[str | None]]
    held: list[_Held] = field(default_factory=list)
    errors: dict[int, tuple[str, str]] = field(default_factory=dict)
    size: int = 0

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.texts[0])

    @property
    def is_full(self) -> bool:
        """Whether the next element belongs in another batch."""
        return self.num_rows >= BATCH_ROWS or self.size >= BATCH_BYTES

    def add_wrong(self, num_rows: int, problem: str) -> None:
        """Adds rows that cannot be read, for the same reason."""
        for _ in range(num_rows):
            self.errors[self.num_rows] = ("read", problem)
            for texts in self.texts:
                texts.append(None)


def infer_rows(
    model: TextModel, gives_rejected: bool, windows: WindowFn | None = None
) -> beam.DoFn:
    """Returns what adds a model's results to rows.

    Elements of a bundle are gathered into batches, whatever windows they are in; each comes out
    with the timestamp, window and pane that it came with, in order. While the model computes a
    batch, the next one is gathered and tokenized.

    Args:
        model: What to run.
        gives_rejected: Whether rows that cannot go on are given out, tagged `REJECTED`; else the
            first one ends the pipeline.
        windows: What windows the rows are in; any if None.
    """
    in_one = isinstance(windows, (GlobalWindows, FixedWindows, Sessions))
    return (_InOneWindow if in_one else _InAnyWindows)(model, gives_rejected)


class _InferRows(beam.DoFn):
    def __init__(self, model: TextModel, gives_rejected: bool) -> None:
        self._model = model
        self._gives_rejected = gives_rejected
        self._tokenizer = model.tokenize.batches
        self._results = model.infer.results
        self._names = [column.name for column in model.added.values()]
        self._truncated = Metrics.counter("textbeam", "rows_truncated")
        self._waiting: tuple[_Gathered, UnitBatch, Pending | None] | None = None

    def setup(self) -> None:
        self._predictor = self._model.handler.load_model()
        self._tokenizer.setup()

    def teardown(self) -> None:
        self._forget()
        self._tokenizer.teardown()

    def start_bundle(self) -> None:
        self._forget()
        self._gathered = self._empty()

    def _gather(self, value: WindowedValue) -> Iterable[_Given]:
        """Takes an element in; returns what can be given out, if that is anything."""
        element, gathered = value.value, self._gathered
        kind = kind_or_other(element)
        first = gathered.num_rows
        columns, names = self._model.text_columns, self._names
        problem = element_problem(element, kind, columns, names, self._gives_rejected)
        if problem is not None:
            gathered.add_wrong(
                1 if isinstance(kind, SingleRows) else len(kind.rows(element)), problem
            )
        elif isinstance(kind, SingleRows):
            self._gather_row(element, kind, gathered)
        else:
            self._gather_batch(kind.rows(element), gathered)
        gathered.held.append(_Held(value, kind, first, gathered.num_rows, problem is not None))
        return self._advance() if gathered.is_full else ()

    def finish_bundle(self) -> Iterator[_Given]:
        if self._gathered.held:
            yield from self._advance()
        yield from self._finish()

    def _empty(self) -> _Gathered:
        return _Gathered([[] for _ in self._model.text_columns])

    def _forget(self) -> None:
        """Gives up what an earlier bundle left that failed."""
        if self._waiting is not None:
            pending = self._waiting[2]
            if pending is not None:
                pending.cancel()
            self._waiting = None

    def _gather_row(self, element: Any, kind: SingleRows, gathered: _Gathered) -> None:
        columns = self._model.text_columns
        if type(element) is str and element.isascii():  # the quick way for what is most usual
            gathered.texts[0].append(element)
            gathered.size += len(element)
            return
        fields = kind.as_fields(element, columns[0])
        problem = None
        for texts, column in zip(gathered.texts, columns, strict=True):
            text = fields.get(column, MISSING)
            wrong = text_problem(text, column, fields)
            problem = problem or wrong
            texts.append(None if wrong else text)
            gathered.size += 0 if wrong else len(text)
        if self._gives_rejected and not problem and not fields.keys().isdisjoint(self._names):
            name = next(name for name in self._names if name in fields)
            problem = f"{name!r} is in the row already"
        if problem:
            gathered.errors[gathered.num_rows - 1] = ("read", problem)

    def _gather_batch(self, rows: pa.RecordBatch, gathered: _Gathered) -> None:
        first = gathered.num_rows
        for texts, name in zip(gathered.texts, self._model.text_columns, strict=True):
            column = text_column_of(rows, name, self._model.name)
            gathered.size += column.nbytes
            try:
                texts += column.to_pylist()
            except UnicodeDecodeError:  # Arrow does not look at what it is given as strings
                texts += [decoded_text(value) for value in column.cast(pa.binary())]
            for row in range(first, len(texts)) if None in texts[first:] else ():
                if texts[row] is None:
                    is_null = column[row - first].is_valid is False
                    problem = f"{name!r} is null" if is_null else f"{name!r} is not UTF-8"
                    gathered.errors.setdefault(row, ("read", problem))

    def _advance(self) -> Iterator[_Given]:
        """Hands what was gathered to the model, and gives out the batch before."""
        gathered, self._gathered = self._gathered, self._empty()
        batch = self._tokenized(gathered)
        pending = None
        if batch.rows.num_rows:
            truncated = batch.rows.column(TRUNCATED.name).true_count
            if truncated:
                self._truncated.inc(truncated)
            if not is_told(NUM_TOKENS, self._model.added):
                tokens = pc.sum(batch.rows.column(NUM_TOKENS.name)).as_py()
                batch = batch.count({"tokens": tokens})
            pending = self._model.handler.run_inference(batch, self._predictor)[0][1]
        before, self._waiting = self._waiting, (gathered, batch, pending)
        if before is not None:
            yield from self._given(*before)

    def _finish(self) -> Iterator[_Given]:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            yield from self._given(*waiting)

    def _tokenized(self, gathered: _Gathered) -> UnitBatch:
        """Returns the rows that have texts, with their token ids, as the stages know them."""
        positions = np.arange(gathered.num_rows)
        if gathered.errors:
            positions = np.delete(positions, list(gathered.errors))
        columns = {
            name: pa.array([texts[row] for row in positions.tolist()], pa.string())
            for name, texts in zip(stage_columns(len(gathered.texts)), gathered.texts, strict=True)
        }
        rows = pa.RecordBatch.from_pydict(
            {
                **columns,
                "source": pa.repeat(pa.scalar("", pa.string()), len(positions)),
                "position": pa.array(positions, pa.int64()),
            }
        )
        if not len(rows):
            return UnitBatch(rows)
        return next(iter(self._tokenizer.process(UnitBatch(rows))))

    def _given(
        self, gathered: _Gathered, batch: UnitBatch, pending: Pending | None
    ) -> Iterator[_Given]:
        """Yields elements with their results, and rows that were rejected."""
        if pending is not None:
            batch = self._results.added(batch, pending.result())
            count_done(batch.rows.num_rows)
        count_rejected(len(gathered.errors))  # the stages count theirs
        errors = gathered.errors
        for row in batch.rejected.to_pylist():
            errors[row["position"]] = (row["stage"], row["error"])
        if errors and not self._gives_rejected:
            self._raise(gathered)
        rows, names = batch.rows, self._names
        columns = [
            rows.column(name) if rows.num_rows else pa.array([], column.type)
            for name, column in self._model.added.items()
        ]
        positions = rows.column("position").to_numpy()
        values: dict[bool, dict[int, tuple[Any, ...]]] = {}
        counts = batch.counts
        for held in gathered.held:
            if isinstance(held.kind, BatchesOfRows):
                span = np.searchsorted(positions, [held.first, held.stop]).tolist()
                of_it = [column.slice(span[0], span[1] - span[0]) for column in columns]
                if held.kind is UNIT_BATCHES:
                    results = rows.slice(span[0], span[1] - span[0])
                    element = held.value.value
                    element = with_counts(element, results, self._model.added, counts)
                    held.value = held.value.with_value(element)
                    counts = {}  # those of all are added up in the end
                yield from self._given_batch(held, of_it, errors)
                continue
            kind = held.kind
            if held.first in errors:
                stage, error = errors[held.first]
                rejected = RejectedRow(held.value.value, stage, error)
                yield TaggedOutput(REJECTED, held.value.with_value(rejected))
                continue
            if kind.has_rows not in values:
                lists = (python_values(column, kind.has_rows) for column in columns)
                tuples = zip(*lists, strict=True)
                values[kind.has_rows] = dict(zip(positions.tolist(), tuples, strict=True))
            fields = kind.as_fields(held.value.value, self._model.text_columns[0])
            if not fields.keys().isdisjoint(names):
                check_new_names(names, list(fields))
            new = zip(names, values[kind.has_rows][held.first], strict=True)
            yield held.value.with_value(kind.make({**fields, **dict(new)}))

    def _given_batch(
        self,
        held: _Held,
        columns: Sequence[pa.Array],
        errors: Mapping[int, tuple[str, str]],
    ) -> Iterator[_Given]:
        """Yields a batch with the results of its rows, and those that were rejected."""
        kind, element = held.kind, held.value.value
        assert isinstance(kind, BatchesOfRows)
        fields = list(self._model.added.values())
        rows = kind.rows(element)
        if not held.is_wrong:
            check_new_names(self._names, rows.schema.names)
        wrong = {
            row - held.first: errors[row]
            for row in (range(held.first, held.stop) if errors else ())
            if row in errors
        }
        if kind is UNIT_BATCHES:
            element = element.with_rejected(wrong, self._model.text_columns)
        else:
            for row, (stage, error) in wrong.items():
                rejected = RejectedRow(row_of(rows, row), stage, error)
                yield TaggedOutput(REJECTED, held.value.with_value(rejected))
        if held.is_wrong:
            return
        rows = without_rows(rows, wrong)
        schema = pa.schema([*rows.schema, *fields], rows.schema.metadata)
        changed = pa.RecordBatch.from_arrays([*rows.columns, *columns], schema=schema)
        yield held.value.with_value(kind.replaced(element, changed))

    def _raise(self, gathered: _Gathered) -> None:
        """Raises `UserError` for the first row that cannot go on, unless it travels in a batch."""
        for held in gathered.held:
            if held.kind is UNIT_BATCHES:
                continue  # which keeps its rejected rows
            for row in range(held.first, held.stop):
                if row in gathered.errors:
                    stage, error = gathered.errors[row]
                    element = held.value.value
                    if isinstance(held.kind, BatchesOfRows):
                        element = row_of(held.kind.rows(element), row - held.first)
                    raise UserError(
                        f"{self._model.name} rejects a row ({stage}: {error}): {shown(element)}; "
                        "to go on without such rows, take them apart: rows, rejected = … | "
                        f"{self._model.name}(…).with_exception_handling()"
                    )


class _InAnyWindows(_InferRows):
    def process(
        self,
        element: Any,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterable[_Given]:
        return self._gather(WindowedValue(element, timestamp, (window,), pane))


class _InOneWindow(_InferRows):
    """For rows each of which is in one window: what Beam is asked for less costs half.

    Of rows in several, it would multiply the windows of what is given out meanwhile.
    """

    def process(self, element: Any, value: Any = beam.DoFn.WindowedValueParam) -> Iterable[_Given]:
        return self._gather(value)
