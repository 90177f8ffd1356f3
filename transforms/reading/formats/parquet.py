"""Parquet: the rows of row groups."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import InputError
from transforms.files import CorpusFile, is_remote, open_binary
from transforms.reading.formats.typed_columns import (
    checked_batches,
    is_of_storage,
    plain_type,
    require_distinct,
    unread_rows,
)
from transforms.reading.layout import BATCH_BYTES, BATCH_ROWS, Layout, ReadBatch, Rejects
from transforms.reading.readers import FileRange, FormatReader, Head, read_each

_READ_BUFFER_BYTES = 4 << 20  # so that no more than this of a column is held, however long it is


@contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    source = open_binary(path) if is_remote(path) else pa.OSFile(path)
    with source, pq.ParquetFile(source, buffer_size=_READ_BUFFER_BYTES) as file:
        yield file


def _heads(files: Sequence[CorpusFile]) -> list[Head]:
    schemas = read_each(files, _read_schema)
    return [Head(file.path, schema) for file, schema in zip(files, schemas, strict=True)]


def _read_schema(path: str) -> dict[str, pa.DataType]:
    """Reads the columns of a file from its footer.

    Raises:
        InputError: It is not a Parquet file, or two columns have the same name.
    """
    try:
        with _opened(path) as file:
            schema = file.schema_arrow
            names, _ = schema.names, _column_paths(file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path!r} as Parquet: {error}") from error
    require_distinct(names, path)
    return {column.name: plain_type(column.type) for column in schema}


def _split(file: CorpusFile, unit_bytes: int) -> Iterator[FileRange]:
    """Cuts a file into ranges of row groups of about `unit_bytes`, compressed."""
    with _opened(file.path) as parquet:
        groups = [parquet.metadata.row_group(i) for i in range(parquet.num_row_groups)]
        sizes = [_stored_bytes(group) for group in groups]
    start, held = 0, 0
    for group, size in enumerate(sizes, 1):
        held += size
        if held >= unit_bytes or group == len(sizes):
            yield FileRange(file.path, start, group)
            start, held = group, 0


def _read(layout: Layout, unit: FileRange) -> Iterator[ReadBatch]:
    """Reads row groups.

    The rows of a row group that cannot be read are rejected one by one, without their content.

    Args:
        layout: The columns.
        unit: The range of row groups.

    Yields:
        Batches whose `position` is the row number in the file, from 0.
    """
    rejects = Rejects(unit.path)
    with _opened(unit.path) as file:
        groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        position = sum(group.num_rows for group in groups[: unit.start])
        for number, group in list(enumerate(groups))[unit.start : unit.stop]:
            after = position + group.num_rows
            bytes_a_row = _stored_bytes(group) / max(group.num_rows, 1)
            try:
                for batch in _read_row_group(layout, file, number, position, rejects):
                    position += batch.num_rows
                    yield batch.of_bytes(bytes_a_row * batch.num_rows)
            except _BrokenRowGroupError as error:
                yield from unread_rows(layout, rejects, range(position, after), str(error))
                position = after


class _BrokenRowGroupError(Exception):
    """A row group that cannot be decoded from here on."""


def _read_row_group(
    layout: Layout, file: pq.ParquetFile, number: int, position: int, rejects: Rejects
) -> Iterator[ReadBatch]:
    names = [column.name for column in layout.fields]
    rows = _rows_at_a_time(file, number, names)
    batches = file.iter_batches(rows, row_groups=[number], columns=names)
    while (batch := _next_batch(batches, number)) is not None:
        yield from checked_batches(layout, batch, position, rejects)
        position += batch.num_rows


def _next_batch(batches: Iterator[pa.RecordBatch], number: int) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError) as error:
        if is_of_storage(error):
            raise
        raise _BrokenRowGroupError(f"row group {number} cannot be read: {error}") from error


def _rows_at_a_time(file: pq.ParquetFile, number: int, names: list[str]) -> int:
    """Returns how many rows hold about `BATCH_BYTES` in the kept columns."""
    group = file.metadata.row_group(number)
    kept = sum(
        group.column(index).total_uncompressed_size
        for index, path in enumerate(_column_paths(file))
        if path.split(".")[0] in names or path in names
    )
    return min(max(group.num_rows * BATCH_BYTES // max(kept, 1), 1), BATCH_ROWS)


def _column_paths(file: pq.ParquetFile) -> list[str]:
    """Returns the names of the stored columns; a row group has its own, which are not checked."""
    return [file.schema.column(index).path for index in range(len(file.schema))]


def _stored_bytes(group: pq.RowGroupMetaData) -> int:
    return sum(group.column(i).total_compressed_size for i in range(group.num_columns))


PARQUET = FormatReader(_heads, _split, _read)
"""Reads Parquet."""
