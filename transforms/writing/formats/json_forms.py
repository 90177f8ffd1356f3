"""Columns as the values that orjson writes, each exactly."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from transforms.writing.formats.text_forms import from_half, has_text, texts

_MOST_LEVELS = 200  # orjson writes 254

_PLAIN = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_decimal,
    has_text,
)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)

_NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def unwritable(type_: pa.DataType, levels: int = 1) -> str | None:
    """Returns why values of a type have no exact form as JSON, or None if they have one.

    Args:
        type_: The type.
        levels: How many lists and structs it is in, itself included.
    """
    if levels > _MOST_LEVELS:
        return f"is nested more than {_MOST_LEVELS} levels deep"
    if any(is_one(type_) for is_one in _PLAIN):
        return None
    if pa.types.is_dictionary(type_) or any(is_one(type_) for is_one in _LISTS):
        return unwritable(type_.value_type, levels + 1)
    if pa.types.is_map(type_):
        faults = (unwritable(inner, levels + 2) for inner in (type_.key_type, type_.item_type))
        return next(filter(None, faults), None)
    if pa.types.is_struct(type_):
        names = [member.name for member in type_]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            return f"has more than one member named {twice[0]!r}"
        faults = (unwritable(member.type, levels + 1) for member in type_)
        return next(filter(None, faults), None)
    return f"holds {type_}"


def json_values(column: pa.Array) -> list[Any]:
    """Returns values that orjson writes exactly, with OPT_SERIALIZE_NUMPY.

    Numbers are written with the fewest digits that give the same number back in their type, those
    that are not finite as the strings NaN, Infinity and -Infinity, decimals with all their digits,
    maps as lists of structs.

    Args:
        column: Values of a type that is not `unwritable`.
    """
    type_ = column.type
    if pa.types.is_dictionary(type_):
        return json_values(column.dictionary_decode())
    if (found := texts(column)) is not None:
        return found
    if pa.types.is_floating(type_):
        return _floats(column)
    if pa.types.is_decimal(type_):
        return [
            None if value is None else orjson.Fragment(format(value, "f").encode())
            for value in column.to_pylist()
        ]
    if pa.types.is_map(type_):
        return json_values(_as_list(column))
    if pa.types.is_struct(type_):
        return _structs(column)
    if any(is_one(type_) for is_one in _LISTS):
        return _lists(column)
    return column.to_pylist()


def _floats(column: pa.Array) -> list[Any]:
    """Returns float32 numbers as numpy's, which orjson writes as such, and others as Python's."""
    column = _shortest(column)
    is_single = pa.types.is_float32(column.type)
    # With nulls, to_numpy would make float64 numbers of float32 ones.
    values: list[Any] = (
        list(column.to_numpy())
        if is_single and not column.null_count
        else [np.float32(v) if v is not None and is_single else v for v in column.to_pylist()]
    )
    for index in _not_finite(column):
        values[index] = _NOT_FINITE.get(float(values[index]), "NaN")
    return values


def _shortest(numbers: pa.Array) -> pa.Array:
    return from_half(numbers) if pa.types.is_float16(numbers.type) else numbers


def _not_finite(numbers: pa.Array) -> Iterator[int]:
    is_finite = pc.fill_null(pc.is_finite(numbers), True)
    yield from np.flatnonzero(~is_finite.to_numpy(zero_copy_only=False)).tolist()


def _as_list(maps: pa.Array) -> pa.Array:
    """Returns maps as lists of structs of key and value."""
    type_ = maps.type
    entry = pa.struct(
        [pa.field("key", type_.key_type, nullable=False), pa.field("value", type_.item_type)]
    )
    return maps.cast(pa.list_(entry))


def _structs(column: pa.Array) -> list[Any]:
    names = [member.name for member in column.type]
    members = [json_values(member) for member in column.flatten()]
    found: list[Any] = [dict(zip(names, row, strict=True)) for row in zip(*members, strict=True)]
    for index in _nulls(column):
        found[index] = None
    return found


def _lists(column: pa.Array) -> list[Any]:
    is_valid = column.is_valid().to_numpy(zero_copy_only=False)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(np.where(is_valid, lengths, 0), dtype=np.int64).tolist()
    values = _items(column.flatten())
    found: list[Any] = [values[i:j] for i, j in zip([0, *ends], ends, strict=False)]
    for index in _nulls(column):
        found[index] = None
    return found


def _items(values: pa.Array) -> Any:
    """Returns the items of lists: a list, or an array whose slices orjson writes fast."""
    if not pa.types.is_floating(values.type):
        return json_values(values)
    numbers = _shortest(values)
    if numbers.null_count or next(_not_finite(numbers), None) is not None:
        return _floats(values)
    return numbers.to_numpy()


def _nulls(column: pa.Array) -> list[int]:
    if not column.null_count:
        return []
    return np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist()
