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

    # Not as constants, which each shape would hold a copy of.
    values = [variable.value for variable in variables]

    def call(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(function(values, {name: arrays[name] for name in features}))

    return call


def _attend(query: jax.Array, key: jax.Array, value: jax.Array, bias: jax.Array) -> jax.Array:
    """Mixes values by attention; see `Kernels.attend`. The first tokens of a row are real ones."""
    lengths = jnp.sum(bias[:, 0, 0] == 0, axis=1, dtype="int32")
    is_half = query.dtype != "float32"
    is_fused = is_half and _fuses_attention(query.dtype.name, query.shape[-1])
    return jax.nn.dot_product_attention(
        query,
        key,
        value,
        key_value_seq_lengths=jnp.maximum(lengths, 1),  # a row may be all padding
        implementation="cudnn" if is_fused else "xla",
    )


@functools.cache
def _fuses_attention(dtype: str, head_dim: int) -> bool:
    """Returns whether cuDNN computes the attention of heads, and right, in one operation."""
    if jax.default_backend() != "gpu":
        return False
    with jax.ensure_compile_time_eval():
        random = np.random.default_rng(0).normal(size=(3, 2, 64, 4, head_dim))
        arguments = [jnp.asarray(array, dtype) for array in random]
        lengths = jnp.asarray([64, 9], "int32")
        found = {}
        for implementation in ("xla", "cudnn"):
            function = functools.partial(
                jax.nn.dot_product_attention, implementation=implementation
            )
            try:
                found[implementation] = np.asarray(
                    jax.jit(function)(*arguments, key_value_seq_lengths=lengths), "float32"
                )
            except (NotImplementedError, RuntimeError, ValueError):
                return False
    return bool(np.allclose(found["xla"], found["cudnn"], atol=0.05))
