import keras
import numpy as np
import pytest

from models import faults

jax = pytest.importorskip("jax")
if keras.backend.backend() != "jax":
    pytest.skip("what JAX does as the backend", allow_module_level=True)

from models.backends.jax import _attend, _fuses_attention, compiled  # noqa: E402


def attention(query, key, value, bias):
    """The definition, in NumPy."""
    scores = np.einsum("btnh,bsnh->bnts", query, key) / np.sqrt(query.shape[-1]) + bias
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("bnts,bsnh->btnh", weights / weights.sum(axis=-1, keepdims=True), value)


@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-5), ("float16", 5e-3)])
def test_attention_is_its_definition(dtype, atol):
    arrays = np.random.default_rng(0).normal(size=(3, 2, 5, 4, 8))
    bias = np.where(np.arange(5) < np.array([[5], [2]]), 0, -3e4)[:, None, None]
    found = _attend(*(jax.numpy.asarray(a, dtype) for a in arrays), jax.numpy.asarray(bias, dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(np.asarray(found, "float32"), attention(*arrays, bias), atol=atol)


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
