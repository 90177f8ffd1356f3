"""What the card can do: products, memory and attention, measured.

python -m benchmarks.gpu.card full|quick SHAPE gpu|cpu
"""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.gpu.work import Size, arguments
from benchmarks.measuring import median

REPEATS = 20
HALVES = ("float16", "bfloat16")


def main() -> None:
    """Prints the device, TFLOP/s of products, TB/s of memory and ms of attention."""
    size, _, device = arguments()
    tools = _Jax() if os.environ["KERAS_BACKEND"] == "jax" else _TensorFlow()
    products = {
        dtype: max(_product(tools, *sizes, dtype) for sizes in size.products)
        for dtype in (HALVES if device == "gpu" else ("float32",))
    }
    array = tools.array((size.copied,), "float16")
    seconds = _seconds(tools, tools.compiled(lambda a: a + 1), array)
    found = {
        "device": tools.device(),
        "library": tools.library(),
        "tflops": products,
        "bandwidth": 2 * 2 * size.copied / seconds / 1e12,
        "attention": _attention(tools, size) if isinstance(tools, _Jax) else [],
    }
    print(json.dumps(found), flush=True)


class _Jax:
    """Arrays and functions of JAX."""

    def __init__(self) -> None:
        import jax

        self.jax = jax

    def device(self) -> str:
        return str(self.jax.devices()[0].device_kind)

    def library(self) -> str:
        return f"jax {self.jax.__version__}"

    def array(self, shape: tuple[int, ...], dtype: str) -> Any:
        return self.jax.random.normal(self.jax.random.key(0), shape, dtype)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.jax.jit(function)

    def wait(self, result: Any) -> None:
        result.block_until_ready()


class _TensorFlow:
    """Arrays and functions of TensorFlow."""

    def __init__(self) -> None:
        import tensorflow as tf

        self.tf = tf

    def device(self) -> str:
        found = self.tf.config.list_physical_devices("GPU")
        details = self.tf.config.experimental.get_device_details
        return str(details(found[0])["device_name"]) if found else "CPU"

    def library(self) -> str:
        return f"tensorflow {self.tf.__version__}"

    def array(self, shape: tuple[int, ...], dtype: str) -> Any:
        return self.tf.cast(self.tf.random.normal(shape), dtype)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.tf.function(function, jit_compile=True)

    def wait(self, result: Any) -> None:
        self.tf.reshape(result, [-1])[0].numpy()  # the device works asynchronously


def _seconds(tools: Any, function: Callable[..., Any], *arrays: Any) -> float:
    """Returns the seconds of a call, the median of several timings of many calls."""

    def repeat() -> float:
        began = time.perf_counter()
        for _ in range(REPEATS):
            result = function(*arrays)
        tools.wait(result)
        return (time.perf_counter() - began) / REPEATS

    return median([repeat() for _ in range(6)][1:])


def _product(tools: Any, rows: int, width: int, columns: int, dtype: str) -> float:
    """Returns the TFLOP/s of products of one size, of random numbers: zeros are faster."""
    a, b = tools.array((rows, width), dtype), tools.array((width, columns), dtype)
    seconds = _seconds(tools, tools.compiled(lambda a, b: a @ b), a, b)
    return 2 * rows * width * columns / seconds / 1e12


def _attention(tools: _Jax, size: Size) -> list[dict[str, Any]]:
    """Returns the milliseconds of one layer's attention in lines that rows share, both ways."""
    jax = tools.jax
    found = []
    for heads, head_dim in ((12, 64), (12, 32)):
        for length in (256, 512):
            lines = size.area // length
            shape = (lines, length, heads, head_dim)
            arrays = [tools.array(shape, "float16") for _ in range(3)]
            row = np.arange(length) // (length // 3)
            bias = np.where(row[:, None] == row, 0.0, -3e4).astype(np.float16)
            arrays.append(jax.numpy.asarray(np.broadcast_to(bias, (lines, 1, length, length))))
            for way in ("cudnn", "xla"):

                def attend(query: Any, key: Any, value: Any, bias: Any, way: str = way) -> Any:
                    return jax.nn.dot_product_attention(query, key, value, bias, implementation=way)

                case = {"length": length, "heads": heads, "head_dim": head_dim, "way": way}
                try:
                    case["ms"] = 1e3 * _seconds(tools, tools.compiled(attend), *arrays)
                # In these ways a card, a version of cuDNN, a type and a shape are refused.
                except (NotImplementedError, RuntimeError, ValueError) as error:
                    case["error"] = str(error).partition("\n")[0]
                found.append(case)
    return found


if __name__ == "__main__":
    main()
