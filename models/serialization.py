"""What Keras needs to save models and load them again (https://keras.io/guides/serialization).

It finds a class by its registered name, and leaves it to the class to recreate its parts.
"""

from collections.abc import Mapping
from typing import Any

import keras

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
