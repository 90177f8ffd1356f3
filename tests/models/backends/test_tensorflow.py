import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.backends import kernels, onednn, processor
from models.backends.kernels import ACTIVATIONS, Kernels, affine

if keras.backend.backend() != "tensorflow":
    pytest.skip("what TensorFlow does as the backend", allow_module_level=True)

from models.backends.layer_norm import LayerNorm
from models.backends.tensorflow import compiled
from models.families.bert import BertBackbone

needs_onednn = pytest.mark.skipif(
    not onednn.layer_norm_works("float32"), reason="this TensorFlow computes without oneDNN"
)
needs_half = pytest.mark.skipif(
    not (processor.has_bfloat16_products() and onednn.dense_works()),
    reason="this machine does not compute in bfloat16 with oneDNN",
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def layer():
    layer = LayerNorm(epsilon=1e-12)
    layer.build((None, 16))
    random = np.random.default_rng(0)
    layer.gamma.assign(random.normal(size=16))
    layer.beta.assign(random.normal(size=16))
    return layer


@needs_onednn
@pytest.mark.parametrize("shape", [(7, 16), (3, 5, 16), (0, 16), (1, 16)])
def test_one_pass_gives_what_keras_gives(layer, shape):
    inputs = tf.constant(np.random.default_rng(1).normal(2, 3, shape), tf.float32)
    expected = layer(inputs)
    signature = [tf.TensorSpec([None] * (len(shape) - 1) + [16], tf.float32)]
    with kernels.using(Kernels(normalize={layer.compute_dtype: onednn.layer_norm})):
        traced = tf.function(layer, input_signature=signature).get_concrete_function()
    np.testing.assert_allclose(traced(inputs), expected, atol=2e-6)


@needs_half
def test_one_pass_in_half_precision_gives_what_keras_gives():
    layer = LayerNorm(dtype="bfloat16")
    inputs = tf.random.normal((5, 64), 2.0, 3.0, tf.bfloat16, seed=0)
    expected = layer(inputs)
    with kernels.using(Kernels(normalize={layer.compute_dtype: onednn.layer_norm})):
        found = tf.function(layer, autograph=False)(inputs)
    assert found.dtype == tf.bfloat16
    np.testing.assert_allclose(found, expected, atol=0.02)


def operations(use_xla, dtype="float32"):
    """Returns the types of a graph's operations, each with those of its inputs."""
    backbone = BertBackbone(50, 2, 2, 8, 16, activation="gelu", dtype=dtype)
    call = compiled(backbone.tokens, backbone.variables, list(backbone.input), use_xla)
    cells = [cell.cell_contents for cell in call.__closure__]
    graph = next(cell.graph for cell in cells if hasattr(cell, "graph"))
    return [(op.type, [part.op.type for part in op.inputs]) for op in graph.get_operations()]


@needs_onednn
def test_graphs_have_what_the_rewriter_fuses():
    found = operations(use_xla=False)
    norms = [inputs for kind, inputs in found if kind == "_MklLayerNorm"]
    assert len(norms) == 5
    # Each bias is added to a product of two matrices, and gelu is spelled out after two of them.
    biases = [inputs for kind, inputs in found if kind == "BiasAdd"]
    assert biases == [["MatMul", "ReadVariableOp"]] * 8
    assert [kind for kind, inputs in found if kind == "Neg" and inputs == ["BiasAdd"]] == [
        "Neg"
    ] * 2


def test_xla_is_left_to_fuse_norms_by_itself():
    assert "_MklLayerNorm" not in {kind for kind, _ in operations(use_xla=True)}


def test_products_of_float32_are_exact_on_a_gpu():
    tf.config.experimental.enable_tensor_float_32_execution(True)
    operations(use_xla=False)
    assert tf.config.experimental.tensor_float_32_execution_enabled()
    operations(use_xla=True)
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


@needs_half
@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("columns", [slice(None), slice(3, 11)], ids=["all", "some"])
def test_a_layer_in_bfloat16_gives_what_keras_gives(activation, columns):
    layer = keras.layers.Dense(16, bias_initializer="normal", dtype="bfloat16")
    layer.build((None, 32))
    inputs = tf.random.normal((9, 32), dtype="bfloat16", seed=0)
    expected = affine(layer, inputs, activation, columns)
    with kernels.using(Kernels(bfloat16_dense=onednn.dense)):
        traced = tf.function(lambda rows: affine(layer, rows, activation, columns), autograph=False)
        outputs = [traced(inputs), traced(inputs)]
    for found in outputs:
        assert found.dtype == tf.bfloat16
        np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.02)


@needs_half
def test_products_in_bfloat16_bring_their_kernels_in_order_once():
    found = operations(use_xla=False, dtype="bfloat16")
    products = [inputs for kind, inputs in found if kind == "_MklNativeFusedMatMul"]
    assert len(products) == 8
    assert not {"BiasAdd", "Erf"} & {kind for kind, _ in found}


@pytest.mark.parametrize("isa", ["SSE41", "AVX2", "AVX2_VNNI"])
def test_a_processor_that_onednn_computes_no_bfloat16_on_computes_float32(isa, tmp_path):
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu sse4_1 avx2\n")
    code = (
        "import pathlib, sys\n"
        "from models import Predictor\n"
        "from models.backends import processor\n"
        "processor._DESCRIPTION = pathlib.Path(sys.argv[1])\n"
        "for task in ('classify', 'embed'):\n"
        "    predictor = Predictor.from_preset('sentiment_tiny_en', task, precision='fast')\n"
        "    print(predictor.precision, predictor(['A fine day.']).shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cpuinfo")],
        cwd=ROOT,
        # What oneDNN takes the processor for.
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": isa, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "float32 (1, 2)\nfloat32 (1, 384)\n"


def test_an_operation_that_is_not_there_does_not_work():
    def compute():
        return [onednn.operation("_NoSuchThing", [], tf.float32, [], T=tf.float32)]

    assert not onednn.gives(compute, [(0.0, 1.0)])


def test_an_operation_that_computes_something_else_does_not_work():
    assert onednn.gives(lambda: [tf.constant(1.0)], [(1.0, 0.01)])
    assert not onednn.gives(lambda: [tf.constant(1.0)], [(2.0, 0.01)])
