"""How much of the machine's matrix-multiplication peak the encoder reaches on a CPU.

    python -m benchmarks.compute

Both work as the predictor does: a Python thread for each of its streams, each operation on one
core. The peak is the best of several sizes of `tf.matmul` in float32. Operations are counted as in
`benchmarks/flops.py`; the time is that of everything, gelu and normalization included.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.flops import SHAPES, Shape
from benchmarks.measuring import median
from models.inference import cores, runtime
from models.inference.predictor import STREAMS

LENGTH = 128
SIZES = ((1024, 768, 3072), (1024, 3072, 768), (1024, 384, 1536), (1024, 1024, 1024), (2048,) * 3)
"""Rows, width and columns of the products, the fastest of which is the peak."""

Work = tuple[Callable[[], Any], int]
"""A call to time, and its floating-point operations."""


def main() -> None:
    """Prints GFLOP/s of the peak and of each encoder, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
    parser.add_argument("--batch_tokens", type=int, default=1024, help="area of micro-batches")
    args = parser.parse_args()
    runtime.start()
    streams = STREAMS["CPU"] * cores.own()
    works: dict[str, Work] = {"x".join(map(str, size)): matmul(*size) for size in SIZES}
    products = list(works)
    works |= {name: encoder(shape, args.batch_tokens) for name, shape in SHAPES.items()}
    speeds: dict[str, list[float]] = {name: [] for name in works}
    with ThreadPoolExecutor(streams) as pool:
        for repeat in range(args.repeats + 1):
            for name, work in works.items():
                speed = measure(work, pool, streams, args.seconds if repeat else 0.2)
                if repeat:
                    speeds[name].append(speed)
    best = max(products, key=lambda name: median(speeds[name]))
    print(f"{streams} streams, float32, median of {args.repeats} alternating measurements")
    for name in products:
        print(f"  matmul {name:15} {median(speeds[name]):6,.0f} GFLOP/s")
    for name in SHAPES:
        share = median([a / b for a, b in zip(speeds[name], speeds[best], strict=True)])
        print(
            f"  {name:9} {args.batch_tokens // LENGTH} x {LENGTH} tokens "
            f"{median(speeds[name]):6,.0f} GFLOP/s, {share:.0%} of matmul {best}"
        )


def measure(work: Work, pool: ThreadPoolExecutor, streams: int, seconds: float) -> float:
    """Returns the GFLOP/s of all streams together, each calling for this many seconds."""
    call, flops = work
    began = time.perf_counter()
    end = began + seconds

    def repeat(_: int) -> int:
        calls = 0
        while time.perf_counter() < end:
            call()
            calls += 1
        return calls

    calls = sum(pool.map(repeat, range(streams)))
    return calls * flops / (time.perf_counter() - began) / 1e9


def matmul(rows: int, width: int, columns: int) -> Work:
    """Returns the work of one matrix product."""
    import tensorflow as tf

    a, b = tf.random.normal((rows, width)), tf.random.normal((width, columns))
    return lambda: tf.matmul(a, b), 2 * rows * width * columns


def encoder(shape: Shape, batch_tokens: int) -> Work:
    """Returns the work of a micro-batch in an encoder with random weights, up to token vectors."""
    import tensorflow as tf

    from models import BertBackbone

    backbone = BertBackbone(**shape.config())
    rows = batch_tokens // LENGTH
    features = {
        "token_ids": np.random.default_rng(0).integers(shape.vocabulary_size, size=(rows, LENGTH)),
        "padding_mask": np.ones((rows, LENGTH)),
        "segment_ids": np.zeros((rows, LENGTH)),
    }
    tensors = {name: tf.constant(value, tf.int32) for name, value in features.items()}
    # Like the predictor's: one graph for micro-batches of any size.
    signature = {name: tf.TensorSpec([None, None], tf.int32) for name in tensors}
    compute = tf.function(backbone.tokens, input_signature=[signature], autograph=False)
    concrete = compute.get_concrete_function()
    return lambda: concrete(tensors), shape.flops(np.full(rows, LENGTH))


if __name__ == "__main__":
    main()
