"""What Keras needs to save models and load them again (https://keras.io/guides/serialization).

It finds a class by its registered name, and leaves it to the class to recreate its parts.
"""

import importlib.util
import os
from collections.abc import Mapping
from typing import Any

import keras

from models import backends
from models.errors import UserError, alternatives, did_you_mean

_PACKAGE = "textbeam"

# What Keras exports to on TensorFlow, and the packages that it needs for that.
_FORMATS: dict[str, tuple[str, ...]] = {
    "tf_saved_model": (),
    "litert": (),
    "onnx": ("onnx", "tf2onnx"),
    "openvino": ("openvino",),
}


class Exported:
    """A Keras model that says what it cannot be exported to."""

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",  # noqa: A002 - Keras's name
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Writes the model for inference elsewhere, as `keras.Model.export` does.

        Args:
            filepath: The folder or file to write.
            format: `tf_saved_model`, a folder, or another of Keras's formats.
            verbose: Whether to print what was written.
            input_signature: The shapes of the inputs; any number of rows and tokens if `None`.
            **kwargs: Arguments of `keras.Model.export`.

        Raises:
            UserError: There is no such format here, a package that it needs is not installed, or
                Keras runs on JAX, which exports fixed shapes only.
        """
        if format not in _FORMATS:
            raise UserError(
                f"a model is not exported to format={format!r}; "
                f"{did_you_mean(str(format), _FORMATS)}choose {alternatives(list(_FORMATS))}"
            )
        if backends.name() != "tensorflow":
            if input_signature is None:
                raise UserError(
                    f"on Keras's backend {backends.name()!r} no model is exported that takes texts "
                    "of any length: set KERAS_BACKEND=tensorflow before Keras is imported, or give "
                    "input_signature with a fixed shape of each input"
                )
        elif missing := [name for name in _FORMATS[format] if not importlib.util.find_spec(name)]:
            raise UserError(
                f"format={format!r} needs what is not installed: pip install {' '.join(missing)}, "
                "or leave format out for a SavedModel"
            )
        model: Any = super()
        model.export(filepath, format, verbose, input_signature, **kwargs)


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
