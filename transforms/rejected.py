"""The schema of rejected rows, and how they are made."""

import base64
from collections.abc import Mapping, Sequence

import pyarrow as pa

from models.errors import UserError, quoted
from models.redaction import redacted
from transforms.schemas import POSITION, SOURCE

REJECTED = pa.schema(
    [
        SOURCE,
        POSITION,
        pa.field("raw", pa.binary()),  # what was read: a line, a CSV record, a JSON object
        pa.field("stage", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
    ]
)
"""Rows that could not be processed, with the reason. `raw` may hold invalid UTF-8."""

REJECTED_AS_TEXT = pa.schema(
    [
        SOURCE,
        POSITION,
        pa.field("raw", pa.string()),
        pa.field("raw_base64", pa.string()),  # in place of `raw`, if that is not UTF-8
        REJECTED.field("stage"),
        REJECTED.field("error"),
    ]
)
"""The same in formats that hold text alone."""


def rejected_batch(
    sources: list[str],
    positions: list[int],
    raws: list[bytes | None],
    stage: str,
    errors: list[str],
) -> pa.RecordBatch:
    """Returns rejected rows as a record batch of the schema `REJECTED`.

    Passwords and the like are left out of the errors, which the manifest and the summary repeat.
    """
    shown = {error: redacted(error) for error in set(errors)}  # most have the same few
    columns = [
        pa.array(sources, pa.string()),
        pa.array(positions, pa.int64()),
        pa.array(raws, pa.binary()),
        pa.array([stage] * len(sources), pa.string()),
        pa.array([shown[error] for error in errors], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=REJECTED)


def rejected_as_text(rejected: pa.RecordBatch) -> pa.RecordBatch:
    """Returns rejected rows in the schema `REJECTED_AS_TEXT`."""
    texts: list[str | None] = []
    encoded: list[str | None] = []
    for raw in rejected.column("raw").to_pylist():
        try:
            texts.append(None if raw is None else raw.decode())
            encoded.append(None)
        except UnicodeDecodeError:
            texts.append(None)
            encoded.append(base64.b64encode(raw).decode())
    made = {"raw": pa.array(texts, pa.string()), "raw_base64": pa.array(encoded, pa.string())}
    columns = [
        made[name] if name in made else rejected.column(name) for name in REJECTED_AS_TEXT.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=REJECTED_AS_TEXT)


def rejected_rows(
    batch: pa.RecordBatch, errors: Mapping[int, tuple[str, str]], columns: Sequence[str]
) -> pa.RecordBatch:
    """Returns rows of a record batch as rejected ones, in the schema `REJECTED`.

    Args:
        batch: A record batch with the columns `source` and `position`.
        errors: The stage that each rejected row failed in, and what is wrong with it, by its index.
        columns: Names of the text columns, whose values a rejected row keeps, UTF-8 or not; nothing
            is kept if one of them is null.

    Raises:
        UserError: The record batch lacks one of these columns.
    """
    rows, names = sorted(errors), batch.schema.names
    reason = errors[rows[0]][1]
    if missing := [name for name in (SOURCE.name, POSITION.name) if name not in names]:
        raise UserError(
            f"a row is rejected ({reason}), and its batch has no {quoted(missing)} that would name "
            "it: keep these columns of ReadCorpus"
        )
    if missing := [name for name in columns if name not in names]:
        raise UserError(
            f"a row is rejected ({reason}), and its batch has no {quoted(missing)} to keep of it, "
            f"but {quoted(names)}: name its columns of texts"
        )
    taken = batch.take(pa.array(rows, pa.int64()))
    texts = list(zip(*(_as_bytes(taken.column(name)) for name in columns), strict=True))
    rejected = rejected_batch(
        taken.column(SOURCE.name).to_pylist(),
        taken.column(POSITION.name).to_pylist(),
        [
            None if None in values else b"\t".join(values)
            for values in texts or [(None,)] * len(rows)
        ],
        "",
        [errors[row][1] for row in rows],
    )
    stages = pa.array([errors[row][0] for row in rows], pa.string())
    field = REJECTED.field("stage")
    return rejected.set_column(REJECTED.get_field_index(field.name), field, stages)


def _as_bytes(column: pa.Array) -> list[bytes | None]:
    """Returns texts as they are, UTF-8 or not, and other values as Python shows them."""
    try:
        return column.cast(pa.binary()).to_pylist()
    except pa.ArrowNotImplementedError:
        return [None if value is None else f"{value}".encode() for value in column.to_pylist()]
