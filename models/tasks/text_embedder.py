"""The base class of embedders: Keras models that make vectors of raw strings."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from typing_extensions import Self

from models.backbone import Backbone
from models.backends import importing
from models.errors import UserError
from models.inputs import as_segments
from models.named_weights import assign
from models.preprocessors.preprocessor import Preprocessor
from models.presets.embedding import (
    POOLINGS,
    Dense,
    EmbeddingSettings,
    LayerNorm,
    Module,
    Normalize,
    Pooling,
)
from models.presets.heads import embedder
from models.presets.lookup import open_preset
from models.presets.preset import Preset
from models.presets.storable import check_holds, check_holds_embedder
from models.tasks.embedder import Embedder, resolve_embedding
from models.tasks.task import Task
from models.tasks.vector_head import VectorHead
from models.training.batches import are_batches, is_empty

_MODULES = {kind.__name__: kind for kind in (Dense, LayerNorm, Normalize)}


class TextEmbedder(Embedder, Task):
    """A backbone whose token vectors become one vector for the text; see `Task`.

    >>> embedder = BertTextEmbedder.from_preset("embedding_tiny_en")
    >>> vectors = embedder.encode_text(["A fine day.", "A fine night."], verbose=0)
    >>> vectors.shape
    (2, 384)

    Args:
        backbone: The encoder.
        preprocessor: Turns strings into the backbone's inputs; `None` if those are given directly.
        pooling_mode: One of `models.presets.embedding.POOLINGS`.
        normalize: Whether vectors are divided by their length.
        settings: Instead of both, all that makes a vector of tokens.
        dimensions: How many dimensions of a vector to keep, from its start; all if `None`.
        weights: The weights of the modules of `settings` by name; random ones if there are none.
        compile: Whether to compile it; there is no loss unless one is given to `compile`.
        name: Name of the model.
        trainable: Whether training changes the weights.

    Raises:
        UserError: The backbone lacks a pooler that is needed, or has fewer dimensions.
        ValueError: The modules do not take what they are given.
    """

    part = embedder.TASK

    def __init__(
        self,
        backbone: Backbone,
        preprocessor: Preprocessor | None = None,
        pooling_mode: Pooling = "mean",
        normalize: bool = True,
        *,
        settings: EmbeddingSettings | None = None,
        dimensions: int | None = None,
        weights: Iterable[tuple[str, np.ndarray]] = (),
        compile: bool = True,  # noqa: A002 - Keras Hub's name
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        if settings is None:
            settings = EmbeddingSettings(pooling_mode, normalize)
        for pooling in settings.poolings:
            if pooling not in POOLINGS:
                raise UserError(f"pooling {pooling!r} is not one of {', '.join(POOLINGS)}")
        if settings.pooling == "pooled" and backbone.pooler is None:
            raise UserError("the backbone has no pooler for the pooling 'pooled'")
        width = settings.width(backbone.hidden_dim)
        dimensions = width if dimensions is None else dimensions
        if not 1 <= dimensions <= width:
            raise UserError(
                f"the backbone makes vectors of {width} dimensions: cannot keep {dimensions}"
            )
        num_skipped = _num_skipped(settings, preprocessor)
        head = VectorHead(settings, dimensions, num_skipped, name="vector_head")
        outputs = backbone(backbone.input)
        if settings.pooling == "pooled":
            vectors = head(outputs["pooled_output"])
        else:
            tokens = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
            vectors = head(tokens, backbone.input["padding_mask"])
        if stored := list(weights):
            assign(head.named, stored)
        super().__init__(
            backbone,
            preprocessor,
            inputs=backbone.input,
            outputs=vectors,
            compile=compile,
            name=name,
            trainable=trainable,
            head=head,
            settings=settings,
            dimensions=dimensions,
            num_skipped=num_skipped,
        )

    @property
    def pooling_mode(self) -> Pooling | tuple[Pooling, ...]:
        """How the vectors of tokens become one."""
        return self.settings.pooling

    @property
    def normalize(self) -> bool:
        """Whether vectors are divided by their length."""
        return self.settings.normalize

    def encode_text(self, text: Any, **kwargs: Any) -> np.ndarray:
        """Returns the vectors of a text or of several, float32 `[rows, dimensions]`.

        Args:
            text: What `fit` takes, or one string.
            **kwargs: Arguments of `predict`.
        """
        return self.predict([text] if isinstance(text, str) else text, **kwargs)

    def encode_documents(self, documents: Any, **kwargs: Any) -> np.ndarray:
        """Does the same as `encode_text`."""
        return self.encode_text(documents, **kwargs)

    def similarity(self, query_embeddings: Any, document_embeddings: Any) -> Any:
        """Returns the dot products of vectors, `[queries, documents]`.

        Args:
            query_embeddings: float32 `[queries, dimensions]`.
            document_embeddings: float32 `[documents, dimensions]`.
        """
        queries, documents = (
            keras.ops.convert_to_tensor(each) for each in (query_embeddings, document_embeddings)
        )
        return keras.ops.matmul(queries, keras.ops.transpose(documents))

    def predict(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> np.ndarray:
        """Returns the vector of each row, float32 `[rows, dimensions]`; `x` as in `fit`."""
        data = self._batches(x, None, None, batch_size)
        if is_empty(data):
            return np.zeros((0, self.dimensions), np.float32)
        return keras.Model.predict(self, data, **kwargs)

    def _batches(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        if self.preprocessor is None or are_batches(x):
            return super()._batches(x, *args, **kwargs)
        return super()._batches(self._prepared(x), *args, **kwargs)

    def _preprocess(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        return super()._preprocess(self._prepared(x), y, sample_weight)

    def _prepared(self, x: Any) -> Any:
        """Returns texts with what stands before each."""
        if not self.settings.prefix:
            return x
        if importing.is_tracing():
            first, *others = x if isinstance(x, tuple) else (x,)
            first = importing.tensorflow().strings.join([self.settings.prefix, first])
            return (first, *others) if others else first
        segments, is_single = as_segments(x)
        prepared = [texts[0] if is_single else texts for texts in self.settings.prepare(segments)]
        return tuple(prepared) if len(prepared) > 1 else prepared[0]

    @classmethod
    def from_preset(
        cls,
        preset: str | Path | Preset,
        load_weights: bool = True,
        pooling_mode: Pooling | None = None,
        normalize: bool | None = None,
        *,
        dimensions: int | None = None,
        prompt: str | None = None,
        prefix: str | None = None,
        **overrides: Any,
    ) -> Self:
        """Creates the embedder of a preset.

        `TextEmbedder` itself creates one of the preset's family.

        Args:
            preset: A preset's name or folder.
            load_weights: Whether to load weights; otherwise they are random.
            pooling_mode: How the vectors of a text's tokens become one; the preset's own if `None`.
            normalize: Whether vectors are divided by their length; the preset's own if `None`.
            dimensions: How many dimensions of a vector to keep; the preset's own if `None`.
            prompt: Which of the preset's prompts stands before every text; its default if `None`.
            prefix: The text to put there instead; "" for none.
            **overrides: `backbone`, `preprocessor`, `compile`, `name` and `trainable` are the
                task's; the others go to the backbone.

        Raises:
            PresetError: There is no such preset, or its files are invalid.
            UserError: It has no such pooling, prompt or number of dimensions.
        """
        preset = open_preset(preset, getattr(cls, "family", None))
        asked = (pooling_mode, normalize, dimensions, prompt, prefix)
        settings, width = resolve_embedding(preset, *asked)
        kind = cls if hasattr(cls, "family") else cls.member_of(preset)
        return kind.of_settings(preset, settings, width, load_weights, **overrides)

    @classmethod
    def of_settings(
        cls,
        preset: Preset,
        settings: EmbeddingSettings,
        dimensions: int | None = None,
        load_weights: bool = True,
        **overrides: Any,
    ) -> Self:
        """Creates the embedder of a preset with settings that `resolve_embedding` returned.

        Args:
            preset: The preset, of this class's family.
            settings: How token vectors become one.
            dimensions: How many dimensions of a vector to keep; all if `None`.
            load_weights: As of `from_preset`.
            **overrides: As of `from_preset`.
        """
        own = cls._own(overrides)
        preset, backbone, preprocessor = cls._opened(preset, load_weights, overrides)
        weights = preset.module_weights() if load_weights else ()
        return cls(
            backbone, preprocessor, settings=settings, dimensions=dimensions, weights=weights, **own
        )

    def head_description(self) -> tuple[str, dict[str, Any]]:
        """Returns what Keras Hub calls the task, and its settings there."""
        settings = self.settings
        return embedder.TASK, {"pooling_mode": settings.pooling, "normalize": settings.normalize}

    def save_to_preset(
        self, folder: str | os.PathLike[str], weights_dtype: str = "float32"
    ) -> None:
        """Writes a preset folder that Keras Hub reads as a TextEmbedder; see `Task.save_to_preset`.

        Raises:
            UserError: Keras Hub has no class for it.
        """
        width = self.backbone.hidden_dim
        check_holds_embedder(self.record, self.settings, self.dimensions, width)
        if (preprocessor := self.preprocessor) is not None:
            check_holds(self.record, preprocessor.tokenizer.kind, preprocessor.packing)
        super().save_to_preset(folder, weights_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, written as JSON can hold them."""
        settings: dict[str, Any] = asdict(self.settings)
        for name in ("modules", "token_modules"):
            modules: tuple[Module, ...] = getattr(self.settings, name)
            settings[name] = [[type(module).__name__, asdict(module)] for module in modules]
        return {**super().get_config(), "settings": settings, "dimensions": self.dimensions}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Self:
        """Creates an embedder from what `get_config` returned."""
        settings = {**config["settings"]}
        for name in ("modules", "token_modules"):
            settings[name] = tuple(_MODULES[kind](**fields) for kind, fields in settings[name])
        if not isinstance(settings["pooling"], str):
            settings["pooling"] = tuple(settings["pooling"])
        made = {**config, "settings": EmbeddingSettings(**settings)}
        return super().from_config(made, custom_objects)


def _num_skipped(settings: EmbeddingSettings, preprocessor: Preprocessor | None) -> int:
    """Returns how many tokens at the beginning of a row are not pooled."""
    if not settings.prefix or settings.pools_prefix:
        return 0
    if preprocessor is None:
        raise UserError(
            f"without a preprocessor nothing is known of the prefix {settings.prefix!r:.60}"
        )
    ids = preprocessor.encode([settings.prefix])[0].ids
    closes = isinstance(preprocessor.packing.single[-1], str)
    # As in sentence-transformers, a special or unknown token at the end does not count.
    is_special = closes or preprocessor.tokenizer.unk_token_id in ids[-1:]
    return len(ids) - is_special
