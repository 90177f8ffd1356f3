"""The base class of tokenizers with a WordPiece vocabulary."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import tokenizers

from models.backends import importing
from models.packing import Tokens
from models.presets.keras_hub_preset import OWN_SETTINGS, WORDPIECE_VOCABULARY
from models.presets.vocabulary_files import read_lines
from models.tokenizers.library import (
    MAX_TOKEN_BYTES,
    finds,
    library_tokens,
    tokens_by_two,
    unsettled,
)
from models.tokenizers.library_tokenizers import wordpiece
from models.tokenizers.spelled import encode_spelled
from models.tokenizers.tokenizer import Tokenizer
from models.tokenizers.wordpiece import WordPiece


class WordPieceTokenizer(Tokenizer):
    """Tokenizes as Google's BERT does; see `models.tokenizers.wordpiece`.

    Args:
        vocabulary: The tokens in the order of their ids, or a file with one token per line. It must
            hold the special tokens.
        lowercase: Whether to lowercase texts, as the vocabulary's makers did.
        strip_accents: Whether to strip their accents; same as `lowercase` if `None`.
        as_transformers: Whether ids are those of transformers where they are not Google's: it
            deletes private characters, and lowercases a sigma at the end of a word like any other.
        special_tokens_in_strings: Whether a text may spell a special token.
        **layer: `sequence_length`, `dtype` and Keras's arguments, as of a `Tokenizer`.

    Raises:
        ValueError: The vocabulary lacks a special token, holds a token twice, or holds one that is
            longer than `MAX_TOKEN_BYTES` or has a NUL character; or it has no other token.
    """

    kind = "wordpiece"
    unk_token = "[UNK]"
    cls_token = "[CLS]"
    sep_token = "[SEP]"
    pad_token = "[PAD]"
    start_token, end_token = cls_token, sep_token
    mask_token = "[MASK]"
    special_tokens = (unk_token, cls_token, sep_token, pad_token, mask_token)

    def __init__(
        self,
        vocabulary: str | os.PathLike[str] | Sequence[str],
        lowercase: bool = False,
        strip_accents: bool | None = None,
        as_transformers: bool = False,
        special_tokens_in_strings: bool = False,
        **layer: Any,
    ) -> None:
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = read_lines(Path(vocabulary))
        super().__init__(vocabulary, **layer)
        self.special_tokens_in_strings = special_tokens_in_strings
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        self.as_transformers = as_transformers
        for index, token in enumerate(self._tokens):
            if len(token.encode()) > MAX_TOKEN_BYTES or "\0" in token:
                raise ValueError(
                    f"token {index}, {token[:20]!r}, must have at most {MAX_TOKEN_BYTES} bytes and "
                    "no NUL character"
                )
        if not any(token.removeprefix("##").isalnum() for token in self._tokens):
            _ = self._wordpiece  # which raises an error if no text can be spelled
        self.cls_token_id = self.start_token_id = self._ids[self.cls_token]
        self.sep_token_id = self.end_token_id = self._ids[self.sep_token]

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that Keras Hub's tokenizer takes besides the vocabulary."""
        return {
            "vocabulary": None,
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            "split": True,
            "suffix_indicator": "##",
            "oov_token": self.unk_token,
            "special_tokens": None,
            "special_tokens_in_strings": self.special_tokens_in_strings,
        }

    def description(self) -> dict[str, Any]:
        """Returns the content of `tokenizer.json`."""
        description = super().description()
        own = {"special_tokens_in_strings": True} if self.special_tokens_in_strings else {}
        if self.strip_accents != self.lowercase:
            # Keras Hub's own setting is no guide: in its presets of models that were trained on
            # texts without accents, it says that accents are kept.
            own["strip_accents"] = self.strip_accents
        if self.as_transformers:
            own["as_transformers"] = True
        return description | ({OWN_SETTINGS: own} if own else {})

    def assets(self) -> dict[str, bytes]:
        """Returns the vocabulary as a file of a preset, content by path."""
        return {WORDPIECE_VOCABULARY: "".join(f"{token}\n" for token in self._tokens).encode()}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "vocabulary": self.get_vocabulary(),
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            "as_transformers": self.as_transformers,
            "special_tokens_in_strings": self.special_tokens_in_strings,
        }

    @cached_property
    def _wordpiece(self) -> WordPiece:
        try:
            return WordPiece(self._tokens, self.lowercase, self.strip_accents, self.unk_token)
        except RuntimeError as error:
            raise ValueError(f"the vocabulary can spell no text: {error}") from None

    def encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        """Returns the tokens of a batch of texts in flat NumPy arrays.

        Args:
            texts: Strings `[rows]`, none of them null.

        Raises:
            UserError: tensorflow-text is not installed, and a text needs it.
        """
        if not self.special_tokens_in_strings:
            return self._encode(texts)
        return encode_spelled(texts, {t: self._ids[t] for t in self.special_tokens}, self._encode)

    def _encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        if not self.as_transformers and importing.has_tensorflow_text():
            return self._wordpiece.encode(texts)
        pattern = unsettled(without=("Σ",)) if self.lowercase else unsettled()
        if importing.has_tensorflow_text():
            return tokens_by_two(
                texts,
                lambda texts: finds(texts, pattern),
                self._wordpiece.encode,
                lambda: self._library,
            )
        if not isinstance(texts, pa.Array):
            texts = pa.array(texts, pa.string())
        if not self.as_transformers and finds(texts, pattern).any():
            importing.tensorflow_text()  # raises
        return library_tokens(self._library, texts)

    @cached_property
    def _library(self) -> tokenizers.Tokenizer:
        return wordpiece(self._ids, self.lowercase, self.strip_accents, self.unk_token)

    def spell(self, token_ids: Sequence[int]) -> str:
        """Returns the text that ids spell, with one space between words."""
        words = " ".join(map(self.id_to_token, token_ids))
        return words.replace(" ##", "")
