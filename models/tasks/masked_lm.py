"""The base class of masked language models, which give hidden tokens back."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops
from typing_extensions import Self

from models.backbone import Backbone
from models.backends.kernels import ACTIVATIONS, affine
from models.backends.layer_norm import LayerNorm
from models.encoder import dense, unset_weights
from models.errors import Advice
from models.inputs import as_segments
from models.named_weights import assign, dense_weights, norm_weights
from models.presets import keras_hub
from models.presets.fields import check_size
from models.presets.heads import masked_lm
from models.presets.lookup import open_preset
from models.presets.preset import MaskedLMSettings, Preset
from models.serialization import register
from models.tasks.task import Task
from models.training.batches import BATCH_SIZE, are_batches, check_targets
from models.training.given import made_already
from models.training.masked_batches import masked_batches


class MaskedLMHead(keras.layers.Layer):
    """Scores each token of the vocabulary for some places of a text.

    The vector at a place goes through a dense layer and a normalization; a token's score is the
    product with its embedding, plus a bias (https://arxiv.org/abs/1608.05859).

    Args:
        token_embedding: The backbone's.
        activation: Of the dense layer, a key of `ACTIVATIONS`.
        layer_norm_epsilon: Added to the variance.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        token_embedding: keras.layers.Embedding,
        activation: str,
        layer_norm_epsilon: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation={activation!r} is not known; choose from {sorted(ACTIVATIONS)}"
            )
        self.token_embedding = token_embedding
        self.activation = activation
        self.width = token_embedding.output_dim
        self.transform = dense(self.width, self.dtype_policy, name="transform")
        self.norm = LayerNorm(epsilon=layer_norm_epsilon, dtype=self.dtype_policy, name="norm")

    def build(self, hidden_shape: Any, mask_positions_shape: Any = None) -> None:
        """Creates the weights."""
        self.transform.build((None, self.width))
        self.norm.build((None, self.width))
        self.bias = self.add_weight(
            name="bias", shape=(self.token_embedding.input_dim,), initializer="zeros"
        )
        self.built = True

    def call(self, hidden: Any, mask_positions: Any) -> Any:
        """Returns the scores, `[batch, places, vocabulary_size]`.

        Args:
            hidden: The tokens' vectors, `[batch, length, width]`.
            mask_positions: int32 `[batch, places]`: the places.
        """
        vectors = ops.take_along_axis(hidden, ops.expand_dims(mask_positions, 2), axis=1)
        vectors = affine(self.transform, ops.reshape(vectors, (-1, self.width)), self.activation)
        vectors = self.norm(vectors)
        scores = ops.matmul(vectors, ops.transpose(self._embeddings())) + self.bias
        places = ops.shape(mask_positions)
        return ops.reshape(scores, (places[0], places[1], self.token_embedding.input_dim))

    def _embeddings(self) -> Any:
        """Returns the embeddings of all tokens, in the type that is computed in."""
        embedding = self.token_embedding
        if embedding.quantization_mode is None:
            return ops.cast(embedding.embeddings, self.compute_dtype)
        return embedding(ops.arange(embedding.input_dim, dtype="int32"))

    def compute_output_shape(self, hidden_shape: Any, mask_positions_shape: Any) -> Any:
        """Returns `[batch, places, vocabulary_size]`."""
        return (*mask_positions_shape, self.token_embedding.input_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "token_embedding": keras.saving.serialize_keras_object(self.token_embedding),
            "activation": self.activation,
            "layer_norm_epsilon": self.norm.epsilon,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Creates a head from what `get_config` returned."""
        embedding = keras.saving.deserialize_keras_object(config["token_embedding"])
        return cls(**{**config, "token_embedding": embedding})


register(MaskedLMHead)


class MaskedLM(Task):
    """A backbone that is trained to give back tokens which were hidden from it; see `Task`.

    Its preprocessor hides tokens, anew each time that a text is seen, so that `fit` takes texts
    alone. The inputs are the backbone's and `mask_positions`, int32 `[batch, places]`; the outputs
    are scores, `[batch, places, vocabulary_size]`.

    >>> masked_lm = BertMaskedLM(BertBackbone.from_preset("sentiment_tiny_en"))
    >>> masked_lm.preprocessor = BertMaskedLMPreprocessor.from_preset("sentiment_tiny_en")
    >>> _ = masked_lm.fit(["A text of yours.", "And another."], verbose=0)
    >>> masked_lm.predict(["A third."], verbose=0).shape
    (1, 96, 6200)

    Args:
        backbone: The encoder.
        preprocessor: Turns strings into inputs, tokens that were hidden, and their weights; `None`
            if those are given directly.
        activation: Activation of the head's dense layer; Keras Hub's if `None`.
        layer_norm_epsilon: Added to the variance in the head's normalization; Keras Hub's if
            `None`.
        compile: Whether to compile it with defaults.
        name: Name of the model.
        trainable: Whether training changes the weights.
    """

    part = "MaskedLM"
    preprocessor_class: ClassVar[Any]
    own_arguments = ("activation", "layer_norm_epsilon", *Task.own_arguments)

    def __init__(
        self,
        backbone: Backbone,
        preprocessor: Any = None,
        *,
        activation: str | None = None,
        layer_norm_epsilon: float | None = None,
        compile: bool = True,  # noqa: A002 - Keras Hub's name
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        usual = MaskedLMSettings()
        head = MaskedLMHead(
            backbone.token_embedding,
            usual.activation if activation is None else activation,
            usual.layer_norm_epsilon if layer_norm_epsilon is None else layer_norm_epsilon,
            dtype=backbone.dtype_policy,
            name="masked_lm_head",
        )
        positions = keras.Input((None,), dtype="int32", name="mask_positions")
        outputs = backbone(backbone.input)
        hidden = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
        super().__init__(
            backbone,
            preprocessor,
            inputs={**backbone.input, "mask_positions": positions},
            outputs=head(hidden, positions),
            compile=compile,
            name=name,
            trainable=trainable,
            masked_lm_head=head,
        )

    @property
    def settings(self) -> MaskedLMSettings:
        """What its head computes besides its weights."""
        head = self.masked_lm_head
        return MaskedLMSettings(head.activation, head.norm.epsilon)

    def compile(
        self,
        optimizer: Any = "auto",
        loss: Any = "auto",
        *,
        weighted_metrics: Any = "auto",
        **kwargs: Any,
    ) -> None:
        """Compiles as `keras.Model.compile` does, with defaults for training on texts.

        Args:
            optimizer: `auto` is Adam with a learning rate of 5e-5.
            loss: `auto` is the cross-entropy of the hidden tokens, its mean over them.
            weighted_metrics: `auto` is the share of hidden tokens that get the highest score.
            **kwargs: Arguments of `keras.Model.compile`; see `Task.compile`.
        """
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            )
        if weighted_metrics == "auto":
            weighted_metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        super().compile(optimizer=optimizer, loss=loss, weighted_metrics=weighted_metrics, **kwargs)

    @property
    def makes_targets(self) -> bool:
        """Whether its preprocessor makes the targets of texts: the tokens that it hides."""
        return self.preprocessor is not None

    def predict(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> np.ndarray:
        """Returns scores, float `[rows, places, vocabulary_size]`; `x` as in `fit`.

        Of texts, the preprocessor hides tokens; see its `call` for where.
        """
        data = self._masked(x, None, None, batch_size, cuts_places=False)
        return keras.Model.predict(self, data, **kwargs)

    def _batches(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        batch_size: int | None,
        shuffle: bool = False,
        token_dropout: float = 0.0,
    ) -> Any:
        if token_dropout:
            raise ValueError(
                "a masked LM hides tokens itself: set the preprocessor's rates instead"
            )
        return self._masked(x, y, sample_weight, batch_size, shuffle)

    def _masked(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        batch_size: int | None,
        shuffle: bool = False,
        *,
        cuts_places: bool = True,
    ) -> Any:
        """Returns batches; see `masked_batches`."""
        preprocessor = self.preprocessor
        if preprocessor is None or are_batches(x):
            return super()._batches(x, y, sample_weight, batch_size, shuffle)
        if y is not None:
            raise made_already()
        tokens, _ = preprocessor.encode(*as_segments(x)[0])
        weights = None if sample_weight is None else np.asarray(sample_weight)
        check_targets([] if weights is None else [weights], len(tokens))
        size = BATCH_SIZE if batch_size is None else check_size("batch_size", batch_size)
        return masked_batches(tokens, weights, preprocessor, size, shuffle, cuts_places)

    @classmethod
    def from_preset(
        cls, preset: str | Path | Preset, load_weights: bool = True, **overrides: Any
    ) -> Self:
        """Creates a masked language model from a preset, with a new head if it stores none.

        `MaskedLM` itself creates one of the preset's family.

        Args:
            preset: A preset's name or folder.
            load_weights: Whether to load weights; otherwise they are random.
            **overrides: `backbone`, `preprocessor`, `activation`, `layer_norm_epsilon`, `compile`,
                `name` and `trainable` are the task's; the others go to the backbone.

        Raises:
            PresetError: There is no such preset, or its files are invalid.
        """
        preset = open_preset(preset, getattr(cls, "family", None))
        if not hasattr(cls, "family"):
            return cls.member_of(preset).from_preset(preset, load_weights, **overrides)
        own = cls._own(overrides)
        preset, backbone, preprocessor = cls._opened(preset, load_weights, overrides)
        stored = preset.masked_lm
        settings = {
            "activation": stored.activation,
            "layer_norm_epsilon": stored.layer_norm_epsilon,
            **own,
        }
        weights = preset.masked_lm_weights(backbone.architecture()) if load_weights else None
        if weights is None:
            if load_weights:
                warnings.warn(
                    f"preset {preset.name!r} stores no head of a masked LM; its scores come from a "
                    "random one until it is trained",
                    stacklevel=2,
                )
            return cls(backbone, preprocessor, **settings)
        with unset_weights():
            model = cls(backbone, preprocessor, **settings)
        assign(model.named_head_weights(), weights)
        return model

    def named_head_weights(self) -> dict[str, keras.Variable]:
        """Returns the head's weights by the names under which presets are read and written."""
        head = self.masked_lm_head
        return {
            **dense_weights("transform", head.transform),
            **norm_weights("transform_norm", head.norm),
            "output/bias": head.bias,
        }

    def head_layout(self) -> list[keras_hub.H5Weight]:
        """Returns where a preset stores each weight of the head."""
        return masked_lm.keras_hub_layout(self.backbone.hidden_dim, self.backbone.vocabulary_size)

    def head_description(self) -> tuple[str, dict[str, Any]]:
        """Returns what Keras Hub calls the task, and the settings that it does not have there."""
        differing = masked_lm.differing(self.settings)
        if differing:
            own = ", ".join(f"{name}={value!r}" for name, value in differing.items())
            usual = MaskedLMSettings()
            warnings.warn(
                f"this head has {own}, which Keras Hub leaves unread: there it computes with "
                f"{usual.activation} and {usual.layer_norm_epsilon}, and its scores are others; "
                "here it comes back as it is",
                Advice,
                stacklevel=3,
            )
        return masked_lm.TASK, differing

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, written as JSON can hold them."""
        return {
            **super().get_config(),
            "activation": self.settings.activation,
            "layer_norm_epsilon": self.settings.layer_norm_epsilon,
        }
