import numpy as np
import pytest
import tensorflow as tf

from models.layer_norm import LayerNorm, _one_pass_works, one_pass_norms


@pytest.fixture
def layer():
    layer = LayerNorm(epsilon=1e-12)
    layer.build((None, 16))
    random = np.random.default_rng(0)
    layer.gamma.assign(random.normal(size=16))
    layer.beta.assign(random.normal(size=16))
    return layer


@pytest.mark.parametrize("shape", [(7, 16), (3, 5, 16), (0, 16), (1, 16)])
def test_one_pass_gives_what_keras_gives(layer, shape):
    inputs = tf.constant(np.random.default_rng(1).normal(2, 3, shape), tf.float32)
    expected = layer(inputs)
    signature = [tf.TensorSpec([None] * (len(shape) - 1) + [16], tf.float32)]
    with one_pass_norms():
        traced = tf.function(layer, input_signature=signature).get_concrete_function()
    np.testing.assert_allclose(traced(inputs), expected, atol=2e-6)


@pytest.mark.skipif(not _one_pass_works(), reason="this TensorFlow has no oneDNN")
def test_one_pass_is_taken_where_it_works(layer):
    def operations(function):
        signature = [tf.TensorSpec([None, 16], tf.float32)]
        traced = tf.function(function, input_signature=signature).get_concrete_function()
        return {operation.type for operation in traced.graph.get_operations()}

    with one_pass_norms():
        assert "FusedBatchNormV3" in operations(lambda inputs: layer(inputs))
    assert "FusedBatchNormV3" not in operations(lambda inputs: layer(inputs))


def test_half_precision_is_normalized_as_ever():
    layer = LayerNorm(dtype="bfloat16")
    inputs = tf.constant([[1.0, 2.0, 3.0]], tf.bfloat16)
    with one_pass_norms():
        np.testing.assert_array_equal(layer(inputs), layer(inputs))
        assert layer(inputs).dtype == tf.bfloat16
