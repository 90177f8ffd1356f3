"""Dense layers whose products are computed in int8: what their weights and inputs become.

A product is exact in integers; what it loses is what rounding loses. Each column of a kernel has a
scale of its own, so that its largest weight becomes 127. Inputs are made even first: each channel
is moved to lie around 0, and those whose numbers are much larger than those of others, of which
transformers have a few, are made smaller and the kernel's rows larger by as much (Xiao et al.,
2022, *SmoothQuant*; Wei et al., 2023, *Outlier Suppression+*). They then share one scale, which is
known before a text is, so that a text's result does not depend on the texts beside it. After an
activation each token has a scale of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from models.backends import onednn
from models.backends.kernels import ACTIVATIONS
from models.inference.int8 import kernels

# How much of the spread of channels is moved from inputs into a kernel, in powers. With MiniLM,
# results are equally close to float32's from 0.75 to 0.9.
_MOVED = 0.8

# How much larger than any number seen before an input may be without being cut.
_MARGIN = 1.05

_LOWEST = {
    **dict.fromkeys(("gelu", "gelu_approximate", "gelu_10"), -0.1705),
    "quick_gelu": -0.1637,
    **dict.fromkeys(("relu", "relu2", "relu6", "sigmoid"), 0.0),
    "silu": -0.2785,
    "hard_silu": -0.375,
    "mish": -0.3089,
    "tanh": -1.0,
}
"""The lowest number that an activation gives, for those that have one."""


@dataclass(frozen=True)
class Inputs:
    """What is known of a layer's inputs.

    Attributes:
        lowest: float32 `[width]`: the lowest number of each channel.
        highest: float32 `[width]`.
        mean: float64 `[width]`.
    """

    lowest: np.ndarray
    highest: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> "Inputs":
        """Describes inputs, `[rows, width]`."""
        return cls(rows.min(axis=0), rows.max(axis=0), rows.mean(axis=0, dtype=np.float64))

    def with_more(self, other: "Inputs") -> "Inputs":
        """Returns a description of both, which count alike in the mean."""
        return Inputs(
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
            (self.mean + other.mean) / 2,
        )


def of_vectors(
    kernel: np.ndarray, bias: np.ndarray, inputs: Inputs, dtype: str = "float32"
) -> Callable[[Any, str | None], Any]:
    """Returns the product with a kernel for inputs that a layer normalization gives.

    Args:
        kernel: float32 `[width, units]`.
        bias: float32 `[units]`.
        inputs: What these inputs are like.
        dtype: Type of the results, if there is no activation.
    """
    middle = (inputs.lowest + inputs.highest) / 2
    reach = np.maximum(inputs.highest - middle, 1e-5)
    weight = np.maximum(np.abs(kernel).max(axis=1), 1e-5)
    spread = reach**_MOVED / weight ** (1 - _MOVED)
    # In units of which the largest input is 127.
    spread *= (reach / spread).max() * _MARGIN / kernels.LARGEST
    factor = (1 / spread).astype(np.float32)
    offset = (-middle / spread).astype(np.float32)
    weights = _Weights.of(kernel * spread[:, None], (inputs.mean - middle) / spread)
    bias = bias + middle @ kernel + weights.lost

    def product(given: tf.Tensor, activation: str | None) -> tf.Tensor:
        integers = kernels.to_signed(given * factor + offset)
        return _activated(weights, integers, bias, activation, dtype)

    return product


def of_activations(
    kernel: np.ndarray, bias: np.ndarray, inputs: Inputs, activation: str
) -> Callable[[Any, str | None], Any]:
    """Returns the product with a kernel for inputs that an activation gives.

    Args:
        kernel: float32 `[width, units]`.
        bias: float32 `[units]`.
        inputs: What these inputs are like.
        activation: The activation, a key of `ACTIVATIONS`.
    """
    lowest = _LOWEST.get(activation)
    middle = np.float32(0.0 if lowest is None else lowest)
    weights = _Weights.of(kernel, inputs.mean - middle)
    shift = (bias + middle * kernel.sum(axis=0) + weights.lost).astype(np.float32)
    no_bias = np.zeros_like(shift)

    def product(given: tf.Tensor, following: str | None) -> tf.Tensor:
        # Each token's largest number becomes the largest integer.
        if lowest is None:
            scale = tf.reduce_max(tf.abs(given), axis=1, keepdims=True) / kernels.LARGEST
            scale = tf.maximum(scale, 1e-20)
            integers = kernels.to_signed(given * (1 / scale))
        else:
            scale = (tf.reduce_max(given, axis=1, keepdims=True) - lowest) / 255
            scale = tf.maximum(scale, 1e-20)
            integers = kernels.to_unsigned(given * (1 / scale) + (0.5 - lowest / scale))
        sums = _activated(weights, integers, no_bias, None, "float32")
        outputs = sums * scale + shift
        return outputs if following is None else ACTIVATIONS[following](outputs)

    return product


@dataclass(frozen=True)
class _Weights:
    """A kernel in integers.

    Attributes:
        integers: qint8 `[width, units]`.
        scales: float32 `[units]`.
        lost: float64 `[units]`: what the mean input loses by the rounding of the kernel.
    """

    integers: tf.Tensor
    scales: np.ndarray
    lost: np.ndarray

    @classmethod
    def of(cls, kernel: np.ndarray, mean: np.ndarray) -> "_Weights":
        """Rounds a kernel, `[width, units]`, whose inputs have a mean, `[width]`."""
        scales = np.maximum(np.abs(kernel).max(axis=0), 1e-20) / kernels.LARGEST
        rounded = np.rint(kernel / scales)
        lost = mean @ (kernel - rounded * scales)
        with np.errstate(invalid="ignore"):  # the scale of what is not a number is none either
            integers = tf.bitcast(tf.constant(rounded.astype(np.int8)), tf.qint8)
        return cls(integers, scales.astype(np.float32), lost)


def _activated(
    weights: _Weights, integers: tf.Tensor, bias: np.ndarray, activation: str | None, dtype: str
) -> tf.Tensor:
    fused = activation if activation in onednn.FUSED else None
    outputs = kernels.matmul(
        integers,
        weights.integers,
        weights.scales,
        bias,
        fused,
        "float32" if activation else dtype,
    )
    return outputs if activation in (fused, None) else ACTIVATIONS[activation](outputs)
