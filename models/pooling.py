"""How the vectors of a text's tokens become one, and what modules make of vectors.

Each pooling makes float32 `[rows, width]` from float32 `[rows, length, width]` and bool
`[rows, length]`, which tokens are pooled.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

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


def _sum(tokens: Any, is_pooled: Any) -> tuple[Any, Any]:
    """Returns the sum of a row's tokens, and their number, `[rows, 1]`."""
    is_pooled = is_pooled[:, :, None]
    total = ops.sum(ops.where(is_pooled, tokens, 0.0), axis=1)
    count = ops.sum(ops.cast(is_pooled, "float32"), axis=1)
    return total, ops.maximum(count, 1.0)


def _mean(tokens: Any, is_pooled: Any) -> Any:
    total, count = _sum(tokens, is_pooled)
    return total / count


def _mean_sqrt_len_tokens(tokens: Any, is_pooled: Any) -> Any:
    total, count = _sum(tokens, is_pooled)
    return total / ops.sqrt(count)


def _weightedmean(tokens: Any, is_pooled: Any) -> Any:
    places = ops.arange(1, ops.shape(tokens)[1] + 1)
    weights = ops.where(is_pooled, ops.cast(places, "float32"), 0.0)
    total = ops.einsum("rtw,rt->rw", tokens, weights)
    return total / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)


def _max(tokens: Any, is_pooled: Any) -> Any:
    return ops.max(ops.where(is_pooled[:, :, None], tokens, -np.inf), axis=1)


def _at(tokens: Any, place: Any) -> Any:
    """Returns the token at a place of each row, from int `[rows]`; 0 at a place of none."""
    places = ops.arange(ops.shape(tokens)[1])
    return ops.sum(ops.where((places == place[:, None])[:, :, None], tokens, 0.0), axis=1)


def _first(tokens: Any, is_pooled: Any) -> Any:
    return _at(tokens, ops.argmax(ops.cast(is_pooled, "int32"), axis=1))


def _last(tokens: Any, is_pooled: Any) -> Any:
    places = ops.arange(ops.shape(tokens)[1])
    return _at(tokens, ops.max(ops.where(is_pooled, places, -1), axis=1))


BY_NAME: dict[Pooling, Callable[[Any, Any], Any]] = {
    "cls": _first,
    "mean": _mean,
    "max": _max,
    "mean_sqrt_len_tokens": _mean_sqrt_len_tokens,
    "weightedmean": _weightedmean,
    "lasttoken": _last,
}
