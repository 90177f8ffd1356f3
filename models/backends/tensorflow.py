"""TensorFlow: graphs that its rewriter recognizes, and on a CPU what it would not find."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from models.backends import Compiled, Outputs, cards, kernels, onednn, processor
from models.backends.kernels import Kernels
from models.inference import cores

if TYPE_CHECKING:
    import keras

    from models.training.batches import Batches


def start(streams: bool) -> str:
    """Starts TensorFlow; on a CPU, with one thread for each operation if there are streams.

    It computes on one card, and takes of its memory what it needs.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) > 1 and (number := cards.claimed()) is not None:
        with contextlib.suppress(RuntimeError):  # TensorFlow is already running
            tf.config.set_visible_devices(gpus[number % len(gpus)], "GPU")
    if streams and not gpus:
        with contextlib.suppress(RuntimeError):  # TensorFlow is already running
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(cores.own())
    return "GPU" if tf.config.list_logical_devices("GPU") else "CPU"


def empty(shape: Sequence[int], dtype: str) -> tf.Tensor:
    """Returns a tensor with whatever its memory holds; no memory is touched."""
    return tf.raw_ops.Empty(shape=shape, dtype=tf.as_dtype(dtype))


def compiled(
    outputs: Outputs,
    variables: "Sequence[keras.Variable]",
    features: Sequence[str],
    use_xla: bool,
) -> Compiled:
    """Returns a graph, which finds its variables by itself."""
    if use_xla:
        # Products of float32 are exact on a GPU as they are on a CPU.
        tf.config.experimental.enable_tensor_float_32_execution(False)
    used = Kernels() if use_xla else _of_onednn()

    def traced(tensors: Mapping[str, Any]) -> Any:
        with kernels.using(used):
            return outputs(tensors)

    function = tf.function(
        traced,
        input_signature=[{name: tf.TensorSpec([None, None], tf.int32) for name in features}],
        autograph=False,
        jit_compile=use_xla or None,
    ).get_concrete_function()

    def call(arrays: Mapping[str, np.ndarray]) -> tf.Tensor:
        return function({name: tf.constant(arrays[name]) for name in features})

    return call


def rows_of(results: tf.Tensor, rows: np.ndarray) -> np.ndarray:
    """Returns some of the rows, which alone leave the device."""
    return tf.gather(results, tf.constant(rows)).numpy()


def fed(batches: "Batches") -> tf.data.Dataset:
    """Returns batches as a dataset, which makes the next ones while a step runs."""
    like = batches.make(np.zeros(0, np.int64))
    features, *targets = like if isinstance(like, tuple) else (like,)
    signature: Any = {
        name: tf.TensorSpec([None] * array.ndim, array.dtype) for name, array in features.items()
    }
    if targets:
        vary = batches.targets_vary
        specs = [
            tf.TensorSpec([None, *(None if vary else size for size in t.shape[1:])], t.dtype)
            for t in targets
        ]
        signature = (signature, *specs)
    data = tf.data.Dataset.from_generator(batches.__iter__, output_signature=signature)
    return data.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(2)


def _of_onednn() -> Kernels:
    # oneDNN ends the process if it is asked for a product in bfloat16 that the processor cannot.
    has_half = processor.has_bfloat16_products()
    dtypes = ("float32", "bfloat16") if has_half else ("float32",)
    return Kernels(
        normalize={dtype: onednn.layer_norm for dtype in dtypes if onednn.layer_norm_works(dtype)},
        bfloat16_dense=onednn.dense if has_half and onednn.dense_works() else None,
    )
