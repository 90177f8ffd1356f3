"""TensorFlow's products of 8-bit integers on a CPU, which oneDNN computes.

TensorFlow has no function for them: they are operations that its graph rewriter puts into graphs.
"""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import Message

FUSED = {"gelu": "GeluExact", "gelu_approximate": "GeluApproximate"}
"""Activations that are computed together with a product, by their name in a configuration."""

LARGEST = 127
"""Signed integers are from -127 to 127, unsigned ones from 0 to 255."""


def to_signed(inputs: tf.Tensor) -> tf.Tensor:
    """Rounds numbers to the nearest integers of 8 bits, `qint8`; larger ones become 127."""
    limit = float(LARGEST)
    quantize = tf.raw_ops.QuantizeV2
    rounded = quantize(
        input=inputs,
        min_range=-limit,
        max_range=limit,
        T=tf.qint8,
        mode="SCALED",
        round_mode="HALF_TO_EVEN",
    )
    return rounded.output


def to_unsigned(inputs: tf.Tensor) -> tf.Tensor:
    """Cuts numbers from 0 to below 256 off to integers, `quint8`."""
    return tf.bitcast(tf.cast(inputs, tf.uint8), tf.quint8)


def matmul(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    scales: np.ndarray,
    bias: np.ndarray,
    activation: str | None = None,
    dtype: str = "float32",
) -> tf.Tensor:
    """Multiplies integers, and turns the sums into numbers.

    Args:
        inputs: qint8 or quint8 `[rows, width]`.
        kernel: qint8 `[width, units]`; always the same tensor for one place in a graph.
        scales: float32 `[units]`: what the sums of each column are multiplied with.
        bias: float32 `[units]`: what is added then.
        activation: A key of `FUSED`, to apply then; none if `None`.
        dtype: Type of the result, float32 or bfloat16.

    Returns:
        `[rows, units]`.
    """
    # The operation takes ranges instead of scales.
    lowest, highest = (-LARGEST, LARGEST) if inputs.dtype == tf.qint8 else (0, 255)
    reach = scales * LARGEST
    numbers = [np.asarray(part, np.float32) for part in (bias, lowest, highest, -reach, reach)]
    tensors = [inputs, kernel, *map(tf.constant, numbers)]
    fused = ["BiasAdd", *([FUSED[activation]] if activation else []), "Dequantize"]
    result = tf.as_dtype(dtype)
    attributes: dict[str, Message] = {
        "T1": _type(inputs.dtype),
        "T2": _type(tf.qint8),
        "Tbias": _type(tf.float32),
        "U": _type(result),
        "Tout": _type(result),
        "Thost_inputs": _types([tensor.dtype for tensor in tensors]),
        "Thost_outputs": _types([result]),
        "Tdevice_inputs": _types([]),
        "Tdevice_outputs": _types([]),
        "fused_ops": _value(list=_List(s=[name.encode() for name in fused])),
        "input_quant_mode": _value(s=b"SCALED"),
        "output_quant_mode": _value(s=b"SCALED"),
        "is_weight_const": _value(b=True),  # it is put in order for the processor once
        "is_bias_const": _value(b=True),
        "transpose_a": _value(b=False),
        "transpose_b": _value(b=False),
    }
    graph = tf.compat.v1.get_default_graph()
    made = graph.create_op("_QuantizedMatMul", tensors, [result], attrs=attributes, name="int8")
    outputs = made.outputs[0]
    outputs.set_shape([inputs.shape[0], kernel.shape[1]])
    return outputs


_value = tf.compat.v1.AttrValue
_List = tf.compat.v1.AttrValue.ListValue


def _type(dtype: tf.DType) -> Message:
    return _value(type=dtype.as_datatype_enum)


def _types(dtypes: Sequence[tf.DType]) -> Message:
    return _value(list=_List(type=[dtype.as_datatype_enum for dtype in dtypes]))


@functools.cache
def work() -> bool:
    """Returns whether TensorFlow has the operation, in all of its forms, and computes right."""
    random = np.random.default_rng(0)
    kernel = random.integers(-LARGEST, LARGEST + 1, (64, 32)).astype(np.int8)
    scales = random.uniform(1e-5, 1e-4, 32).astype(np.float32)
    bias = random.normal(size=32).astype(np.float32)
    signed = random.integers(-LARGEST, LARGEST + 1, (5, 64)).astype(np.int8)
    unsigned = random.integers(0, 256, (5, 64)).astype(np.uint8)
    forms = [
        (inputs, activation, dtype)
        for inputs in (signed, unsigned)
        for activation in (None, *FUSED)
        for dtype in ("float32", "bfloat16")
    ]

    def compute() -> list[tf.Tensor]:
        outputs = []
        for inputs, activation, dtype in forms:
            given = tf.bitcast(tf.constant(inputs), tf.qint8 if inputs is signed else tf.quint8)
            weights = tf.bitcast(tf.constant(kernel), tf.qint8)
            outputs.append(matmul(given, weights, scales, bias, activation, dtype))
        return [tf.cast(output, tf.float32) for output in outputs]

    try:
        with tf.device("CPU"):
            found = tf.function(compute, autograph=False)()
    except (tf.errors.OpError, ValueError, TypeError):
        return False
    for (inputs, activation, dtype), output in zip(forms, found, strict=True):
        expected = inputs.astype(np.int64) @ kernel.astype(np.int64) * scales + bias
        if activation is not None:
            expected = tf.nn.gelu(expected, approximate=activation == "gelu_approximate").numpy()
        tolerance = 1e-3 if dtype == "float32" else 0.02
        if not np.allclose(output, expected, rtol=tolerance, atol=tolerance):
            return False
    return True
