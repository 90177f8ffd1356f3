"""JAX: functions compiled by XLA for each shape, with the weights kept on the device."""

import functools
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import keras
import numpy as np

from models.backends import Compiled, Outputs, cards, kernels
from models.backends.kernels import Kernels
from models.errors import UserError
from models.faults import reason_of
from models.inference import cores

_Implementation = Literal["cudnn", "xla"]

_FEW = 4
"""The share of its results that a micro-batch of rows of 32 tokens or more has."""


def start(streams: bool) -> str:
    """Starts JAX, whose operations share their threads, as many as this process has cores.

    It computes on one card, and takes of its memory what it needs.

    Raises:
        UserError: It finds no device that `JAX_PLATFORMS` lets it use.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("NPROC", str(cores.own()))  # threads of XLA; the machine's cores without
    if (number := cards.claimed()) is not None:
        jax.config.update("jax_cuda_visible_devices", str(number))
    try:
        return "CPU" if jax.default_backend() == "cpu" else "GPU"
    except (AssertionError, RuntimeError) as error:
        if not (asked := os.environ.get("JAX_PLATFORMS")):
            raise
        raise UserError(
            f"JAX finds no device of JAX_PLATFORMS={asked} ({reason_of(error)}): unset it, and for "
            "a GPU pip install 'jax[cuda12]'"
        ) from error


def compiled(
    outputs: Outputs,
    variables: Sequence[keras.Variable],
    features: Sequence[str],
    use_xla: bool,
) -> Compiled:
    """Returns a function that is compiled for each shape."""

    @jax.jit
    def function(values: Sequence[jax.Array], tensors: Mapping[str, Any]) -> jax.Array:
        # Products of float32 are exact on a GPU as they are on a CPU.
        exact = jax.default_matmul_precision("float32")
        pairs = zip(variables, values, strict=True)
        with exact, kernels.using(_KERNELS), keras.StatelessScope(pairs):
            return jnp.asarray(outputs(tensors))

    def call(arrays: Mapping[str, np.ndarray]) -> jax.Array:
        # Arguments, since each shape would hold a copy of constants; and looked up each time, since
        # Keras gives variables new arrays when they change, and deletes the old ones. Their public
        # property takes microseconds for each, and there are hundreds.
        values = [variable._value for variable in variables]
        return function(values, {name: arrays[name] for name in features})

    return call


def rows_of(results: jax.Array, rows: np.ndarray) -> np.ndarray:
    """Returns some of the rows, which alone leave the device."""
    # One of two numbers of them, since each is compiled for itself.
    few = len(results) // _FEW
    padded = np.zeros(few if len(rows) <= few else len(results), np.int32)
    padded[: len(rows)] = rows
    return np.asarray(_taken(results, padded))[: len(rows)]


@jax.jit
def _taken(results: jax.Array, rows: jax.Array) -> jax.Array:
    return results[rows]


def _attend(query: jax.Array, key: jax.Array, value: jax.Array, bias: jax.Array) -> jax.Array:
    """Mixes values by attention; see `Kernels.attend`."""
    if query.dtype != "float32" and _fuses_attention(query.dtype.name, query.shape[-1]):
        return _fused(query, key, value, bias, "cudnn")
    scores = jnp.einsum(
        "btnh,bsnh->bnts", query * query.shape[-1] ** -0.5, key, preferred_element_type="float32"
    )
    weights = jax.nn.softmax(scores + bias).astype(value.dtype)
    return jnp.einsum("bnts,bsnh->btnh", weights, value)


def _fused(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    bias: jax.Array,
    implementation: _Implementation,
) -> jax.Array:
    """Mixes values in one operation, which wants the bias of each query."""
    length = query.shape[1]
    bias = jnp.broadcast_to(bias, (len(bias), 1, length, length))
    return jax.nn.dot_product_attention(query, key, value, bias, implementation=implementation)


@functools.cache
def _fuses_attention(dtype: str, head_dim: int) -> bool:
    """Returns whether cuDNN computes the attention of heads, and right, in one operation.

    Args:
        dtype: Type of queries, keys and values.
        head_dim: Width of a head.
    """
    if jax.default_backend() != "gpu":
        return False
    length = 128
    with jax.ensure_compile_time_eval():
        random = np.random.default_rng(0).normal(size=(3, 2, length, 4, head_dim))
        query, key, value = (jnp.asarray(array, dtype) for array in random)
        row = np.repeat([0, 1, 2], [length // 2, length // 4, length // 4])
        bias = np.where(row[:, None] == row, 0.0, -3e4)[None, None].repeat(2, axis=0)
        found = []
        for implementation in get_args(_Implementation):
            try:
                context = _fused(query, key, value, jnp.asarray(bias, dtype), implementation)
            # In these ways a card, a version of cuDNN, a type and a shape are refused.
            except (NotImplementedError, RuntimeError, ValueError):
                return False
            found.append(np.asarray(context, "float32"))
    return bool(np.abs(found[0] - found[1]).max() < 0.05)


def _gelu(x: jax.Array) -> jax.Array:
    """Computes the exact gelu by erf, in float32; JAX's own goes by erfc, in the type of x."""
    wide = x.astype("float32")
    return (0.5 * wide * (1.0 + jax.lax.erf(wide * math.sqrt(0.5)))).astype(x.dtype)


def _normalize(x: jax.Array, gamma: jax.Array, beta: jax.Array, epsilon: float) -> jax.Array:
    """Normalizes vectors in half precision, with sums in float32 that one pass finds."""
    wide = x.astype("float32")
    mean = wide.mean(axis=-1, keepdims=True)
    variance = jnp.maximum((wide * wide).mean(axis=-1, keepdims=True) - mean * mean, 0.0)
    scale = jax.lax.rsqrt(variance + epsilon) * gamma
    return ((wide - mean) * scale + beta).astype(x.dtype)


_KERNELS = Kernels(
    normalize={"float16": _normalize, "bfloat16": _normalize},
    attend=_attend,
    activations={"gelu": _gelu, "gelu_10": lambda x: jnp.clip(_gelu(x), -10.0, 10.0)},
)
