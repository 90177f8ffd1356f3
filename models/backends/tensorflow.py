"""TensorFlow: graphs that its rewriter recognizes, and on a CPU norms in one pass."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from models.backends import Compiled, Outputs, kernels
from models.backends.kernels import Kernels

if TYPE_CHECKING:
    import keras

    from models.training.batches import Batches


def start(streams: bool) -> str:
    """Starts TensorFlow; on a CPU, with one thread for each operation if there are streams."""
    if streams and not tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # TensorFlow is already running
            tf.config.threading.set_intra_op_parallelism_threads(1)
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
    used = Kernels() if use_xla or not _one_pass_works() else Kernels(normalize=_in_one_pass)

    def traced(tensors: Mapping[str, Any]) -> Any:
        with kernels.using(used):
            return outputs(tensors)

    function = tf.function(
        traced,
        input_signature=[{name: tf.TensorSpec([None, None], tf.int32) for name in features}],
        autograph=False,
        jit_compile=use_xla or None,
    ).get_concrete_function()

    def call(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        return function({name: tf.constant(arrays[name]) for name in features}).numpy()

    return call


def fed(batches: "Batches") -> tf.data.Dataset:
    """Returns batches as a dataset, which makes the next ones while a step runs."""
    like = batches.make(np.zeros(0, np.int64))
    features, *targets = like if isinstance(like, tuple) else (like,)
    signature: Any = {
        name: tf.TensorSpec([None] * array.ndim, array.dtype) for name, array in features.items()
    }
    if targets:
        specs = [tf.TensorSpec([None, *target.shape[1:]], target.dtype) for target in targets]
        signature = (signature, *specs)
    data = tf.data.Dataset.from_generator(batches.__iter__, output_signature=signature)
    return data.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(2)


def _in_one_pass(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """Normalizes vectors through a batch normalization that treats each vector as a channel.

    This is how Keras 2 normalized layers, and the pattern that TensorFlow's graph rewriter replaces
    with oneDNN's layer normalization: one pass over memory instead of six. An embedding model with
    6 layers of width 384 handles 5% more texts per second (`benchmarks/embed.py`).
    """
    shape = tf.shape(inputs)
    rows = tf.reduce_prod(shape[:-1])
    unknown = tf.constant([], tf.float32)  # one tensor, or the rewriter misses the pattern
    normalized = tf.raw_ops.FusedBatchNormV3(
        x=tf.reshape(inputs, (1, rows, inputs.shape[-1], 1)),
        scale=tf.fill([rows], 1.0),
        offset=tf.fill([rows], 0.0),
        mean=unknown,
        variance=unknown,
        epsilon=epsilon,
        data_format="NCHW",
        is_training=True,
    ).y
    return tf.reshape(normalized, shape) * tf.convert_to_tensor(gamma) + tf.convert_to_tensor(beta)


@functools.cache
def _one_pass_works() -> bool:
    """Returns whether this TensorFlow supports the operation with channels first on a CPU.

    It does if it computes with oneDNN.
    """
    inputs = tf.constant([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])
    gamma, beta = tf.constant([1.0, 2.0, 3.0]), tf.constant([0.5, 0.0, 1.0])
    try:
        with tf.device("CPU"):
            found = _in_one_pass(inputs, gamma, beta, 1e-12)
    except tf.errors.OpError:
        return False
    mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
    expected = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)
    return bool(tf.reduce_all(tf.abs(found - expected) < 1e-5))
