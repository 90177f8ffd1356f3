"""Arrow IPC and Feather: the rows of record batches, in a file or in a stream.

A file has a footer that says where its batches are; one that has lost its footer is read as the
stream that it otherwise is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from transforms.errors import InputError
from transforms.files import CorpusFile, is_remote, open_binary
from transforms.reading.formats.arrow_soundness import sound
from transforms.reading.formats.typed_columns import (
    checked_batches,
    compact,
    is_of_storage,
    plain,
    planned_layout,
    require_distinct,
    typed_head,
    unread_rows,
)
from transforms.reading.layout import BATCH_BYTES, BATCH_ROWS, Layout, ReadBatch, Rejects
from transforms.reading.readers import FileRange, FormatReader, Head, heads_as_found
from transforms.reading.stored.arrow_footer import MAGIC, stored_batches, stored_dictionaries
from transforms.reading.stored.arrow_lengths import may_expand, plain_bytes
from transforms.reading.stored.arrow_messages import (
    ExpandingError,
    check_message,
    check_next_batch,
)
from transforms.reading.widening import nullable_type

DECODED_BYTES = 64 << 20
"""About how many bytes of dictionaries and views become plain values at a time."""

ROW_BYTES = 256 << 20
"""Most bytes of one row that holds dictionaries or views."""

_FEATHER_V1 = b"FEA1"
_STREAM_OFFSET = 8  # where a file's stream begins: after the padded magic bytes


class _Opened(NamedTuple):
    """An opened file or stream.

    Attributes:
        source: What is read.
        reader: pyarrow's reader, for a file with a footer or for a stream.
        fault: What is wrong with the footer, or None.
    """

    source: Any
    reader: pa.RecordBatchFileReader | pa.RecordBatchStreamReader
    fault: str | None = None

    @property
    def is_file(self) -> bool:
        return isinstance(self.reader, pa.RecordBatchFileReader)


@contextmanager
def _opened(file: CorpusFile, layout: Layout | None = None) -> Iterator[_Opened]:
    """Opens a file to read the columns of a layout, or all.

    Raises:
        InputError: It is neither an Arrow file nor an Arrow stream, or it lacks the columns.
    """
    path = file.path
    source = open_binary(file) if is_remote(path) else pa.OSFile(path)
    with source:
        try:
            opened = _open(source, pa.ipc.IpcReadOptions())
            if layout is not None:
                found = opened.reader.schema.names
                own = layout.of_file(found, path)
                kept = sorted(found.index(column.name) for column in own.fields)
                opened = _open(source, pa.ipc.IpcReadOptions(included_fields=kept))
        except InputError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            if is_of_storage(error):
                raise
            raise InputError(f"cannot read {path!r} as Arrow: {error}") from error
        yield opened


def _open(source: Any, options: pa.ipc.IpcReadOptions) -> _Opened:
    source.seek(0)
    head = source.read(_STREAM_OFFSET)
    source.seek(0)
    if head.startswith(_FEATHER_V1):
        raise ValueError("it is Feather V1; rewrite it as V2 with a current pyarrow")
    if not head.startswith(MAGIC):
        return _Opened(source, pa.ipc.open_stream(source, options=options))
    try:
        return _Opened(source, pa.ipc.open_file(source, options=options))
    except (pa.ArrowException, OSError) as error:
        if is_of_storage(error):
            raise
        source.seek(_STREAM_OFFSET)
        return _Opened(source, pa.ipc.open_stream(source, options=options), str(error))


def _read_head(file: CorpusFile) -> Head:
    path = file.path
    with _opened(file) as opened:
        schema = opened.reader.schema
    require_distinct(schema.names, path)
    try:
        types = {column.name: nullable_type(column.type) for column in schema}
        return typed_head(path, types, {})
    except ValueError as error:
        raise InputError(f"cannot read {path!r} as Arrow: {error}") from error


def _split(file: CorpusFile, unit_bytes: int) -> Iterator[FileRange]:
    """Cuts a file into ranges of record batches of about `unit_bytes`; a stream stays whole."""
    with _opened(file) as opened:
        batches = stored_batches(opened.source) if opened.is_file else []
    start, first_row, held, number = 0, 0, 0, 0
    for after, batch in enumerate(batches, 1):
        held += batch.num_bytes
        number += batch.num_rows
        if held >= unit_bytes and after < len(batches):
            yield FileRange(file, start, after, first_row)
            start, first_row, held = after, number, 0
    yield FileRange(file, start, None, first_row)


def _read(layout: Layout, unit: FileRange) -> Iterator[ReadBatch]:
    """Reads record batches.

    The rows of a batch that cannot be read are rejected one by one, without their content. What
    cannot be read from a stream, or from a file without a footer, is one rejected row.

    Args:
        layout: The columns.
        unit: The range of record batches.

    Yields:
        Batches whose `position` is the row number in the file, from 0.

    Raises:
        InputError: The columns are not what they were when the run was planned.
    """
    with _opened(unit.file, layout) as opened:
        types = {column.name: column.type for column in opened.reader.schema}
        layout = planned_layout(layout, types, unit.path)
        rejects = Rejects(unit.path)
        read = _read_file if opened.is_file else _read_stream
        yield from read(layout, unit, opened, rejects)


def _read_file(
    layout: Layout, unit: FileRange, opened: _Opened, rejects: Rejects
) -> Iterator[ReadBatch]:
    position = unit.first_row
    stored = stored_batches(opened.source, unit.start, unit.stop)
    dictionaries = stored_dictionaries(opened.source)
    for number, found in enumerate(stored, unit.start):
        after = position + found.num_rows
        try:
            for offset in (*dictionaries, found.offset):
                check_message(opened.source, offset)
            dictionaries = []  # they are read with the first batch
            batch = sound(opened.reader.get_batch(number))
        except (pa.ArrowException, OSError, ExpandingError) as error:
            if is_of_storage(error):
                raise
            reason = f"record batch {number} cannot be read: {error}"
            yield from unread_rows(layout, rejects, range(position, after), reason)
        else:
            yield from _cut(layout, batch, position, rejects, found.num_bytes)
        position = after


def _read_stream(
    layout: Layout, unit: FileRange, opened: _Opened, rejects: Rejects
) -> Iterator[ReadBatch]:
    position, counted = 0, 0
    fault = opened.fault and f"the file has no footer, so rows may be lost: {opened.fault}"
    while True:
        try:
            check_next_batch(opened.source)
            batch = opened.reader.read_next_batch()
        except StopIteration:
            break
        except (pa.ArrowException, OSError, ExpandingError) as error:
            if is_of_storage(error):
                raise
            fault = f"the stream cannot be read from row {position} on: {error}"
            break
        after = position + batch.num_rows
        try:
            batch = sound(batch)
        except pa.ArrowException as error:
            reason = f"the record batch at row {position} cannot be read: {error}"
            yield from unread_rows(layout, rejects, range(position, after), reason)
        else:
            yield from _cut(layout, batch, position, rejects, opened.source.tell() - counted)
        position, counted = after, opened.source.tell()
    if fault:
        yield from unread_rows(layout, rejects, range(position, position + 1), fault)


def _cut(
    layout: Layout, batch: pa.RecordBatch, position: int, rejects: Rejects, stored_bytes: int
) -> Iterator[ReadBatch]:
    """Cuts a record batch, which may have millions of rows, into small ones."""
    bytes_a_row = stored_bytes / max(batch.num_rows, 1)
    rows = batch.num_rows * BATCH_BYTES // max(batch.nbytes, 1)
    names = [column.name for column in layout.fields]
    for start, stop, taken in _bounds(batch.select(names), min(max(rows, 1), BATCH_ROWS)):
        if taken > ROW_BYTES:
            reason = f"the row would take {taken:,} bytes, more than {ROW_BYTES:,}"
            places = range(position + start, position + stop)
            yield from unread_rows(layout, rejects, places, reason)
            continue
        part = batch.slice(start, stop - start)
        try:
            columns = [compact(plain(part.column(name))) for name in names]
        except pa.ArrowException as error:
            places = range(position + start, position + stop)
            yield from unread_rows(layout, rejects, places, f"the row cannot be read: {error}")
            continue
        part = pa.RecordBatch.from_arrays(columns, names)
        for read in checked_batches(layout, part, position + start, rejects):
            yield read.of_bytes(bytes_a_row * read.num_rows)


def _bounds(batch: pa.RecordBatch, rows: int) -> Iterator[tuple[int, int, int]]:
    """Cuts rows into runs of at most a number of rows and about `DECODED_BYTES`.

    Yields:
        The first row of each run, the row after its last, and the bytes that its dictionaries and
        views take as plain values; no more than `DECODED_BYTES` unless it is one row.
    """
    expanding = [column for column in batch.columns if may_expand(column.type)]
    ends = np.cumsum(sum(map(plain_bytes, expanding), np.zeros(batch.num_rows, np.int64)))
    start, before = 0, 0
    while start < batch.num_rows:
        by_bytes = int(np.searchsorted(ends, before + DECODED_BYTES, side="right"))
        stop = min(max(by_bytes, start + 1), start + rows, batch.num_rows)
        after = int(ends[stop - 1])
        yield start, stop, after - before
        start, before = stop, after


ARROW = FormatReader(lambda files: _read_head, heads_as_found, _split, _read)
"""Reads Arrow IPC and Feather V2."""
