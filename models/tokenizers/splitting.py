"""Splitting many texts at once where GPT-2 splits them before it merges bytes.

To GPT-2 (https://github.com/openai/gpt-2), each of these is one part: a contraction such as `'s`;
letters, numbers or other characters of one kind, with the space before them; and white space, whose
last character before something else is a part of its own or the space of the next part.

The parts are found from the kinds of neighbouring bytes. Of what kind a character beyond ASCII is,
is asked of the library `tokenizers` when it first occurs: Unicode has changed with time.
"""

import numpy as np
import pyarrow as pa
import tokenizers

_WHITE, _LETTER, _NUMBER, _OTHER, _UNASKED = range(5)
# By code point. What texts have in them is filled in, by each thread alike.
_KINDS = np.full(0x110000, _UNASKED, np.uint8)
_KINDS[:0x80] = _OTHER
_KINDS[list(b" \t\n\v\f\r")] = _WHITE
_KINDS[[*range(ord("a"), ord("z") + 1), *range(ord("A"), ord("Z") + 1)]] = _LETTER
_KINDS[range(ord("0"), ord("9") + 1)] = _NUMBER

_FINDERS = {
    kind: tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "removed", invert=True)
    for kind, pattern in ((_WHITE, r"\s+"), (_LETTER, r"\p{L}+"), (_NUMBER, r"\p{N}+"))
}

_SPACE, _APOSTROPHE = b" '"
_SHORT_CONTRACTIONS = b"stmd"
_LONG_CONTRACTIONS = (b"re", b"ve", b"ll")

# The first bytes of characters of two, three and four bytes of UTF-8 are not below these.
_LEADS = (0xC0, 0xE0, 0xF0)


def split(texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Splits texts into parts.

    Args:
        texts: Strings `[rows]`, none of them null, of the type `string` or `large_string`.

    Returns:
        The parts of all texts, in order, without copying them, none of them empty; and int64
        `[rows + 1]`: row `i` has the parts from the `i`-th number to the next.
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
    kinds = _kinds(content)
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
    begins[_first_bytes(content, np.flatnonzero(is_white & before_other))] = True
    begins[1:] &= ~takes_next[:-1]
    begins |= starts_text[:-1]
    _split_contractions(content, begins, starts_text)
    return np.flatnonzero(begins)


def _kinds(content: np.ndarray) -> np.ndarray:
    """Returns the kind of the character that each byte belongs to.

    Args:
        content: uint8, texts in UTF-8.
    """
    kinds = _KINDS[content]
    leads = np.flatnonzero(content >= _LEADS[0])
    if not len(leads):
        return kinds
    first = content[leads]
    sizes = 1 + sum((first >= lead).astype(np.int32) for lead in _LEADS)
    codes = first & (0x7F >> sizes)
    for place in (1, 2, 3):
        longer = sizes > place
        codes[longer] = codes[longer] << 6 | content[leads[longer] + place] & 0x3F
    found = _kinds_of(codes)
    for place in range(4):
        longer = sizes > place
        kinds[leads[longer] + place] = found[longer]
    return kinds


def _kinds_of(codes: np.ndarray) -> np.ndarray:
    """Returns the kinds of characters, given as code points."""
    kinds = _KINDS[codes]
    unasked = np.unique(codes[kinds == _UNASKED])
    if not len(unasked):
        return kinds
    answers = np.full(len(unasked), _OTHER, np.uint8)
    characters = "".join(map(chr, unasked.tolist()))
    for kind, finder in _FINDERS.items():
        for _, (start, end) in finder.pre_tokenize_str(characters):
            answers[start:end] = kind
    _KINDS[unasked] = answers
    return _KINDS[codes]


def _first_bytes(content: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Returns where the characters begin whose last bytes are at some places.

    Args:
        content: uint8, texts in UTF-8.
        places: Ends of characters of at most three bytes.
    """
    for _ in range(2):
        places = places - ((content[places] & 0xC0) == 0x80)
    return places


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
