"""Rows as the writer gets them, and a look into a folder of results."""

import csv
import io
import json
from pathlib import Path
from typing import Any

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


def rows_in_part(part: Path) -> list[dict[str, Any]]:
    """The rows of a part as others read them; of CSV all as strings, with null as an empty one."""
    if part.suffix == ".parquet":
        return pq.ParquetFile(part).read().to_pylist()
    if part.suffix == ".jsonl":
        return [json.loads(line) for line in part.read_bytes().split(b"\n") if line]
    # Python 3.10's csv module refuses NUL; UTF-8 never has a lone surrogate.
    text = part.read_bytes().decode().replace("\0", "\ud800")
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return [
        {name.replace("\ud800", "\0"): value.replace("\ud800", "\0") for name, value in row.items()}
        for row in rows
    ]


def column(part: Path, name: str) -> list:
    return [row[name] for row in rows_in_part(part)]


def positions_in(folder: Path) -> list[int]:
    return [int(p) for part in sorted(folder.glob("part-*")) for p in column(part, "position")]


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
