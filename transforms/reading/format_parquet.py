"""Parquet: the rows of row groups."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.errors import InputError
from transforms.files import CorpusFile, is_remote, open_binary
from transforms.progress import PROGRESS
from transforms.reading.layout import (
    BATCH_BYTES,
    BATCH_ROWS,
    Layout,
    ReadBatch,
    Rejects,
    batch_bounds,
    not_utf8,
    read_batch,
    rejected_only,
)
from transforms.reading.readers import FormatReader, Head, ReadUnit, read_each

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

    Types that Parquet does not tell apart are given as one, inside of lists, maps and structs too:
    large strings and string views as strings, the same with binary, and a dictionary as its values.

    Raises:
        InputError: It is no Parquet file, or two columns have one name.
    """
    try:
        with _opened(path) as file:
            schema = file.schema_arrow
            names, _ = schema.names, _column_paths(file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path!r} as Parquet: {error}") from error
    if twice := sorted(name for name in set(names) if names.count(name) > 1):
        raise InputError(f"{path!r} has more than one column named {twice[0]!r}")
    return {column.name: _plain_type(column.type) for column in schema}


def _split(file: CorpusFile, unit_bytes: int) -> Iterator[ReadUnit]:
    """Cuts a file into ranges of row groups of about `unit_bytes`, compressed."""
    with _opened(file.path) as parquet:
        groups = [parquet.metadata.row_group(i) for i in range(parquet.num_row_groups)]
        sizes = [_stored_bytes(group) for group in groups]
    start, held = 0, 0
    for group, size in enumerate(sizes, 1):
        held += size
        if held >= unit_bytes or group == len(sizes):
            yield ReadUnit(file.path, start, group)
            start, held = group, 0


def _read(layout: Layout, unit: ReadUnit) -> Iterator[ReadBatch]:
    """Reads row groups.

    The rows of a row group that cannot be read are rejected one by one, without what they held.

    Args:
        layout: The columns.
        unit: The range of row groups.

    Yields:
        Batches whose `position` is the number of the row in the file, from 0.
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
                    PROGRESS.bytes_read += bytes_a_row * batch.num_rows
                    yield batch
            except _BrokenRowGroupError as error:
                yield from _unread(layout, rejects, range(position, after), str(error))
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
        columns = [_plain(batch.column(column.name), column.type) for column in layout.fields]
        text = columns[names.index(layout.text_column)]
        lengths = pc.fill_null(pc.binary_length(text), 0).to_numpy()
        for start, stop in batch_bounds(lengths):
            part = batch.slice(start, stop - start)
            values = [column.slice(start, stop - start) for column in columns]
            yield _checked(layout, part, values, position + start, rejects)
        position += batch.num_rows


def _next_batch(batches: Iterator[pa.RecordBatch], number: int) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError) as error:
        # Arrow's "this cannot be decoded" is a bare OSError too; one of the storage has more to
        # it, and is for the runner, which tries again.
        if isinstance(error, OSError) and (type(error) is not OSError or error.errno):
            raise
        raise _BrokenRowGroupError(f"row group {number} cannot be read: {error}") from error


def _unread(layout: Layout, rejects: Rejects, positions: range, error: str) -> Iterator[ReadBatch]:
    for first in range(0, len(positions), BATCH_ROWS):
        for position in positions[first : first + BATCH_ROWS]:
            rejects.add(position, None, error)
        yield rejected_only(layout, rejects)


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
    """Returns the names of the stored columns; a row group has its own, which nobody checks."""
    return [file.schema.column(index).path for index in range(len(file.schema))]


def _stored_bytes(group: pq.RowGroupMetaData) -> int:
    return sum(group.column(i).total_compressed_size for i in range(group.num_columns))


def _plain_type(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(type_):
        return _plain_type(type_.value_type)
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return pa.binary()
    if pa.types.is_list(type_):
        return pa.list_(_plain_field(type_.value_field))
    if pa.types.is_large_list(type_):
        return pa.large_list(_plain_field(type_.value_field))
    if pa.types.is_fixed_size_list(type_):
        return pa.list_(_plain_field(type_.value_field), type_.list_size)
    if pa.types.is_map(type_):
        key, item = _plain_field(type_.key_field), _plain_field(type_.item_field)
        return pa.map_(key, item, type_.keys_sorted)
    if pa.types.is_struct(type_):
        return pa.struct([_plain_field(member) for member in type_])
    return type_


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(_plain_type(field.type))


def _plain(column: pa.Array, type_: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == type_:
        return column
    return pc.cast(column, options=pc.CastOptions(type_, allow_invalid_utf8=True))


def _checked(
    layout: Layout, batch: pa.RecordBatch, columns: list[pa.Array], first: int, rejects: Rejects
) -> ReadBatch:
    """Rejects the rows without text, or with a string that is no UTF-8."""
    positions = np.arange(first, first + batch.num_rows, dtype=np.int64)
    errors: dict[int, str] = {}
    for column, values in zip(layout.fields, columns, strict=True):
        if column.name in layout.text_columns and values.null_count:
            nulls = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))
            errors.update(dict.fromkeys(nulls.tolist(), f"{column.name!r} is null"))
        errors.update({row: f"column {column.name!r}: {error}" for row, error in _invalid(values)})
    if errors:
        for row in sorted(errors):
            raw = {column.name: _value(batch.column(column.name), row) for column in layout.fields}
            rejects.add(first + row, orjson.dumps(raw, default=str), errors[row])
        is_kept = np.ones(batch.num_rows, bool)
        is_kept[list(errors)] = False
        positions = positions[is_kept]
        columns = [column.filter(pa.array(is_kept)) for column in columns]
    return read_batch(layout, columns, positions, rejects)


def _invalid(values: pa.Array) -> Iterator[tuple[int, str]]:
    """Yields the rows in which a string is no UTF-8, with what is wrong."""
    if _fault(values) is None:
        return
    for row in range(len(values)):
        value = values.take(pa.array([row]))  # a slice would have all of a list's items checked
        fault = _fault(value)
        if fault is not None:
            is_string = pa.types.is_string(value.type)
            raw = value.cast(pa.binary())[0].as_py() if is_string else b""
            yield row, not_utf8(raw) or fault


def _fault(values: pa.Array) -> str | None:
    try:
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        return str(error)
    return None


def _value(column: pa.Array, row: int) -> Any:
    """Returns what JSON can hold of a value; bytes that are no UTF-8 are written as escapes."""
    value = _plain(column.slice(row, 1), _plain_type(column.type))
    if pa.types.is_string(value.type):
        value = value.cast(pa.binary())
    try:
        found = value[0].as_py()
    except Exception as error:  # Python has no such value; what is only shown must not stop a run
        return f"unreadable: {error}"
    return found.decode("utf-8", "backslashreplace") if isinstance(found, bytes) else found


PARQUET = FormatReader(_heads, _split, _read)
"""Reads Parquet."""
