"""What Keras Hub's format holds of a task that makes vectors; it has no weights."""

from models.presets.embedding import Pooling
from models.presets.fields import Fields

TASK = "TextEmbedder"
"""What Keras Hub calls the task, after the family's prefix."""

POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "max")
"""Its poolings, the default first."""

FIELDS: Fields = {
    "backbone": dict,
    "preprocessor": (dict, type(None)),
    "pooling_mode": str,
    "normalize": bool,
}
"""What `task.json` may hold."""


def unknown(pooling: str) -> str:
    """Returns what is wrong with a pooling that it has not."""
    return f"pooling_mode {pooling!r} is not one of {', '.join(POOLINGS)}"
