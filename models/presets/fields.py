"""What a description of a model may hold, and whether it does."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.errors import did_you_mean

Fields = Mapping[str, type | tuple[type, ...]]
"""The type of each field that a description may have; see `check_fields`."""

BACKBONE_FIELDS: dict[str, type | tuple[type, ...]] = {
    "vocabulary_size": int,
    "num_layers": int,
    "num_heads": int,
    "hidden_dim": int,
    "intermediate_dim": int,
    "dropout": float,
    "max_sequence_length": int,
    "num_segments": int,
    "activation": str,
    "layer_norm_epsilon": float,
}
"""What a backbone's configuration may hold."""

# Sizes that cost memory before the shape of a stored array can contradict them: far above any real
# model's, far below what would fill memory.
_LARGEST = {
    **dict.fromkeys(("num_layers", "num_hidden_layers", "n_layers"), 1_000),
    **dict.fromkeys(("num_classes", "num_labels"), 1_000_000),
}


def check_fields(config: Mapping[str, Any], fields: Fields) -> None:
    """Raises `ValueError` for an unknown field or a value of the wrong type.

    Args:
        config: Values by field.
        fields: The type of each field that may be there. `int` is a positive integer, `float` a
            share: a number from 0 up to 1, which may be written as an integer.
    """
    for field, value in config.items():
        if field not in fields:
            hint = did_you_mean(field, fields)
            raise ValueError(f"unknown field {field!r}; {hint}known are {', '.join(fields)}")
        kinds = fields[field]
        if kinds is int:
            check_size(field, value)
        elif kinds is float:
            _check_share(field, value)
        elif not isinstance(value, kinds):
            raise ValueError(f"{field} must not be {value!r}")


def check_size(field: str, value: Any) -> int:
    """Returns a size; raises `ValueError` unless it is a positive integer that a model may have."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{field} must be a positive integer, not {value!r}")
    if value > _LARGEST.get(field, value):
        raise ValueError(f"{field} must be at most {_LARGEST[field]}, not {value}")
    return value


def _check_share(field: str, value: Any) -> None:
    # NaN fails the comparison.
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(f"{field} must be a number from 0 up to 1, not {value!r}")


def default_labels(num_classes: int) -> list[str]:
    """Returns the names of classes that have none: `LABEL_0`, `LABEL_1` and so on."""
    return [f"LABEL_{index}" for index in range(num_classes)]


def check_labels(labels: Sequence[str] | None, num_classes: int) -> list[str]:
    """Returns the names of the classes: those given, or `LABEL_0` and so on.

    Raises:
        ValueError: There is not one for each class, or one is not a string.
    """
    if labels is None:
        return default_labels(num_classes)
    if len(labels) != num_classes:
        raise ValueError(f"{len(labels)} labels for num_classes={num_classes}")
    for label in labels:
        if not isinstance(label, str):
            raise ValueError(f"a label must be a string, not {label!r}")
        if not is_text(label):
            raise ValueError(f"label {label!r} cannot be written in UTF-8")
    return list(labels)


def is_text(value: Any) -> bool:
    """Returns whether a value is a string that UTF-8 can write; JSON can hold others too."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:  # an unpaired surrogate
        return False
