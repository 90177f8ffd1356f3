"""What Keras needs to save models and load them again (https://keras.io/guides/serialization).

It finds a class by its registered name, and leaves it to the class to recreate its parts.
"""

from collections.abc import Mapping
from typing import Any

import keras

from models.errors import UserError

_PACKAGE = "textbeam"


def register(kind: type) -> None:
    """Makes a class known to `keras.saving.load_model` and the like."""
    keras.saving.register_keras_serializable(_PACKAGE)(kind)


def deserialize_parts(
    config: Mapping[str, Any], parts: tuple[str, ...], custom_objects: Any = None
) -> dict[str, Any]:
    """Returns a configuration whose serialized parts have been turned back into objects.

    Args:
        config: What `get_config` returned, possibly after a round trip through a file.
        parts: The keys of objects that have a configuration of their own.
        custom_objects: Classes by name, in addition to the registered ones.
    """
    made = dict(config)
    for part in parts:
        if isinstance(made.get(part), dict):
            made[part] = keras.saving.deserialize_keras_object(made[part], custom_objects)
    return made


def policy_of(model: keras.Model) -> keras.DTypePolicy:
    """Returns the policy that makes a model like this one, with the layers that are quantized."""
    policy = model.dtype_policy
    if isinstance(policy, keras.dtype_policies.DTypePolicyMap):
        return policy
    quantized = keras.dtype_policies.DTypePolicyMap(policy.name)
    for layer in model._flatten_layers(include_self=False):
        if layer.quantization_mode is not None:
            quantized[layer.path] = layer.dtype_policy
    return quantized if len(quantized) else policy


def check_not_quantized(model: keras.Model) -> None:
    """Raises `UserError` if a model has layers that compute with integers."""
    layers = model._flatten_layers(include_self=False)
    modes = {layer.quantization_mode for layer in layers} - {None}
    if modes:
        raise UserError(
            f"this model is quantized to {', '.join(sorted(modes))}, and a preset holds weights "
            "as they are before that: save it first, or load it in float32 and call quantize() "
            "then; what is quantized can be saved with save('model.keras')"
        )
