"""The schema of rejected rows, and how they are made."""

import base64
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

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


def reject_rows(
    batch: pa.RecordBatch, errors: Mapping[int, str], columns: Sequence[str], stage: str
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Takes rows out of a record batch.

    Args:
        batch: A record batch with the columns `source` and `position`.
        errors: What is wrong with each rejected row, by its index.
        columns: Names of the text columns, whose values a rejected row keeps.
        stage: The stage that rejects them.

    Returns:
        The rejected rows, in the schema `REJECTED`, and the other rows.
    """
    rows = sorted(errors)
    taken = batch.take(pa.array(rows, pa.int64()))
    texts = [taken.column(name).to_pylist() for name in columns]
    rejected = rejected_batch(
        taken.column("source").to_pylist(),
        taken.column("position").to_pylist(),
        ["\t".join(values).encode() for values in zip(*texts, strict=True)],
        stage,
        [errors[row] for row in rows],
    )
    kept = np.ones(len(batch), bool)
    kept[rows] = False
    return rejected, batch.filter(pa.array(kept))
