"""The base class of tokenizers: from texts to the ids of a vocabulary, and back."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from typing_extensions import Self

from models.backends import importing
from models.errors import PresetError
from models.families.member import FamilyMember
from models.families.record import TokenizerKind
from models.inputs import as_texts, as_token_ids
from models.packing import Tokens
from models.presets import keras_hub
from models.presets.keras_hub_preset import TOKENIZER, classes
from models.presets.lookup import open_preset
from models.presets.preset import Preset

if TYPE_CHECKING:
    import tensorflow as tf


class Tokenizer(FamilyMember, ABC):
    """Tokenizes text into the ids of a vocabulary, without special tokens.

    A text that spells a special token, such as `"[SEP]"`, is tokenized like any other text. A
    subclass calls this constructor with its vocabulary.

    >>> tokenizer = BertTokenizer.from_preset("sentiment_tiny_en")
    >>> tokenizer("A fine day.").numpy().tolist()
    [70, 1243, 1226, 53]
    >>> tokenizer.detokenize([70, 1243, 1226, 53])
    'a fine day .'

    Args:
        tokens: The tokens in the order of their ids.

    Raises:
        ValueError: The vocabulary lacks a special token or holds a token twice.
    """

    kind: ClassVar[TokenizerKind]
    special_tokens: tuple[str, ...]
    """The tokens that no text is tokenized into, except `unk_token`."""
    unk_token: str | None
    pad_token: str
    mask_token: str | None
    unk_token_id: int | None
    mask_token_id: int | None

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = list(tokens)
        self._ids = {token: index for index, token in enumerate(self._tokens)}
        if len(self._ids) != len(self._tokens):
            twice = next(t for i, t in enumerate(self._tokens) if self._ids[t] != i)
            raise ValueError(f"the vocabulary holds {twice!r} twice")
        if missing := [token for token in self.special_tokens if token not in self._ids]:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
        self.unk_token_id = self._ids.get(str(self.unk_token))
        self.pad_token_id = self._ids[self.pad_token]
        self.mask_token_id = self._ids.get(str(self.mask_token))

    @classmethod
    def from_preset(cls, preset: str | Path | Preset, **overrides: Any) -> Self:
        """Creates the tokenizer of a preset.

        Args:
            preset: A preset's name or folder.
            **overrides: Arguments of the constructor to use instead of the preset's.

        Raises:
            PresetError: There is no such preset, or its files are invalid.
        """
        preset = open_preset(preset, cls.family)
        if preset.tokenizer_kind != cls.kind:
            raise PresetError(
                f"preset {preset.name!r} has a tokenizer of another kind than {cls.__name__}; "
                f"{cls.record.prefix}Preprocessor.from_preset makes it"
            )
        return cls.of_files(preset, **overrides)

    @classmethod
    def of_files(cls, preset: Preset, **overrides: Any) -> Self:
        """Creates the tokenizer of a preset of any family.

        Args:
            preset: The preset, whose tokenizer is of this kind.
            **overrides: Arguments of the constructor to use instead of the preset's.

        Raises:
            PresetError: The files are invalid.
        """
        arguments = {**preset.tokenizer_arguments, **overrides}
        try:
            return cls(**arguments)
        except ValueError as error:
            raise preset.error(preset.vocabulary_file, str(error)) from None

    def save_to_preset(self, folder: str | os.PathLike[str]) -> None:
        """Writes the tokenizer's files into a preset folder."""
        folder = keras_hub.folder_to_write(folder)
        keras_hub.write_json(folder, TOKENIZER, self.description())
        for file, content in self.assets().items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def description(self) -> dict[str, Any]:
        """Returns the content of `tokenizer.json`."""
        config = {"config_file": TOKENIZER, **self.settings()}
        return keras_hub.description(
            self.family, classes(self.record)[TOKENIZER][0], config, dtype="int32"
        )

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """Returns the arguments that Keras Hub's tokenizer takes besides the vocabulary."""

    @abstractmethod
    def assets(self) -> Mapping[str, bytes]:
        """Returns the vocabulary as the files of a preset, content by path."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` creates a tokenizer from."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Creates a tokenizer from what `get_config` returned."""
        return cls(**config)

    @abstractmethod
    def encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        """Returns the tokens of a batch of texts in flat NumPy arrays.

        Args:
            texts: Strings `[rows]`, none of them null.
        """

    @abstractmethod
    def spell(self, token_ids: Sequence[int]) -> str:
        """Returns the text that the ids of one text spell."""

    def detokenize(self, token_ids: Any) -> str | list[str]:
        """Returns the text that ids spell, or the texts of a batch.

        Args:
            token_ids: Integers `[tokens]`, or a batch of rows of them: a list, NumPy array, tensor
                or ragged tensor, such as `tokenize` returns.

        Raises:
            IndexError: No token has one of the ids.
        """
        rows, is_single = as_token_ids(token_ids)
        texts = [self.spell(row) for row in rows]
        return texts[0] if is_single else texts

    def vocabulary_size(self) -> int:
        """Returns the number of ids."""
        return len(self._tokens)

    def get_vocabulary(self) -> list[str]:
        """Returns the tokens in the order of their ids."""
        return list(self._tokens)

    def id_to_token(self, token_id: int) -> str:
        """Returns the token with an id; raises `IndexError` if there is none."""
        if not 0 <= token_id < len(self._tokens):
            raise IndexError(f"id {token_id} is not among the {len(self._tokens)} ids")
        return self._tokens[token_id]

    def token_to_id(self, token: str) -> int:
        """Returns the id of a token, or that of the unknown token if the vocabulary lacks it.

        Raises:
            KeyError: The vocabulary lacks both.
        """
        token_id = self._ids.get(token, self.unk_token_id)
        if token_id is None:
            raise KeyError(f"the vocabulary has no {token!r}, and no token for what it lacks")
        return token_id

    @importing.unconverted
    def tokenize(self, inputs: str | Sequence[str]) -> "tf.Tensor | tf.RaggedTensor":
        """Returns token ids.

        Args:
            inputs: A text, or a batch of texts. A tensor of strings may be symbolic, as in
                `tf.data.Dataset.map`.

        Returns:
            int32 `[tokens]` for a text, a ragged int32 `[batch, tokens]` for a batch, as tensors
            of TensorFlow.
        """
        tf = importing.tensorflow()
        if importing.is_tracing():
            return self._symbolic_tokens(tf.convert_to_tensor(inputs))
        texts, is_single = as_texts(inputs)
        tokens = self.encode(texts)
        if is_single:
            return tf.constant(tokens.ids)
        return tf.RaggedTensor.from_row_splits(tokens.ids, tokens.splits)

    def _symbolic_tokens(self, texts: "tf.Tensor") -> "tf.Tensor | tf.RaggedTensor":
        tf = importing.tensorflow()

        def eager(texts: Any) -> tuple[np.ndarray, np.ndarray]:
            tokens = self.encode(as_texts(texts)[0])
            return tokens.ids, tokens.splits

        ids, splits = tf.py_function(eager, [texts], [tf.int32, tf.int64])
        ids.set_shape([None])
        if texts.shape.rank == 0:
            return ids
        splits.set_shape([None])
        return tf.RaggedTensor.from_row_splits(ids, splits, validate=False)

    @importing.unconverted
    def __call__(self, inputs: str | Sequence[str]) -> "tf.Tensor | tf.RaggedTensor":
        """Does the same as `tokenize`."""
        return self.tokenize(inputs)
