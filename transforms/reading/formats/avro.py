"""Avro: the rows of blocks."""

import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
from fastavro import schemaless_reader
from fastavro._read_py import schemaless_reader as deep_reader

from transforms.errors import InputError
from transforms.files import CorpusFile, open_binary
from transforms.reading.formats.avro_types import ColumnType, RowType, row_type
from transforms.reading.formats.typed_columns import (
    MOST_REJECTED,
    binary_type,
    checked,
    planned_layout,
    typed_head,
)
from transforms.reading.layout import BATCH_BYTES, BATCH_ROWS, Layout, ReadBatch, Rejects
from transforms.reading.readers import FileRange, FormatReader, Head, heads_as_found
from transforms.reading.stored.avro_blocks import (
    Block,
    Header,
    decompressed,
    read_blocks,
    read_header,
)
from transforms.reading.widening import cast_unchecked

# What Arrow and Python raise for values that do not fit a type: too many digits, for example.
_MISFITS = (pa.ArrowException, ValueError, ArithmeticError)

_Record = dict[str, Any]

# Rows that a damaged block is believed to have, for each byte as stored: a small block that claims
# a million would make a million rejected rows.
_ROWS_PER_BYTE = 64


def _read_head(file: CorpusFile) -> Head:
    path = file.path
    with open_binary(file) as stream:
        _, rows = _read_types(path, stream)
    types = {name: column.type for name, column in rows.columns.items()}
    return typed_head(path, types, rows.faults)


def _read_types(path: str, stream: BinaryIO) -> tuple[Header, RowType]:
    try:
        header = read_header(stream)
        return header, row_type(header.schema)
    except ValueError as error:
        raise InputError(f"cannot read {path!r} as Avro: {error}") from error


def _split(file: CorpusFile, unit_bytes: int) -> Iterator[FileRange]:
    """Cuts a file into ranges of blocks of about `unit_bytes`, stepping from block to block."""
    with open_binary(file) as stream:
        header, _ = _read_types(file.path, stream)
        start, first_row, number = 0, 0, 0
        for block in read_blocks(stream, header, 0, None, with_content=False):
            number += block.numbers
            if block.end - start >= unit_bytes and block.end < file.size:
                yield FileRange(file, start, block.end, first_row)
                start, first_row = block.end, number
    yield FileRange(file, start, None, first_row)


def _read(layout: Layout, unit: FileRange) -> Iterator[ReadBatch]:
    """Reads blocks.

    The rows of a block from the first that cannot be decoded are rejected one by one, without
    their content. What lies between two recognizable blocks is one rejected row.

    Args:
        layout: The columns.
        unit: The range of bytes, from the beginning of a block to the end of a block.

    Yields:
        Batches whose `position` is the row number in the file, from 0.

    Raises:
        InputError: The header is not what it was when the run was planned.
    """
    number = unit.first_row
    with open_binary(unit.file) as stream:
        header, rows = _read_types(unit.path, stream)
        types = {name: column.type for name, column in rows.columns.items()}
        layout = planned_layout(layout, types, unit.path)
        table = _Table(layout, unit.path, rows.columns)
        for block in read_blocks(stream, header, unit.start, unit.stop):
            stored_bytes = (block.end - block.offset) / max(block.numbers, 1)
            for row in _read_rows(block, header.codec, rows):
                table.add(number + row.place, row, stored_bytes)
                if table.is_full:
                    yield table.take()
            number += block.numbers
    if table.num_rows:
        yield table.take()


class _Row(NamedTuple):
    """A row of a block, or what is wrong with it."""

    place: int  # in the block
    record: _Record | None
    num_bytes: int = 0
    error: str | None = None


def _read_rows(block: Block, codec: str, rows: RowType) -> Iterator[_Row]:
    content, fault = decompressed(codec, block.content)
    source, num_read = io.BytesIO(content), 0
    # The compiled one overflows the stack, and with it the process, where a row is very deep.
    read_row = deep_reader if rows.is_recursive else schemaless_reader
    while num_read < block.num_rows:
        begin = source.tell()
        try:
            record: Any = read_row(
                source, rows.decoded, None, handle_unicode_errors="surrogateescape"
            )
        except Exception as error:  # whatever the decoder raises on damage
            fault = fault or ("it breaks off" if isinstance(error, EOFError) else repr(error))
            break
        end, num_read = source.tell(), num_read + 1
        left = len(content) - end if num_read == block.num_rows else 0
        excess = f"{left:,} bytes follow it in a block that has no more rows" if left else None
        yield _Row(num_read - 1, record, end - begin, excess)
    missing = block.num_rows - num_read
    reason = f"the block at byte {block.offset} cannot be read from its row {num_read} on: {fault}"
    if missing > min(MOST_REJECTED, _ROWS_PER_BYTE * (block.end - block.offset)):
        yield _Row(num_read, None, error=f"{reason}; it claims {missing:,} more rows")
    else:
        for place in range(num_read, block.num_rows):
            yield _Row(place, None, error=reason)
    if block.lost is not None:
        yield _Row(block.num_rows, None, error=block.lost)


class _Table:
    """Collects the rows of a batch."""

    def __init__(self, layout: Layout, path: str, columns: Mapping[str, ColumnType]) -> None:
        self._layout = layout
        self._types = [columns[column.name] for column in layout.fields]
        self._rejects = Rejects(path)
        self._clear()

    def _clear(self) -> None:
        self._records: list[_Record] = []
        self._positions: list[int] = []
        self._bytes = 0
        self._stored_bytes = 0.0

    @property
    def num_rows(self) -> int:
        """Rows so far, rejected ones included."""
        return len(self._records) + len(self._rejects.positions)

    @property
    def is_full(self) -> bool:
        return self.num_rows >= BATCH_ROWS or self._bytes >= BATCH_BYTES

    def add(self, position: int, row: _Row, stored_bytes: float) -> None:
        """Adds a row, which takes `stored_bytes` of the file."""
        if row.error is not None:
            self._rejects.add(position, _shown(row.record), row.error)
        elif row.record is not None:
            self._records.append(row.record)
            self._positions.append(position)
        self._bytes += row.num_bytes
        self._stored_bytes += stored_bytes

    def take(self) -> ReadBatch:
        """Returns the batch, and starts another."""
        try:
            columns = self._columns(self._records)
        except _MISFITS:
            self._mend()
            columns = self._columns(self._records)
        positions = np.array(self._positions, np.int64)
        batch = checked(self._layout, columns, positions, self._rejects)
        batch = batch.of_bytes(self._stored_bytes)
        self._clear()
        return batch

    def _columns(self, records: list[_Record]) -> list[pa.Array]:
        return [
            _column([record[column.name] for record in records], found)
            for column, found in zip(self._layout.fields, self._types, strict=True)
        ]

    def _mend(self) -> None:
        """Rejects the rows with a value that does not fit its column's type."""
        records, positions = self._records, self._positions
        self._records, self._positions = [], []
        for record, position in zip(records, positions, strict=True):
            try:
                self._columns([record])
            except _MISFITS as error:
                self._rejects.add(position, _shown(record), f"a value does not fit: {error}")
            else:
                self._records.append(record)
                self._positions.append(position)


def _column(values: list[Any], found: ColumnType) -> pa.Array:
    convert = found.convert
    if convert is not None:
        values = [None if value is None else convert(value) for value in values]
    return cast_unchecked(pa.array(values, binary_type(found.type)), found.type)


def _shown(record: _Record | None) -> bytes | None:
    """Returns a record as JSON, or None if JSON cannot hold it; bytes become text with escapes."""
    try:
        return None if record is None else orjson.dumps(record, default=_escaped)
    except TypeError:
        return None


def _escaped(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else repr(value)


AVRO = FormatReader(lambda files: _read_head, heads_as_found, _split, _read)
"""Reads Avro."""
