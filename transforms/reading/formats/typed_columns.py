"""Columns of typed formats: plain types, and the rows that are rejected.

Types that Parquet does not tell apart are one type here, inside lists, maps and structs too: large
strings and string views are strings, likewise for binary, a dictionary is its values, seconds are
milliseconds, and a date is one of days.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.errors import InputError
from transforms.reading.encoding import not_text
from transforms.reading.layout import (
    BATCH_ROWS,
    Layout,
    ReadBatch,
    Rejects,
    batch_bounds,
    read_batch,
    rejected_only,
)
from transforms.reading.readers import Head
from transforms.reading.widening import cast_unchecked, common_type, widened

MOST_REJECTED = 1 << 20
"""Most rows of a block that are rejected one by one: a damaged block can claim any number."""


def require_distinct(names: Sequence[str], path: str) -> None:
    """Raises `InputError` if two columns of a file have the same name."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(
            f"{path!r} has more than one column named {twice[0]!r}: give each column a name of its "
            "own"
        )


def typed_head(path: str, types: Mapping[str, pa.DataType], faults: Mapping[str, str]) -> Head:
    """Returns the columns of a file; those that the output cannot hold are faulty too.

    Args:
        path: The file.
        types: Types of its columns, by name.
        faults: Why some of them cannot be read, by name.

    Raises:
        ValueError: A name inside a type is not UTF-8, or a fixed-size list has no size.
    """
    columns = {name: plain_type(type_) for name, type_ in types.items()}
    for type_ in columns.values():
        for inner in _all_types(type_):
            if pa.types.is_struct(inner):
                _ = [member.name for member in inner]  # pyarrow decodes a name when it is asked for
    unwritable = {
        name: f"is {type_}, which Parquet cannot hold"
        for name, type_ in columns.items()
        if not _is_writable(type_)
    }
    return Head(path, columns, {**faults, **unwritable})


def _is_writable(type_: pa.DataType) -> bool:
    # Parquet has no list views, and pyarrow casts slices of them to wrong lists.
    if any(pa.types.is_list_view(t) or pa.types.is_large_list_view(t) for t in _all_types(type_)):
        return False
    try:
        pq.ParquetWriter(io.BytesIO(), pa.schema([("column", type_)])).close()
    except (pa.ArrowException, OSError):
        return False
    return True


def planned_layout(layout: Layout, types: Mapping[str, pa.DataType], path: str) -> Layout:
    """Returns the layout of a file.

    Args:
        layout: The columns that were planned.
        types: Types of the file's columns, by name.
        path: The file.

    Raises:
        InputError: It has other columns than when the run was planned.
    """
    own = layout.of_file(types, path)
    for column in own.fields:
        is_text = column.name in own.text_columns
        found = plain_type(types[column.name])
        if not is_text and common_type(column.type, found) != column.type:
            raise InputError(f"column {column.name!r} of {path!r} is no longer what it was")
    return own


def checked_batches(
    layout: Layout,
    batch: pa.RecordBatch,
    position: int,
    rejects: Rejects,
    faults: Mapping[int, str] = MappingProxyType({}),
) -> Iterator[ReadBatch]:
    """Cuts what was read into batches, and rejects rows without text or with broken strings.

    Args:
        layout: The columns.
        batch: Consecutive rows of the file.
        position: Position of the first of them.
        rejects: Collects what is rejected.
        faults: What is wrong with some rows, by their place in the batch.

    Yields:
        The batches; every row is in one of them, or rejected.
    """
    columns = [plain(batch.column(column.name)) for column in layout.fields]
    names = [column.name for column in layout.fields]
    text = columns[names.index(layout.text_column)].cast(pa.binary())
    lengths = pc.fill_null(pc.binary_length(text), 0).to_numpy()
    for start, stop in batch_bounds(lengths):
        values = [column.slice(start, stop - start) for column in columns]
        positions = np.arange(position + start, position + stop, dtype=np.int64)
        errors = {row - start: fault for row, fault in faults.items() if start <= row < stop}
        yield checked(layout, values, positions, rejects, errors)


def unread_rows(
    layout: Layout, rejects: Rejects, positions: range, error: str
) -> Iterator[ReadBatch]:
    """Rejects rows of which nothing could be read; a number that cannot be true is one row."""
    if len(positions) > MOST_REJECTED:
        error = f"{error}; it claims {len(positions):,} more rows"
        positions = positions[:1]
    for first in range(0, len(positions), BATCH_ROWS):
        for position in positions[first : first + BATCH_ROWS]:
            rejects.add(position, None, error)
        yield rejected_only(layout, rejects)


def is_of_storage(error: Exception) -> bool:
    """Returns whether an error comes from storage, and so is for the runner, which retries.

    Arrow's "this cannot be decoded" is a bare `OSError` too; one from storage has more to it.
    """
    return isinstance(error, OSError) and (type(error) is not OSError or bool(error.errno))


def plain_type(type_: pa.DataType) -> pa.DataType:
    """Returns the one type that stands for all those that Parquet does not tell apart."""
    if pa.types.is_dictionary(type_):
        return plain_type(type_.value_type)
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return pa.binary()
    if pa.types.is_timestamp(type_) and type_.unit == "s":
        return pa.timestamp("ms", type_.tz)
    if pa.types.is_time32(type_):
        return pa.time32("ms")
    if pa.types.is_date64(type_):
        return pa.date32()
    return with_children(type_, plain_type)


def binary_type(type_: pa.DataType) -> pa.DataType:
    """Returns a type of the same memory layout, with bytes where the given one has strings."""
    if pa.types.is_string(type_):
        return pa.binary()
    if pa.types.is_large_string(type_):
        return pa.large_binary()
    if pa.types.is_string_view(type_):
        return pa.binary_view()
    return _with_inner_types(type_, binary_type)


def unchecked_type(type_: pa.DataType) -> pa.DataType:
    """Returns a type of the same memory layout that holds any value.

    It has bytes where the given one has strings or decimals, and integers where it has times.
    """
    if pa.types.is_time(type_) or pa.types.is_date64(type_):
        return pa.int32() if type_.bit_width == 32 else pa.int64()
    if pa.types.is_decimal(type_):
        return pa.binary(type_.bit_width // 8)
    inner = _with_inner_types(type_, unchecked_type)
    return binary_type(type_) if inner is type_ else inner


def _with_inner_types(
    type_: pa.DataType, change: Callable[[pa.DataType], pa.DataType]
) -> pa.DataType:
    """Returns a type with its inner types changed, the values of a dictionary among them."""
    if pa.types.is_dictionary(type_):
        return pa.dictionary(type_.index_type, change(type_.value_type), type_.ordered)
    return with_children(type_, change)


def _all_types(type_: pa.DataType) -> Iterator[pa.DataType]:
    """Yields a type, and all types inside it."""
    inner: list[pa.DataType] = []

    def collect(child: pa.DataType) -> pa.DataType:
        inner.append(child)
        return child

    with_children(type_, collect)
    yield type_
    for child in inner:
        yield from _all_types(child)


def with_children(type_: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Returns a type with its inner types changed, in order, or the type itself if it has none."""

    def changed(field: pa.Field) -> pa.Field:
        return field.with_type(change(field.type))

    if pa.types.is_list(type_):
        return pa.list_(changed(type_.value_field))
    if pa.types.is_large_list(type_):
        return pa.large_list(changed(type_.value_field))
    if pa.types.is_fixed_size_list(type_):
        return pa.list_(changed(type_.value_field), type_.list_size)
    if pa.types.is_map(type_):
        return pa.map_(changed(type_.key_field), changed(type_.item_field), type_.keys_sorted)
    if pa.types.is_struct(type_):
        return pa.struct([changed(member) for member in type_])
    return type_


def compact(column: pa.Array) -> pa.Array:
    """Returns a slice without the list items of other slices, which would be checked as well."""
    if pa.types.is_nested(column.type):
        return column.take(pa.array(range(len(column)), pa.int64()))
    return column


def plain(column: pa.Array) -> pa.Array:
    """Returns a column as its plain type, or as it is if a value does not fit it.

    UTF-8 is not checked.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    type_ = plain_type(column.type)
    try:
        return column if column.type == type_ else cast_unchecked(column, type_)
    except pa.ArrowInvalid:
        return column  # `checked` finds the rows


def checked(
    layout: Layout,
    columns: list[pa.Array],
    positions: np.ndarray,
    rejects: Rejects,
    faults: Mapping[int, str] = MappingProxyType({}),
) -> ReadBatch:
    """Makes a batch, and rejects the rows without text, or with a string that is not UTF-8.

    A value that does not fit the type of its column, which is that of all files, costs its row too.

    Args:
        layout: The columns.
        columns: Their values, in the plain types of the file.
        positions: int64 positions of the rows in the file.
        rejects: Collects what is rejected.
        faults: What is known to be wrong with some rows, by row.
    """
    errors: dict[int, str] = dict(faults)
    stored, columns = columns, []
    for column, values in zip(layout.fields, stored, strict=True):
        values, misfits = widened(values, column.type)
        columns.append(values)
        errors.update({row: f"column {column.name!r}: {error}" for row, error in misfits.items()})
        if column.name in layout.text_columns and values.null_count:
            nulls = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))
            errors.update(dict.fromkeys(nulls.tolist(), f"{column.name!r} is null"))
        errors.update({row: f"column {column.name!r}: {error}" for row, error in _invalid(values)})
    if errors:
        for row in sorted(errors):
            raw = {
                column.name: _value(values, row)
                for column, values in zip(layout.fields, stored, strict=True)
            }
            rejects.add(int(positions[row]), orjson.dumps(raw, default=str), errors[row])
        is_kept = np.ones(len(positions), bool)
        is_kept[list(errors)] = False
        positions = positions[is_kept]
        columns = [column.filter(pa.array(is_kept)) for column in columns]
    return read_batch(layout, columns, positions, rejects)


def _invalid(values: pa.Array) -> Iterator[tuple[int, str]]:
    """Yields the rows in which a string is not UTF-8, with what is wrong."""
    if _fault(values) is None:
        return
    for row in range(len(values)):
        value = values.take(pa.array([row]))  # with a slice, all of a list's items would be checked
        fault = _fault(value)
        if fault is not None:
            is_string = pa.types.is_string(value.type)
            raw = value.cast(pa.binary())[0].as_py() if is_string else b""
            yield row, not_text(raw) or fault


def _fault(values: pa.Array) -> str | None:
    try:
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        return str(error)
    return None


def _value(column: pa.Array, row: int) -> Any:
    """Returns a value as JSON can hold it; bytes that are not UTF-8 are written as escapes."""
    value = column.slice(row, 1)
    if pa.types.is_string(value.type):
        value = value.cast(pa.binary())
    try:
        found = value[0].as_py()
    except Exception:  # Python cannot hold it; what is only shown must not stop a run
        found = _as_text(value)
    return found.decode("utf-8", "backslashreplace") if isinstance(found, bytes) else found


def _as_text(value: pa.Array) -> str:
    """Returns the only value of an array in Arrow's words, such as a time of nanoseconds."""
    try:
        return str(value.cast(pa.string())[0].as_py())
    except pa.ArrowException as error:
        return f"unreadable: {error}"
