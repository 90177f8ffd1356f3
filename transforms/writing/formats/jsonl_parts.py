"""Parts in JSON Lines: an object a row, with all columns in every one."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson
import pyarrow as pa

from transforms.writing.formats.json_forms import json_values
from transforms.writing.formats.part_format import PartEncoder, PartFormat, Sink, StoredRows
from transforms.writing.formats.record_blocks import first_record, line_ends, read_records

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


class _Encoder:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, table: pa.Table) -> None:
        names = table.column_names
        for batch in table.to_batches():
            rows = zip(*map(json_values, batch.columns), strict=True)
            lines = (
                orjson.dumps(dict(zip(names, row, strict=True)), None, _OPTIONS) for row in rows
            )
            self._sink.write(b"".join(lines))

    def write_stored(self, rows: StoredRows) -> None:
        assert rows.records is not None
        self._sink.write(b"".join(rows.records.to_pylist()))

    def close(self) -> None:
        pass


class _Jsonl:
    def encoder(self, sink: Sink, schema: pa.Schema, first: pa.Table) -> PartEncoder:
        return _Encoder(sink)

    def columns(self, part: BinaryIO) -> list[str] | None:
        record = first_record(part, line_ends)
        return None if record is None else list(_object(record))

    def columns_of(self, schema: pa.Schema) -> list[str]:
        return schema.names

    def rows(self, part: BinaryIO, wanted: pa.Schema, whole: bool = False) -> Iterator[StoredRows]:
        for records in read_records(part, line_ends):
            objects = [_object(record) for record in records.to_pylist()]
            columns = [
                pa.array([_member(each, field.name) for each in objects], field.type)
                for field in wanted
            ]
            yield StoredRows(pa.RecordBatch.from_arrays(columns, schema=wanted), records)


def _object(record: bytes) -> dict[str, Any]:
    value = orjson.loads(record)
    if type(value) is not dict:
        raise ValueError(f"a line is not an object: {record[:60]!r}")
    return value


def _member(row: dict[str, Any], name: str) -> Any:
    if name not in row:
        raise ValueError(f"a row lacks {name!r}")
    return row[name]


JSONL: PartFormat = _Jsonl()
"""Writes and reads JSON Lines."""
