"""The weights that a student takes over from a larger model."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from models.backbone import Backbone
from models.encoder import unset_weights
from models.errors import UserError
from models.named_weights import arrays, assign

_Backbone = TypeVar("_Backbone", bound=Backbone)


def chosen_layers(layers: str | Sequence[int], num_layers: int) -> list[int]:
    """Returns the indices of the layers that a student takes over.

    Args:
        layers: `"first:2"`, `"last:2"`, `"all"`, or indices that count from 0.
        num_layers: Layers of the larger model.

    Raises:
        UserError: It has no such layers.
    """
    if layers == "all":
        return list(range(num_layers))
    if isinstance(layers, str):
        end, _, count = layers.partition(":")
        if end not in ("first", "last") or not count.isdecimal():
            raise UserError(
                f"layers={layers!r} is not first:N, last:N, all or a list of layers, from 0"
            )
        wanted = int(count)
        chosen = list(range(wanted) if end == "first" else range(num_layers - wanted, num_layers))
    else:
        chosen = list(layers)
    is_there = [isinstance(index, int) and 0 <= index < num_layers for index in chosen]
    if not chosen:
        raise UserError(f"layers={layers!r}: a model needs at least one")
    if not all(is_there):
        raise UserError(f"layers={layers!r}: the preset has the layers 0 to {num_layers - 1}")
    return chosen


def shrunken(
    backbone: _Backbone,
    layers: Sequence[int],
    token_ids: np.ndarray,
    intermediate_dim: int | None = None,
    num_positions: int | None = None,
    dropout: float | None = None,
) -> _Backbone:
    """Returns a backbone with parts of another, and their weights.

    Args:
        backbone: The larger one.
        layers: Indices of its layers, in the order of the new ones.
        token_ids: int64 `[tokens]`: the id there of each token here.
        intermediate_dim: Width inside the feed-forward networks: of each network the units with the
            largest weights are kept; all if `None`.
        num_positions: How many positions to keep, the first ones; all if `None`.
        dropout: Dropout rate in training; the same if `None`.
    """
    config = backbone.architecture()
    config |= {"num_layers": len(layers), "vocabulary_size": len(token_ids)}
    config["intermediate_dim"] = intermediate_dim or backbone.intermediate_dim
    config["max_sequence_length"] = num_positions or backbone.max_sequence_length
    config["dropout"] = backbone.dropout if dropout is None else dropout
    old = arrays(backbone.named_weights())
    units = {layer: _largest_units(old, layer, config["intermediate_dim"]) for layer in layers}

    def value(name: str) -> np.ndarray:
        part, _, rest = name.partition("/")
        if part == "encoder":
            index, _, weight = rest.partition("/")
            layer = layers[int(index)]
            array = old[f"encoder/{layer}/{weight}"]
            axis = _UNIT_AXES.get(weight)
            return array if axis is None else array.take(units[layer], axis)
        if name == "embeddings/token":
            return old[name][token_ids]
        return old[name][: config["max_sequence_length"]] if name == _POSITIONS else old[name]

    with unset_weights():
        student = type(backbone)(**config, dtype=backbone.dtype_policy)
    named = student.named_weights()
    assign(named, ((name, value(name)) for name in named))
    return student


_POSITIONS = "embeddings/position"
# Where the units of a feed-forward network are, in each of its weights.
_UNIT_AXES = {"intermediate/kernel": 1, "intermediate/bias": 0, "output/kernel": 0}


def _largest_units(weights: Mapping[str, np.ndarray], layer: int, count: int) -> np.ndarray:
    """Returns the units of a layer's feed-forward network with the largest weights, in order."""
    name = f"encoder/{layer}"
    into = np.linalg.norm(weights[f"{name}/intermediate/kernel"], axis=0)
    out = np.linalg.norm(weights[f"{name}/output/kernel"], axis=1)
    return np.sort(np.argsort(-into * out, kind="stable")[:count])
