"""The base of tokenizers with a WordPiece vocabulary."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import tensorflow as tf
from typing_extensions import Self

from models import keras_hub
from models.inputs import as_texts
from models.keras_hub_preset import CLASSES, TOKENIZER, WORDPIECE_VOCABULARY
from models.packing import Tokens
from models.preset import Preset, read_lines
from models.presets import open_preset
from models.wordpiece import MAX_TOKEN_BYTES, WordPiece


class WordPieceTokenizer:
    """Tokenizes text into the ids of a WordPiece vocabulary, without special tokens.

    A text that spells a special token, such as `"[SEP]"`, is tokenized as any other text.

    Args:
        vocabulary: The tokens in the order of their ids, or a file with one token a line. It must
            hold the special tokens.
        lowercase: Whether to lowercase texts and to strip their accents, as the vocabulary's
            makers did.

    Raises:
        ValueError: The vocabulary lacks a special token, holds a token twice, or holds one that is
            longer than `MAX_TOKEN_BYTES` or has a NUL character.
    """

    family: ClassVar[str]
    unk_token: ClassVar[str] = "[UNK]"
    cls_token: ClassVar[str] = "[CLS]"
    sep_token: ClassVar[str] = "[SEP]"
    pad_token: ClassVar[str] = "[PAD]"
    mask_token: ClassVar[str] = "[MASK]"

    def __init__(
        self, vocabulary: str | os.PathLike[str] | Sequence[str], lowercase: bool = False
    ) -> None:
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = read_lines(Path(vocabulary))
        self._vocabulary = list(vocabulary)
        self._ids = {token: index for index, token in enumerate(self._vocabulary)}
        self.lowercase = lowercase
        if len(self._ids) != len(self._vocabulary):
            twice = next(t for i, t in enumerate(self._vocabulary) if self._ids[t] != i)
            raise ValueError(f"the vocabulary holds {twice!r} twice")
        special = (
            self.unk_token,
            self.cls_token,
            self.sep_token,
            self.pad_token,
            self.mask_token,
        )
        if missing := [token for token in special if token not in self._ids]:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
        for index, token in enumerate(self._vocabulary):
            if len(token.encode()) > MAX_TOKEN_BYTES or "\0" in token:
                raise ValueError(
                    f"token {index}, {token[:20]!r}, must have at most {MAX_TOKEN_BYTES} bytes and "
                    "no NUL character"
                )
        self.unk_token_id = self._ids[self.unk_token]
        self.cls_token_id = self._ids[self.cls_token]
        self.sep_token_id = self._ids[self.sep_token]
        self.pad_token_id = self._ids[self.pad_token]
        self.mask_token_id = self._ids[self.mask_token]

    @classmethod
    def from_preset(cls, preset: str | Path | Preset, **overrides: Any) -> Self:
        """Makes the tokenizer of a preset.

        Args:
            preset: A preset's name or folder.
            **overrides: Arguments of the constructor to use instead of the preset's.

        Raises:
            PresetError: There is no such preset, or its files are not what they should be.
        """
        preset = open_preset(preset)
        preset.check_family(cls.family)
        arguments = {**preset.tokenizer_arguments, **overrides}
        try:
            return cls(**arguments)
        except ValueError as error:
            raise preset.error(preset.vocabulary_file, str(error)) from None

    def save_to_preset(self, folder: str | os.PathLike[str]) -> None:
        """Writes the tokenizer's files into a preset folder."""
        folder = Path(folder)
        keras_hub.write_json(folder, TOKENIZER, self.description())
        path = folder / WORDPIECE_VOCABULARY
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join(f"{token}\n" for token in self._vocabulary).encode())

    def description(self) -> dict[str, Any]:
        """Returns the content of `tokenizer.json`."""
        config = {
            "config_file": TOKENIZER,
            "vocabulary": None,
            "sequence_length": None,
            "lowercase": self.lowercase,
            # Keras Hub strips accents by a setting of its own.
            "strip_accents": self.lowercase,
            "split": True,
            "suffix_indicator": "##",
            "oov_token": self.unk_token,
            "special_tokens": None,
            "special_tokens_in_strings": False,
        }
        class_name = CLASSES[self.family][TOKENIZER][0]
        return keras_hub.description(self.family, class_name, config, dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"vocabulary": self._vocabulary, "lowercase": self.lowercase}

    def vocabulary_size(self) -> int:
        """Returns the number of ids."""
        return len(self._vocabulary)

    def get_vocabulary(self) -> list[str]:
        """Returns the tokens in the order of their ids."""
        return list(self._vocabulary)

    def id_to_token(self, token_id: int) -> str:
        """Returns the token of an id; raises `IndexError` where there is none."""
        if not 0 <= token_id < len(self._vocabulary):
            raise IndexError(f"id {token_id} is not among the {len(self._vocabulary)} ids")
        return self._vocabulary[token_id]

    def token_to_id(self, token: str) -> int:
        """Returns the id of a token, that of `[UNK]` where the vocabulary lacks it."""
        return self._ids.get(token, self.unk_token_id)

    @cached_property
    def _wordpiece(self) -> WordPiece:
        return WordPiece(self._vocabulary, self.lowercase, self.unk_token)

    def encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        """Returns the tokens of a batch of texts in flat NumPy arrays.

        Args:
            texts: Strings `[rows]`, none of them null.
        """
        return self._wordpiece.encode(texts)

    def tokenize(self, inputs: str | Sequence[str]) -> tf.Tensor | tf.RaggedTensor:
        """Returns token ids.

        Args:
            inputs: A text, or a batch of texts.

        Returns:
            int32 `[tokens]` for a text, a ragged int32 `[batch, tokens]` for a batch.
        """
        texts, is_single = as_texts(inputs)
        tokens = self.encode(texts)
        if is_single:
            return tf.constant(tokens.ids)
        return tf.RaggedTensor.from_row_splits(tokens.ids, tokens.splits)

    def __call__(self, inputs: str | Sequence[str]) -> tf.Tensor | tf.RaggedTensor:
        """Does what `tokenize` does."""
        return self.tokenize(inputs)

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """Returns the text that ids spell, words apart by one space each."""
        words = " ".join(self.id_to_token(int(token_id)) for token_id in token_ids)
        return words.replace(" ##", "")
