"""Parquet: the rows of row groups."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import RunError
from transforms.errors import InputError
from transforms.files import CorpusFile, is_remote, open_binary
from transforms.reading.formats.arrow_soundness import sound
from transforms.reading.formats.int96 import Aligned, exact_times, needs_nanoseconds
from transforms.reading.formats.parquet_types import StoredTypes, stored_types
from transforms.reading.formats.typed_columns import (
    checked_batches,
    is_of_storage,
    plain_type,
    planned_layout,
    require_distinct,
    typed_head,
    unread_rows,
)
from transforms.reading.layout import BATCH_BYTES, BATCH_ROWS, Layout, ReadBatch, Rejects
from transforms.reading.readers import FileRange, FormatReader, Head, heads_as_found
from transforms.reading.stored.parquet_pages import (
    Group,
    UnboundedColumnError,
    read_groups,
    rows_at_a_time,
)
from transforms.reading.widening import common_type

_READ_BUFFER_BYTES = 4 << 20  # so that no more than this of a column is held, however long it is


_LARGEST_NUMBER = 8  # bytes


class _Opened(NamedTuple):
    """An opened file.

    Attributes:
        source: What is read.
        file: pyarrow's reader.
        groups: The row groups; pyarrow's metadata of their columns are not safe to ask for.
        paths: The names of the stored columns; a row group has its own, which are not checked.
        stored: The types of the columns.
    """

    source: Any
    file: pq.ParquetFile
    groups: tuple[Group, ...]
    paths: list[str]
    stored: StoredTypes

    def in_unit(self, unit: str) -> pq.ParquetFile:
        """Returns a reader of the file that has timestamps of 96 bits in a unit."""
        return pq.ParquetFile(
            self.source, buffer_size=_READ_BUFFER_BYTES, coerce_int96_timestamp_unit=unit
        )


@contextmanager
def _opened(file: CorpusFile) -> Iterator[_Opened]:
    """Opens a file.

    Raises:
        InputError: It is not a Parquet file, or its footer is damaged.
    """
    path = file.path
    source = open_binary(file) if is_remote(path) else pa.OSFile(path)
    with ExitStack() as stack:
        stack.enter_context(source)
        try:
            groups = read_groups(source)
            source.seek(0)
            reader = stack.enter_context(pq.ParquetFile(source, buffer_size=_READ_BUFFER_BYTES))
            paths = [reader.schema.column(index).path for index in range(len(reader.schema))]
            opened = _Opened(source, reader, groups, paths, stored_types(reader))
        except (pa.ArrowException, OSError, ValueError) as error:
            if is_of_storage(error):
                raise
            raise InputError(f"cannot read {path!r} as Parquet: {error}") from error
        yield opened


def _read_head(file: CorpusFile) -> Head:
    path = file.path
    with _opened(file) as opened:
        require_distinct(opened.file.schema_arrow.names, path)
        types = opened.stored.types | _sampled_types(opened, path)
    try:
        return typed_head(path, types, opened.stored.faults)
    except ValueError as error:
        raise InputError(f"cannot read {path!r} as Parquet: {error}") from error


def _sampled_types(opened: _Opened, path: str) -> dict[str, pa.DataType]:
    """Returns the types of columns with timestamps of 96 bits, in the unit that holds more."""
    names = opened.stored.int96
    if not names:
        return {}
    in_us = opened.in_unit("us").schema_arrow
    samples = list(_samples(opened, path))
    types: dict[str, pa.DataType] = {}
    for name in names:
        fine, coarse = opened.stored.types[name], in_us.field(name).type
        values = [(one.column(name), other.column(name)) for one, other in samples]
        types[name] = fine if needs_nanoseconds(values, fine, coarse) else coarse
    return types


def _samples(opened: _Opened, path: str) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Yields first rows of the first, the middle and the last row group, as `exact_times` wants."""
    names, in_seconds = list(opened.stored.int96), opened.in_unit("s")
    last = len(opened.groups) - 1
    for number in sorted({0, last // 2, last}) if opened.groups else ():
        try:
            rows = _rows_at_a_time(opened, path, number, names)
            one, other = (
                _next_batch(file.iter_batches(rows, row_groups=[number], columns=names))
                for file in (opened.file, in_seconds)
            )
        except (_BrokenRowGroupError, RowCountError):
            continue  # what is broken is reported when it is read
        if one is not None and other is not None and one.num_rows == other.num_rows:
            yield one, other


def _planned_types(opened: _Opened, layout: Layout, path: str) -> dict[str, pa.DataType]:
    """Returns the types of the columns, with timestamps of 96 bits in the unit that is planned."""
    types = dict(opened.stored.types)
    if not opened.stored.int96:
        return types
    in_us = opened.in_unit("us").schema_arrow
    for column in layout.of_file(types, path).fields:
        if column.name in opened.stored.int96:
            fine = plain_type(types[column.name])
            if common_type(column.type, fine) != column.type:
                types[column.name] = in_us.field(column.name).type
    return types


def _split(file: CorpusFile, unit_bytes: int) -> Iterator[FileRange]:
    """Cuts a file into ranges of row groups of about `unit_bytes`, compressed."""
    with _opened(file) as opened:
        sizes = [group.stored_bytes for group in opened.groups]
    start, held = 0, 0
    for group, size in enumerate(sizes, 1):
        held += size
        if held >= unit_bytes or group == len(sizes):
            yield FileRange(file, start, group)
            start, held = group, 0
    if not sizes:
        yield FileRange(file)


def _read(layout: Layout, unit: FileRange) -> Iterator[ReadBatch]:
    """Reads row groups.

    The rows of a row group that cannot be read, or that it lacks, are rejected one by one, without
    their content.

    Args:
        layout: The columns.
        unit: The range of row groups.

    Yields:
        Batches whose `position` is the row number in the file, from 0.

    Raises:
        InputError: The columns are not what they were when the run was planned.
        RowCountError: A row group has more rows than the file says.
    """
    rejects = Rejects(unit.path)
    with _opened(unit.file) as opened:
        types = _planned_types(opened, layout, unit.path)
        layout = planned_layout(layout, types, unit.path)
        position = sum(group.num_rows for group in opened.groups[: unit.start])
        for number in range(unit.start, len(opened.groups))[: _length(unit)]:
            group = opened.groups[number]
            after = position + group.num_rows
            bytes_a_row = group.stored_bytes / max(group.num_rows, 1)
            fault = f"row group {number} has fewer rows than the {group.num_rows:,} that it claims"
            try:
                for batch in _read_row_group(layout, types, opened, number, position, rejects):
                    position += batch.num_rows
                    yield batch.of_bytes(bytes_a_row * batch.num_rows)
            except _BrokenRowGroupError as error:
                fault = f"row group {number} cannot be read: {error}"
            if position > after:
                raise _more_rows(unit.path, number, group)
            yield from unread_rows(layout, rejects, range(position, after), fault)
            position = after


def _num_rows(file: CorpusFile) -> int:
    """Returns how many rows the footer of a file says that it has."""
    with _opened(file) as opened:
        return sum(group.num_rows for group in opened.groups)


def _length(unit: FileRange) -> int | None:
    return None if unit.stop is None else unit.stop - unit.start


class RowCountError(RunError):
    """A row group has more rows than its file says, so that no row after it has a number."""


def _more_rows(path: str, number: int, group: Group) -> RowCountError:
    return RowCountError(
        f"row group {number} of {path!r} has more rows than the {group.num_rows:,} that the file "
        "says; nothing is published: leave the file out, or write it anew"
    )


class _BrokenRowGroupError(Exception):
    """A row group that cannot be decoded from here on."""


def _read_row_group(
    layout: Layout,
    types: Mapping[str, pa.DataType],
    opened: _Opened,
    number: int,
    position: int,
    rejects: Rejects,
) -> Iterator[ReadBatch]:
    names = [column.name for column in layout.fields]
    rows = _rows_at_a_time(opened, rejects.source, number, names)
    batches = opened.file.iter_batches(rows, row_groups=[number], columns=names)
    for batch, faults in _with_exact_times(
        _joined(_sound_batches(batches)), types, opened, number, rows, names
    ):
        yield from checked_batches(layout, batch, position, rejects, faults)
        position += batch.num_rows


def _with_exact_times(
    batches: Iterator[pa.RecordBatch],
    types: Mapping[str, pa.DataType],
    opened: _Opened,
    number: int,
    rows: int,
    names: Sequence[str],
) -> Iterator[tuple[pa.RecordBatch, dict[int, str]]]:
    """Yields batches of a row group with timestamps of 96 bits as they are.

    Args:
        batches: Batches of the row group, with such timestamps as pyarrow reads them.
        types: The types that the columns get.
        opened: The file.
        number: The row group.
        rows: How many rows to read at a time.
        names: The columns.

    Yields:
        The batches, and what is wrong with rows of theirs, by row.
    """
    int96 = [name for name in names if name in opened.stored.int96]
    if not int96:
        yield from ((batch, {}) for batch in batches)
        return
    in_seconds = opened.in_unit("s").iter_batches(rows, row_groups=[number], columns=int96)
    seconds = Aligned(_sound_batches(in_seconds))
    for batch in batches:
        other = seconds.take(batch.num_rows)
        if other is None:
            raise _BrokenRowGroupError("its columns have different numbers of rows")
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        faults: dict[int, str] = {}
        for name in int96:
            columns[name], wrong = exact_times(columns[name], other.column(name), types[name])
            faults |= {row: f"column {name!r}: {fault}" for row, fault in wrong.items()}
        yield pa.RecordBatch.from_pydict(columns), faults


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Joins batches that turned out small, though a few of their values might have been long.

    A dictionary may still be short where its values are long, so that such batches are left alone.
    """
    held: list[pa.RecordBatch] = []
    num_rows = num_bytes = 0
    try:
        for batch in batches:
            held.append(batch)
            num_rows, num_bytes = num_rows + batch.num_rows, num_bytes + batch.nbytes
            is_full = num_rows + batch.num_rows > BATCH_ROWS or num_bytes >= BATCH_BYTES
            if is_full or any(pa.types.is_dictionary(type_) for type_ in batch.schema.types):
                yield pa.concat_batches(held)
                held, num_rows, num_bytes = [], 0, 0
    except _BrokenRowGroupError:
        if held:
            yield pa.concat_batches(held)
        raise
    if held:
        yield pa.concat_batches(held)


def _sound_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yields batches that are safe to compute with.

    Raises:
        _BrokenRowGroupError: The next one cannot be read.
    """
    while (batch := _next_batch(batches)) is not None:
        yield batch


def _next_batch(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    try:
        batch = next(batches, None)
        return None if batch is None else sound(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if is_of_storage(error):
            raise
        raise _BrokenRowGroupError(str(error)) from error


def _rows_at_a_time(opened: _Opened, path: str, number: int, names: list[str]) -> int:
    """Returns how many rows hold about `BATCH_BYTES` in the kept columns.

    Raises:
        _BrokenRowGroupError: They cannot be read, or not within bounds.
        RowCountError: One of them has more values than the row group has rows.
    """
    group, schema = opened.groups[number], opened.file.schema
    kept = [
        index
        for index, name in enumerate(opened.paths)
        if name.split(".")[0] in names or name in names
    ]
    if len(group.chunks) != len(opened.paths):
        raise _BrokenRowGroupError(f"it has {len(group.chunks)} columns, not {len(opened.paths)}")
    chunks = {index: group.chunks[index] for index in kept}
    unpacked = sum(chunk.unpacked for chunk in chunks.values() if chunk)
    rows = min(max(group.num_rows * BATCH_BYTES // max(unpacked, 1), 1), BATCH_ROWS)
    for index, chunk in chunks.items():
        if chunk is None:
            raise _BrokenRowGroupError(f"its column {opened.paths[index]!r} is not described")
        column = schema.column(index)
        is_list = column.max_repetition_level > 0
        if not is_list and chunk.num_values > group.num_rows:
            raise _more_rows(path, number, group)
        try:
            rows = rows_at_a_time(opened.source, group, chunk, _width(column), is_list, rows)
        except UnboundedColumnError as error:
            raise _BrokenRowGroupError(f"column {opened.paths[index]!r}: {error}") from error
    return rows


def _width(column: pq.ColumnSchema) -> int | None:
    """Returns the bytes of a decoded value of a stored column, or None for strings."""
    if column.physical_type == "BYTE_ARRAY":
        return None
    return max(column.length or 0, _LARGEST_NUMBER)


PARQUET = FormatReader(lambda files: _read_head, heads_as_found, _split, _read, num_rows=_num_rows)
"""Reads Parquet."""
