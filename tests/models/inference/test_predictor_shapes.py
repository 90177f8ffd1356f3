import numpy as np
import pytest

from models import Predictor
from models.inference.micro_batches import LENGTHS, length_ladder
from tests.models.inference.predicting import (
    AREA,
    encode,
    expected_probabilities,
    make_embedder,
    watched,
)


@pytest.fixture
def compiled(classifier):
    """Computes in the shapes of a GPU; XLA compiles for processors too."""
    return Predictor(classifier, "GPU", batch_tokens=AREA)


@pytest.mark.parametrize("task", ["classify", "embed"])
def test_compiled_shapes_give_the_same_results(classifier, texts, task):
    model = classifier if task == "classify" else make_embedder(classifier)
    expected = Predictor(model, "CPU", AREA)(texts)
    np.testing.assert_allclose(Predictor(model, "GPU", AREA)(texts), expected, atol=1e-5)


def test_compiled_shapes_give_about_the_same_in_half_precision(new_classifier, classifier, texts):
    half = Predictor(new_classifier(dtype="float16"), "GPU", AREA)
    np.testing.assert_allclose(half(texts), expected_probabilities(classifier, texts), atol=0.02)


def test_compiled_shapes_take_windows(short_classifier):
    texts = ["a b c d e f g h i j k l m n", "good", "a b c d e f g h i j"]
    expected = Predictor(short_classifier, "CPU", AREA, long_text="windows")(texts)
    found = Predictor(short_classifier, "GPU", AREA, long_text="windows")(texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_every_length_has_one_shape_and_its_compilation_is_timed(classifier, texts):
    compiled, computed = watched(classifier, "GPU")
    compiled(texts)
    compiled(texts[::2])
    # 24 is the longest sequence that the model takes.
    assert set(computed.shapes) == {(AREA // 16, 16), (AREA // 24, 24)}
    compile_seconds = computed.computation.compile_seconds
    assert compile_seconds.keys() == set(computed.shapes)
    assert min(compile_seconds.values()) > 0


def test_the_padding_of_compiled_shapes_is_counted(classifier, texts):
    compiled, computed = watched(classifier, "GPU")
    tokens = encode(compiled, texts)
    padded = compiled.predict(tokens).padded_tokens
    assert padded == sum(computed.areas) - tokens.lengths.sum()


def test_a_compiled_shape_that_does_not_fit_gets_fewer_rows(classifier, texts):
    compiled, computed = watched(classifier, "GPU", largest_area=AREA // 2)
    expected = expected_probabilities(classifier, texts)
    np.testing.assert_allclose(compiled(texts), expected, atol=1e-5)
    computed.shapes.clear()
    other = [f"{texts[0]} film"]
    expected = expected_probabilities(classifier, other)
    np.testing.assert_allclose(compiled(other), expected, atol=1e-5)
    assert max(computed.areas) <= AREA // 2


def test_lengths_of_compiled_shapes_end_with_the_longest():
    assert length_ladder(48, 64) == (16, 32, 48, 64)
    assert length_ladder(100, 512)[4:7] == (96, 100, 128)
    assert length_ladder(512, 512) == LENGTHS
    assert length_ladder(8, 10) == (8, 10)
