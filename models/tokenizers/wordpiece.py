"""BERT's tokenization: cleaning, splitting into words, WordPiece.

Gives the same ids as Google's own tokenizer for BERT (https://github.com/google-research/bert),
except that words of more than 100 characters become one unknown token, as in Hugging Face's. Text
that spells a special token is ordinary text.
"""

import functools
import itertools
import re
import string
import unicodedata
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.backends import importing
from models.packing import Tokens
from models.tokenizers.library import MAX_CHARACTERS_PER_WORD

# What the cleaning deletes: control characters except tab, newline and return; format characters;
# the replacement character.
_DELETED = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\p{Cf}\x{fffd}]"
_ACCENTS = r"\p{Mn}"
_SPACE, _LAST_PRINTABLE = 0x20, 0x7E
_OTHER_WHITE_SPACE = list(b"\t\n\r")
# A text without a run of this many non-space bytes has no long word once it is normalized:
# decomposition turns one character into at most three.
_PERHAPS_LONG_WORD = MAX_CHARACTERS_PER_WORD // 3
# CJK ideographs: each is a word.
_IDEOGRAPHS = re.compile(
    "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f"
    "\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f]"
)
# In no vocabulary, and neither white space nor punctuation: a word that is always unknown.
_UNKNOWN_WORD = "\U0010ffff"


_LONG_CHUNK = re.compile(rf"\S{{{MAX_CHARACTERS_PER_WORD + 1},}}")


@functools.cache
def _ends_word(character: str) -> bool:
    """Returns whether a character other than white space is a word of its own."""
    if character.isascii():
        return character in string.punctuation
    return unicodedata.category(character)[0] == "P" or bool(_IDEOGRAPHS.match(character))


def _replace_long_words(text: str) -> str:
    """Puts the unknown word in place of every word over the limit in a normalized text."""

    def replace(chunk: re.Match[str]) -> str:
        words = ("".join(word) for _, word in itertools.groupby(chunk[0], _ends_word))
        return "".join(
            _UNKNOWN_WORD
            if len(word) > MAX_CHARACTERS_PER_WORD and not _ends_word(word[0])
            else word
            for word in words
        )

    return _LONG_CHUNK.sub(replace, text)


class WordPiece:
    """Tokenizes batches of texts.

    Args:
        vocabulary: Tokens in the order of their ids; continuations begin with `##`.
        lowercase: Whether to lowercase.
        strip_accents: Whether to strip accents.
        unknown_token: Token for words that the vocabulary cannot spell.
    """

    def __init__(
        self, vocabulary: Sequence[str], lowercase: bool, strip_accents: bool, unknown_token: str
    ) -> None:
        self._lowercase = lowercase
        self._strip_accents = strip_accents
        # Without the normalizer of `FastBertTokenizer`: the cleaning here leaves it nothing to do.
        self._tokenizer = importing.tensorflow_text().FastWordpieceTokenizer(
            vocab=list(vocabulary),
            token_out_type=importing.tensorflow().int32,
            unknown_token=unknown_token,
            max_bytes_per_word=4 * MAX_CHARACTERS_PER_WORD,
        )

    def encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        """Returns the tokens of each text, without special tokens.

        Args:
            texts: Strings `[rows]`, none of them null.
        """
        if not isinstance(texts, pa.Array):
            texts = pa.array(texts, pa.string())
        if len(texts) == 0:
            return Tokens(np.zeros(0, np.int32), np.zeros(1, np.int64))
        to_clean, perhaps_long = _suspects(texts)
        lowered = pc.ascii_lower(texts) if self._lowercase else texts
        normalized: list[str | bytes] = lowered.to_pylist()
        if len(to_clean):
            cleaned = self._clean(texts.take(pa.array(to_clean)))
            for row, text in zip(to_clean, cleaned, strict=True):
                normalized[row] = text
        for row in perhaps_long:
            text = normalized[row]
            normalized[row] = _replace_long_words(text if isinstance(text, str) else text.decode())
        ragged = self._tokenizer.tokenize(importing.tensorflow().constant(normalized))
        return Tokens(ragged.flat_values.numpy(), ragged.row_splits.numpy())

    def _clean(self, texts: pa.Array) -> list[bytes]:
        """Normalizes texts with characters that are not plain."""
        tf = importing.tensorflow()
        cleaned = tf.strings.regex_replace(tf.constant(texts.to_pylist()), _DELETED, "")
        if self._lowercase:
            # Not `tf.strings.lower`: it follows the machine's locale, and Turkish has its own
            # lowercase of "I".
            cleaned = tf.constant([text.decode().lower() for text in cleaned.numpy()])
        if self._strip_accents:
            cleaned = importing.tensorflow_text().normalize_utf8(cleaned, "NFD")
            cleaned = tf.strings.regex_replace(cleaned, _ACCENTS, "")
        return cleaned.numpy().tolist()


def _suspects(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows to clean, and those that may have a word over the limit.

    It looks at the bytes of all texts at once.
    """
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, bounds_buffer, data = texts.buffers()
    bounds = np.frombuffer(bounds_buffer, width)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(data or b"", np.uint8)[bounds[0] : bounds[-1]]
    starts = bounds[:-1] - bounds[0]

    def rows_of(positions: np.ndarray) -> np.ndarray:
        return np.searchsorted(starts, positions, side="right") - 1

    # Below the space the difference wraps around.
    unprintable = np.flatnonzero(content - np.uint8(_SPACE) > _LAST_PRINTABLE - _SPACE)
    to_clean = unprintable[np.isin(content[unprintable], _OTHER_WHITE_SPACE, invert=True)]

    # From space to space, across the bounds of texts: few are far apart.
    spaces = np.concatenate([[-1], np.flatnonzero(content == _SPACE), [len(content)]])
    wide = np.flatnonzero(np.diff(spaces) > _PERHAPS_LONG_WORD)
    begins_or_ends = np.zeros(len(texts) + 1, np.int64)
    np.add.at(begins_or_ends, rows_of(spaces[wide] + 1), 1)
    np.add.at(begins_or_ends, rows_of(spaces[wide + 1] - 1) + 1, -1)
    is_within = np.cumsum(begins_or_ends[:-1]) > 0
    is_long = np.diff(bounds) > _PERHAPS_LONG_WORD
    return np.unique(rows_of(to_clean)), np.flatnonzero(is_within & is_long)
