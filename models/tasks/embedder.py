"""From texts to vectors: the tokens of a text become one vector."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import PresetError, UserError, did_you_mean
from models.presets.embedding import POOLINGS, EmbeddingSettings, Normalize, Pooling
from models.presets.preset import Preset

if TYPE_CHECKING:
    from models.backbone import Backbone
    from models.preprocessors.preprocessor import Preprocessor
    from models.tasks.vector_head import VectorHead

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
    """What makes the vector of a text from those of its tokens; `TextEmbedder` is the model of it.

    Knowing one by this class imports no Keras.

    Attributes:
        backbone: The encoder.
        preprocessor: Turns strings into the backbone's inputs.
        head: Makes one vector of a text's tokens.
        settings: How it does that.
        dimensions: Numbers in a vector.
        num_skipped: How many tokens at the beginning of a row are the prefix's, if these are not
            pooled; else 0.
        variables: All weights that vectors depend on.
    """

    backbone: "Backbone"
    preprocessor: "Preprocessor | None"
    head: "VectorHead"
    settings: EmbeddingSettings
    dimensions: int
    num_skipped: int
    variables: Any

    @property
    def features(self) -> list[str]:
        """Names of what `vectors` takes."""
        return [*self.backbone.input, *([NUM_SKIPPED] if self.num_skipped else [])]

    def vectors(self, features: Mapping[str, Any]) -> Any:
        """Returns the vector of each row, float32 `[lines * rows, dimensions]`, for inference.

        These are the model's own outputs, without computing what they do not depend on.

        Args:
            features: The backbone's inputs, and how many tokens of each row are not pooled:
                `num_skipped` if that is left out.
        """
        backbone, settings = self.backbone, self.settings
        if settings.pooling == "pooled":
            return self.head.finished(backbone.first(features))
        if settings.pooling == "cls" and not self.num_skipped:
            return self.head.finished(self.head.of_tokens(backbone.first_token(features)))
        return self.head.finished(self.head.pooled(backbone.tokens(features), features))

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
