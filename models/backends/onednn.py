"""Operations of TensorFlow that oneDNN computes on a CPU, in graphs for inference.

TensorFlow has no functions for them: its graph rewriter puts them into graphs. They are put there
by hand where it would not, or would not say all that is known.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from models.backends.kernels import ACTIVATIONS

FUSED = {"gelu": "GeluExact", "gelu_approximate": "GeluApproximate"}
"""Activations that are computed together with a product, by their name in a configuration."""


def operation(
    name: str, tensors: Sequence[tf.Tensor], dtype: tf.DType, shape: Any, **attributes: Any
) -> tf.Tensor:
    """Puts an operation into the graph that is being made.

    Args:
        name: Type of the operation.
        tensors: Its inputs.
        dtype: Type of its one output.
        shape: Shape of that.
        **attributes: Its attributes: a truth, a number, bytes, a type, or a list of one of these.
    """
    graph = tf.compat.v1.get_default_graph()
    values = {key: _value_of(value) for key, value in attributes.items()}
    outputs = graph.create_op(name, tensors, [dtype], attrs=values, name="onednn").outputs[0]
    outputs.set_shape(shape)
    return outputs


def _value_of(value: Any) -> Any:
    made = tf.compat.v1.AttrValue
    if isinstance(value, list):
        fields: dict[str, list[Any]] = {}
        for part in value:
            field, content = _field_of(part)
            fields.setdefault(field, []).append(content)
        return made(list=made.ListValue(**fields))
    field, content = _field_of(value)
    return made(**{field: content})


def _field_of(value: Any) -> tuple[str, Any]:
    if isinstance(value, tf.DType):
        return "type", value.as_datatype_enum
    return {bool: "b", int: "i", float: "f", bytes: "s"}[type(value)], value


def layer_norm(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> tf.Tensor:
    """Normalizes vectors in one pass over memory instead of six, in float32 or bfloat16.

    An embedding model with 6 layers of width 384 handles 5% more texts per second with it
    (`benchmarks/embed.py`).
    """
    tensors = [inputs, *(tf.cast(tf.convert_to_tensor(w), inputs.dtype) for w in (gamma, beta))]
    return operation(
        "_MklLayerNorm", tensors, inputs.dtype, inputs.shape, T=inputs.dtype, epsilon=epsilon
    )


def dense(inputs: Any, kernel: Any, bias: Any, activation: str | None) -> tf.Tensor:
    """Applies a dense layer whose kernel stays the same, in bfloat16.

    Products in bfloat16 take kernels in an order of their own, into which the rewriter has a
    variable brought for every product anew, and this operation once.

    Args:
        inputs: `[rows, width]`.
        kernel: `[width, units]`.
        bias: `[units]`.
        activation: A key of `ACTIVATIONS`; none if `None`.
    """
    tensors = [tf.convert_to_tensor(part) for part in (inputs, kernel, bias)]
    fused = [b"BiasAdd", *([FUSED[activation].encode()] if activation in FUSED else [])]
    outputs = operation(
        "_MklNativeFusedMatMul",
        tensors,
        tensors[0].dtype,
        [tensors[0].shape[0], tensors[1].shape[1]],
        T=tensors[0].dtype,
        num_args=1,
        fused_ops=fused,
        is_filter_const=True,
        transpose_a=False,
        transpose_b=False,
        epsilon=0.0,
        leakyrelu_alpha=0.0,
        _kernel=b"MklNameChangeOp",  # the label under which oneDNN's are registered
    )
    return (
        outputs if activation is None or activation in FUSED else ACTIVATIONS[activation](outputs)
    )


@functools.cache
def layer_norm_works(dtype: str) -> bool:
    """Returns whether this TensorFlow has the norm; it does if it computes with oneDNN.

    Args:
        dtype: float32, or bfloat16 on a processor that has instructions for it.
    """
    inputs = tf.constant([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])
    gamma, beta = tf.constant([1.0, 2.0, 3.0]), tf.constant([0.5, 0.0, 1.0])
    mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
    expected = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)

    def compute() -> list[tf.Tensor]:
        return [layer_norm(tf.cast(inputs, dtype), gamma, beta, 1e-12)]

    return gives(compute, [(expected, 1e-5 if dtype == "float32" else 0.05)])


@functools.cache
def dense_works() -> bool:
    """Returns whether this TensorFlow has the dense layer, and computes it right.

    Only for processors that have instructions for bfloat16: oneDNN ends the process on some others.
    """
    random = np.random.default_rng(0)
    arrays = (random.normal(size=(5, 64)), random.normal(size=(64, 32)), random.normal(size=32))
    inputs, kernel, bias = (tf.cast(array, tf.bfloat16) for array in arrays)
    exact = tf.cast(inputs, tf.float32) @ tf.cast(kernel, tf.float32) + tf.cast(bias, tf.float32)
    forms = (None, *FUSED)

    def compute() -> list[tf.Tensor]:
        return [dense(inputs, kernel, bias, activation) for activation in forms]

    return gives(compute, [(ACTIVATIONS[form](exact) if form else exact, 0.02) for form in forms])


def gives(compute: Any, expected: Sequence[tuple[Any, float]]) -> bool:
    """Returns whether a graph can be made and run on the CPU, and is right.

    Args:
        compute: Computes some tensors.
        expected: What each should be, and by how much it may be wrong, as a share beyond 1.
    """
    try:
        with tf.device("CPU"):
            found = tf.function(compute, autograph=False)()
    except (tf.errors.OpError, RuntimeError, ValueError, TypeError):
        return False
    return all(
        np.allclose(tf.cast(tensor, tf.float32), wanted, rtol=tolerance, atol=tolerance)
        for tensor, (wanted, tolerance) in zip(found, expected, strict=True)
    )
