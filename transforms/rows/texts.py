"""What makes a text none, and how a row is shown that is rejected for it."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from models.errors import quoted
from transforms.rows.kinds import shown

MISSING = object()
"""Stands for the value of a column that a row lacks."""


def text_problem(text: Any, column: str, fields: Mapping[str, Any]) -> str | None:
    """Returns why the value of a column of texts is none, or None.

    Args:
        text: The value; `MISSING` if there is no such column.
        column: Its name.
        fields: The row.
    """
    if isinstance(text, str):
        if text.isascii():
            return None
        try:
            text.encode()
        except UnicodeEncodeError:
            return f"{column!r} cannot be written as UTF-8"
        return None
    if text is MISSING:
        return f"no {column!r} in the row, which has {quoted(fields) or 'nothing'}"
    return (
        f"{column!r} is null" if text is None else f"{column!r} is not a string but {shown(text)}"
    )


def decoded_text(value: pa.Scalar) -> str | None:
    """Returns bytes as a text; None for null, and for what is not UTF-8."""
    try:
        return None if value.as_py() is None else value.as_py().decode()
    except UnicodeDecodeError:
        return None


def row_of(batch: pa.RecordBatch, row: int) -> dict[str, Any]:
    """Returns a row of a record batch as a dict; strings that are not UTF-8 are bytes in it."""
    found = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        value = column.slice(row, 1)
        try:
            (found[name],) = value.to_pylist()
        except UnicodeDecodeError:
            (found[name],) = value.cast(pa.binary()).to_pylist()
    return found
