"""The base class of tokenizers with a SentencePiece model, as in XLM-RoBERTa.

Gives the ids of SentencePiece (https://github.com/google/sentencepiece), shifted as in fairseq's
XLM-R (https://arxiv.org/abs/1911.02116): its vocabulary begins with `<s>`, `<pad>`, `</s>` and
`<unk>`, where the model has `<unk>`, `<s>` and `</s>`, and ends with `<mask>`.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import tokenizers
from typing_extensions import Self

from models.backends import importing
from models.packing import Tokens
from models.presets.keras_hub_preset import OWN_SETTINGS, SENTENCE_PIECE_MODEL
from models.tokenizers.character_map import check_character_maps
from models.tokenizers.library import (
    META,
    finds,
    library_tokens,
    repeats,
    tokens_by_two,
    unsettled,
)
from models.tokenizers.library_tokenizers import MODEL_SPECIALS, sentence_piece
from models.tokenizers.tokenizer import Tokenizer
from models.tokenizers.unigram import pieces_of, unknown_of

# The first pieces of the SentencePiece model. The ids of those after them are one higher here.
_OFFSET = 1

# Letters that are one character to readers with what stands before them: vowels of Thai and Lao,
# marks of half-width kana, the letters that make up Korean syllables. And the sign for a space.
_NOT_ALONE = ("\u0e33", "\u0eb3", "\uff9e", "\uff9f", *map(chr, range(0x1100, 0x1200)), META)


class SentencePieceTokenizer(Tokenizer):
    """Tokenizes as XLM-RoBERTa does.

    Args:
        proto: A serialized SentencePiece model whose first pieces are `<unk>`, `<s>` and `</s>`, or
            others of their types, or a file that holds one.
        as_transformers: Whether ids are those of transformers where they are not SentencePiece's:
            it normalizes a character with its accents or vowels as a whole, or not at all.
        **layer: `sequence_length`, `dtype` and Keras's arguments, as of a `Tokenizer`.

    Raises:
        ValueError: It is not a SentencePiece model, or begins with other pieces than these.
    """

    kind = "sentence_piece"
    start_token = "<s>"
    pad_token = "<pad>"
    end_token = "</s>"
    unk_token = "<unk>"
    mask_token = "<mask>"
    special_tokens = (start_token, pad_token, end_token, unk_token, mask_token)

    def __init__(
        self,
        proto: str | os.PathLike[str] | bytes,
        as_transformers: bool = False,
        **layer: Any,
    ) -> None:
        self.as_transformers = as_transformers
        self._proto = proto if isinstance(proto, bytes) else Path(proto).read_bytes()
        check_character_maps(self._proto)
        tokens = self._pieces()
        self._model_unknown = unknown_of(self._proto)
        first = (self.start_token, self.pad_token, self.end_token, self.unk_token)
        super().__init__([*first, *tokens[len(MODEL_SPECIALS) :], self.mask_token], **layer)
        self.start_token_id = self._ids[self.start_token]
        self.end_token_id = self._ids[self.end_token]

    def _pieces(self) -> list[str]:
        """Returns the pieces of the model, which tensorflow-text checks if it is installed."""
        if not importing.has_tensorflow_text():
            return [text for text, _, _ in pieces_of(self._proto)]
        tf = importing.tensorflow()
        try:
            self._load()
            pieces = self._model.id_to_string(tf.range(self._model.vocab_size())).numpy()
            return [piece.decode() for piece in pieces.tolist()]
        except (tf.errors.OpError, UnicodeDecodeError):
            raise ValueError("not a SentencePiece model") from None

    def _load(self) -> None:
        text, tf = importing.tensorflow_text(), importing.tensorflow()
        self._model = text.SentencepieceTokenizer(self._proto, tf.int32)

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that Keras Hub's tokenizer takes besides the vocabulary."""
        return {"proto": None, "add_bos": False, "add_eos": False}

    def assets(self) -> dict[str, bytes]:
        """Returns the model as a file of a preset, content by path."""
        return {SENTENCE_PIECE_MODEL: self._proto}

    def description(self) -> dict[str, Any]:
        """Returns the content of `tokenizer.json`."""
        own = {OWN_SETTINGS: {"as_transformers": True}} if self.as_transformers else {}
        return super().description() | own

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` creates a tokenizer from: the model in base64, for JSON."""
        proto = base64.b64encode(self._proto).decode()
        own = {"proto": proto, "as_transformers": self.as_transformers}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Creates a tokenizer from what `get_config` returned."""
        return cls(**{**config, "proto": base64.b64decode(config["proto"])})

    def encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        """Returns the tokens of a batch of texts in flat NumPy arrays.

        Args:
            texts: Strings `[rows]`, none of them null.

        Raises:
            UserError: tensorflow-text is not installed, and ids are to be SentencePiece's own.
        """
        if not self.as_transformers:
            return self._encode(texts)
        if not importing.has_tensorflow_text():
            texts = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
            return library_tokens(self._library, texts)
        return tokens_by_two(
            texts,
            lambda texts: finds(texts, self._unsettled) | repeats(texts),
            self._encode,
            lambda: self._library,
        )

    @cached_property
    def _unsettled(self) -> str:
        """Finds a character around which transformers may tokenize otherwise than SentencePiece."""
        # Without what is one character to readers together with its neighbours.
        pattern = unsettled("LNPS", _NOT_ALONE)
        ids = [self._encode([text]).ids.tolist() for text in ("a b a", "a\tb\na")]
        # transformers takes the end of a line and a tab for a space.
        white = r" \t\n" if ids[0] == ids[1] else " "
        return pattern.replace("[^", f"[^{white}", 1)

    @cached_property
    def _library(self) -> tokenizers.Tokenizer:
        return sentence_piece(self._proto)

    def _encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        tf = importing.tensorflow()
        strings = texts.to_pylist() if isinstance(texts, pa.Array) else list(texts)
        try:
            ragged = self._model.tokenize(tf.constant(strings, tf.string))
        except tf.errors.NotFoundError:  # keras.utils.clear_session() removes the model
            self._load()
            ragged = self._model.tokenize(tf.constant(strings, tf.string))
        ids = ragged.flat_values.numpy() + _OFFSET
        ids[ids == self._model_unknown + _OFFSET] = self.unk_token_id
        return Tokens(ids, ragged.row_splits.numpy())

    def spell(self, token_ids: Sequence[int]) -> str:
        """Returns the text that ids spell; special tokens except `<unk>` spell nothing."""
        silent = {self._ids[token] for token in self.special_tokens} - {self.unk_token_id}
        ids = []
        for token_id in token_ids:
            self.id_to_token(token_id)  # raises if there is none
            if token_id == self.unk_token_id:
                ids.append(self._model_unknown)
            elif token_id not in silent:
                ids.append(token_id - _OFFSET)
        tf = importing.tensorflow()
        return self._model.detokenize(tf.constant(ids, tf.int32)).numpy().decode()
