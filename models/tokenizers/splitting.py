"""Splitting many texts at once where GPT-2 splits them before it merges bytes.

To GPT-2 (https://github.com/openai/gpt-2), each of these is one part: a contraction such as `'s`;
letters, numbers or other characters of one kind, with the space before them; and white space, whose
last character before something else is a part of its own or the space of the next part.

Here the parts are found for ASCII, from the kinds of neighbouring bytes. Text around other
characters, from one plain space to the next, is left whole.
"""

import numpy as np
import pyarrow as pa

_WHITE, _LETTER, _NUMBER, _OTHER, _NO_ASCII = range(5)
_KINDS = np.full(256, _OTHER, np.uint8)
_KINDS[list(b" \t\n\v\f\r")] = _WHITE
_KINDS[[*range(ord("a"), ord("z") + 1), *range(ord("A"), ord("Z") + 1)]] = _LETTER
_KINDS[range(ord("0"), ord("9") + 1)] = _NUMBER
_KINDS[0x80:] = _NO_ASCII

_SPACE, _APOSTROPHE = b" '"
_SHORT_CONTRACTIONS = b"stmd"
_LONG_CONTRACTIONS = (b"re", b"ve", b"ll")


def split(texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Splits texts into parts whose tokens are the same alone and within their text.

    Args:
        texts: Strings `[rows]`, none of them null, of the type `string` or `large_string`.

    Returns:
        The parts of all texts, in order, without copying them; and int64 `[rows + 1]`: row `i` has
        the parts from the `i`-th number to the next.
    """
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, bounds_buffer, data = texts.buffers()
    bounds = np.frombuffer(bounds_buffer, width)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(data or b"", np.uint8)[bounds[0] : bounds[-1]]
    starts = _part_starts(content, np.unique(bounds - bounds[0])[:-1])
    offsets = np.append(starts, len(content)) + bounds[0]
    buffers = [None, pa.py_buffer(offsets.astype(width)), data]
    parts = pa.Array.from_buffers(texts.type, len(starts), buffers)
    return parts, np.searchsorted(offsets, bounds)


def _part_starts(content: np.ndarray, text_starts: np.ndarray) -> np.ndarray:
    """Returns where parts begin.

    Args:
        content: uint8, the texts, one after another.
        text_starts: Where the texts that are not empty begin.
    """
    kinds = _KINDS[content]
    is_white = kinds == _WHITE
    starts_text = np.zeros(len(content) + 1, bool)
    starts_text[text_starts] = True
    starts_text[-1] = True

    # Whether the same text has a next byte that is not white space.
    before_other = np.zeros(len(content), bool)
    before_other[:-1] = ~is_white[1:]
    before_other &= ~starts_text[1:]
    takes_next = before_other & (content == _SPACE)

    begins = np.empty(len(content), bool)
    begins[:1] = True
    # A different kind from the byte before it, or the last white space before something else.
    np.not_equal(kinds[1:], kinds[:-1], out=begins[1:])
    begins |= is_white & before_other
    begins[1:] &= ~takes_next[:-1]
    begins |= starts_text[:-1]
    _split_contractions(content, begins, starts_text)
    starts = np.flatnonzero(begins)

    foreign = np.flatnonzero(kinds == _NO_ASCII)
    if len(foreign):
        # Some may be white space: only a space before non-white ASCII is sure to begin a part.
        is_sure = starts_text[:-1] | takes_next
        is_sure[:-1] &= starts_text[:-2] | (kinds[1:] != _NO_ASCII)
        sure = np.flatnonzero(is_sure)
        is_mixed = np.zeros(len(sure), bool)
        is_mixed[np.searchsorted(sure, foreign, side="right") - 1] = True
        stretch = np.searchsorted(sure, starts, side="right") - 1
        starts = starts[is_sure[starts] | ~is_mixed[stretch]]
    return starts


def _split_contractions(content: np.ndarray, begins: np.ndarray, starts_text: np.ndarray) -> None:
    """Makes contractions parts of their own.

    Args:
        content: uint8, the texts, one after another.
        begins: Where parts begin; changed in place.
        starts_text: Where texts begin, and True after the last.
    """
    places = np.flatnonzero(begins & (content == _APOSTROPHE))
    # Nothing after the end of a text can be part of a contraction.
    padded = np.append(content, np.zeros(2, np.uint8))
    first = np.where(starts_text[places + 1], 0, padded[places + 1])
    within = np.minimum(places + 2, len(content))
    second = np.where((first == 0) | starts_text[within], 0, padded[places + 2])
    is_short = np.isin(first, list(_SHORT_CONTRACTIONS))
    is_long = np.zeros(len(places), bool)
    for one, two in _LONG_CONTRACTIONS:
        is_long |= (first == one) & (second == two)
    for chosen, length in ((is_short, 2), (is_long, 3)):
        begins[places[chosen] + 1] = False
        ends = places[chosen] + length
        begins[ends[ends < len(content)]] = True
