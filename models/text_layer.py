"""What tokenizers and preprocessors have of a Keras layer."""

import re
import sys
from collections.abc import Mapping
from typing import Any

import keras
from typing_extensions import Self

from models.backends import importing

# Where a word of a class's name begins: after a small letter, or where capitals end.
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class TextLayer(keras.layers.Layer):
    """A Keras layer that takes strings, in Python or in a graph, and has no weights.

    It is called as any layer, within a model too, where TensorFlow is Keras's backend; but what it
    is made of is its own affair: Keras neither tracks nor copies a vocabulary.

    Args:
        **layer: Keras's arguments: `name`, `dtype`, `trainable`. Layers of a class have one name,
            by which their configurations are equal; two in one model must be given others.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Makes it without its arguments, among which Keras would look for what it can write."""
        return super().__new__(cls)

    def __init__(self, **layer: Any) -> None:
        name = layer.pop("name", None) or _WORDS.sub("_", type(self).__name__).lower()
        super().__init__(name=name, **layer)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.built = True

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (type(self), self.get_config())

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Creates a layer from what `get_config` returned."""
        return cls(**config)

    @importing.unconverted
    def __call__(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Does the same as `call`; see there. Whether it is for training is of no account."""
        if any(map(_is_symbolic, (*args, *kwargs.values()))):
            return super().__call__(*args, **kwargs)
        return self.call(*args, **kwargs)


class Preprocessed:
    """A Keras model with a `preprocessor`, which is none of its layers: what it is fed by."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "preprocessor":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


def _is_symbolic(value: Any) -> bool:
    """Returns whether a value, or one of a tuple, is a place in a model that is being made."""
    values = value if isinstance(value, tuple) else (value,)
    return any(isinstance(value, keras.KerasTensor) for value in values)


def _made(kind: type[TextLayer], config: Mapping[str, Any]) -> TextLayer:
    return kind.from_config(config)


def is_in_grain() -> bool:
    """Returns whether Grain calls, whose processes exchange NumPy's arrays and no tensors."""
    if "grain" not in sys.modules:
        return False
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__", "").startswith("grain."):
            return True
    return False
