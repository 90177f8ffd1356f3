"""The base class of backbones: presets and named weights of a functional Keras model."""

import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from typing_extensions import Self

from models.encoder import Embeddings, Encoder, dense, kernel_initializer, unset_weights
from models.families.member import FamilyMember, making
from models.families.record import Family
from models.named_weights import arrays, assign, dense_weights, norm_weights
from models.places import Places, places_of
from models.presets import keras_hub, registry
from models.presets.fields import BACKBONE_FIELDS
from models.presets.keras_hub_preset import BACKBONE_WEIGHTS, CONFIG, METADATA, classes
from models.presets.lookup import open_preset
from models.presets.preset import Preset
from models.serialization import Exported, check_not_quantized, policy_of
from models.training.lora import LowRank

# Several times the largest model of these families, and 16 GB: when no weights are loaded, nothing
# else contradicts a false configuration.
_MAX_PARAMETERS = 4_000_000_000


class Backbone(LowRank, FamilyMember, Exported, keras.Model):
    """A transformer encoder from token ids to a vector for each token.

    Takes a dict of `token_ids`, `padding_mask` and, if there are segments, `segment_ids`, each
    int32 `[batch, length]`. Returns `[batch, length, hidden_dim]`; with a pooler, a dict of that as
    `sequence_output` and of `pooled_output`, `[batch, hidden_dim]`: the first token's vector after
    one more dense layer.

    >>> backbone = BertBackbone.from_preset("sentiment_tiny_en")
    >>> backbone(BertPreprocessor.from_preset("sentiment_tiny_en")(["A day."])).keys()
    dict_keys(['sequence_output', 'pooled_output'])

    A subclass is a family: it says what the checkpoints of that family have in common.

    Args:
        vocabulary_size: Number of token ids.
        num_layers: Number of encoder layers.
        num_heads: Attention heads per layer; must divide `hidden_dim`.
        hidden_dim: Width of a token's vector.
        intermediate_dim: Width inside the feed-forward networks.
        dropout: Dropout rate in training.
        max_sequence_length: Number of positions; no sequence may be longer.
        dtype: Compute and weight type, such as `bfloat16`, a policy, or a map of policies by the
            paths of layers, as a quantized model has; Keras's default if `None`.
        num_segments: Number of segment ids, in a family that has them.
        activation: A key of `models.backends.kernels.ACTIVATIONS`, such as `gelu` (the exact form),
            `gelu_approximate` or `relu`; the family's if `None`.
        layer_norm_epsilon: Added to the variance; the family's if `None`.
        name: Name of the model.
        trainable: Whether training changes the weights.
    """

    part = "Backbone"

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        max_sequence_length: int = 512,
        dtype: Any = None,
        *,
        num_segments: int | None = None,
        activation: str | None = None,
        layer_norm_epsilon: float | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        record = self.record
        num_segments = record.num_segments if num_segments is None else num_segments
        activation = record.activation if activation is None else activation
        if layer_norm_epsilon is None:
            layer_norm_epsilon = record.layer_norm_epsilon
        _check_segments(record, num_segments)
        if not layer_norm_epsilon >= 0:
            raise ValueError(f"layer_norm_epsilon={layer_norm_epsilon} is below 0")

        # === Layers ===
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        embeddings = Embeddings(
            vocabulary_size,
            hidden_dim,
            max_sequence_length,
            num_segments,
            dropout,
            layer_norm_epsilon,
            dtype=policy,
            name="embeddings",
        )
        layer = {
            "num_heads": num_heads,
            "intermediate_dim": intermediate_dim,
            "activation": activation,
            "dropout": dropout,
            "layer_norm_epsilon": layer_norm_epsilon,
        }
        encoder = Encoder(num_layers, hidden_dim, layer, dtype=policy, name="encoder")
        pooler = (
            dense(hidden_dim, policy, activation="tanh", name="pooler")
            if record.has_pooler
            else None
        )

        # === Functional model ===
        features = ["token_ids", *(["segment_ids"] if num_segments else []), "padding_mask"]
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in features}
        embedded = embeddings(*(inputs[name] for name in features[:-1]))
        outputs = encoder(embedded, inputs["padding_mask"])
        if pooler is not None:
            pooled = pooler(outputs[:, 0, :])
            outputs = {"sequence_output": outputs, "pooled_output": pooled}
        with making:
            super().__init__(inputs=inputs, outputs=outputs, name=name, trainable=trainable)

        # === Config ===
        self.dtype_policy = policy
        self.embeddings = embeddings
        self.encoder = encoder
        self.pooler = pooler
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **self.architecture(),
            "dtype": keras.dtype_policies.serialize(policy_of(self)),
            "name": self.name,
            "trainable": self.trainable,
        }

    def architecture(self) -> dict[str, Any]:
        """Returns the constructor's arguments that determine what is computed."""
        has_segments = self.record.num_segments > 0
        fields = [name for name in BACKBONE_FIELDS if has_segments or name != "num_segments"]
        return {name: getattr(self, name) for name in fields}

    @property
    def token_embedding(self) -> keras.layers.Embedding:
        """The layer that embeds token ids."""
        return self.embeddings.token

    def tokens(self, features: Mapping[str, Any]) -> Any:
        """Returns the vectors of all tokens, `[batch, length, hidden_dim]`, for inference.

        Args:
            features: The model's inputs, or with several rows to a line (`models.places`).
        """
        places = places_of(features)
        return self.encoder(self._embed(features, places), places.attended)

    def first(self, features: Mapping[str, Any]) -> Any:
        """Returns the vector of each row's first token, for inference, `[rows, hidden_dim]`.

        It has passed through the pooler, if there is one. The other tokens' vectors are computed
        only as far as this one depends on them.

        Args:
            features: As of `tokens`.
        """
        first = self.first_token(features)
        return first if self.pooler is None else self.pooler(first)

    def first_token(self, features: Mapping[str, Any]) -> Any:
        """Returns the same as `first`, but without the pooler.

        Args:
            features: As of `tokens`.
        """
        places = places_of(features)
        return self.encoder.first(self._embed(features, places), places.attended, places.starts)

    def _embed(self, features: Mapping[str, Any], places: Places) -> Any:
        segments = features["segment_ids"] if self.num_segments else None
        positions = places.positions if places.is_shared else None
        return self.embeddings(features["token_ids"], segments, positions)

    @classmethod
    def from_preset(
        cls, preset: str | Path | Preset, load_weights: bool = True, **overrides: Any
    ) -> Self:
        """Creates the backbone of a preset; `Backbone` itself creates one of the preset's family.

        Args:
            preset: A preset's name or folder.
            load_weights: Whether to load its weights; otherwise they are random.
            **overrides: Arguments of the constructor to use instead of the preset's, such as
                `dtype` or `dropout`.

        Raises:
            PresetError: There is no such preset, or its files are invalid.
        """
        registered = registry.find(str(preset))
        if not hasattr(cls, "family"):
            kind = cls.member_of(registered or open_preset(preset))
            return kind.from_preset(preset, load_weights, **overrides)
        if registered and registered.family == cls.family and not load_weights:
            return cls(**{**registered.config, **overrides})  # known without its files
        preset = open_preset(preset, cls.family)
        config = {**preset.backbone_config, **overrides}
        complete = cls._complete(config, preset)
        if not load_weights:
            layout = keras_hub.backbone_layout(cls.record, complete)
            if sum(math.prod(weight.shape) for weight in layout) > _MAX_PARAMETERS:
                raise preset.error(
                    preset.config_file, f"asks for more than {_MAX_PARAMETERS} parameters"
                )
            return cls._make(preset, config)
        # Checked before the model is created, so that a false configuration allocates no memory.
        weights = preset.backbone_weights(complete)
        with unset_weights():
            backbone = cls._make(preset, config)
        named = backbone.named_weights()
        if backbone.pooler is not None and not preset.has_pooler:
            _draw_pooler(backbone.pooler, preset)
            named = {name: named[name] for name in named.keys() - {"pooler/kernel", "pooler/bias"}}
        assign(named, weights)
        return backbone

    @classmethod
    def _make(cls, preset: Preset, config: Mapping[str, Any]) -> Self:
        try:
            return cls(**config)
        except ValueError as error:
            raise preset.error(preset.config_file, str(error)) from None

    @classmethod
    def _complete(cls, config: Mapping[str, Any], preset: Preset) -> dict[str, Any]:
        """Returns a configuration with the constructor's defaults for what it leaves out."""
        complete = {
            "dropout": 0.1,
            "max_sequence_length": 512,
            "num_segments": cls.record.num_segments,
            "activation": cls.record.activation,
            "layer_norm_epsilon": cls.record.layer_norm_epsilon,
            **config,
        }
        for field in BACKBONE_FIELDS:
            if field not in complete:
                raise preset.error(preset.config_file, f"lacks {field!r}")
        if complete["hidden_dim"] % complete["num_heads"]:
            raise preset.error(preset.config_file, "hidden_dim is not a multiple of num_heads")
        return complete

    def check_vocabulary(self, preset: Preset, num_tokens: int) -> None:
        """Raises `PresetError` if a tokenizer has more tokens than there are embeddings."""
        if num_tokens > self.vocabulary_size:
            raise preset.error(
                preset.vocabulary_file,
                f"{num_tokens} tokens, more than the {self.vocabulary_size} embeddings of "
                f"{preset.config_file}",
            )

    def freeze_layers(self, num_layers: int) -> None:
        """Keeps training from changing the embeddings and the first encoder layers.

        Args:
            num_layers: How many encoder layers to freeze; fewer than there are.

        Raises:
            ValueError: `num_layers` is not below the number of layers.
        """
        if not 0 <= num_layers < self.num_layers:
            raise ValueError(f"cannot freeze {num_layers} of {self.num_layers} layers")
        self.embeddings.trainable = False
        for layer in self.encoder.layers[:num_layers]:
            layer.trainable = False

    def layout(self) -> list[keras_hub.H5Weight]:
        """Returns where a preset stores each weight."""
        return keras_hub.backbone_layout(self.record, self.architecture())

    def named_weights(self) -> dict[str, keras.Variable]:
        """Returns the weights by the names under which presets are read and written.

        Raises:
            UserError: The backbone is quantized: a preset holds no integers.
        """
        check_not_quantized(self)
        named = {
            "embeddings/token": self.embeddings.token.embeddings,
            "embeddings/position": self.embeddings.position,
            **norm_weights("embeddings/norm", self.embeddings.norm),
        }
        if self.embeddings.segment is not None:
            named["embeddings/segment"] = self.embeddings.segment.embeddings
        for index, layer in enumerate(self.encoder.layers):
            name = f"encoder/{index}"
            named |= {
                **dense_weights(f"{name}/qkv", layer.qkv),
                **dense_weights(f"{name}/attention_output", layer.attention_output),
                **norm_weights(f"{name}/attention_norm", layer.attention_norm),
                **dense_weights(f"{name}/intermediate", layer.intermediate),
                **dense_weights(f"{name}/output", layer.output_dense),
                **norm_weights(f"{name}/output_norm", layer.output_norm),
            }
        if self.pooler is not None:
            named |= dense_weights("pooler", self.pooler)
        return named

    def save_to_preset(
        self, folder: str | os.PathLike[str], weights_dtype: str = "float32"
    ) -> None:
        """Writes a preset folder that Keras Hub can read too.

        Args:
            folder: Created if needed; its files are replaced.
            weights_dtype: What the weights in the file are rounded to: `float32`, or `float16` for
                less than half the size, or `bfloat16` for three eighths. Loading converts them to
                the model's own type.
        """
        weights = arrays(self.named_weights())
        folder = keras_hub.folder_to_write(folder, weights_dtype)
        keras_hub.write_json(folder, CONFIG, self.description())
        metadata = {
            "keras_version": keras.__version__,
            "keras_hub_version": keras_hub.VERSION,
            "parameter_count": self.count_params(),
        }
        keras_hub.write_json(folder, METADATA, metadata)
        keras_hub.write_weights(folder / BACKBONE_WEIGHTS, self.layout(), weights, weights_dtype)

    def description(self) -> dict[str, Any]:
        """Returns the content of `config.json`.

        Settings that Keras Hub's class has no argument for are written only where they differ from
        what that class does.
        """
        config = self.architecture()
        if self.activation == self.record.activation:
            del config["activation"]
        if self.layer_norm_epsilon == self.record.layer_norm_epsilon:
            del config["layer_norm_epsilon"]
        class_name = classes(self.record)[CONFIG][0]
        return keras_hub.description(self.family, class_name, config, self.dtype_policy.name)


def _check_segments(record: Family, num_segments: int) -> None:
    """Raises `ValueError` unless a family's backbone can have that many segments."""
    if num_segments and not record.num_segments:
        raise ValueError(f"num_segments={num_segments}: {record.name} has no segments")
    if record.num_segments and num_segments < 1:
        raise ValueError(f"num_segments={num_segments}: {record.name} needs at least one segment")


def _draw_pooler(pooler: keras.layers.Dense, preset: Preset) -> None:
    """Initializes a pooler that the preset does not store."""
    pooler.kernel.assign(kernel_initializer()(pooler.kernel.shape, pooler.kernel.dtype))
    warnings.warn(
        f"preset {preset.name!r} stores no pooler; the pooled output comes from a random one until "
        "it is trained",
        stacklevel=3,
    )
