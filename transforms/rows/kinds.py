"""The kinds of elements that rows come in: what is read of one, and how results are added to it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
from apache_beam.typehints import typehints
from apache_beam.typehints.row_type import RowTypeConstraint

from models.errors import UserError
from models.redaction import redacted
from transforms.unit_batch import UnitBatch, batch_as_ipc, batch_from_ipc

_SHOWN_CHARACTERS = 200

CHOICES = (
    "str, dict, beam.Row, NamedTuple, dataclass, pyarrow.RecordBatch, and what ReadCorpus gives"
)
"""The kinds, for messages."""


class RejectedRow(NamedTuple):
    """A row that could not go on.

    Attributes:
        row: The row as it was given: of a record batch a dict, of a file what was read there.
        stage: What it failed in: `read`, `tokenize` or `infer`.
        error: What is wrong with it.
    """

    row: Any
    stage: str
    error: str


@dataclass(frozen=True)
class SingleRows:
    """Elements each of which is a row.

    Attributes:
        as_fields: Returns the values of an element by their names, given the name that its text
            has if the element has none.
        make: Returns what an element becomes with these values.
        has_rows: Whether an object in a list is a `beam.Row` in it, not a dict.
    """

    as_fields: Callable[[Any, str], Mapping[str, Any]]
    make: Callable[[dict[str, Any]], Any]
    has_rows: bool = True


@dataclass(frozen=True)
class BatchesOfRows:
    """Elements each of which is many rows.

    Attributes:
        rows: Returns the record batch of an element.
        replaced: Returns the element with another record batch.
    """

    rows: Callable[[Any], pa.RecordBatch]
    replaced: Callable[[Any, pa.RecordBatch], Any]


def _row(fields: dict[str, Any]) -> beam.Row:
    return beam.Row(**fields)


TEXTS = SingleRows(lambda text, name: {name: text}, _row)
DICTS = SingleRows(lambda row, name: row, dict, has_rows=False)
ROWS = SingleRows(lambda row, name: row.as_dict(), _row)
NAMED_TUPLES = SingleRows(lambda row, name: row._asdict(), _row)
DATACLASSES = SingleRows(
    lambda row, name: {field.name: getattr(row, field.name) for field in dataclasses.fields(row)},
    _row,
)
RECORD_BATCHES = BatchesOfRows(lambda rows: rows, lambda rows, changed: changed)
OTHERS = SingleRows(lambda element, name: {}, _row)
"""What is none of the kinds, and can only be rejected."""
UNIT_BATCHES = BatchesOfRows(lambda batch: batch.rows, UnitBatch.with_rows)

Kind = SingleRows | BatchesOfRows


def kind_of(element_type: Any) -> Kind | None:
    """Returns the kind of elements of a type, or of Beam's hint for it; None if it is not known."""
    if isinstance(element_type, RowTypeConstraint):
        return ROWS
    if isinstance(element_type, typehints.DictConstraint):
        return DICTS
    if not isinstance(element_type, type):
        return None
    kinds: tuple[tuple[Any, Kind], ...] = (
        ((str, type(None)), TEXTS),  # a null is a row that has no text
        (UnitBatch, UNIT_BATCHES),
        (pa.RecordBatch, RECORD_BATCHES),
        (Mapping, DICTS),
        (beam.Row, ROWS),
    )
    for classes, kind in kinds:
        if issubclass(element_type, classes):
            return kind
    if issubclass(element_type, tuple) and hasattr(element_type, "_fields"):
        return NAMED_TUPLES
    return DATACLASSES if dataclasses.is_dataclass(element_type) else None


def kind_or_other(element: Any) -> Kind:
    """Returns the kind of an element; `OTHERS` if it is not of any."""
    return _cached_kind(type(element)) or OTHERS


def kind_for(element: Any, taker: str) -> Kind:
    """Returns the kind of an element.

    Args:
        element: The element.
        taker: The name of the transform that takes it.

    Raises:
        UserError: It is not of any.
    """
    kind = _cached_kind(type(element))
    if kind is None:
        raise UserError(f"{taker} takes {CHOICES}; an element is of the type {type(element)!r}")
    return kind


_cached_kind: Callable[[Any], Kind | None] = lru_cache(kind_of)


def row_fields(element_type: Any) -> tuple[tuple[str, Any], ...] | None:
    """Returns the names and types of the fields of rows, if Beam's hint for them tells."""
    if not isinstance(element_type, RowTypeConstraint):
        element_type = (
            RowTypeConstraint.from_user_type(element_type)
            if kind_of(element_type) in (NAMED_TUPLES, DATACLASSES)
            else None
        )
    return None if element_type is None else tuple(element_type._fields)


def python_values(column: pa.Array, has_rows: bool) -> list[Any]:
    """Returns the values of a column of results, vectors as lists.

    Args:
        column: The column.
        has_rows: Whether an object in a list becomes a `beam.Row`.
    """
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        return column.flatten().to_numpy().reshape(len(column), width).tolist()
    values = column.to_pylist()
    if has_rows and pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type):
        return [[beam.Row(**entry) for entry in entries] for entries in values]
    return values


def shown(row: Any) -> str:
    """Returns a row as a message shows it: not all of a long one, and no secret."""
    text = redacted(repr(row))
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def check_new_names(names: Sequence[str], existing: Sequence[str]) -> None:
    """Raises `UserError` if rows have a column already that is to be added to them."""
    for name in names:
        if name in existing:
            raise UserError(
                f"the rows have {name!r} already: call the new one something else, as with "
                f"rename={{{name!r}: 'new_{name}'}}"
            )


class RecordBatchCoder(beam.coders.Coder):
    """Writes record batches as Arrow IPC: pickled, a slice would carry all that it was cut from."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        """Returns the batch as an Arrow IPC stream."""
        return batch_as_ipc(value)

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        """Returns the batch that `encode` was given."""
        return batch_from_ipc(encoded)

    def is_deterministic(self) -> bool:
        """Returns False: batches are never keys."""
        return False

    def to_type_hint(self) -> type:
        """Returns the type that this coder is for."""
        return pa.RecordBatch


beam.coders.registry.register_coder(pa.RecordBatch, RecordBatchCoder)
