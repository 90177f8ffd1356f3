"""TensorFlow's products of 8-bit integers on a CPU, which oneDNN computes."""

import functools

import numpy as np
import tensorflow as tf

from models.backends import onednn
from models.backends.kernels import ACTIVATIONS

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
        activation: A key of `onednn.FUSED`, to apply then; none if `None`.
        dtype: Type of the result, float32 or bfloat16.

    Returns:
        `[rows, units]`.
    """
    # The operation takes ranges instead of scales.
    lowest, highest = (-LARGEST, LARGEST) if inputs.dtype == tf.qint8 else (0, 255)
    reach = scales * LARGEST
    numbers = [np.asarray(part, np.float32) for part in (bias, lowest, highest, -reach, reach)]
    tensors = [inputs, kernel, *map(tf.constant, numbers)]
    names = ["BiasAdd", *([onednn.FUSED[activation]] if activation else []), "Dequantize"]
    fused = [name.encode() for name in names]
    result = tf.as_dtype(dtype)
    return onednn.operation(
        "_QuantizedMatMul",
        tensors,
        result,
        [inputs.shape[0], kernel.shape[1]],
        T1=inputs.dtype,
        T2=tf.qint8,
        Tbias=tf.float32,
        U=result,
        Tout=result,
        Thost_inputs=[tensor.dtype for tensor in tensors],
        Thost_outputs=[result],
        Tdevice_inputs=[],
        Tdevice_outputs=[],
        fused_ops=fused,
        input_quant_mode=b"SCALED",
        output_quant_mode=b"SCALED",
        is_weight_const=True,  # it is put in order for the processor once
        is_bias_const=True,
        transpose_a=False,
        transpose_b=False,
    )


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
        for activation in (None, *onednn.FUSED)
        for dtype in ("float32", "bfloat16")
    ]

    def compute() -> list[tf.Tensor]:
        outputs = []
        for inputs, activation, dtype in forms:
            given = tf.bitcast(tf.constant(inputs), tf.qint8 if inputs is signed else tf.quint8)
            weights = tf.bitcast(tf.constant(kernel), tf.qint8)
            outputs.append(matmul(given, weights, scales, bias, activation, dtype))
        return outputs

    expected = []
    for inputs, activation, dtype in forms:
        exact = inputs.astype(np.int64) @ kernel.astype(np.int64) * scales + bias
        outputs = exact if activation is None else ACTIVATIONS[activation](tf.constant(exact))
        expected.append((outputs, 1e-3 if dtype == "float32" else 0.02))
    return onednn.gives(compute, expected)
