"""The Arrow types of JSON values: found in samples, and checked while reading."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from transforms.reading.formats.json_values import Digits, json_text

MIXED = object()
"""Stands for values that no single Arrow type can hold; their column becomes JSON text."""

_DEEPEST = 32  # levels of lists and structs; what is nested deeper becomes JSON text
_INT64 = range(-(1 << 63), 1 << 63)
_EXACT_IN_FLOAT = range(-(1 << 53), (1 << 53) + 1)
_LARGE = pa.uint64()  # while types are merged: integers that a column of floats would round
_INTEGERS = (pa.int64(), _LARGE)
_SCALARS: dict[type, Any] = {
    bool: pa.bool_(),
    float: pa.float64(),
    str: pa.string(),
    type(None): pa.null(),
    Digits: MIXED,
}
_FITTING: dict[pa.DataType, frozenset[type]] = {
    pa.bool_(): frozenset({bool}),
    pa.int64(): frozenset({int}),
    pa.float64(): frozenset({int, float}),
    pa.string(): frozenset({str}),
}


def infer_type(values: Iterable[Any]) -> pa.DataType:
    """Finds the Arrow type of a column of parsed JSON.

    Args:
        values: The values of the column in the samples.

    Returns:
        bool, int64, double (also for int64 with double), string, or a struct or list of these.
        If the values do not agree, are all null, or a number is not held exactly: string.
    """
    return settled_type(found_type(values))


def found_type(values: Iterable[Any]) -> pa.DataType:
    """Returns the type of values, in which null stands for what was always null.

    Args:
        values: Values of a column.
    """
    found = _merged(map(_type_of, _distinct(values)))
    return pa.string() if found is MIXED else found


def merged_type(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Returns the type of values that were found to be of two types."""
    found = _merged_pair(one, other)
    return pa.string() if found is MIXED else found


def settled_type(type_: pa.DataType) -> pa.DataType:
    """Returns the type of a column, given what `found_type` found."""
    return _final(type_)


def column_array(
    values: list[Any],
    type_: pa.DataType,
    exact: Callable[[int], Any] | None = None,
) -> pa.Array:
    """Makes an array from parsed JSON.

    Args:
        values: One value for each row.
        type_: A type from `infer_type`. A string column holds strings as they are and any other
            value as JSON text.
        exact: Given a row, returns its value with the digits of its numbers; the value itself if
            None.

    Raises:
        ValueError: A value does not fit the type.
    """
    kinds = set(map(type, values)) - {type(None)}
    if pa.types.is_string(type_):
        if kinds - {str}:
            values = [
                value
                if value is None or type(value) is str
                else json_text(value if exact is None or type(value) is bool else exact(row))
                for row, value in enumerate(values)
            ]
    elif type_ in _FITTING:
        if not kinds <= _FITTING[type_]:
            raise ValueError("a value has a different type")
    elif not all(_fits(value, type_) for value in values):
        raise ValueError("a value has a different type")
    try:
        return pa.array(values, type_)
    except (OverflowError, pa.ArrowInvalid) as error:
        raise ValueError(str(error)) from error


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Leaves out what cannot change the type: all but one of the scalars of a kind."""
    kept: dict[Any, Any] = {}
    for value in values:
        kind = type(value)
        if kind is int:
            kept[kind, value in _INT64, value in _EXACT_IN_FLOAT] = value
        elif kind is dict or kind is list:
            kept[id(value)] = value
        else:
            kept[kind] = value
    return list(kept.values())


def _type_of(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        return MIXED
    if type(value) is int:
        return MIXED if value not in _INT64 else _INTEGERS[value not in _EXACT_IN_FLOAT]
    if type(value) is list:
        item = _merged(_type_of(member, depth + 1) for member in _distinct(value))
        return MIXED if item is MIXED else pa.list_(item)
    if type(value) is dict:
        types = {name: _type_of(member, depth + 1) for name, member in value.items()}
        return MIXED if MIXED in types.values() else pa.struct(list(types.items()))
    return _SCALARS[type(value)]


def _merged(types: Iterable[Any]) -> Any:
    """Returns the type that can hold the values of all types, or `MIXED`."""
    merged: Any = pa.null()
    for type_ in types:
        merged = _merged_pair(merged, type_)
        if merged is MIXED:
            break
    return merged


def _merged_pair(one: Any, other: Any) -> Any:
    if other is MIXED:
        return MIXED
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if {one, other} == set(_INTEGERS):
        return _LARGE
    if pa.types.is_list(one) and pa.types.is_list(other):
        item = _merged_pair(one.value_type, other.value_type)
        return MIXED if item is MIXED else pa.list_(item)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        members = _members(one)
        for name, type_ in _members(other).items():
            members[name] = _merged_pair(members.get(name, pa.null()), type_)
        return MIXED if MIXED in members.values() else pa.struct(list(members.items()))
    return MIXED


def _members(type_: pa.DataType) -> dict[str, Any]:
    return {type_.field(i).name: type_.field(i).type for i in range(type_.num_fields)}


def _final(type_: pa.DataType) -> pa.DataType:
    """Turns what was always null, and structs without members, into strings: neither is writable.

    A list of such structs, or a struct with one, becomes a string as a whole.
    """
    if type_ == _LARGE:
        return pa.int64()
    if pa.types.is_null(type_) or _has_empty_struct(type_):
        return pa.string()
    if pa.types.is_list(type_):
        return pa.list_(_final(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(name, _final(t)) for name, t in _members(type_).items()])
    return type_


def _has_empty_struct(type_: pa.DataType) -> bool:
    if pa.types.is_list(type_):
        return _has_empty_struct(type_.value_type)
    if pa.types.is_struct(type_):
        members = _members(type_).values()
        return not members or any(map(_has_empty_struct, members))
    return False


def _fits(value: Any, type_: pa.DataType) -> bool:
    if value is None:
        return True
    if type_ in _FITTING:
        return type(value) in _FITTING[type_]
    if pa.types.is_list(type_):
        return type(value) is list and all(_fits(item, type_.value_type) for item in value)
    members: Mapping[str, pa.DataType] = _members(type_)
    return (
        type(value) is dict
        and value.keys() <= members.keys()
        and all(_fits(item, members[name]) for name, item in value.items())
    )
