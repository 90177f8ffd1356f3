import math

import keras
import numpy as np
import pytest

from models import faults

jax = pytest.importorskip("jax")
if keras.backend.backend() != "jax":
    pytest.skip("what JAX does as the backend", allow_module_level=True)

from models.backends.jax import (  # noqa: E402  (imports JAX)
    _attend,
    _fused,
    _fuses_attention,
    _gelu,
    _normalize,
    compiled,
    rows_of,
)


def attention(query, key, value, bias):
    """The definition, in NumPy."""
    scores = np.einsum("btnh,bsnh->bnts", query, key) / np.sqrt(query.shape[-1]) + bias
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("bnts,bsnh->btnh", weights / weights.sum(axis=-1, keepdims=True), value)


OF_PADDED_ROWS = np.where(np.arange(5) < np.array([[5], [2]]), 0, -3e4)[:, None, None]
ROWS = np.array([[0, 0, 1, 1, 2], [0, 1, 2, 2, 2]])
OF_LINES = np.where(ROWS[:, :, None] == ROWS[:, None, :], 0, -3e4)[:, None]
either = pytest.mark.parametrize("bias", [OF_PADDED_ROWS, OF_LINES], ids=["padded", "lines"])


@either
@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-5), ("float16", 5e-3)])
def test_attention_is_its_definition(dtype, atol, bias):
    arrays = np.random.default_rng(0).normal(size=(3, 2, 5, 4, 8))
    found = _attend(*(jax.numpy.asarray(a, dtype) for a in arrays), jax.numpy.asarray(bias, dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(np.asarray(found, "float32"), attention(*arrays, bias), atol=atol)


@either
def test_attention_in_one_operation_is_its_definition(bias):
    arrays = np.random.default_rng(0).normal(size=(3, 2, 5, 4, 8))
    inputs = (jax.numpy.asarray(array, "float32") for array in (*arrays, bias))
    found = _fused(*inputs, "xla")  # as for cuDNN, which a CPU does not have
    np.testing.assert_allclose(found, attention(*arrays, bias), atol=1e-5)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="needs a machine without a GPU")
def test_there_is_no_fused_attention_on_a_cpu():
    assert not _fuses_attention("float16", 64)


def test_weights_are_arguments_so_that_new_ones_count():
    weight = keras.Variable(np.ones((1, 2), "float32"))
    call = compiled(
        lambda features: keras.ops.cast(features["token_ids"], "float32") * weight,
        [weight],
        ["token_ids"],
        use_xla=True,
    )
    features = {"token_ids": np.array([[2, 3]], np.int32)}
    assert call(features).tolist() == [[2, 3]]
    weight.assign(np.array([[5.0, 7.0]]))
    assert call(features).tolist() == [[10, 21]]


@pytest.mark.parametrize(
    ("status", "of_the_machine", "of_memory"),
    [
        ("RESOURCE_EXHAUSTED", True, True),
        ("INTERNAL", True, False),
        ("INVALID_ARGUMENT", False, False),
        ("OUT_OF_RANGE", False, False),
    ],
)
def test_errors_are_told_apart_by_their_status(status, of_the_machine, of_memory):
    error = jax.errors.JaxRuntimeError(f"{status}: Out of memory: while trying: to allocate")
    assert faults.is_of_the_machine(error) == of_the_machine
    assert faults.is_out_of_memory(error) == of_memory


@pytest.mark.parametrize("count", [1, 16, 17, 64])
def test_rows_that_are_chosen_come_back(count):
    results = np.arange(128, dtype=np.float32).reshape(64, 2)
    rows = np.random.default_rng(count).permutation(64)[:count]
    np.testing.assert_array_equal(rows_of(jax.numpy.asarray(results), rows), results[rows])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_gelu_is_exact(dtype):
    x = jax.numpy.asarray(np.linspace(-8, 8, 4001), dtype)
    exact = np.array([v / 2 * math.erfc(-v / math.sqrt(2)) for v in np.float64(x)])
    found = np.float64(_gelu(x))
    np.testing.assert_allclose(found, exact, rtol=float(jax.numpy.finfo(dtype).eps), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_normalized_with_sums_in_float32(dtype):
    random = np.random.default_rng(0)
    x = jax.numpy.asarray(random.normal(3.0, 1.0, (50, 384)), dtype)
    gamma, beta = (jax.numpy.asarray(random.normal(size=384), dtype) for _ in range(2))
    wide = np.float64(x)
    centered = wide - wide.mean(axis=1, keepdims=True)
    exact = centered / np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-12)
    exact = exact * np.float64(gamma) + np.float64(beta)
    found = np.float64(_normalize(x, gamma, beta, 1e-12))
    np.testing.assert_allclose(found, exact, rtol=float(jax.numpy.finfo(dtype).eps), atol=1e-4)
