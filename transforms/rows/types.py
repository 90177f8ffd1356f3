"""Types of columns, as Arrow and as Beam's schemas call them."""

import typing
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.typehints import arrow_type_compatibility, schemas
from apache_beam.typehints.row_type import RowTypeConstraint

from models.errors import UserError
from transforms.rows.kinds import (
    CHOICES,
    DICTS,
    OTHERS,
    RECORD_BATCHES,
    TEXTS,
    BatchesOfRows,
    Kind,
    check_new_names,
    kind_of,
    row_fields,
)

_PYTHON: dict[pa.DataType, Any] = {
    pa.string(): str,
    pa.float32(): np.float32,
    pa.float16(): np.float32,  # which Beam's schemas lack
    pa.int32(): np.int32,
    pa.bool_(): bool,
}


def hint_of(type_: pa.DataType) -> Any:
    """Returns Beam's type hint for a column of results."""
    if type_ in _PYTHON:
        return _PYTHON[type_]
    if pa.types.is_struct(type_):  # names of labels need not be names of attributes
        value: Any = hint_of(type_.field(0).type)
        return typing.Mapping[str, value]
    inner = type_.value_type
    if pa.types.is_struct(inner):
        hint: Any = RowTypeConstraint.from_fields([(f.name, hint_of(f.type)) for f in inner])
    else:
        hint = hint_of(inner)
    return typing.Sequence[hint]


def output_hint(
    element_type: Any, text_columns: Sequence[str], added: Sequence[pa.Field], taker: str
) -> Any:
    """Returns Beam's type hint for elements with results.

    Args:
        element_type: The hint of the elements without them.
        text_columns: Names of the columns with the texts.
        added: The columns of the results.
        taker: The name of the transform, for messages.

    Raises:
        UserError: The elements are known to lack a text, or to have a column of such a name.
    """
    kind = kind_of(element_type)
    if kind is None:
        return typing.Any
    if isinstance(kind, BatchesOfRows):
        return element_type
    if kind is TEXTS:
        if len(text_columns) > 1:
            raise UserError(
                f"{taker}: pairs are rows with two columns, and the elements are str: make them "
                "dict or beam.Row"
            )
        fields: Sequence[tuple[str, Any]] = [(text_columns[0], str)]
    else:
        found = row_fields(element_type)
        if found is None:
            return dict[str, typing.Any] if kind is DICTS else typing.Any
        fields = found
        names = [name for name, _ in fields]
        for column in text_columns:
            if column not in names:
                raise UserError(
                    f"{taker}: the rows have no {column!r}, but {', '.join(names)}: name the "
                    "column of texts with text_column"
                )
    check_new_names([field.name for field in added], [name for name, _ in fields])
    return RowTypeConstraint.from_fields([*fields, *((f.name, hint_of(f.type)) for f in added)])


def schema_of_rows(element_type: Any) -> pa.Schema | None:
    """Returns the columns that rows become, as far as Beam's hint for them tells.

    Raises:
        UserError: A field has a type that Arrow has no column for.
    """
    fields = row_fields(element_type)
    if fields is None:
        return None
    try:
        as_schema = schemas.named_fields_to_schema(list(fields))
        return arrow_type_compatibility.arrow_schema_from_beam_schema(as_schema)
    except (NotImplementedError, ValueError) as error:
        raise UserError(
            f"the fields of the rows do not tell their columns ({error}): give schema=, a "
            "pyarrow.Schema"
        ) from None


def arrow_rows(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Returns rows as a record batch.

    Args:
        rows: The values by the names of their columns; a missing one is null.
        schema: The columns.

    Raises:
        UserError: A value does not fit its column, or a row has another one.
    """
    known = set(schema.names)
    for row in rows:
        if not known.issuperset(row):
            other = next(name for name in row if name not in known)
            raise UserError(
                f"a row has {other!r}, which is not among the columns {', '.join(schema.names)}: "
                "add it to schema=, or leave it out of the rows"
            )
    columns = []
    for field in schema:
        values = [_arrow_value(row.get(field.name)) for row in rows]
        try:
            columns.append(pa.array(values, field.type))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise UserError(
                f"column {field.name!r} is {field.type}, and a value does not fit: {error}"
            ) from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Returns a record batch with the columns of a schema, in its order and of its types.

    Raises:
        UserError: It has others, or a value does not fit.
    """
    if batch.schema.equals(schema):
        return batch
    if set(batch.schema.names) != set(schema.names):
        raise UserError(
            f"a record batch has the columns {', '.join(batch.schema.names)}, and others have "
            f"{', '.join(schema.names)}: give all the same"
        )
    columns = []
    for field in schema:
        column = batch.column(field.name)
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            raise UserError(
                f"column {field.name!r} is {column.type} in a record batch and {field.type} in "
                f"others: give schema= with a type for both ({error})"
            ) from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _arrow_value(value: Any) -> Any:
    """Returns a value of a row as Arrow takes it."""
    if isinstance(value, beam.Row):
        return {name: _arrow_value(inner) for name, inner in value.as_dict().items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _arrow_value(inner) for name, inner in value._asdict().items()}
    if isinstance(value, list | tuple) and value and isinstance(value[0], beam.Row | tuple):
        return [_arrow_value(inner) for inner in value]
    return value


def text_column_of(batch: pa.RecordBatch, name: str, taker: str) -> pa.Array:
    """Returns a column of texts as strings.

    Raises:
        UserError: There is no such column, or it holds something else.
    """
    if name not in batch.schema.names:
        raise UserError(
            f"{taker}: a record batch has no column {name!r}, but "
            f"{', '.join(batch.schema.names)}: name the column of texts with text_column"
        )
    column = batch.column(name)
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if type_ == pa.null() or pa.types.is_string(type_):
        return column.cast(pa.string())
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return column.cast(pa.string())
    raise UserError(f"{taker}: the column {name!r} is {column.type}, and texts are strings")


def element_problem(
    element: Any, kind: Kind, text_columns: Sequence[str], added: Sequence[str], looks_in: bool
) -> str | None:
    """Returns why an element is no row, or why all rows of a record batch are none; else None.

    Args:
        element: The element.
        kind: Its kind.
        text_columns: Names of the columns with the texts.
        added: Names of the columns of the results.
        looks_in: Whether to look at the columns of record batches too.
    """
    if kind is OTHERS:
        return f"an element of the type {type(element).__name__} is none of {CHOICES}"
    if kind is TEXTS and len(text_columns) > 1:
        return "pairs are rows with two columns, and an element is a str: make it a dict"
    if kind is RECORD_BATCHES and looks_in:
        try:
            for column in text_columns:
                text_column_of(element, column, "a row")
            check_new_names(added, element.schema.names)
        except UserError as error:
            return str(error)
    return None
