"""SentencePiece models made of given pieces, written without their protocol buffer classes.

A model is a message whose field 1 is a piece, any number of times: text (1), score (2), type (3).
"""

import struct
from collections.abc import Iterator, Sequence

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
_PIECES, _NORMALIZER = 1, 3
_RULES = 2
_BYTES = 2  # the wire type of texts and messages


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while content[at] & 0x80:
        number |= (content[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | content[at] << shift, at + 1


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yields number, content and encoding of each text or message within a message."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _read_varint(message, at)
        length, at = _read_varint(message, at)
        if tag & 7 == _BYTES:
            yield tag >> 3, message[at : at + length], message[start : at + length]
            at += length


def _piece(text: str, score: float, kind: int) -> bytes:
    spelled = text.encode()
    fields = b"\x0a" + _varint(len(spelled)) + spelled + b"\x15" + struct.pack("<f", score)
    fields += b"\x18" + _varint(kind)
    return bytes([_PIECES << 3 | _BYTES]) + _varint(len(fields)) + fields


def with_pieces(proto: bytes, pieces: Sequence[tuple[str, float, int]]) -> bytes:
    """Returns a model with the settings of another and pieces of text, score and type."""
    settings = b"".join(field for number, _, field in _fields(proto) if number != _PIECES)
    return b"".join(_piece(*piece) for piece in pieces) + settings


def normalization(proto: bytes) -> bytes:
    """Returns the compiled rules by which a model replaces characters."""
    settings = {number: content for number, content, _ in _fields(proto)}[_NORMALIZER]
    return {number: content for number, content, _ in _fields(settings)}[_RULES]
