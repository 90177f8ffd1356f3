"""JAX: functions compiled by XLA for each shape, with the weights kept on the device."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from models.backends import Compiled, Outputs, kernels
from models.backends.kernels import Kernels


def start(streams: bool) -> str:
    """Starts JAX, whose operations share their threads."""
    return "CPU" if jax.default_backend() == "cpu" else "GPU"


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
        with exact, kernels.using(Kernels(attend=_attend)), keras.StatelessScope(pairs):
            return jnp.asarray(outputs(tensors))

    def call(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        # Arguments, since each shape would hold a copy of constants; and looked up each time, since
        # Keras gives variables new arrays when they change, and deletes the old ones.
        values = [variable.value for variable in variables]
        return np.asarray(function(values, {name: arrays[name] for name in features}))

    return call


def _attend(query: jax.Array, key: jax.Array, value: jax.Array, bias: jax.Array) -> jax.Array:
    """Mixes values by attention; see `Kernels.attend`. The first tokens of a row are real ones."""
    if query.dtype != "float32" and _fuses_attention(query.dtype.name, query.shape[-1]):
        lengths = jnp.sum(bias[:, 0, 0] == 0, axis=1, dtype="int32")
        return jax.nn.dot_product_attention(
            query,
            key,
            value,
            key_value_seq_lengths=jnp.maximum(lengths, 1),  # a row may be all padding
            implementation="cudnn",
        )
    scores = jnp.einsum("btnh,bsnh->bnts", query * query.shape[-1] ** -0.5, key) + bias
    return jnp.einsum("bnts,bsnh->btnh", jax.nn.softmax(scores), value)


@functools.cache
def _fuses_attention(dtype: str, head_dim: int) -> bool:
    """Returns whether cuDNN computes the attention of heads, and right, in one operation."""
    if jax.default_backend() != "gpu":
        return False
    with jax.ensure_compile_time_eval():
        random = np.random.default_rng(0).normal(size=(3, 2, 64, 4, head_dim))
        query, key, value = (jnp.asarray(array, dtype) for array in random)
        lengths = jnp.asarray([64, 9], "int32")
        found = []
        for implementation in ("cudnn", "xla"):
            try:
                context = jax.nn.dot_product_attention(
                    query,
                    key,
                    value,
                    key_value_seq_lengths=lengths,
                    implementation=implementation,
                )
            except (NotImplementedError, RuntimeError, ValueError):
                return False
            found.append(np.asarray(context, "float32"))
    return bool(np.abs(found[0] - found[1]).max() < 0.05)
