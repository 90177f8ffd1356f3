"""The base class of preprocessors: from strings to the inputs of a backbone."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pyarrow as pa
from typing_extensions import Self

from models.backends import importing
from models.families.member import FamilyMember
from models.families.record import Packing
from models.inputs import as_segments, check_pairs, labelled
from models.packing import (
    TRUNCATION_SIDES,
    TRUNCATIONS,
    Tokens,
    Truncation,
    TruncationSide,
    pack,
)
from models.presets import keras_hub
from models.presets.keras_hub_preset import (
    KERAS_HUB_TRUNCATIONS,
    OWN_SETTINGS,
    PREPROCESSOR,
)
from models.presets.lookup import open_preset
from models.presets.preset import Preset
from models.presets.storable import check_holds
from models.serialization import deserialize_parts
from models.text_layer import TextLayer, is_in_grain
from models.tokenizers.of_preset import tokenizer_of
from models.tokenizers.tokenizer import Tokenizer
from models.windows import Windows, pack_windows, split_windows

DEFAULT_SEQUENCE_LENGTH = 512
"""The length to which KerasNLP's preprocessors truncate by default, in tokens."""


class Preprocessor(FamilyMember, TextLayer):
    """Tokenizes single texts or pairs, adds the special tokens around them, and pads.

    >>> preprocessor = BertPreprocessor.from_preset("sentiment_tiny_en", sequence_length=8)
    >>> preprocessor(["A fine day."])["token_ids"].numpy().tolist()
    [[2, 43, 931, 230, 18, 3, 0, 0]]

    Args:
        tokenizer: A tokenizer, with the special tokens of `packing`.
        sequence_length: Tokens per row, special ones included: longer rows are truncated, shorter
            ones padded.
        truncate: How a pair is truncated: `round_robin`, `waterfall` or `longest_first`; see
            `models.packing.kept_lengths`.
        truncation_side: Where a text that is too long is cut: `right`, at its end, or `left`.
        packing: Where special tokens go; where the family's go if `None`.
        **layer: Keras's arguments: `name`, `trainable`.

    Raises:
        ValueError: There is no such truncation, or the tokenizer lacks a token of the packing.
    """

    part = "Preprocessor"
    task: ClassVar[str] = "TextClassifier"
    """The task in Keras Hub that it belongs to, unless its owner says otherwise."""
    tokenizer_class: ClassVar[type[Any]]
    """A subclass of `Tokenizer`, the family's own; each has a constructor of its own."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        sequence_length: int = DEFAULT_SEQUENCE_LENGTH,
        truncate: Truncation = "round_robin",
        truncation_side: TruncationSide = "right",
        packing: Packing | None = None,
        **layer: Any,
    ) -> None:
        super().__init__(**layer)
        if truncate not in TRUNCATIONS:
            raise ValueError(f"truncate={truncate!r} is not one of {', '.join(TRUNCATIONS)}")
        if truncation_side not in TRUNCATION_SIDES:
            raise ValueError(
                f"truncation_side={truncation_side!r} is not one of {', '.join(TRUNCATION_SIDES)}"
            )
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.truncate: Truncation = truncate
        self.truncation_side: TruncationSide = truncation_side
        self.packing = self.record.packing if packing is None else packing
        known = tokenizer.get_vocabulary()
        if missing := sorted(self.packing.tokens.difference(known)):
            raise ValueError(
                f"the tokenizer lacks {', '.join(missing)}, which {type(self).__name__} puts "
                "around texts"
            )
        self._special_ids = {token: tokenizer.token_to_id(token) for token in self.packing.tokens}

    @property
    def has_segments(self) -> bool:
        """Whether its rows have segment ids."""
        return self.record.num_segments > 0

    @property
    def features(self) -> list[str]:
        """Names of the arrays that it returns."""
        return ["token_ids", "padding_mask", *(["segment_ids"] if self.has_segments else [])]

    @property
    def special_ids(self) -> list[int]:
        """Ids of the special tokens that it puts around texts."""
        return list(self._special_ids.values())

    @classmethod
    def from_preset(
        cls, preset: str | Path | Preset, sequence_length: int | None = None, **overrides: Any
    ) -> Self:
        """Creates the preprocessor of a preset, with its tokenizer; a base class finds the family.

        Args:
            preset: A preset's name or folder.
            sequence_length: Tokens per row; the preset's own if `None`.
            **overrides: Arguments of the constructor to use instead of the preset's.

        Raises:
            PresetError: There is no such preset, or its files are invalid.
        """
        preset = open_preset(preset, getattr(cls, "family", None))
        if not hasattr(cls, "family"):
            return cls.member_of(preset).from_preset(preset, sequence_length, **overrides)
        tokenizer = overrides.pop("tokenizer", None) or tokenizer_of(preset)
        length = preset.resolve_length(sequence_length)
        settings = {**preset.preprocessor_settings, "packing": preset.packing}
        return cls(tokenizer, length, **{**settings, **cls._settings_of(preset), **overrides})

    @classmethod
    def _settings_of(cls, preset: Preset) -> dict[str, Any]:
        """Returns further arguments of the constructor that a preset gives."""
        return {}

    def save_to_preset(self, folder: str | os.PathLike[str], task: str | None = None) -> None:
        """Writes the files of the preprocessor and its tokenizer into a preset folder.

        Args:
            folder: Created if needed; its files are replaced.
            task: As of `description`.

        Raises:
            UserError: Keras Hub's format, in which they are written, cannot hold them.
        """
        check_holds(self.record, self.tokenizer.kind, self.packing)
        self.tokenizer.save_to_preset(folder)
        keras_hub.write_json(Path(folder), PREPROCESSOR, self.description(task))

    def description(self, task: str | None = None) -> dict[str, Any]:
        """Returns the content of `preprocessor.json`.

        Keras Hub has neither `longest_first` nor another side than the right one. It is told
        `round_robin` for the former, which differs in one odd token; for the latter a value that
        it refuses, since its ids would be others. What applies here stands beside it.

        Args:
            task: The task in Keras Hub that it belongs to; the class's own if `None`.
        """
        is_left = self.truncation_side == "left"
        is_theirs = self.truncate in KERAS_HUB_TRUNCATIONS
        truncate = self.truncate if is_theirs else KERAS_HUB_TRUNCATIONS[0]
        config = {
            "tokenizer": self.tokenizer.description(),
            "config_file": PREPROCESSOR,
            "sequence_length": self.sequence_length,
            "truncate": f"{truncate}, of texts cut on the left" if is_left else truncate,
        }
        class_name = f"{self.record.prefix}{task or self.task}Preprocessor"
        description = keras_hub.description(self.family, class_name, config)
        if is_left or not is_theirs:
            own = {"truncate": self.truncate, "truncation_side": self.truncation_side}
            description[OWN_SETTINGS] = own
        return description

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, the tokenizer with its vocabulary among them."""
        return {
            **super().get_config(),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "sequence_length": self.sequence_length,
            "truncate": self.truncate,
            "truncation_side": self.truncation_side,
            "packing": asdict(self.packing),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Creates a preprocessor from what `get_config` returned."""
        made = deserialize_parts(config, ("tokenizer",))
        if isinstance(packing := made.get("packing"), dict):
            made["packing"] = Packing(**{name: tuple(at) for name, at in packing.items()})
        return cls(**made)

    def with_tokenizer(self, tokenizer: Tokenizer) -> Self:
        """Returns a preprocessor that is like this one but for its tokenizer."""
        return type(self).from_config({**self.get_config(), "tokenizer": tokenizer})

    def encode(
        self,
        texts: pa.Array | Sequence[str],
        pair_texts: pa.Array | Sequence[str] | None = None,
    ) -> tuple[Tokens, np.ndarray]:
        """Returns the packed rows of a batch, without padding.

        Args:
            texts: Strings `[rows]`, none of them null: single texts, or the first texts of pairs.
            pair_texts: Strings `[rows]`: the second texts of pairs.

        Returns:
            The rows, and int64 `[rows]`: how many tokens each had before truncation.
        """
        return self.pack(self._tokens(texts, pair_texts))

    def pack(self, texts: list[Tokens]) -> tuple[Tokens, np.ndarray]:
        """Returns rows with their special tokens, truncated; see `encode`.

        Args:
            texts: The tokens of single texts, or of first and of second texts.
        """
        return pack(
            texts,
            self.packing,
            self._special_ids,
            self.sequence_length,
            self.truncate,
            self.has_segments,
            self.truncation_side,
        )

    def _tokens(
        self, texts: pa.Array | Sequence[str], pair_texts: pa.Array | Sequence[str] | None
    ) -> list[Tokens]:
        """Returns the tokens of single texts, or of first and second texts."""
        if pair_texts is None:
            return [self.tokenizer.encode(texts)]
        check_pairs(texts, pair_texts)
        if not self.record.takes_segments(self.packing):
            raise ValueError(
                "the tokenizer tells two texts apart by segments, which the model lacks"
            )
        return [self.tokenizer.encode(texts), self.tokenizer.encode(pair_texts)]

    def encode_windows(
        self,
        texts: pa.Array | Sequence[str],
        pair_texts: pa.Array | Sequence[str] | None = None,
    ) -> tuple[Tokens, np.ndarray, np.ndarray]:
        """Returns the packed rows of a batch, long ones as windows; see `pack_windows`.

        Args:
            texts: Strings `[rows]`, none of them null: single texts, or the first texts of pairs.
            pair_texts: Strings `[rows]`: the second texts of pairs.
        """
        encoded = self._tokens(texts, pair_texts)
        return pack_windows(
            encoded, self.packing, self._special_ids, self.sequence_length, self.has_segments
        )

    def split_windows(self, tokens: Tokens) -> Windows:
        """Cuts the rows of `encode_windows` into their windows."""
        return split_windows(tokens, self.packing, self._special_ids, self.sequence_length)

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Returns the inputs of a backbone.

        Args:
            x: A text, a batch of texts, or a tuple `(first_texts, second_texts)` for pairs.
                TensorFlow's tensors may be symbolic, as in `tf.data.Dataset.map`. Alone, it may be
                a tuple of those, labels and weights, such as a dataset of Grain has.
            y: Labels, passed through.
            sample_weight: Passed through.

        Returns:
            A dict of int32 tensors `[batch, sequence_length]` (`[sequence_length]` for one text):
            `token_ids`, `padding_mask` and, in families with segments, `segment_ids`; within Grain
            NumPy's arrays. With `y`, a tuple of the dict, `y` and, where given, `sample_weight`.
        """
        if y is None:
            x, y, sample_weight = labelled(x)
        features = self._features(x)
        if y is None:
            return features
        return (features, y) if sample_weight is None else (features, y, sample_weight)

    def _features(self, x: Any) -> dict[str, Any]:
        if importing.is_tracing():
            return self._symbolic_features(x if isinstance(x, tuple) else (x,))
        arrays = self._arrays(x)
        if is_in_grain():
            return arrays
        return {name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}

    def _arrays(self, x: Any) -> dict[str, np.ndarray]:
        segments, is_single = as_segments(x)
        tokens, _ = self.encode(*segments)
        rows = np.arange(len(tokens))
        features = tokens.pad(rows, self.sequence_length, self.tokenizer.pad_token_id)
        return {name: array[0] if is_single else array for name, array in features.items()}

    def _columns(self) -> dict[str, tuple[int, str]]:
        """Returns the length and the type of a row in each of the arrays of `_arrays`."""
        return dict.fromkeys(self.features, (self.sequence_length, "int32"))

    def _symbolic_features(self, tensors: tuple[Any, ...]) -> dict[str, Any]:
        tf = importing.tensorflow()
        columns = self._columns()

        def eager(*texts: Any) -> list[np.ndarray]:
            arrays = self._arrays(texts)
            return [arrays[name] for name in columns]

        arrays = tf.py_function(eager, tensors, [dtype for _, dtype in columns.values()])
        for array, (length, _) in zip(arrays, columns.values(), strict=True):
            array.set_shape((*tensors[0].shape, length))
        return dict(zip(columns, arrays, strict=True))


TextClassifierPreprocessor = Preprocessor
TextEmbedderPreprocessor = Preprocessor
