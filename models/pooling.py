"""How the vectors of a text's tokens become one, and what modules make of vectors.

Each pooling makes float32 `[lines, rows, width]` from float32 `[lines, length, width]` and from
`Places` whose members are the tokens that are pooled.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from models.places import Places
from models.presets.embedding import Pooling

SHORTEST = 1e-12
"""A length below this counts as zero."""

# What PyTorch adds to the variance in a layer normalization.
_EPSILON = 1e-5


def unit(vectors: Any) -> Any:
    """Returns vectors divided by their length."""
    return vectors / ops.maximum(ops.norm(vectors, axis=-1, keepdims=True), SHORTEST)


def normalized(vectors: Any, gamma: Any, beta: Any) -> Any:
    """Returns vectors normalized as PyTorch's layer normalization does."""
    mean, variance = ops.moments(vectors, axes=[-1], keepdims=True)
    return (vectors - mean) * ops.rsqrt(variance + _EPSILON) * gamma + beta


def _weighted(tokens: Any, weights: Any) -> Any:
    """Returns the weighted sum of each row's tokens, from weights `[lines, rows, length]`."""
    is_pooled = ops.expand_dims(ops.any(weights != 0, axis=1), 2)
    pooled = ops.where(is_pooled, tokens, 0.0)
    if weights.shape[1] == 1:
        # A product adds the tokens one by one, which over 512 of them costs a digit; a sum does
        # not. A transposition TensorFlow would make of the weights while they are bits, and say
        # that oneDNN cannot.
        column = ops.expand_dims(ops.squeeze(weights, 1), 2)
        return ops.sum(column * pooled, axis=1, keepdims=True)
    return ops.matmul(weights, pooled)


def _sum(tokens: Any, places: Places) -> tuple[Any, Any]:
    """Returns the sum of each row's tokens, and their number, `[lines, rows, 1]`."""
    weights = ops.cast(places.members, "float32")
    count = ops.sum(weights, axis=2, keepdims=True)
    return _weighted(tokens, weights), ops.maximum(count, 1.0)


def _mean(tokens: Any, places: Places) -> Any:
    total, count = _sum(tokens, places)
    return total / count


def _mean_sqrt_len_tokens(tokens: Any, places: Places) -> Any:
    total, count = _sum(tokens, places)
    return total / ops.sqrt(count)


def _weightedmean(tokens: Any, places: Places) -> Any:
    numbers = ops.cast(ops.expand_dims(places.positions + 1, 1), "float32")
    weights = ops.where(places.members, numbers, 0.0)
    total = ops.sum(weights, axis=2, keepdims=True)
    return _weighted(tokens, weights) / ops.maximum(total, 1.0)


def _max(tokens: Any, places: Places) -> Any:
    members = ops.expand_dims(places.members, 3)
    return ops.max(ops.where(members, ops.expand_dims(tokens, 1), -np.inf), axis=2)


def _at(tokens: Any, place: Any) -> Any:
    """Returns the token at a place of each row, from int `[lines, rows]`; 0 at a place of none."""
    places = ops.arange(ops.shape(tokens)[1], dtype="int32")
    return _weighted(tokens, ops.cast(places == ops.expand_dims(place, 2), "float32"))


def _first(tokens: Any, places: Places) -> Any:
    first = ops.argmax(ops.cast(places.members, "int32"), axis=2)
    return _at(tokens, ops.maximum(places.starts, ops.cast(first, "int32")))


def _last(tokens: Any, places: Places) -> Any:
    of_line = ops.arange(ops.shape(tokens)[1], dtype="int32")
    return _at(tokens, ops.max(ops.where(places.members, of_line, -1), axis=2))


BY_NAME: dict[Pooling, Callable[[Any, Places], Any]] = {
    "cls": _first,
    "mean": _mean,
    "max": _max,
    "mean_sqrt_len_tokens": _mean_sqrt_len_tokens,
    "weightedmean": _weightedmean,
    "lasttoken": _last,
}
