import numpy as np
import pytest
import tensorflow as tf

from models.backends.kernels import ACTIVATIONS
from models.inference.int8.products import _LOWEST, Inputs, of_activations, of_vectors
from models.inference.precision import int8_problem

pytestmark = pytest.mark.skipif(
    int8_problem("CPU") is not None, reason="this machine does not compute in int8"
)


@pytest.fixture
def layer():
    random = np.random.default_rng(0)
    kernel = random.normal(0, 0.05, (64, 48)).astype(np.float32)
    return kernel, random.normal(size=48).astype(np.float32)


@pytest.fixture
def vectors():
    """Vectors as a normalization gives them: some channels are large, and some lie off 0."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(200, 64)).astype(np.float32)
    vectors[:, 3] *= 30
    vectors[:, 7] += 10
    return vectors


def traced(product, activation=None):
    return tf.function(lambda rows: product(rows, activation), autograph=False)


def error(found, expected):
    found, expected = np.asarray(found, np.float32), np.asarray(expected)
    return np.linalg.norm(found - expected) / np.linalg.norm(expected - expected.mean())


def test_large_channels_do_not_cost_the_small_ones_their_digits(layer, vectors):
    kernel, bias = layer
    found = traced(of_vectors(kernel, bias, Inputs.of(vectors)))(vectors)
    assert error(found, vectors @ kernel + bias) < 0.02
    # One scale for all channels as they are loses several times as much.
    scale = np.abs(vectors).max() / 127
    assert error(np.rint(vectors / scale) * scale @ kernel + bias, vectors @ kernel + bias) > 0.03


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_may_follow_and_precede(activation, layer, vectors):
    kernel, bias = layer
    exact = ACTIVATIONS[activation](tf.constant(vectors @ kernel + bias)).numpy()
    found = traced(of_vectors(kernel, bias, Inputs.of(vectors)), activation)(vectors)
    assert error(found, exact) < 0.05

    given = ACTIVATIONS[activation](tf.constant(vectors)).numpy()
    product = traced(of_activations(kernel, bias, Inputs.of(given), activation))
    assert error(product(given), given @ kernel + bias) < 0.02


@pytest.mark.parametrize("activation", sorted(_LOWEST))
def test_no_activation_goes_below_its_lowest_number(activation):
    numbers = tf.constant(np.linspace(-30, 30, 600_001, dtype=np.float32))
    lowest = float(tf.reduce_min(ACTIVATIONS[activation](numbers)))
    assert _LOWEST[activation] <= lowest < _LOWEST[activation] + 0.001


def test_results_in_half_precision(layer, vectors):
    kernel, bias = layer
    found = traced(of_vectors(kernel, bias, Inputs.of(vectors), "bfloat16"))(vectors)
    assert found.dtype == tf.bfloat16
    assert error(tf.cast(found, tf.float32), vectors @ kernel + bias) < 0.02


def test_a_row_does_not_depend_on_those_beside_it(layer, vectors):
    kernel, bias = layer
    inputs = Inputs.of(vectors)
    alone = vectors[:1]
    beside = np.concatenate([alone, vectors * 50])
    for product in (
        of_vectors(kernel, bias, inputs),
        of_activations(kernel, bias, inputs, "linear"),
    ):
        run = traced(product)
        np.testing.assert_allclose(run(beside)[:1], run(alone), rtol=1e-5, atol=1e-6)


def test_zeros_and_constants_are_no_division_by_zero(layer):
    kernel, bias = layer
    zeros = np.zeros((3, 64), np.float32)
    for product in (
        of_vectors(kernel, bias, Inputs.of(zeros)),
        of_activations(kernel, bias, Inputs.of(zeros), "linear"),
        of_activations(kernel, bias, Inputs.of(zeros), "relu"),
        of_vectors(kernel * 0, bias, Inputs.of(zeros)),
    ):
        np.testing.assert_allclose(traced(product)(zeros), np.tile(bias, (3, 1)), atol=1e-5)


def test_what_is_not_a_number_stays_none(layer, vectors):
    kernel, bias = layer
    broken = vectors.copy()
    broken[0, 0] = np.nan
    product = traced(of_activations(kernel, bias, Inputs.of(vectors), "gelu"))
    assert np.isnan(product(broken)[0]).all()
    assert np.isfinite(product(broken)[1:]).all()
