"""What Keras needs to save models and to load them again (https://keras.io/guides/serialization).

It finds a class by a registered name, and leaves it to the class to make its parts again.
"""

from collections.abc import Mapping
from typing import Any

import keras

_PACKAGE = "textbeam"


def register(kind: type) -> None:
    """Makes a class known to `keras.saving.load_model` and its like."""
    keras.saving.register_keras_serializable(_PACKAGE)(kind)


def deserialize_parts(
    config: Mapping[str, Any], parts: tuple[str, ...], custom_objects: Any = None
) -> dict[str, Any]:
    """Returns a configuration with those of its values made that Keras has described.

    Args:
        config: What `get_config` returned, perhaps as it came back from a file.
        parts: The keys of objects that have a configuration of their own.
        custom_objects: Classes by name, beside the registered ones.
    """
    made = dict(config)
    for part in parts:
        if isinstance(made.get(part), dict):
            made[part] = keras.saving.deserialize_keras_object(made[part], custom_objects)
    return made
