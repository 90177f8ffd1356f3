import numpy as np
import pytest

from models import Predictor
from models.backends import processor
from models.inference.computation import computation_of
from models.inference.int8.encoder import int8_products
from models.inference.precision import int8_problem
from models.presets.embedding import POOLINGS, EmbeddingSettings
from tests.models.family_cases import embedder_of

pytestmark = pytest.mark.skipif(
    int8_problem("CPU") is not None, reason="this machine does not compute in int8"
)

TEXTS = [
    "the good film",
    "a bad play, an awful film and a great one!",
    "x",
    "good, great, awful!",
    "[the] playing of the film, and the film of the play, is good or bad",
]


def embedder(family, pooling="mean", **overrides):
    config = {**family.config, "hidden_dim": 64, "intermediate_dim": 128, **overrides}
    preprocessor = family.ours("Preprocessor")(family.tokenizer, 24)
    return embedder_of(family.ours("Backbone")(**config), preprocessor, EmbeddingSettings(pooling))


def in_int8(model, **arguments):
    computation = computation_of(model, products=int8_products(model))
    return Predictor(model, "CPU", computation=computation, precision="int8", **arguments)


def cosines(found, expected):
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return (found * expected).sum(axis=1) / lengths


@pytest.mark.parametrize("half", [True, False])
def test_every_family_is_close_to_float32(family, half, monkeypatch):
    monkeypatch.setattr(processor, "has_bfloat16_products", lambda: half)
    model = embedder(family)
    exact, found = Predictor(model, "CPU")(TEXTS), in_int8(model)(TEXTS)
    assert cosines(found, exact).min() > 0.999
    assert np.abs(found - exact).max() > 1e-4  # it is something else that was computed


@pytest.mark.parametrize("pooling", ["cls", *(p for p in POOLINGS if p != "cls")])
def test_every_pooling_is_close_to_float32(family, pooling):
    if pooling == "pooled" and family.family != "bert":
        pytest.skip("the family has no pooler")
    model = embedder(family, pooling)
    assert cosines(in_int8(model)(TEXTS), Predictor(model, "CPU")(TEXTS)).min() > 0.998


def test_a_text_does_not_depend_on_those_beside_it(family):
    model = embedder(family)
    together = in_int8(model)(TEXTS)
    alone = np.concatenate([in_int8(model)([text]) for text in TEXTS])
    padded = in_int8(model, batch_tokens=1000)(TEXTS)
    for found in (together, padded):
        changes = np.abs(found - alone).max(axis=1)
        assert changes.max() < 0.01
        # Where another order of sums turns a last digit over, an integer may follow, seldom.
        assert (changes < 1e-5).sum() >= len(TEXTS) - 1


def test_each_process_computes_the_same(family):
    model = embedder(family)
    np.testing.assert_array_equal(in_int8(model)(TEXTS), in_int8(model)(TEXTS))


def test_labels_of_a_classifier_stay():
    texts = ["What a lovely day!", "Cold soup, slow service.", "Not my cup of tea, but well made."]
    exact = Predictor.from_preset("sentiment_tiny_en", precision="float32")
    found = Predictor.from_preset("sentiment_tiny_en", precision="int8")
    assert found.precision == "int8"
    prediction = found.predict(found.preprocessor.encode(texts)[0])
    assert (prediction.precision, prediction.errors) == ("int8", {})
    np.testing.assert_allclose(prediction.outputs, exact(texts), atol=0.05)
    assert np.abs(prediction.outputs - exact(texts)).max() > 0


def test_weights_that_are_not_numbers_reject_every_row(family):
    model = embedder(family)
    kernel = model.backbone.encoder.layers[0].output_dense.kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    predictor = in_int8(model)
    prediction = predictor.predict(predictor.preprocessor.encode(TEXTS)[0])
    assert set(prediction.errors) == set(range(len(TEXTS)))
