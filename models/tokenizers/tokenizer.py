"""The base class of tokenizers: from texts to the ids of a vocabulary, and back."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

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
from models.presets.fields import check_size
from models.presets.keras_hub_preset import TOKENIZER, classes
from models.presets.lookup import open_preset
from models.presets.preset import Preset
from models.text_layer import TextLayer, is_in_grain

if TYPE_CHECKING:
    import tensorflow as tf


class Tokenizer(FamilyMember, TextLayer, ABC):
    """Tokenizes text into the ids of a vocabulary, without special tokens.

    A text that spells a special token, such as `"[SEP]"`, is tokenized like any other text, unless
    a subclass is told otherwise. A subclass calls this constructor with its vocabulary.

    >>> tokenizer = BertTokenizer.from_preset("sentiment_tiny_en")
    >>> tokenizer("A fine day.").numpy().tolist()
    [43, 931, 230, 18]
    >>> tokenizer.detokenize([43, 931, 230, 18])
    'a fine day .'

    Args:
        tokens: The tokens in the order of their ids.
        sequence_length: Tokens of every row that `tokenize` returns: longer ones are cut, shorter
            ones filled up with the padding token. Rows have their own lengths if `None`.
        dtype: What `tokenize` returns, an integer type for ids, or `string` for tokens.
        **layer: Keras's arguments: `name`, `trainable`.

    Raises:
        ValueError: The vocabulary lacks a special token or holds a token twice; or the length or
            the type is none.
    """

    part = "Tokenizer"
    kind: ClassVar[TokenizerKind]
    special_tokens: tuple[str, ...]
    """The tokens that no text is tokenized into, except `unk_token`."""
    optional_tokens: ClassVar[frozenset[str]] = frozenset()
    """Those of them that a vocabulary may lack."""
    unk_token: str | None
    pad_token: str
    mask_token: str | None
    unk_token_id: int | None
    mask_token_id: int | None

    def __init__(
        self,
        tokens: Sequence[str],
        sequence_length: int | None = None,
        dtype: Any = "int32",
        **layer: Any,
    ) -> None:
        super().__init__(dtype=dtype, **layer)
        if sequence_length is not None:
            check_size("sequence_length", sequence_length)
        if not self.compute_dtype.startswith(("int", "uint", "string")):
            raise ValueError(f"dtype must be an integer type or string, not {self.compute_dtype!r}")
        self.sequence_length = sequence_length
        self._tokens = list(tokens)
        self._ids = {token: index for index, token in enumerate(self._tokens)}
        if len(self._ids) != len(self._tokens):
            twice = next(t for i, t in enumerate(self._tokens) if self._ids[t] != i)
            raise ValueError(f"the vocabulary holds {twice!r} twice")
        needed = [token for token in self.special_tokens if token not in self.optional_tokens]
        if missing := [token for token in needed if token not in self._ids]:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
        self.unk_token_id = self._ids.get(str(self.unk_token))
        self.pad_token_id = self._ids[self.pad_token]
        self.mask_token_id = self._ids.get(str(self.mask_token))

    @classmethod
    def from_preset(cls, preset: str | Path | Preset, **overrides: Any) -> Self:
        """Creates the tokenizer of a preset; `Tokenizer` finds the family and the kind.

        Args:
            preset: A preset's name or folder.
            **overrides: Arguments of the constructor to use instead of the preset's.

        Raises:
            PresetError: There is no such preset, or its files are invalid.
        """
        if not hasattr(cls, "family"):
            from models.tokenizers.of_preset import tokenizer_of

            return cast("Self", tokenizer_of(open_preset(preset), **overrides))
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
        length = {"sequence_length": self.sequence_length}
        config = {"config_file": TOKENIZER, **length, **self.settings()}
        return keras_hub.description(
            self.family, classes(self.record)[TOKENIZER][0], config, dtype=self.compute_dtype
        )

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """Returns the arguments that Keras Hub's tokenizer takes besides the vocabulary."""

    @abstractmethod
    def assets(self) -> Mapping[str, bytes]:
        """Returns the vocabulary as the files of a preset, content by path."""

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` creates a tokenizer from, the vocabulary with it, for JSON."""
        return {**super().get_config(), "sequence_length": self.sequence_length}

    @abstractmethod
    def encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        """Returns the tokens of a batch of texts in flat NumPy arrays.

        Args:
            texts: Strings `[rows]`, none of them null.
        """

    @property
    def special_token_ids(self) -> list[int]:
        """Ids of the special tokens but `unk_token`: those that training leaves alone."""
        known = [token for token in self.special_tokens if token in self._ids]
        return [self._ids[token] for token in known if token != self.unk_token]

    @abstractmethod
    def spell(self, token_ids: Sequence[int]) -> str:
        """Returns the text that the ids of one text spell."""

    @importing.unconverted
    def detokenize(self, token_ids: Any) -> Any:
        """Returns the text that ids spell, or the texts of a batch.

        Args:
            token_ids: Integers `[tokens]`, or a batch of rows of them: a list, NumPy array, tensor
                or ragged tensor, such as `tokenize` returns. It may be symbolic, as in
                `tf.data.Dataset.map`.

        Returns:
            A string or a list of them; a symbolic tensor of strings for what is symbolic.

        Raises:
            IndexError: No token has one of the ids.
        """
        if importing.is_tracing():
            return self._symbolic_texts(token_ids)
        rows, is_single = as_token_ids(token_ids)
        texts = [self.spell(row) for row in rows]
        return texts[0] if is_single else texts

    def _symbolic_texts(self, token_ids: Any) -> "tf.Tensor":
        tf = importing.tensorflow()
        is_ragged = hasattr(token_ids, "row_splits")
        parts = [token_ids.flat_values, token_ids.row_splits] if is_ragged else [token_ids]

        def eager(ids: Any, *splits: Any) -> Any:
            rows = tf.RaggedTensor.from_row_splits(ids, *splits) if splits else ids
            return tf.constant(self.detokenize(rows), tf.string)

        texts = tf.py_function(eager, parts, tf.string)
        texts.set_shape([] if token_ids.shape.rank == 1 else [None])
        return texts

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
    def tokenize(self, inputs: Any) -> Any:
        """Returns token ids, or tokens if the `dtype` is `string`.

        Args:
            inputs: A text, or a batch of texts. A tensor of strings may be symbolic, as in
                `tf.data.Dataset.map`.

        Returns:
            `[tokens]` for a text, a ragged `[batch, tokens]` for a batch, as tensors of TensorFlow;
            `[sequence_length]` and `[batch, sequence_length]` with such a length. Within Grain,
            NumPy's arrays, a list of them for a ragged batch.
        """
        if importing.is_tracing():
            return self._symbolic_tokens(importing.tensorflow().convert_to_tensor(inputs))
        values, splits, is_single = self._values(inputs)
        if is_in_grain():
            rows = [values] if is_single else np.split(values, splits[1:-1])
            return rows[0] if is_single else np.stack(rows) if self.sequence_length else rows
        tf = importing.tensorflow()
        if is_single:
            return tf.constant(values)
        if self.sequence_length is not None:
            return tf.reshape(tf.constant(values), [-1, self.sequence_length])
        return tf.RaggedTensor.from_row_splits(values, splits)

    def call(self, inputs: Any) -> Any:
        """Does the same as `tokenize`."""
        return self.tokenize(inputs)

    def _values(self, inputs: Any) -> tuple[np.ndarray, np.ndarray, bool]:
        """Returns what `tokenize` does as flat values, their splits, and whether it was a text."""
        texts, is_single = as_texts(inputs)
        tokens = self.encode(texts)
        if self.sequence_length is not None:
            tokens = tokens.filled(self.sequence_length, self.pad_token_id)
        if self.compute_dtype == "string":
            names = [self.id_to_token(token_id) for token_id in tokens.ids.tolist()]
            return np.array(names, object), tokens.splits, is_single
        return tokens.ids.astype(self.compute_dtype), tokens.splits, is_single

    def _symbolic_tokens(self, texts: "tf.Tensor") -> "tf.Tensor | tf.RaggedTensor":
        tf = importing.tensorflow()
        length = self.sequence_length

        def eager(texts: Any) -> tuple[np.ndarray, np.ndarray]:
            return self._values(texts)[:2]

        values, splits = tf.py_function(eager, [texts], [tf.as_dtype(self.compute_dtype), tf.int64])
        values.set_shape([None if length is None or texts.shape.rank else length])
        if texts.shape.rank == 0:
            return values
        if length is not None:
            return tf.reshape(values, [-1, length])
        splits.set_shape([None])
        return tf.RaggedTensor.from_row_splits(values, splits, validate=False)
