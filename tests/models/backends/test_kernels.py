"""What every product and activation of a model goes through."""

import keras
import numpy as np
import pytest

from models.backends import kernels
from models.backends.kernels import ACTIVATIONS, Kernels, affine


@pytest.fixture
def dense():
    layer = keras.layers.Dense(6)
    layer.build((None, 4))
    layer.bias.assign(np.arange(6.0))
    return layer


INPUTS = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


@pytest.mark.parametrize("columns", [slice(None), slice(2), slice(2, None)], ids=str)
@pytest.mark.parametrize("activation", [None, "relu"])
def test_affine_is_the_layer_or_some_of_its_columns(dense, columns, activation):
    expected = np.asarray(dense(INPUTS))[:, columns]
    if activation:
        expected = np.maximum(expected, 0)
    found = affine(dense, keras.ops.convert_to_tensor(INPUTS), activation, columns)
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-6)


def test_another_product_takes_the_place_of_a_layers(dense):
    other = keras.layers.Dense(6)
    other.build((None, 4))
    asked = []

    def product(inputs, columns, activation):
        asked.append((inputs.shape, columns, activation))
        return inputs * 0

    with kernels.using(Kernels(products={dense: product})):
        assert not np.asarray(affine(dense, INPUTS, "gelu", slice(2))).any()
        assert np.asarray(affine(other, INPUTS)).any()
    assert np.asarray(affine(dense, INPUTS)).any()
    assert asked == [((3, 4), slice(2), "gelu")]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_keep_the_shape_and_the_type(name):
    for dtype in ("float32", "bfloat16"):
        inputs = keras.ops.convert_to_tensor(INPUTS, dtype)
        made = ACTIVATIONS[name](inputs)
        assert (made.shape, made.dtype) == (inputs.shape, inputs.dtype)
