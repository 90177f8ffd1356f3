"""Rows as the writer gets them, and a look into a folder of results."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.rejected import rejected_batch
from transforms.schemas import POSITION, SOURCE

SCHEMA = pa.schema(
    [
        SOURCE,
        POSITION,
        pa.field("text", pa.string()),
        pa.field("token_ids", pa.list_(pa.int32())),
        pa.field("num_tokens", pa.int32(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
        pa.field("label", pa.string()),
    ]
)


def rows_of(source: str, start: int, count: int) -> pa.RecordBatch:
    """Rows with two tokens each; those at even positions are positive, the first is truncated."""
    positions = range(start, start + count)
    columns = [
        [source] * count,
        positions,
        [f"text {i}" for i in positions],
        [[1, 2]] * count,
        [2] * count,
        [i == 0 for i in positions],
        ["positive" if i % 2 == 0 else "negative" for i in positions],
    ]
    arrays = [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def rejected_of(source: str, positions: list[int], stage: str, error: str) -> pa.RecordBatch:
    count = len(positions)
    return rejected_batch([source] * count, positions, [b"\xff"] * count, stage, [error] * count)


def column(part: Path, name: str) -> list:
    return pq.ParquetFile(part).read().column(name).to_pylist()


def positions_in(folder: Path) -> list[int]:
    return [p for part in sorted(folder.glob("*.parquet")) for p in column(part, "position")]


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
