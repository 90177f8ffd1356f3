"""BERT's tokenization: cleaning, splitting into words, WordPiece.

Gives the ids of Google's own tokenizer for BERT (https://github.com/google-research/bert), whose
words of more than 100 characters become one unknown token, as Hugging Face's do. Text that spells
a special token is text.
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
import tensorflow as tf
import tensorflow_text

from models.packing import Tokens

MAX_CHARACTERS_PER_WORD = 100
MAX_TOKEN_BYTES = 256
"""The longest token that tensorflow-text takes into a vocabulary, in bytes of UTF-8."""

# What the cleaning deletes: control characters but tab, newline and return; format characters;
# the replacement character.
_DELETED = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\p{Cf}\x{fffd}]"
_ACCENTS = r"\p{Mn}"
# No text without such a run of bytes has a long word once it is normalized: decomposition makes at
# most three characters of one, and no character of ASCII white space is part of a word.
_PERHAPS_LONG_WORD = rf"[^ \t\n\r]{{{MAX_CHARACTERS_PER_WORD // 3}}}"
# CJK ideographs: each is a word.
_IDEOGRAPHS = re.compile(
    "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f"
    "\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f]"
)
# In no vocabulary, no white space, no punctuation: a word of its own that is always unknown.
_UNKNOWN_WORD = "\U0010ffff"


_LONG_CHUNK = re.compile(rf"\S{{{MAX_CHARACTERS_PER_WORD + 1},}}")


@functools.cache
def _ends_word(character: str) -> bool:
    """Returns whether a character that is no white space is a word of its own."""
    if character.isascii():
        return character in string.punctuation
    return unicodedata.category(character)[0] == "P" or bool(_IDEOGRAPHS.match(character))


def _replace_long_words(text: str) -> str:
    """Puts the unknown word for every word over the limit in a normalized text."""

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
        lowercase: Whether to lowercase and to strip accents.
        unknown_token: Token of words that the vocabulary cannot spell.
    """

    def __init__(self, vocabulary: Sequence[str], lowercase: bool, unknown_token: str) -> None:
        self._lowercase = lowercase
        self._tokenizer = tensorflow_text.FastBertTokenizer(
            vocab=list(vocabulary),
            token_out_type=tf.int32,
            unknown_token=unknown_token,
            lower_case_nfd_strip_accents=False,
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
        normalized = self._normalize(tf.constant(texts.to_pylist()))
        suspects = pc.match_substring_regex(texts, _PERHAPS_LONG_WORD).to_numpy(
            zero_copy_only=False
        )
        if suspects.any():
            rows = np.flatnonzero(suspects)
            shortened = [
                _replace_long_words(text.decode()) for text in tf.gather(normalized, rows).numpy()
            ]
            normalized = tf.tensor_scatter_nd_update(normalized, rows[:, None], shortened)
        ragged = self._tokenizer.tokenize(normalized).merge_dims(1, -1)
        return Tokens(ragged.flat_values.numpy(), ragged.row_splits.numpy())

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")
        texts = tf.strings.regex_replace(texts, _DELETED, "")
        if self._lowercase:
            # Not `tf.strings.lower`: it lowercases by the language of the machine, and Turkish has
            # a lowercase of its own for "I".
            texts = tf.constant([text.decode().lower() for text in texts.numpy()])
            texts = tensorflow_text.normalize_utf8(texts, "NFD")
            texts = tf.strings.regex_replace(texts, _ACCENTS, "")
        return texts
