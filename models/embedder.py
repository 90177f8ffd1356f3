"""From texts to vectors: the tokens of a text become one vector."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import PresetError, UserError
from models.presets import keras_hub
from models.presets.keras_hub_preset import (
    EMBEDDER,
    EMBEDDER_POOLINGS,
    EMBEDDERS,
    LABELS,
    PREPROCESSOR,
    TASK,
    TASK_WEIGHTS,
)
from models.presets.preset import POOLINGS, EmbeddingSettings, Pooling, Preset

if TYPE_CHECKING:
    from models.backbone import Backbone
    from models.preprocessor import Preprocessor

# A length below this counts as zero.
_SHORTEST = 1e-12


def resolve_embedding(
    preset: Preset,
    pooling: Pooling | None = None,
    normalize: bool | None = None,
    dimensions: int | None = None,
) -> tuple[EmbeddingSettings, int]:
    """Returns how a preset's texts become vectors and how long these are; reads no weights.

    Args:
        preset: The preset.
        pooling: One of `POOLINGS`; the preset's own if `None`.
        normalize: Whether vectors are divided by their length; the preset's own if `None`.
        dimensions: How many dimensions of a vector to keep; all if `None`.

    Raises:
        UserError: There is no such pooling, or vectors do not have that many dimensions.
        PresetError: The preset has no pooler.
    """
    own = preset.embedding
    pooling = own.pooling if pooling is None else pooling
    if pooling not in POOLINGS:
        raise UserError(f"pooling {pooling!r} is not one of {', '.join(POOLINGS)}")
    if pooling == "pooled" and not preset.has_pooler:
        others = ", ".join(name for name in POOLINGS if name != "pooled")
        raise PresetError(
            f"preset {preset.name!r} has no pooler for the pooling 'pooled'; choose from {others}"
        )
    if "hidden_dim" not in preset.backbone_config:
        raise preset.error(preset.config_file, "lacks 'hidden_dim'")
    width = preset.backbone_config["hidden_dim"]
    if dimensions is not None and not 1 <= dimensions <= width:
        raise UserError(
            f"preset {preset.name!r} makes vectors of {width} dimensions: cannot keep {dimensions}"
        )
    normalize = own.normalize if normalize is None else normalize
    settings = replace(own, pooling=pooling, normalize=normalize)
    return settings, width if dimensions is None else dimensions


def check_embeds_pairs(settings: EmbeddingSettings) -> None:
    """Raises `UserError` if the vectors are of single texts only."""
    if not settings.pairs:
        raise UserError(
            "this preset makes no vectors of pairs: Keras Hub's preprocessor of its embedder puts "
            "one </s> between two texts, where the model was trained with two; join the texts, or "
            "take the model from Hugging Face"
        )


class Embedder:
    """A backbone whose token vectors become one vector for the text.

    >>> backbone = BertBackbone.from_preset("sentiment_tiny_en")
    >>> preprocessor = BertPreprocessor.from_preset("sentiment_tiny_en")
    >>> embedder = Embedder(backbone, preprocessor, EmbeddingSettings("mean", normalize=True))
    >>> embedder.vectors(preprocessor(["A fine day.", "A fine night."])).shape
    TensorShape([2, 128])

    Args:
        backbone: The encoder.
        preprocessor: Turns strings into the backbone's inputs.
        settings: How the token vectors become one.
        dimensions: How many dimensions of a vector to keep, from its start; all if `None`.

    Raises:
        UserError: The backbone lacks a pooler that is needed, or has fewer dimensions.
    """

    def __init__(
        self,
        backbone: "Backbone",
        preprocessor: "Preprocessor",
        settings: EmbeddingSettings,
        dimensions: int | None = None,
    ) -> None:
        if settings.pooling == "pooled" and backbone.pooler is None:
            raise UserError("the backbone has no pooler for the pooling 'pooled'")
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.settings = settings
        self.dimensions = backbone.hidden_dim if dimensions is None else dimensions
        if not 1 <= self.dimensions <= backbone.hidden_dim:
            raise UserError(
                f"the backbone makes vectors of {backbone.hidden_dim} dimensions: "
                f"cannot keep {dimensions}"
            )

    def vectors(self, features: Mapping[str, Any]) -> Any:
        """Returns the vector of each row, float32 `[batch, dimensions]`, as TensorFlow operations.

        Args:
            features: The backbone's inputs.
        """
        import tensorflow as tf

        vectors = self._pool(features)[:, : self.dimensions]
        if self.settings.normalize:
            length = tf.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / tf.maximum(length, _SHORTEST)
        return vectors

    def _pool(self, features: Mapping[str, Any]) -> Any:
        """Returns one vector per row, float32 `[batch, hidden_dim]`."""
        import tensorflow as tf

        pooling = self.settings.pooling
        if pooling in ("cls", "pooled"):
            backbone = self.backbone
            first = backbone.first if pooling == "pooled" else backbone.first_token
            return tf.cast(first(features), tf.float32)
        tokens = tf.cast(self.backbone.tokens(features), tf.float32)
        is_token = tf.cast(features["padding_mask"], tf.bool)[:, :, None]
        if pooling == "max":
            return tf.reduce_max(tf.where(is_token, tokens, tokens.dtype.min), axis=1)
        total = tf.reduce_sum(tf.where(is_token, tokens, 0.0), axis=1)
        num_tokens = tf.reduce_sum(tf.cast(is_token, tf.float32), axis=1)
        return total / tf.maximum(num_tokens, 1.0)

    def save_to_preset(
        self, folder: str | os.PathLike[str], weights_dtype: str = "float32"
    ) -> None:
        """Writes a preset folder that Keras Hub reads as a TextEmbedder.

        Args:
            folder: Created if needed; its files are replaced.
            weights_dtype: Type of the weights in the files, `float32` or `float16`.

        Raises:
            UserError: Keras Hub has no class for it.
        """
        self._check_storable()
        folder = keras_hub.folder_to_write(folder, weights_dtype)
        for of_a_classifier in (LABELS, TASK_WEIGHTS):
            (folder / of_a_classifier).unlink(missing_ok=True)
        self.backbone.save_to_preset(folder, weights_dtype)
        self.preprocessor.tokenizer.save_to_preset(folder)
        preprocessor = self.preprocessor.description(EMBEDDER)
        keras_hub.write_json(folder, PREPROCESSOR, preprocessor)
        config = {
            "backbone": self.backbone.description(),
            "preprocessor": preprocessor,
            "pooling_mode": self.settings.pooling,
            "normalize": self.settings.normalize,
        }
        record = self.backbone.record
        description = keras_hub.description(record.name, f"{record.prefix}{EMBEDDER}", config)
        keras_hub.write_json(folder, TASK, description)

    def _check_storable(self) -> None:
        """Raises `UserError` unless Keras Hub's class can hold what makes the vectors."""
        family, settings = self.backbone.record.name, self.settings
        width = self.backbone.hidden_dim
        if family not in EMBEDDERS:
            problem = f"of the families {' and '.join(EMBEDDERS)}, not of {family}"
        elif settings.pooling not in EMBEDDER_POOLINGS:
            poolings = ", ".join(EMBEDDER_POOLINGS)
            problem = f"with the poolings {poolings}, not {settings.pooling!r}"
        elif self.dimensions != width:
            problem = f"whose vectors have all {width} dimensions, not {self.dimensions}"
        elif settings != EmbeddingSettings(settings.pooling, settings.normalize, settings.pairs):
            problem = "that pool and normalize, and have no further layers"
        else:
            return
        raise UserError(
            f"this embedder cannot be saved: Keras Hub has only embedders {problem}; save its "
            "backbone and its preprocessor, and give the rest where they are used"
        )

    def normalized(self, vectors: np.ndarray) -> np.ndarray:
        """Returns means of vectors, divided by their length if the settings say so.

        Args:
            vectors: float32 `[rows, dimensions]`.
        """
        if not self.settings.normalize:
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, _SHORTEST)
