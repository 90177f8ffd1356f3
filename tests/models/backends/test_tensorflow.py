import keras
import numpy as np
import pytest
import tensorflow as tf

from models.backends import kernels
from models.backends.kernels import Kernels

if keras.backend.backend() != "tensorflow":
    pytest.skip("what TensorFlow does as the backend", allow_module_level=True)

from models.backends.layer_norm import LayerNorm
from models.backends.tensorflow import _in_one_pass, _one_pass_works, compiled
from models.families.bert import BertBackbone

needs_onednn = pytest.mark.skipif(
    not _one_pass_works(), reason="this TensorFlow computes without oneDNN"
)


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
    with kernels.using(Kernels(normalize=_in_one_pass)):
        traced = tf.function(layer, input_signature=signature).get_concrete_function()
    np.testing.assert_allclose(traced(inputs), expected, atol=2e-6)


@needs_onednn
def test_one_pass_in_half_precision_gives_what_keras_gives():
    layer = LayerNorm(dtype="bfloat16")
    inputs = tf.random.normal((5, 64), 2.0, 3.0, tf.bfloat16, seed=0)
    expected = layer(inputs)
    with kernels.using(Kernels(normalize=_in_one_pass)):
        found = tf.function(layer, autograph=False)(inputs)
    assert found.dtype == tf.bfloat16
    np.testing.assert_allclose(found, expected, atol=0.02)


def operations(use_xla):
    """Returns the types of a graph's operations, each with those of its inputs."""
    backbone = BertBackbone(50, 2, 2, 8, 16, activation="gelu")
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
