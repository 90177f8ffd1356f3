"""The head of a masked language model, in the formats of Keras Hub and of Hugging Face.

A dense layer and a normalization, then a score for each token: the product with its embedding, plus
a bias of its own.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from models.errors import PresetError
from models.families.record import Family
from models.presets import hugging_face, keras_hub
from models.presets.fields import Fields
from models.presets.keras_hub import H5Weight
from models.presets.preset import MaskedLMSettings, Preset, StoredWeights
from models.presets.weights.safetensors_weights import (
    SafetensorsWeights,
    TensorFiles,
    TensorWeight,
)

TASK = "MaskedLM"
"""What Keras Hub calls the task, after the family's prefix."""

FIELDS: Fields = {
    "backbone": dict,
    "preprocessor": (dict, type(None)),
    "activation": str,
    "layer_norm_epsilon": float,
}
"""What `task.json` may hold. Keras Hub has not the last two, and leaves them unread."""


def of_keras_hub(config: Mapping[str, Any]) -> MaskedLMSettings:
    """Returns what the head of a preset in Keras Hub's format computes.

    Args:
        config: The checked `config` of its `task.json`.
    """
    names = ("activation", "layer_norm_epsilon")
    return MaskedLMSettings(**{name: config[name] for name in names if name in config})


def differing(settings: MaskedLMSettings) -> dict[str, Any]:
    """Returns the settings that are not Keras Hub's, by field."""
    usual = asdict(MaskedLMSettings())
    return {name: value for name, value in asdict(settings).items() if value != usual[name]}


def keras_hub_layout(width: int, vocabulary_size: int) -> list[H5Weight]:
    """Returns where `task.weights.h5` keeps a head.

    Args:
        width: Width of the backbone.
        vocabulary_size: Number of its tokens.
    """
    path = "layers/masked_lm_head"
    return [
        *keras_hub.dense("transform", f"{path}/_intermediate_dense", width, width),
        *keras_hub.norm("transform_norm", f"{path}/_intermediate_layer_norm", width),
        keras_hub.same("output/bias", f"{path}/vars/0", vocabulary_size),
    ]


def of_hugging_face(family: Family, config: Mapping[str, Any], activation: str) -> MaskedLMSettings:
    """Returns what the head of a checkpoint of Hugging Face computes.

    Args:
        family: Its family.
        config: Content of its `config.json`.
        activation: The backbone's activation, as it is called here.
    """
    names = family.hugging_face.masked_lm
    epsilon = config.get("layer_norm_eps", family.layer_norm_epsilon)
    return MaskedLMSettings(names.activation or activation, epsilon)


def in_hugging_face(
    preset: Preset, family: Family, config: Mapping[str, Any], stored: TensorFiles, is_tied: bool
) -> StoredWeights | None:
    """Returns the stored head of a checkpoint of Hugging Face, checked; `None` if it has none.

    Args:
        preset: The preset.
        family: Its family.
        config: All arguments of the backbone's constructor.
        stored: The arrays in its files.
        is_tied: Whether tokens are scored by their embeddings.

    Raises:
        PresetError: They are scored by other weights.
    """
    names = family.hugging_face.masked_lm
    if f"{names.transform}.weight" not in stored.arrays:
        return None
    if not is_tied:
        raise untied(preset)
    width, vocabulary_size = config["hidden_dim"], config["vocabulary_size"]
    bias = next((n for n in names.biases if n in stored.arrays), names.biases[0])
    layout: list[TensorWeight] = [
        *hugging_face.dense("transform", (names.transform,), width, width),
        *hugging_face.norm("transform_norm", names.norm, width),
        hugging_face.same("output/bias", bias, vocabulary_size),
    ]
    used = {name for weight in layout for name, _ in weight.parts}
    return SafetensorsWeights(preset, stored, layout, set(stored.arrays) - used)


def untied(preset: Preset) -> PresetError:
    """Returns the error for a checkpoint that scores tokens by weights of their own."""
    return preset.error(
        preset.config_file,
        "tie_word_embeddings is false, and a masked language model here scores tokens by their "
        "embeddings; load its backbone alone",
    )
