"""The encoder's operations that a graph for inference may compute in a way of its own."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import ops

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    # Google's BERT and KerasNLP approximate gelu with tanh; Hugging Face's "gelu" is exact.
    "gelu_approximate": lambda x: ops.gelu(x, approximate=True),
    "gelu": lambda x: ops.gelu(x, approximate=False),
    "gelu_10": lambda x: ops.clip(ops.gelu(x, approximate=False), -10.0, 10.0),
    "quick_gelu": lambda x: x * ops.sigmoid(1.702 * x),
    "relu": ops.relu,
    "relu2": lambda x: ops.square(ops.relu(x)),
    "relu6": ops.relu6,
    "leaky_relu": lambda x: ops.leaky_relu(x, negative_slope=0.01),
    "silu": ops.silu,
    "hard_silu": lambda x: x * (ops.relu6(x + 3.0) / 6.0),
    "mish": lambda x: x * ops.tanh(ops.softplus(x)),
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "linear": lambda x: x,
}
"""Feed-forward activations by their name in a configuration."""

Product = Callable[[Any, slice, str | None], Any]
"""From inputs `[rows, width]`, the columns of the kernel and the name of an activation, if any, to
what `affine` returns for a layer."""


@dataclass(frozen=True)
class Kernels:
    """What a graph for inference computes otherwise than a model in training.

    Attributes:
        normalize: Normalizes vectors, from inputs `[…, width]`, gamma, beta and epsilon, by the
            type that it computes in; as Keras does in others.
        attend: Mixes values by attention, from queries, keys and values, each
            `[batch, length, heads, head_dim]` and returned in this shape, and from what is added to
            scores, `[batch, 1, 1 or length, length]`; by two products if `None`.
        activations: Computes activations, by their names in `ACTIVATIONS`; as there if left out.
        bfloat16_dense: Applies a dense layer in bfloat16 whose weights stay the same, from inputs,
            kernel, bias and the name of an activation, if any; as in other types if `None`.
        products: Computes the products of some dense layers.
    """

    normalize: Mapping[str, Callable[[Any, Any, Any, float], Any]] = field(default_factory=dict)
    attend: Callable[[Any, Any, Any, Any], Any] | None = None
    activations: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    bfloat16_dense: Callable[[Any, Any, Any, str | None], Any] | None = None
    products: Mapping[keras.layers.Dense, Product] = field(default_factory=dict)


_ORDINARY = Kernels()
_used = contextvars.ContextVar("_used", default=_ORDINARY)


@contextlib.contextmanager
def using(kernels: Kernels) -> Iterator[None]:
    """Makes what is traced in the body compute with kernels."""
    token = _used.set(kernels)
    try:
        yield
    finally:
        _used.reset(token)


def used() -> Kernels:
    """Returns the kernels that what is traced now computes with."""
    return _used.get()


def affine(
    layer: keras.layers.Dense,
    inputs: Any,
    activation: str | None = None,
    columns: slice = slice(None),
) -> Any:
    """Applies a dense layer: every product of the encoder with a weight goes through here.

    TensorFlow fuses the product of two matrices, the addition of a bias and a gelu into one pass
    over memory on a CPU; it does not recognize them in the graph that calling the layer produces,
    nor in a batched product.

    Args:
        layer: The layer; its own activation is not applied.
        inputs: `[rows, width]`.
        activation: A key of `ACTIVATIONS`; none if `None`.
        columns: Which of the layer's units to compute.

    Returns:
        `[rows, units]`, as many units as there are columns.
    """
    if (product := used().products.get(layer)) is not None:
        return product(inputs, columns, activation)
    if layer.quantization_mode is not None:
        return _activated(layer(inputs)[:, columns], activation)
    kernel, bias = layer.kernel, layer.bias
    if columns != slice(None):
        kernel = ops.convert_to_tensor(kernel)[:, columns]
        bias = ops.convert_to_tensor(bias)[columns]
    if (dense := used().bfloat16_dense) is not None and layer.compute_dtype == "bfloat16":
        return dense(inputs, kernel, bias, activation)
    return _activated(ops.add(ops.matmul(inputs, kernel), bias), activation)


def _activated(outputs: Any, activation: str | None) -> Any:
    if activation is None:
        return outputs
    return used().activations.get(activation, ACTIVATIONS[activation])(outputs)
