"""Thrift's compact protocol, as far as the metadata of Parquet needs it.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md describes it.
"""

from typing import Any

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)
_MOST_LEVELS = 32  # of structs and lists in each other; Parquet's metadata has seven


def read_struct(data: bytes, at: int = 0) -> tuple[dict[int, Any], int]:
    """Reads a struct.

    Args:
        data: What holds it.
        at: Where it begins.

    Returns:
        Its fields by number, and the byte after it. Structs are such dictionaries too, lists and
        sets are lists, and maps are lists of pairs.

    Raises:
        IndexError: The data end within it.
        ValueError: It is not a struct.
    """
    return _read_struct(data, at, _MOST_LEVELS)


def _read_struct(data: bytes, at: int, levels: int) -> tuple[dict[int, Any], int]:
    fields: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _read_integer(data, at)
        kind = head & 15
        if kind in (_TRUE, _FALSE):
            fields[number] = kind == _TRUE
        else:
            fields[number], at = _read_value(data, at, kind, levels)
    return fields, at + 1


def _read_value(data: bytes, at: int, kind: int, levels: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _read_integer(data, at)
    if kind == _BINARY:
        length, at = _read_varint(data, at)
        if length > len(data) - at:
            raise IndexError(length)
        return data[at : at + length], at + length
    if levels == 0:
        raise ValueError("nested too deeply")
    if kind == _STRUCT:
        return _read_struct(data, at, levels - 1)
    if kind in (_LIST, _SET):
        return _read_list(data, at, levels - 1)
    if kind == _MAP:
        return _read_map(data, at, levels - 1)
    if kind == _DOUBLE:
        return data[at : at + 8], at + 8
    if kind in (_TRUE, _FALSE, _BYTE):  # inside of a list, a truth value is a byte
        return data[at], at + 1
    raise ValueError(f"unknown type {kind}")


def _read_list(data: bytes, at: int, levels: int) -> tuple[list[Any], int]:
    head = data[at]
    kind, length, at = head & 15, head >> 4, at + 1
    if length == 15:
        length, at = _read_varint(data, at)
    values = []
    for _ in range(length):
        value, at = _read_value(data, at, kind, levels)
        values.append(value)
    return values, at


def _read_map(data: bytes, at: int, levels: int) -> tuple[list[Any], int]:
    length, at = _read_varint(data, at)
    if length == 0:
        return [], at
    kinds, at = data[at], at + 1
    pairs = []
    for _ in range(length):
        key, at = _read_value(data, at, kinds >> 4, levels)
        value, at = _read_value(data, at, kinds & 15, levels)
        pairs.append((key, value))
    return pairs, at


def _read_integer(data: bytes, at: int) -> tuple[int, int]:
    value, at = _read_varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    octet = data[at]
    at += 1
    if octet < 0x80:
        return octet, at
    value, shift = octet & 0x7F, 7
    while octet >= 0x80:
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise ValueError("a number has no end")
    return value, at
