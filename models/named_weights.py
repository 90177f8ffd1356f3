"""Weights by the names under which presets are read and written."""

from collections.abc import Iterable, Mapping

import keras
import numpy as np


def dense_weights(name: str, layer: keras.layers.Dense) -> dict[str, keras.Variable]:
    """Returns a dense layer's two weights by name."""
    return {f"{name}/kernel": layer.kernel, f"{name}/bias": layer.bias}


def norm_weights(name: str, layer: keras.layers.LayerNormalization) -> dict[str, keras.Variable]:
    """Returns a layer normalization's two weights by name."""
    return {f"{name}/gamma": layer.gamma, f"{name}/beta": layer.beta}


def arrays(weights: Mapping[str, keras.Variable]) -> dict[str, np.ndarray]:
    """Returns the values of weights as NumPy arrays."""
    return {name: keras.ops.convert_to_numpy(weight) for name, weight in weights.items()}


def assign(weights: Mapping[str, keras.Variable], values: Iterable[tuple[str, np.ndarray]]) -> None:
    """Sets weights to values by name, one after another.

    Raises:
        KeyError: A weight has no value.
    """
    unset = set(weights)
    for name, value in values:
        weights[name].assign(value)
        unset.discard(name)
    if unset:
        raise KeyError(f"no values for {sorted(unset)}")
