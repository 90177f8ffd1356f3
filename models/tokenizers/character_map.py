"""Checking the compiled map by which a SentencePiece model normalizes characters.

SentencePiece follows what the map says without looking where it leads, so that a forged one makes
it read foreign memory. The map is a double-array trie of 32-bit units, after its length in bytes,
and behind it the replacements, each with a NUL at its end
(https://github.com/google/sentencepiece/blob/master/src/normalizer.cc,
https://github.com/s-yata/darts-clone).
"""

from collections.abc import Iterator

import numpy as np

# Field numbers of the messages with a map, those of normalizing and of its reverse, and of the map.
_SPECS = (3, 5)
_MAP = 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}

_LENGTH_BYTES = 4
# Of a unit: whether it is a value; whether one is where it leads; whether its offset is shifted.
_IS_VALUE, _HAS_VALUE, _IS_FAR = 1 << 31, 1 << 8, 1 << 9
_CHILDREN = 0xFF


def check_character_maps(model: bytes) -> None:
    """Raises `ValueError` if a map in a serialized SentencePiece model leads out of itself."""
    try:
        for field, spec in _fields(model):
            if field in _SPECS:
                for part, content in _fields(spec):
                    if part == _MAP and content:
                        _check(content)
    except IndexError:
        raise ValueError("no SentencePiece model") from None


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields number and content of each field of a message of protocol buffers that has bytes."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _BYTES:
            length, at = _varint(message, at)
            if at + length > end:
                raise IndexError(length)
            yield tag >> 3, message[at : at + length]
            at += length
        elif kind == _VARINT:
            _, at = _varint(message, at)
        elif kind in _FIXED_BYTES:
            at += _FIXED_BYTES[kind]
        else:
            raise IndexError(kind)


def _varint(message: bytes, at: int) -> tuple[int, int]:
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


def _check(character_map: bytes) -> None:
    length = int.from_bytes(character_map[:_LENGTH_BYTES], "little")
    trie = character_map[_LENGTH_BYTES : _LENGTH_BYTES + length]
    replacements = character_map[_LENGTH_BYTES + length :]
    if not length or len(trie) != length or length % 4 or not replacements.endswith(b"\0"):
        raise ValueError("the SentencePiece model's map of characters is damaged")
    units = np.frombuffer(trie, "<u4").astype(np.int64)
    followed = np.flatnonzero(units & _IS_VALUE == 0)
    followed = np.union1d(followed, [0])  # the root, whatever it says
    unit = units[followed]
    target = followed ^ (unit >> 10 << np.where(unit & _IS_FAR, 8, 0))
    if (target | _CHILDREN).max() >= len(units):
        raise ValueError("the SentencePiece model's map of characters leads out of itself")
    values = units[target[unit & _HAS_VALUE != 0]] & ~_IS_VALUE
    if len(values) and values.max() >= len(replacements):
        raise ValueError("the SentencePiece model's map of characters leads out of itself")
