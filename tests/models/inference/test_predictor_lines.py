"""The predictor as on a GPU, which is compiled for lines that rows share."""

import numpy as np
import pytest

from models import Predictor
from models.errors import RunError
from models.packing import Tokens
from models.presets.embedding import POOLINGS, Dense
from tests.models.conftest import LABELS
from tests.models.inference.predicting import (
    encode,
    expected_probabilities,
    make_embedder,
    watched,
)

AREA = 512
"""Two lines of 256."""


def shared(model, **arguments):
    """Computes in the shapes of a GPU; XLA compiles for processors too."""
    return Predictor(model, "GPU", AREA, **arguments)


def one_by_one(model, texts):
    """What each text gets alone."""
    predictor = shared(model)
    return np.concatenate([predictor([text]) for text in texts])


def test_rows_that_share_lines_are_classified_alike(classifier, texts):
    expected = expected_probabilities(classifier, texts)
    np.testing.assert_allclose(shared(classifier)(texts), expected, atol=1e-5)


def test_every_family_is_computed_alike(family, texts, randomize):
    classifier = family.classifier(LABELS)
    randomize(classifier)
    expected = expected_probabilities(classifier, texts)
    np.testing.assert_allclose(shared(classifier)(texts), expected, atol=1e-5)


def test_pairs_keep_their_segments(classifier, texts):
    pairs = (texts[:20], texts[20:40])
    expected = expected_probabilities(classifier, *pairs)
    np.testing.assert_allclose(shared(classifier)(*pairs), expected, atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "good film "], ids=["plain", "prefix"])
@pytest.mark.parametrize("pooling", [*POOLINGS, ("max", "cls", "mean")], ids=str)
def test_every_pooling_gives_the_vectors_of_the_model(classifier, texts, pooling, prefix):
    embedder = make_embedder(
        classifier, pooling=pooling, prefix=prefix, pools_prefix=not prefix, normalize=True
    )
    features = classifier.preprocessor([prefix + text for text in texts])
    expected = np.asarray(embedder.vectors(features))
    np.testing.assert_allclose(shared(embedder)(texts), expected, atol=1e-5)


def test_modules_of_tokens_and_of_vectors_are_applied(classifier, texts):
    random = np.random.default_rng(0)
    weights = {
        f"{name}/{part}": random.normal(0, 0.3, shape).astype("float32")
        for name in ("token", "vector")
        for part, shape in (("kernel", (16, 16)), ("bias", (16,)))
    }
    embedder = make_embedder(
        classifier,
        None,
        weights.items(),
        token_modules=(Dense("token", 16, 16, "tanh"),),
        modules=(Dense("vector", 16, 16, "tanh"),),
    )
    expected = np.asarray(embedder.vectors(classifier.preprocessor(texts)))
    np.testing.assert_allclose(shared(embedder)(texts), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_gives_about_the_same(new_classifier, classifier, texts, dtype):
    half = shared(new_classifier(dtype=dtype))
    atol = {"float16": 0.02, "bfloat16": 0.1}[dtype]
    np.testing.assert_allclose(half(texts), expected_probabilities(classifier, texts), atol=atol)


@pytest.mark.parametrize("task", ["classify", "embed"])
def test_windows_share_lines_too(short_classifier, task):
    model = short_classifier if task == "classify" else make_embedder(short_classifier)
    texts = ["a b c d e f g h i j k l m n", "good", "a b c d e f g h i j"]
    found = shared(model, long_text="windows")(texts)
    predictor = Predictor(model, "GPU", AREA, long_text="windows")
    alone = np.concatenate([predictor([text]) for text in texts])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    windows = predictor.preprocessor.split_windows(predictor.preprocessor.encode_windows(texts)[0])
    features = windows.tokens.pad(np.arange(len(windows.tokens)), 8, 0)
    if task == "classify":
        import keras

        outputs = keras.ops.softmax(model.scores(features))
    else:
        outputs = model.vectors(features)
    np.testing.assert_allclose(found, windows.combine(np.asarray(outputs)), atol=1e-5)


def test_a_row_of_no_tokens_has_no_neighbours_vector(classifier):
    for pooling in ("mean", "lasttoken"):
        predictor = shared(make_embedder(classifier, pooling=pooling))
        tokens = Tokens(
            np.array([7, 8, 9], np.int32), np.array([0, 2, 2, 3]), np.zeros(3, np.int32)
        )
        vectors = predictor.predict(tokens).outputs
        np.testing.assert_array_equal(vectors[1], np.zeros(16))
        assert np.abs(vectors[[0, 2]]).min() > 0


def test_shapes_are_compiled_once_and_their_compilation_is_timed(classifier, texts):
    predictor, computed = watched(classifier, "GPU", area=AREA)
    predictor(texts)
    predictor(texts[::2])
    assert set(computed.shapes) == {(2, 256), (1, 256)}
    seconds = computed.computation.compile_seconds
    assert seconds.keys() == set(computed.shapes)
    assert min(seconds.values()) > 0


def test_the_first_micro_batch_of_a_shape_is_computed_once(classifier, texts, monkeypatch):
    predictor, computed = watched(classifier, "GPU", area=AREA)
    function, called = computed.computation._function, []

    def count(features):
        called.append(features["token_ids"].shape)
        return function(features)

    monkeypatch.setattr(computed.computation, "_function", count)
    predictor(texts)
    assert sorted(called) == sorted(computed.shapes)


def test_the_padding_of_lines_is_counted(classifier, texts):
    predictor, computed = watched(classifier, "GPU", area=AREA)
    tokens = encode(predictor, texts)
    padded = predictor.predict(tokens).padded_tokens
    assert padded == sum(computed.areas) - tokens.lengths.sum()


def test_lines_that_do_not_fit_into_memory_become_fewer(classifier, texts):
    predictor, computed = watched(classifier, "GPU", area=AREA, largest_area=AREA // 2)
    expected = expected_probabilities(classifier, texts)
    np.testing.assert_allclose(predictor(texts), expected, atol=1e-5)
    assert max(computed.areas) == AREA
    computed.shapes.clear()
    other = [f"{text} a" for text in texts]
    expected = expected_probabilities(classifier, other)
    np.testing.assert_allclose(predictor(other), expected, atol=1e-5)
    assert max(computed.areas) <= AREA // 2


def test_a_single_line_without_memory_ends_the_run(classifier, texts, monkeypatch):
    monkeypatch.setattr("models.faults.time.sleep", lambda seconds: None)
    predictor, _ = watched(classifier, "GPU", area=AREA, largest_area=127)
    with pytest.raises(RunError, match="the computation failed 4 times on this machine"):
        predictor(texts)


def test_a_row_that_cannot_be_computed_takes_none_of_its_line_along(classifier, texts):
    bad = {4, 17}
    ids = [classifier.preprocessor.encode([texts[row]])[0].ids for row in bad]

    def is_bad(line):
        return any(
            (line[at : at + len(row)] == row).all()
            for row in ids
            for at in range(len(line) - len(row) + 1)
        )

    predictor, _ = watched(classifier, "GPU", area=AREA, is_bad=is_bad)
    prediction = predictor.predict(encode(predictor, texts))
    assert prediction.errors == dict.fromkeys(bad, "ValueError: cannot compute this")
    good = [row for row in range(len(texts)) if row not in bad]
    expected = expected_probabilities(classifier, texts)
    np.testing.assert_allclose(prediction.outputs[good], expected[good], atol=1e-5)


@pytest.mark.parametrize("task", ["classify", "embed"])
def test_a_row_that_is_not_finite_takes_none_of_its_line_along(new_classifier, texts, task):
    classifier = new_classifier()
    word = classifier.preprocessor.tokenizer.token_to_id("awful")
    embeddings = np.array(classifier.backbone.token_embedding.embeddings)
    embeddings[word] = np.nan
    bad = [row for row, text in enumerate(texts) if "awful" in text]
    assert 0 < len(bad) < len(texts)
    good = [row for row in range(len(texts)) if row not in bad]
    model = classifier if task == "classify" else make_embedder(classifier)
    expected = one_by_one(model, [texts[row] for row in good])
    classifier.backbone.token_embedding.embeddings.assign(embeddings)
    prediction = shared(model).predict(encode(shared(model), texts))
    assert prediction.errors == dict.fromkeys(bad, "the model's output is not a finite number")
    np.testing.assert_allclose(prediction.outputs[good], expected, atol=1e-5)


def test_another_number_of_results_than_there_is_room_for_ends_the_run(classifier, texts):
    predictor, _ = watched(classifier, "GPU", area=AREA, spoil=lambda ids, outputs: outputs[1:])
    with pytest.raises(RunError, match=r"shape \[\d+, 3\], not \[(32|64), 3\]: no row can be told"):
        predictor.predict(encode(predictor, texts))


def test_a_row_longer_than_the_model_takes_no_neighbour_along(classifier, texts):
    predictor = shared(classifier)
    tokens = encode(predictor, texts[:3])
    long = Tokens(np.full(25, 7, np.int32), np.array([0, 25]), np.zeros(25, np.int32))
    done = []
    prediction = predictor.predict(Tokens.concatenate([tokens, long]), done.append)
    assert prediction.errors == {3: "a row of 25 tokens; the model has 24 positions"}
    expected = expected_probabilities(classifier, texts[:3])
    np.testing.assert_allclose(prediction.outputs[:3], expected, atol=1e-5)
    assert sum(done) == 4


def test_lines_are_as_long_as_the_longest_row_that_the_model_takes(new_classifier):
    classifier = new_classifier(max_sequence_length=300)
    predictor, computed = watched(classifier, "GPU", area=AREA)
    random = np.random.default_rng(0)
    lengths = np.array([290, 10, 300, 3, 90])
    splits = np.concatenate([[0], np.cumsum(lengths)])
    ids = random.integers(5, 50, splits[-1]).astype(np.int32)
    tokens = Tokens(ids, splits, np.zeros_like(ids))
    found = predictor.predict(tokens).outputs
    assert {length for _, length in computed.shapes} == {512}
    for row in range(len(lengths)):
        alone = Predictor(classifier, "GPU", AREA).predict(tokens.take(np.array([row]))).outputs
        np.testing.assert_allclose(found[row], alone[0], atol=1e-5)
