"""Checking the compiled map by which a SentencePiece model normalizes characters.

SentencePiece follows the map without checking where it leads, so that a forged one makes it read
memory outside the map. The map is a double-array trie of 32-bit units, preceded by its length in
bytes and followed by the replacements, each with a NUL at its end
(https://github.com/google/sentencepiece/blob/master/src/normalizer.cc,
https://github.com/s-yata/darts-clone).
"""

import numpy as np

from models.tokenizers.protobuf import byte_fields

# Field numbers of the messages with a map (for normalizing and for its reverse), and of the map.
_SPECS = (3, 5)
_MAP = 2

_LENGTH_BYTES = 4
# Bits of a unit: whether it is a value; whether it leads to one; whether its offset is shifted.
_IS_VALUE, _HAS_VALUE, _IS_FAR = 1 << 31, 1 << 8, 1 << 9
_CHILDREN = 0xFF


def check_character_maps(model: bytes) -> None:
    """Raises `ValueError` if a map in a serialized SentencePiece model points outside itself."""
    try:
        for field, spec in byte_fields(model):
            if field in _SPECS:
                for part, content in byte_fields(spec):
                    if part == _MAP and content:
                        check_character_map(content)
    except IndexError:
        raise ValueError("not a SentencePiece model") from None


def check_character_map(character_map: bytes) -> None:
    """Raises `ValueError` if a map points outside itself, or is none."""
    length = int.from_bytes(character_map[:_LENGTH_BYTES], "little")
    trie = character_map[_LENGTH_BYTES : _LENGTH_BYTES + length]
    replacements = character_map[_LENGTH_BYTES + length :]
    if not length or len(trie) != length or length % 4 or not replacements.endswith(b"\0"):
        raise ValueError("the SentencePiece model's character map is damaged")
    units = np.frombuffer(trie, "<u4").astype(np.int64)
    followed = np.flatnonzero(units & _IS_VALUE == 0)
    followed = np.union1d(followed, [0])  # the root, whatever it says
    unit = units[followed]
    target = followed ^ (unit >> 10 << np.where(unit & _IS_FAR, 8, 0))
    if (target | _CHILDREN).max() >= len(units):
        raise ValueError("the SentencePiece model's character map points outside itself")
    values = units[target[unit & _HAS_VALUE != 0]] & ~_IS_VALUE
    if len(values) and values.max() >= len(replacements):
        raise ValueError("the SentencePiece model's character map points outside itself")
