"""From texts to vectors: the tokens of a text become one vector."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import PresetError, UserError, did_you_mean
from models.presets import keras_hub
from models.presets.embedding import (
    POOLINGS,
    Dense,
    EmbeddingSettings,
    Module,
    Normalize,
    Pooling,
)
from models.presets.keras_hub_preset import (
    EMBEDDER,
    LABELS,
    PREPROCESSOR,
    TASK,
    TASK_WEIGHTS,
)
from models.presets.preset import Preset
from models.presets.storable import check_holds, check_holds_embedder

if TYPE_CHECKING:
    import keras

    from models.backbone import Backbone
    from models.preprocessors.preprocessor import Preprocessor

NUM_SKIPPED = "num_skipped"
"""The feature, int32 `[lines, rows]`, of how many tokens at a row's beginning are not pooled."""


def resolve_embedding(
    preset: Preset,
    pooling: Pooling | None = None,
    normalize: bool | None = None,
    dimensions: int | None = None,
    prompt: str | None = None,
    prefix: str | None = None,
) -> tuple[EmbeddingSettings, int]:
    """Returns how a preset's texts become vectors and how long these are; reads no weights.

    Args:
        preset: The preset.
        pooling: One of `POOLINGS`; the preset's own if `None`.
        normalize: Whether vectors are divided by their length in the end; the preset's own if
            `None`.
        dimensions: How many dimensions of a vector to keep, before it is normalized; the preset's
            own if `None`.
        prompt: Which of the preset's prompts stands before every text; its default if `None`.
        prefix: The text to put there instead; "" for none.

    Raises:
        UserError: There is no such pooling or prompt, vectors do not have that many dimensions, or
            the preset's modules do not take what the pooling makes.
        PresetError: The preset has no pooler, or its modules do not fit together.
    """
    own = preset.embedding
    settings = replace(own, prefix=_prefix(preset, prompt, prefix), dimensions=None)
    if pooling is not None:
        settings = replace(settings, pooling=_checked_pooling(preset, own, pooling))
    if normalize is not None:
        settings = replace(settings, normalize=normalize)
    if "hidden_dim" not in preset.backbone_config:
        raise preset.error(preset.config_file, "lacks 'hidden_dim'")
    try:
        width = settings.width(preset.backbone_config["hidden_dim"])
    except ValueError as error:
        if pooling is None:
            raise preset.error(preset.config_file, str(error)) from None
        raise UserError(
            f"preset {preset.name!r} does not fit the pooling {pooling!r} ({error}); leave it to "
            "the preset"
        ) from None
    if dimensions is not None and not 1 <= dimensions <= width:
        raise UserError(
            f"preset {preset.name!r} makes vectors of {width} dimensions: cannot keep {dimensions}"
        )
    if dimensions is None and own.dimensions is not None and own.dimensions < width:
        dimensions = own.dimensions
        if settings.normalize and normalize is None:
            # sentence-transformers cuts what has been normalized.
            modules = (*settings.modules, Normalize())
            settings = replace(settings, modules=modules, normalize=False)
    return settings, width if dimensions is None else dimensions


def _prefix(preset: Preset, prompt: str | None, prefix: str | None) -> str:
    """Returns what stands before every text."""
    if prefix is not None:
        if prompt is not None:
            raise UserError("give a prompt of the preset's or a prefix of your own, not both")
        return prefix
    if prompt is None:
        return preset.prompts.default
    texts = preset.prompts.texts
    if prompt in texts:
        return texts[prompt]
    if not texts:
        raise UserError(
            f"preset {preset.name!r} has no prompts, so none is named {prompt!r}; a prefix, such "
            "as 'query: ', may stand before texts instead"
        )
    raise UserError(
        f"preset {preset.name!r} has no prompt {prompt!r}; {did_you_mean(prompt, texts)}it has "
        f"{', '.join(texts)}"
    )


def _checked_pooling(preset: Preset, own: EmbeddingSettings, pooling: Pooling) -> Pooling:
    """Returns the pooling asked for; raises if the preset cannot have it."""
    if pooling not in POOLINGS:
        raise UserError(f"pooling {pooling!r} is not one of {', '.join(POOLINGS)}")
    if pooling != "pooled":
        return pooling
    others = ", ".join(name for name in POOLINGS if name != "pooled")
    if not preset.has_pooler:
        raise PresetError(
            f"preset {preset.name!r} has no pooler for the pooling 'pooled'; choose from {others}"
        )
    if own.token_modules:
        raise UserError(
            f"preset {preset.name!r} has modules before pooling, which the pooling 'pooled' would "
            f"leave out; choose from {others}"
        )
    return pooling


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
    >>> tuple(embedder.vectors(preprocessor(["A fine day.", "A fine night."])).shape)
    (2, 128)

    Args:
        backbone: The encoder.
        preprocessor: Turns strings into the backbone's inputs.
        settings: How the token vectors become one.
        dimensions: How many dimensions of a vector to keep, from its start; all if `None`.
        weights: The weights of the modules by name, as `Preset.module_weights` reads them.

    Attributes:
        dimensions: Numbers in a vector.
        num_skipped: How many tokens at the beginning of a row are the prefix's, if these are not
            pooled; else 0.

    Raises:
        UserError: The backbone lacks a pooler that is needed, or has fewer dimensions.
        ValueError: The modules do not take what they are given.
    """

    def __init__(
        self,
        backbone: "Backbone",
        preprocessor: "Preprocessor",
        settings: EmbeddingSettings,
        dimensions: int | None = None,
        weights: Iterable[tuple[str, np.ndarray]] = (),
    ) -> None:
        import keras

        if settings.pooling == "pooled" and backbone.pooler is None:
            raise UserError("the backbone has no pooler for the pooling 'pooled'")
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.settings = settings
        width = settings.width(backbone.hidden_dim)
        self.dimensions = width if dimensions is None else dimensions
        if not 1 <= self.dimensions <= width:
            raise UserError(
                f"the backbone makes vectors of {width} dimensions: cannot keep {dimensions}"
            )
        self.num_skipped = 0
        if settings.prefix and not settings.pools_prefix:
            ids = preprocessor.encode([settings.prefix])[0].ids
            closes = isinstance(preprocessor.packing.single[-1], str)
            # As in sentence-transformers, a special or unknown token at the end does not count.
            is_special = closes or preprocessor.tokenizer.unk_token_id in ids[-1:]
            self.num_skipped = len(ids) - is_special
        self._weights = {
            name: keras.Variable(array, dtype="float32", trainable=False) for name, array in weights
        }

    @property
    def variables(self) -> "list[keras.Variable]":
        """The weights of the backbone and of the modules."""
        return [*self.backbone.variables, *self._weights.values()]

    @property
    def features(self) -> list[str]:
        """Names of what `vectors` takes."""
        return [*self.backbone.input, *([NUM_SKIPPED] if self.num_skipped else [])]

    def vectors(self, features: Mapping[str, Any]) -> Any:
        """Returns the vector of each row, float32 `[lines * rows, dimensions]`.

        Args:
            features: The backbone's inputs, and how many tokens of each row are not pooled:
                `num_skipped` if that is left out.
        """
        from models import pooling

        vectors = self._through(self.settings.modules, self._pool(features))
        vectors = vectors[:, : self.dimensions]
        return pooling.unit(vectors) if self.settings.normalize else vectors

    def _pool(self, features: Mapping[str, Any]) -> Any:
        """Returns one vector per row, float32 `[lines * rows, width]`."""
        from keras import ops

        from models import pooling
        from models.places import places_of

        backbone, settings = self.backbone, self.settings
        if settings.pooling == "pooled":
            return ops.cast(backbone.first(features), "float32")
        if settings.pooling == "cls" and not self.num_skipped:
            first = ops.cast(backbone.first_token(features), "float32")
            return self._through(settings.token_modules, first)
        tokens = ops.cast(backbone.tokens(features), "float32")
        tokens = self._through(settings.token_modules, tokens)
        places = places_of(features)
        if self.num_skipped:
            skipped = features.get(NUM_SKIPPED, ops.full((1, 1), self.num_skipped, "int32"))
            is_after = ops.expand_dims(places.positions, 1) >= ops.expand_dims(skipped, 2)
            places = replace(places, members=ops.logical_and(places.members, is_after))
        pooled = [pooling.BY_NAME[name](tokens, places) for name in settings.poolings]
        vectors = pooled[0] if len(pooled) == 1 else ops.concatenate(pooled, axis=2)
        return ops.reshape(vectors, (-1, vectors.shape[2]))

    def _through(self, modules: tuple[Module, ...], vectors: Any) -> Any:
        """Returns what modules make of vectors, float32 `[…, width]`."""
        from models import pooling

        for module in modules:
            if isinstance(module, Dense):
                vectors = self._dense(module, vectors)
            elif isinstance(module, Normalize):
                vectors = pooling.unit(vectors)
            else:
                gamma, beta = (self._weights[f"{module.name}/{part}"] for part in ("gamma", "beta"))
                vectors = pooling.normalized(vectors, gamma, beta)
        return vectors

    def _dense(self, module: Dense, vectors: Any) -> Any:
        import keras

        made = keras.ops.tensordot(vectors, self._weights[f"{module.name}/kernel"], 1)
        if module.has_bias:
            made += self._weights[f"{module.name}/bias"]
        made = keras.activations.get(module.activation)(made)
        if module.is_residual:
            residual = self._weights.get(f"{module.name}/residual")
            made += vectors if residual is None else keras.ops.tensordot(vectors, residual, 1)
        return made

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
        backbone, settings = self.backbone, self.settings
        check_holds_embedder(backbone.record, settings, self.dimensions, backbone.hidden_dim)
        check_holds(backbone.record, self.preprocessor.tokenizer.kind, self.preprocessor.packing)
        folder = keras_hub.folder_to_write(folder, weights_dtype)
        for of_a_classifier in (LABELS, TASK_WEIGHTS):
            (folder / of_a_classifier).unlink(missing_ok=True)
        backbone.save_to_preset(folder, weights_dtype)
        self.preprocessor.tokenizer.save_to_preset(folder)
        preprocessor = self.preprocessor.description(EMBEDDER)
        keras_hub.write_json(folder, PREPROCESSOR, preprocessor)
        config = {
            "backbone": backbone.description(),
            "preprocessor": preprocessor,
            "pooling_mode": settings.pooling,
            "normalize": settings.normalize,
        }
        record = backbone.record
        description = keras_hub.description(record.name, f"{record.prefix}{EMBEDDER}", config)
        keras_hub.write_json(folder, TASK, description)

    def normalized(self, vectors: np.ndarray) -> np.ndarray:
        """Returns means of vectors, divided by their length if the settings say so.

        Args:
            vectors: float32 `[rows, dimensions]`.
        """
        if not self.settings.normalize:
            return vectors
        from models import pooling

        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, pooling.SHORTEST)
