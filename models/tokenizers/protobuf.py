"""The wire format of protocol buffers, as far as SentencePiece's models need it.

A message is a sequence of fields, each with a number and a type before its content
(https://protobuf.dev/programming-guides/encoding).
"""

import struct
from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_FIELDS = 4_000_000  # sixteen times the pieces of the largest vocabulary
_VARINT_BITS = 70
_FIXED64_BYTES, _FIXED32_BYTES = 8, 4


def byte_fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the number and the content of each field of a message that holds bytes.

    Raises:
        IndexError: It is not a message, not a complete one, or one of too many fields.
    """
    return ((field, value) for field, value in fields(message) if isinstance(value, bytes))


def fields(message: bytes) -> Iterator[tuple[int, bytes | int | float]]:
    """Yields the number and the value of each field of a message; one of 8 bytes is bytes.

    Raises:
        IndexError: It is not a message, not a complete one, or one of too many fields.
    """
    at, end, count = 0, len(message), 0
    while at < end:
        count += 1
        if count > _MOST_FIELDS:
            raise IndexError(count)
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == _BYTES:
            length, at = _read_varint(message, at)
            if at + length > end:
                raise IndexError(length)
            yield tag >> 3, message[at : at + length]
            at += length
        elif kind == _VARINT:
            value, at = _read_varint(message, at)
            yield tag >> 3, value
        elif kind == _FIXED32:
            at += _FIXED32_BYTES
            yield tag >> 3, struct.unpack("<f", message[at - _FIXED32_BYTES : at])[0]
        elif kind == _FIXED64:
            at += _FIXED64_BYTES
            yield tag >> 3, message[at - _FIXED64_BYTES : at]
        else:
            raise IndexError(kind)


def number_field(field: int, value: int) -> bytes:
    """Returns a field that holds a non-negative integer."""
    return _varint(field << 3 | _VARINT) + _varint(value)


def bytes_field(field: int, value: bytes) -> bytes:
    """Returns a field that holds bytes."""
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def float_field(field: int, value: float) -> bytes:
    """Returns a field that holds a float32."""
    return _varint(field << 3 | _FIXED32) + struct.pack("<f", value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """Returns a number and where it ends."""
    value = message[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    shift = 7
    while True:
        at += 1
        value |= (message[at] & 0x7F) << shift
        if message[at] < 0x80:
            return value, at + 1
        shift += 7
        if shift > _VARINT_BITS:
            raise IndexError(shift)
