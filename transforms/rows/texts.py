"""What makes a text none, and what is kept of a row that is rejected for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from models.errors import UserError, quoted
from transforms.rejected import rejected_batch
from transforms.rows.kinds import shown
from transforms.unit_batch import UnitBatch

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


def rejecting(
    batch: UnitBatch, wrong: Mapping[int, tuple[str, str]], columns: Sequence[str]
) -> UnitBatch:
    """Returns a batch with more rejected rows; they are among its rows still.

    Args:
        batch: The batch.
        wrong: The stage that a row failed in and what is wrong with it, by its index.
        columns: Names of the columns with the texts, which a rejected row keeps.
    """
    if not wrong:
        return batch
    if missing := {"source", "position"} - set(batch.rows.schema.names):
        raise UserError(
            f"a row is rejected ({next(iter(wrong.values()))[1]}), and its batch has no "
            f"{quoted(sorted(missing))} that would name it: keep these columns of ReadCorpus"
        )
    rejected = [batch.rejected]
    for row, (stage, error) in wrong.items():
        texts = [batch.rows.column(name)[row].cast(pa.binary()).as_py() for name in columns]
        raw = None if None in texts else b"\t".join(texts)
        (source,), (position,) = (
            batch.rows.column(name).slice(row, 1).to_pylist() for name in ("source", "position")
        )
        rejected.append(rejected_batch([source], [position], [raw], stage, [error]))
    both = pa.Table.from_batches(rejected).sort_by("position").combine_chunks()
    return replace(batch, rejected=both.to_batches()[0])
