"""Parts in CSV (RFC 4180): a header; texts in quotes, numbers without; null is an empty field.

`pyarrow.csv` writes and reads it. What it would not write exactly is made text before.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO

import orjson
import pyarrow as pa
import pyarrow.csv as pacsv

from transforms.writing.formats.json_forms import json_values
from transforms.writing.formats.part_format import PartEncoder, PartFormat, Sink, StoredRows
from transforms.writing.formats.record_blocks import csv_ends, first_record, read_records
from transforms.writing.formats.text_forms import from_half, texts

_PARSE = pacsv.ParseOptions(newlines_in_values=True)


class _Encoder:
    def __init__(self, sink: Sink, schema: pa.Schema) -> None:
        self._sink = sink
        header = pa.schema([(name, pa.null()) for name in schema.names]).empty_table()
        self._write_text(header, include_header=True)

    def write(self, table: pa.Table) -> None:
        for batch in table.to_batches():
            columns = [_column(column) for column in batch.columns]
            self._write_text(pa.table(columns, table.column_names), include_header=False)

    def _write_text(self, table: pa.Table, include_header: bool) -> None:
        text = io.BytesIO()
        pacsv.write_csv(table, text, pacsv.WriteOptions(include_header=include_header))
        self._sink.write(text.getvalue())

    def write_stored(self, rows: StoredRows) -> None:
        assert rows.records is not None
        self._sink.write(b"".join(rows.records.to_pylist()))

    def close(self) -> None:
        pass


def _column(column: pa.Array) -> pa.Array:
    """Returns values of a type that `pyarrow.csv` writes exactly."""
    type_ = column.type
    if pa.types.is_dictionary(type_):
        return _column(column.dictionary_decode())
    if (found := texts(column)) is not None:
        return pa.array(found, pa.large_string())
    if pa.types.is_nested(type_):
        values = json_values(column)
        return pa.array([None if v is None else _json(v) for v in values], pa.large_string())
    return from_half(column) if pa.types.is_float16(type_) else column


def _json(value: object) -> str:
    return orjson.dumps(value, None, orjson.OPT_SERIALIZE_NUMPY).decode()


class _Csv:
    def encoder(self, sink: Sink, schema: pa.Schema, first: pa.Table) -> PartEncoder:
        return _Encoder(sink, schema)

    def columns(self, part: BinaryIO) -> list[str]:
        header = first_record(part, csv_ends)
        if header is None:
            raise ValueError("it has no header")
        return pacsv.read_csv(io.BytesIO(header), parse_options=_PARSE).column_names

    def columns_of(self, schema: pa.Schema) -> list[str]:
        return schema.names

    def rows(self, part: BinaryIO, wanted: pa.Schema, whole: bool = False) -> Iterator[StoredRows]:
        names = self.columns(part)
        is_first = True
        for records in read_records(part, csv_ends):
            rows = records.slice(1) if is_first else records
            is_first = False
            if len(rows):
                yield StoredRows(_parsed(rows, names, wanted), rows)


def _parsed(records: pa.Array, names: list[str], wanted: pa.Schema) -> pa.RecordBatch:
    text = b"".join(records.to_pylist())
    types = {
        field.name: pa.string() if pa.types.is_nested(field.type) else field.type
        for field in wanted
    }
    table = pacsv.read_csv(
        io.BytesIO(text),
        read_options=pacsv.ReadOptions(
            use_threads=False, block_size=len(text) + 1, column_names=names
        ),
        parse_options=_PARSE,
        convert_options=pacsv.ConvertOptions(
            column_types=types,
            include_columns=wanted.names,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    if len(table) != len(records):
        raise ValueError(f"it has {len(table)} rows where {len(records)} were expected")
    columns = [
        _nested(table[field.name], field.type)
        if pa.types.is_nested(field.type)
        else table[field.name]
        for field in wanted
    ]
    (batch,) = pa.table(columns, schema=wanted).combine_chunks().to_batches()
    return batch


def _nested(column: pa.ChunkedArray, type_: pa.DataType) -> pa.Array:
    return pa.array([None if v is None else orjson.loads(v) for v in column.to_pylist()], type_)


CSV: PartFormat = _Csv()
"""Writes and reads CSV."""
