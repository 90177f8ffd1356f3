"""Writing SentencePiece models from the pieces of a Unigram vocabulary, and reading them.

The format is a protocol buffer message
(https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto), of which a few
fields are needed.
"""

import struct
from collections.abc import Container, Iterable, Iterator
from itertools import islice
from typing import Any

from models.tokenizers.protobuf import byte_fields, bytes_field, fields, float_field, number_field

# Field numbers, and the numbers of a piece's types.
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_PIECE, _SCORE, _TYPE = 1, 2, 3
NORMAL, _UNKNOWN, _CONTROL, USER_DEFINED = 1, 2, 3, 4
_CHARACTERS = 2
# How the pieces were found, among what the trainer was told.
_MODEL_TYPE, _PAIRS = 3, 2

# Just below the largest float32.
_LARGEST_SCORE = 3.4e38

_SPECIALS = (("<unk>", _UNKNOWN), ("<s>", _CONTROL), ("</s>", _CONTROL))


def _piece(text: str, score: float, kind: int | None = None) -> bytes:
    message = bytes_field(_PIECE, text.encode()) + float_field(_SCORE, score)
    return bytes_field(_PIECES, message + (number_field(_TYPE, kind) if kind else b""))


def is_scored(piece: Any) -> bool:
    """Returns whether a value is a piece with its score."""
    return (
        isinstance(piece, list)
        and len(piece) == 2
        and isinstance(piece[0], str)
        and isinstance(piece[1], (int, float))
        and abs(piece[1]) <= _LARGEST_SCORE
    )


def sentence_piece_model(pieces: Iterable[tuple[str, float]], characters: bytes) -> bytes:
    """Returns a serialized SentencePiece model that begins with `<unk>`, `<s>` and `</s>`.

    Args:
        pieces: The other pieces in the order of their ids, with their scores.
        characters: The compiled map by which texts are normalized; empty for none.

    Raises:
        ValueError: A piece cannot be written in UTF-8.
    """
    model = [_piece(text, 0.0, kind) for text, kind in _SPECIALS]
    model += [_piece(text, score) for text, score in pieces]
    return b"".join(model) + bytes_field(_NORMALIZER, bytes_field(_CHARACTERS, characters))


def pieces_of(model: bytes, most: int | None = None) -> list[tuple[str, float, int]]:
    """Returns the pieces of a serialized SentencePiece model: text, score and type.

    Args:
        model: The model.
        most: How many pieces to read, the first ones; all if `None`.

    Raises:
        ValueError: It is not such a model.
    """
    try:
        pieces = list(islice(_each_piece(model), most))
    except (IndexError, struct.error, ValueError):
        raise ValueError("not a SentencePiece model") from None
    if not pieces:
        raise ValueError("not a SentencePiece model: it has no pieces")
    return pieces


def _each_piece(model: bytes) -> Iterator[tuple[str, float, int]]:
    for field, message in byte_fields(model):
        if field == _PIECES:
            piece = dict(fields(message))
            text, score, kind = (piece.get(number) for number in (_PIECE, _SCORE, _TYPE))
            if not isinstance(text, bytes) or not isinstance(score or 0.0, (int, float)):
                raise ValueError(text)
            number = kind if isinstance(kind, int) else NORMAL
            yield text.decode(), float(score or 0.0), number


def cut_model(model: bytes, kept: Container[str]) -> bytes:
    """Returns a serialized SentencePiece model without some of the pieces that texts are made of.

    Args:
        model: The model.
        kept: The pieces to keep; those of other types, such as `<unk>`, stay.

    Raises:
        ValueError: It is not such a model.
    """
    types = iter(pieces_of(model))
    parts = []
    for field, message in byte_fields(model):  # the fields of a model are messages, all of them
        if field == _PIECES:
            text, _, kind = next(types)
            if kind == NORMAL and text not in kept:
                continue
        parts.append(bytes_field(field, message))
    return b"".join(parts)


def merges_pairs(model: bytes) -> bool:
    """Returns whether a serialized model merges neighbours, as byte-pair encoding does.

    Raises:
        ValueError: It is not such a model.
    """
    try:
        specs = dict(byte_fields(model))
        return dict(fields(specs.get(_TRAINER, b""))).get(_MODEL_TYPE) == _PAIRS
    except (IndexError, struct.error):
        raise ValueError("not a SentencePiece model") from None


def unknown_of(model: bytes) -> int:
    """Returns the place of the piece for what a serialized model cannot spell.

    Raises:
        ValueError: It is not such a model, or the first pieces, whose places in XLM-R's vocabulary
            others take, are not this one and two that no text is spelled with.
    """
    first = pieces_of(model, len(_SPECIALS))
    kinds = [kind for _, _, kind in first]
    expected, found = [name for name, _ in _SPECIALS], [text for text, _, _ in first]
    if sorted(kinds) != sorted(kind for _, kind in _SPECIALS):
        texts = (NORMAL, USER_DEFINED)
        if spelled := [text for text, _, kind in first if text in expected and kind in texts]:
            raise ValueError(f"the SentencePiece model lets texts spell {spelled[0]}")
        raise ValueError(
            f"the SentencePiece model must begin with {', '.join(expected)}, not with "
            f"{', '.join(found)}"
        )
    return kinds.index(_UNKNOWN)


def character_map_of(model: bytes) -> bytes:
    """Returns the compiled map by which a serialized model normalizes texts; empty for none.

    Raises:
        ValueError: It is not such a model.
    """
    characters = b""
    try:
        for field, spec in byte_fields(model):
            if field == _NORMALIZER:
                characters = dict(byte_fields(spec)).get(_CHARACTERS, b"")
    except (IndexError, struct.error):
        raise ValueError("not a SentencePiece model") from None
    return characters
