import keras
import numpy as np
import pytest

from models import faults

jax = pytest.importorskip("jax")
if keras.backend.backend() != "jax":
    pytest.skip("what JAX does as the backend", allow_module_level=True)

from models.backends.jax import _attend, _fused, _fuses_attention, compiled  # noqa: E402  (imports JAX)


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
