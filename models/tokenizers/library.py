"""Tokenizing with the library `tokenizers`, and knowing which texts others tokenize alike.

The tokenizers here that are faster agree with the library on texts of settled characters: those
that Unicode has not changed since its version 3.2, from which all of them were made, and emoji.
What is left, private characters, recent scripts or a sigma that ends a word in Greek, goes through
the library itself where a model was trained with it.
"""

import functools
import itertools
import os
import unicodedata
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from unicodedata import ucd_3_2_0

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tokenizers

from models.packing import Tokens

# Each call uses one thread: callers that want more call from several.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

MAX_CHARACTERS_PER_WORD = 100
"""A longer word is unknown to WordPiece."""

MAX_TOKEN_BYTES = 256
"""The longest token that tensorflow-text accepts in a vocabulary, in bytes of UTF-8."""

META = "\u2581"
"""What SentencePiece writes for a space."""

# Bytes of one, two or three characters of one or two bytes each, and of one or two of three bytes.
_PERIODS = (1, 2, 3, 4, 6)

# Those with characters; all others have none, or private ones.
_PLANES = [range(plane << 16, (plane + 1) << 16) for plane in (0, 1, 2, 3, 14)]
_PICTURES = range(0x1F300, 0x1FB00)
_SKIN_TONES = range(0x1F3FB, 0x1F400)  # which change the picture before them


def unspelled(token: str) -> str:
    """Returns a name for a token of a vocabulary that no text spells, not even one like it.

    Text is split at white space before its parts are looked up.
    """
    return f" \0{token}"


def library_tokens(tokenizer: tokenizers.Tokenizer, texts: pa.Array) -> Tokens:
    """Returns the tokens of texts, without special tokens around them.

    Args:
        tokenizer: The library's tokenizer.
        texts: Strings `[rows]`, none of them null.
    """
    encodings = tokenizer.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
    ids = [encoding.ids for encoding in encodings]
    splits = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, ids), np.int64, len(ids)), out=splits[1:])
    return Tokens(np.fromiter(chain.from_iterable(ids), np.int32, splits[-1]), splits)


def tokens_by_two(
    texts: pa.Array | Sequence[str],
    is_unsettled: Callable[[pa.Array], np.ndarray],
    quick: Callable[[pa.Array], Tokens],
    library: Callable[[], tokenizers.Tokenizer],
) -> Tokens:
    """Returns the tokens of texts, of some by the library.

    Args:
        texts: Strings `[rows]`, none of them null.
        is_unsettled: Tells which texts the library must tokenize, bool `[rows]`.
        quick: Tokenizes the others.
        library: Returns the library's tokenizer; not called if no text needs it.
    """
    if not isinstance(texts, pa.Array):
        texts = pa.array(texts, pa.string())
    needed = is_unsettled(texts)
    if not needed.any():
        return quick(texts)
    if needed.all():
        return library_tokens(library(), texts)
    rows = np.concatenate([np.flatnonzero(~needed), np.flatnonzero(needed)])
    others, unsettled_texts = texts.filter(pa.array(~needed)), texts.filter(pa.array(needed))
    parts = [quick(others), library_tokens(library(), unsettled_texts)]
    return Tokens.concatenate(parts).take(np.argsort(rows))


def finds(texts: pa.Array, pattern: str) -> np.ndarray:
    """Returns which texts a regular expression finds something in, bool `[rows]`."""
    return pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)


def repeats(texts: pa.Array) -> np.ndarray:
    """Returns which texts repeat one or a few characters three times in a row, bool `[rows]`.

    There the same pieces in another order spell the same, and one order is as good as another.

    Args:
        texts: Strings `[rows]`, none of them null.
    """
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, bounds_buffer, data = texts.buffers()
    bounds = np.frombuffer(bounds_buffer, width)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(data or b"", np.uint8)[bounds[0] : bounds[-1]]
    starts, ends = bounds[:-1] - bounds[0], bounds[1:] - bounds[0]
    found = np.zeros(len(texts), bool)
    for period in _PERIODS:
        differs = np.ones(len(content) + 1, bool)
        differs[: max(0, len(content) - period)] = content[period:] != content[:-period]
        for before in range(1, period + 1):  # what is compared is of another text
            differs[ends[ends >= before] - before] = True
        breaks = np.flatnonzero(differs)
        runs = np.diff(breaks, prepend=-1) - 1
        begins = (breaks - runs)[runs >= 2 * period]
        found[np.searchsorted(starts, begins, side="right") - 1] = True
    return found


@functools.cache
def unsettled(categories: str = "LMNPSZC", without: Collection[str] = ()) -> str:
    """Returns a regular expression that finds a character on which tokenizers may differ.

    Args:
        categories: First letters of Unicode's categories that hold settled characters.
        without: Characters, or the two letters of a category, that do not count as settled.
    """
    is_settled = np.zeros(0x110000, bool)
    for code in itertools.chain.from_iterable(_PLANES):
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Cs", "Co", "Cn"):
            continue
        is_settled[code] = (
            category[0] in categories
            and category not in without
            and character not in without
            and category == ucd_3_2_0.category(character)
        )
    is_settled[_PICTURES] = "S" in categories
    is_settled[_SKIN_TONES] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_settled, [False]]))).reshape(-1, 2)
    ranges = "".join(f"\\x{{{start:x}}}-\\x{{{end - 1:x}}}" for start, end in edges)
    return f"[^{ranges}]"
