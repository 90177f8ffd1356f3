"""What `benchmarks/gpu.py` starts: the peak, the predictor and plain Keras, each in a process.

python -m benchmarks.gpu_parts full|quick SHAPE gpu|cpu PART
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.flops import Shape
from benchmarks.gpu_work import (
    MAX_TOKENS,
    Pass,
    Size,
    arguments,
    lengths,
    make_texts,
    report,
    time_passes,
    vocabulary,
)
from benchmarks.measuring import median
from models import BertBackbone, BertPreprocessor, BertTokenizer
from models.inference import runtime
from models.inference.precision import resolve

PRODUCTS = 20


def peak(size: Size, shape: Shape, device: str) -> None:
    """Prints the device, and TFLOP/s of matrix products in each type."""
    import tensorflow as tf

    speeds = {}
    for precision in ("float16", "bfloat16", "float32"):
        if device == "cpu" and precision != "float32":
            continue
        speeds[precision] = max(_product_speed(*sizes, precision) for sizes in size.matmuls)
    found = tf.config.list_physical_devices("GPU")
    name = tf.config.experimental.get_device_details(found[0])["device_name"] if found else "CPU"
    print(json.dumps({"device": name, "peak": speeds}), flush=True)


def _product_speed(rows: int, width: int, columns: int, precision: str) -> float:
    """Returns the TFLOP/s of products of one size, the median of several timings."""
    import tensorflow as tf

    a = tf.cast(tf.random.normal((rows, width)), precision)
    b = tf.cast(tf.random.normal((width, columns)), precision)

    def repeat() -> float:
        began = time.perf_counter()
        for _ in range(PRODUCTS):
            result = tf.matmul(a, b)
        result[0, 0].numpy()  # the device works asynchronously: this waits for it
        return PRODUCTS * 2 * rows * width * columns / (time.perf_counter() - began) / 1e12

    return median([repeat() for _ in range(6)][1:])


def textbeam(size: Size, shape: Shape, device: str) -> None:
    """Reports the passes from texts to vectors, and from tokens to vectors."""
    from models import Predictor

    real = lengths(size.rows)
    with tempfile.TemporaryDirectory() as folder:
        preprocessor = _preprocessor(shape, MAX_TOKENS)
        BertBackbone(**shape.config()).save_to_preset(folder)
        preprocessor.save_to_preset(folder)
        predictor = Predictor.from_preset(folder, task="embed")
    texts = make_texts(shape, size.rows)
    tokens, _ = predictor.preprocessor.encode(texts)
    assert (tokens.lengths == real).all()

    def computed(run: Callable[[], Any]) -> Callable[[], Any]:
        """Returns a pass that remembers nothing from an earlier one."""

        def forgetful() -> Any:
            predictor.forget()
            return run()

        return forgetful

    ways: dict[str, Callable[[], Any]] = {
        "textbeam, from tokens": computed(lambda: predictor.predict(tokens)),
        "textbeam": computed(lambda: predictor(texts)),
    }
    prediction = None
    for name, run in ways.items():
        first, seconds, busy = time_passes(run, size.passes)
        predictor.forget()
        prediction = prediction or predictor.predict(tokens)
        places = int(real.sum()) + prediction.padded_tokens
        flops = shape.flops(real)
        report(
            name,
            Pass(first, seconds, int(real.sum()), places, flops, prediction.precision, busy),
        )


def keras_predict(size: Size, shape: Shape, device: str) -> None:
    """Reports passes from texts to vectors through `keras.Model.predict`, padded to one length."""
    import keras
    from keras import ops

    precision = resolve("auto", "GPU" if device == "gpu" else "CPU")
    backbone = BertBackbone(**shape.config(), dtype=precision)
    mask = ops.expand_dims(ops.cast(backbone.input["padding_mask"], precision), -1)
    pooled = ops.sum(backbone.output["sequence_output"] * mask, 1) / ops.sum(mask, 1)
    model = keras.Model(backbone.input, ops.normalize(ops.cast(pooled, "float32")))
    texts = make_texts(shape, size.rows)
    rows = np.arange(size.rows)
    for length in size.fixed_lengths:
        preprocessor = _preprocessor(shape, length)

        def run(preprocessor: BertPreprocessor = preprocessor, length: int = length) -> Any:
            tokens, _ = preprocessor.encode(texts)
            features = tokens.pad(rows, length, preprocessor.tokenizer.pad_token_id)
            return model.predict(features, batch_size=32_768 // length, verbose=0)

        first, seconds, busy = time_passes(run, size.passes)
        kept = np.minimum(lengths(size.rows), length)
        flops, places = shape.flops(kept), size.rows * length
        report(
            f"Keras predict, padded to {length}",
            Pass(first, seconds, int(kept.sum()), places, flops, precision, busy),
        )


def _preprocessor(shape: Shape, length: int) -> BertPreprocessor:
    return BertPreprocessor(BertTokenizer(vocabulary(shape), lowercase=True), length)


PARTS = {"peak": peak, "textbeam": textbeam, "keras": keras_predict}

if __name__ == "__main__":
    runtime.start()
    PARTS[sys.argv[4]](*arguments())
