import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models import BertClassifier, BertPreprocessor, Predictor, PresetError, UserError
from models.computation import LENGTHS, length_ladder
from models.embedder import Embedder
from models.packing import Tokens
from models.predictor import distinct_rows, micro_batches
from models.preset import POOLINGS, EmbeddingSettings

AREA = 48
WORDS = ["good", "bad", "film", "play", "the", "great", "awful"]


@pytest.fixture
def predictor(classifier):
    return Predictor(classifier, "CPU", batch_tokens=AREA)


@pytest.fixture
def texts():
    """Rows of shuffled lengths, no two of them alike."""
    random = np.random.default_rng(3)
    counts = random.permutation(np.arange(60) % 18)
    return [
        " ".join([*random.choice(WORDS, n), chr(97 + i % 26), chr(97 + i // 26)])
        for i, n in enumerate(counts)
    ]


def expected_probabilities(classifier, *texts):
    features = classifier.preprocessor(texts if len(texts) > 1 else texts[0])
    return tf.nn.softmax(classifier(features, training=False)).numpy()


def encode(predictor, texts):
    return predictor.preprocessor.encode(texts)[0]


class Computed:
    """A predictor's computation that keeps account and fails where it is told to.

    Args:
        compute: The true one.
        largest_area: Above it there is no memory.
        is_bad: Whether a sequence of ids makes the whole micro-batch fail.
    """

    def __init__(self, compute, largest_area=10**9, is_bad=lambda ids: False):
        self.compute = compute
        self.largest_area = largest_area
        self.is_bad = is_bad
        self.shapes = []
        self.lock = threading.Lock()

    def __call__(self, features):
        ids = features["token_ids"]
        with self.lock:
            self.shapes.append(ids.shape)
        if ids.size > self.largest_area:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\na tensor")
        if any(self.is_bad(row) for row in ids):
            raise ValueError("cannot compute this\nsecond line")
        return self.compute(features)

    @property
    def num_rows(self):
        return sum(rows for rows, _ in self.shapes)

    @property
    def areas(self):
        return [rows * length for rows, length in self.shapes]


def test_results_keep_the_order_of_rows_and_are_the_classifiers(predictor, classifier, texts):
    np.testing.assert_allclose(
        predictor(texts), expected_probabilities(classifier, texts), atol=1e-5
    )


def test_results_are_those_of_predict_after_softmax(predictor, classifier, texts):
    scores = classifier.predict(texts, verbose=0)
    np.testing.assert_allclose(predictor(texts), tf.nn.softmax(scores), atol=1e-5)


def test_pairs_are_predicted(predictor, classifier, texts):
    seconds = texts[::-1]
    found = predictor(texts, seconds)
    np.testing.assert_allclose(found, expected_probabilities(classifier, texts, seconds), atol=1e-5)
    assert not np.allclose(found, predictor(seconds, texts), atol=1e-3)


def test_a_probability_head_is_not_normalized_twice(preset, classifier, texts):
    head = BertClassifier.from_preset(preset, activation="softmax")
    np.testing.assert_allclose(
        Predictor(head, "CPU")(texts), expected_probabilities(classifier, texts), atol=1e-5
    )


def test_a_head_without_probabilities_is_refused(preset):
    with pytest.raises(UserError, match="the activation 'tanh' are no probabilities"):
        Predictor(BertClassifier.from_preset(preset, activation="tanh"), "CPU")


def test_a_classifier_without_a_preprocessor_is_refused(classifier):
    with pytest.raises(ValueError, match="needs a model with a preprocessor"):
        Predictor(BertClassifier(classifier.backbone, 2), "CPU")


def test_an_empty_batch_gives_an_empty_result(predictor):
    assert predictor([]).shape == (0, 3)
    prediction = predictor.predict(encode(predictor, []), on_rows=pytest.fail)
    assert (prediction.outputs.shape, prediction.errors, prediction.padded_tokens) == (
        (0, 3),
        {},
        0,
    )


def test_identical_rows_are_computed_once(predictor, texts):
    computed = predictor._compute = Computed(predictor._compute)
    found = predictor([*texts, *texts[::-1], texts[0]])
    assert computed.num_rows == len(texts)
    np.testing.assert_array_equal(found[: len(texts)], found[len(texts) : -1][::-1])
    np.testing.assert_array_equal(found[-1], found[0])


def test_rows_of_an_earlier_batch_are_not_computed_again(predictor, texts):
    computed = predictor._compute = Computed(predictor._compute)
    found = predictor(texts[:-1])
    before = computed.num_rows
    done = []
    prediction = predictor.predict(encode(predictor, texts), on_rows=done.append)
    assert computed.num_rows == before + 1
    assert sum(done) == len(texts)
    np.testing.assert_array_equal(prediction.outputs[:-1], found)


def test_a_row_that_failed_is_tried_again(predictor, texts):
    compute = predictor._compute
    predictor._compute = Computed(compute, is_bad=lambda ids: True)
    assert len(predictor.predict(encode(predictor, texts)).errors) == len(texts)
    predictor._compute = compute
    assert predictor.predict(encode(predictor, texts)).errors == {}


def test_rows_that_differ_in_segments_only_are_not_identical(classifier):
    tokens = Tokens(
        np.array([2, 7, 3, 2, 7, 3], np.int32),
        np.array([0, 3, 6]),
        np.array([0, 0, 0, 0, 1, 1], np.int32),
    )
    first, inverse, keys = distinct_rows(tokens)
    assert (first.tolist(), inverse.tolist()) == ([0, 1], [0, 1])
    assert keys[0] != keys[1]


@given(rows=st.lists(st.lists(st.integers(0, 2), max_size=3), max_size=20))
def test_distinct_rows_are_the_first_of_their_kind(rows):
    splits = np.cumsum([0, *map(len, rows)])
    first, inverse, keys = distinct_rows(Tokens(np.array(list(chain(*rows)), np.int32), splits))
    distinct = [rows[index] for index in first]
    assert [distinct[index] for index in inverse] == rows
    assert len({tuple(row) for row in rows}) == len(distinct)
    assert [rows.index(row) for row in distinct] == first.tolist()
    assert len(set(keys)) == len(keys) == len(distinct)


@given(lengths=st.lists(st.integers(0, 40), max_size=60), area=st.integers(1, 200))
def test_micro_batches_hold_every_row_once_within_the_area(lengths, area):
    lengths = np.array(lengths, np.int64)
    batches = list(micro_batches(lengths, area))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= area
    # The rows of a micro-batch are of like length: none reaches into the next one's.
    longest_first = [lengths[batch] for batch in batches]
    for before, after in pairwise(longest_first):
        assert before.min() >= after.max()


def test_what_is_computed_stays_within_the_area(predictor, texts):
    computed = predictor._compute = Computed(predictor._compute)
    predictor(texts)
    assert computed.num_rows == len(texts)
    assert max(computed.areas) <= AREA


def test_padding_is_counted(predictor, texts):
    computed = predictor._compute = Computed(predictor._compute)
    tokens = encode(predictor, texts)
    padded = predictor.predict(tokens).padded_tokens
    assert padded == sum(computed.areas) - tokens.lengths.sum()
    assert 0 < padded < tokens.lengths.sum()
    same = encode(predictor, ["good film", "bad film"])
    assert predictor.predict(same).padded_tokens == 0


def test_progress_adds_up_to_all_rows_copies_too(predictor, texts):
    done = []
    prediction = predictor.predict(encode(predictor, [*texts, *texts[:7]]), on_rows=done.append)
    assert sum(done) == len(prediction.outputs) == len(texts) + 7
    assert len(done) > 2
    assert min(done) >= 1


def test_a_batch_that_does_not_fit_is_halved_and_later_ones_are_smaller(
    predictor, classifier, texts
):
    computed = predictor._compute = Computed(predictor._compute, largest_area=AREA // 2)
    np.testing.assert_allclose(
        predictor(texts), expected_probabilities(classifier, texts), atol=1e-5
    )
    assert max(computed.areas) > AREA // 2
    computed.shapes.clear()
    others = [f"{text} film" for text in texts]
    np.testing.assert_allclose(
        predictor(others), expected_probabilities(classifier, others), atol=1e-5
    )
    assert max(computed.areas) <= AREA // 2


def test_a_row_too_long_for_the_memory_is_the_only_one_lost(predictor):
    texts = ["good", "the " * 20, "bad film"]
    predictor._compute = Computed(predictor._compute, largest_area=15)
    prediction = predictor.predict(encode(predictor, texts))
    assert prediction.errors == {1: "ResourceExhaustedError: OOM when allocating"}
    assert np.isnan(prediction.outputs[1]).all()
    assert np.isfinite(prediction.outputs[[0, 2]]).all()


def test_a_bad_row_does_not_take_its_neighbours_along(predictor, classifier, texts):
    texts = [*texts, "[ good", "[ good", "film ["]
    bad_id = predictor.preprocessor.tokenizer.token_to_id("[")
    predictor._compute = Computed(predictor._compute, is_bad=lambda ids: bad_id in ids)
    done = []
    prediction = predictor.predict(encode(predictor, texts), on_rows=done.append)
    assert prediction.errors == dict.fromkeys(
        range(len(texts) - 3, len(texts)), "ValueError: cannot compute this"
    )
    assert np.isnan(prediction.outputs[-3:]).all()
    expected = expected_probabilities(classifier, texts)[:-3]
    np.testing.assert_allclose(prediction.outputs[:-3], expected, atol=1e-5)
    assert sum(done) == len(texts)


def test_a_failed_row_raises_where_there_is_nowhere_to_report_it(predictor):
    bad_id = predictor.preprocessor.tokenizer.token_to_id("[")
    predictor._compute = Computed(predictor._compute, is_bad=lambda ids: bad_id in ids)
    with pytest.raises(RuntimeError, match="row 1: ValueError: cannot compute this"):
        predictor(["good", "[", "bad"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_no_number_is_an_error_of_its_row(predictor, classifier, value):
    compute = predictor._compute
    bad_id = predictor.preprocessor.tokenizer.token_to_id("[")

    def spoiled(features):
        outputs = np.array(compute(features))
        outputs[(features["token_ids"] == bad_id).any(axis=1), 1] = value
        return outputs

    predictor._compute = spoiled
    texts = ["good", "[ x", "bad"]
    prediction = predictor.predict(encode(predictor, texts))
    assert prediction.errors == {1: "the model's output is not a finite number"}
    assert np.isnan(prediction.outputs[1]).all()
    np.testing.assert_allclose(
        prediction.outputs[[0, 2]], expected_probabilities(classifier, texts)[[0, 2]], atol=1e-5
    )


def test_weights_that_are_no_numbers_fail_every_row(new_classifier):
    classifier = new_classifier()
    classifier.logits.bias.assign([np.nan, 0, 0])
    predictor = Predictor(classifier, "CPU")
    assert sorted(predictor.predict(encode(predictor, ["a", "b", "a"])).errors) == [0, 1, 2]


def test_several_threads_may_use_one_predictor(predictor, classifier, texts):
    batches = [texts[start : start + 12] for start in range(0, 48, 3)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predictor, batches))
    for batch, outputs in zip(batches, found, strict=True):
        np.testing.assert_allclose(outputs, expected_probabilities(classifier, batch), atol=1e-5)


def test_it_loads_from_a_preset(preset, classifier, texts):
    predictor = Predictor.from_preset(preset, precision="float32")
    assert predictor.labels == classifier.labels
    np.testing.assert_allclose(
        predictor(texts), expected_probabilities(classifier, texts), atol=1e-5
    )


def test_it_loads_with_a_length_and_in_half_precision(preset, classifier):
    predictor = Predictor.from_preset(preset, sequence_length=5, precision="bfloat16")
    text = "good film the great play"
    assert encode(predictor, [text]).lengths.tolist() == [5]
    expected = expected_probabilities(classifier, ["good film the"])
    found = predictor([text])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_a_preset_without_a_classifier_is_refused(classifier, tmp_path):
    classifier.backbone.save_to_preset(tmp_path)
    with pytest.raises(PresetError, match="has no classifier"):
        Predictor.from_preset(tmp_path)


# Vectors


def make_embedder(classifier, *arguments, **settings):
    settings = EmbeddingSettings(**settings)
    return Embedder(classifier.backbone, classifier.preprocessor, settings, *arguments)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_keep_the_order_of_rows_and_are_the_embedders(classifier, texts, pooling):
    embedder = make_embedder(classifier, 7, pooling=pooling, normalize=True)
    found = Predictor(embedder, "CPU", batch_tokens=AREA)(texts)
    assert (found.shape, found.dtype) == ((len(texts), 7), np.float32)
    expected = embedder.vectors(classifier.preprocessor(texts))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_backbone_is_enough_to_embed(classifier, texts, tmp_path):
    classifier.backbone.save_to_preset(tmp_path)
    classifier.preprocessor.save_to_preset(tmp_path)
    arguments = {"pooling": "max", "normalize": True, "dimensions": 4}
    predictor = Predictor.from_preset(tmp_path, "embed", precision="float32", **arguments)
    assert (predictor.labels, predictor.width) == ([], 4)
    expected = make_embedder(classifier, 4, pooling="max", normalize=True)
    np.testing.assert_allclose(
        predictor(texts), expected.vectors(classifier.preprocessor(texts)), atol=1e-5
    )


@pytest.mark.parametrize(
    ("task", "arguments", "problem"),
    [
        ("sort", {}, "task 'sort' is not one of classify, embed"),
        ("classify", {"pooling": "cls"}, "are of the task 'embed'"),
        ("classify", {"normalize": False}, "are of the task 'embed'"),
        ("embed", {"dimensions": 0}, "0 of them cannot be kept"),
        ("embed", {"long_text": "fold"}, "'fold' is not one of truncate, windows"),
    ],
)
def test_what_does_not_fit_together_is_refused(preset, task, arguments, problem):
    with pytest.raises(UserError, match=problem):
        Predictor.from_preset(preset, task, **arguments)


# Several labels a text


def test_classes_that_do_not_exclude_each_other_have_probabilities_of_their_own(
    preset, classifier, texts, tmp_path
):
    head = BertClassifier.from_preset(preset, activation="sigmoid")
    head.save_to_preset(tmp_path / "sigmoid")
    found = Predictor.from_preset(tmp_path / "sigmoid", precision="float32")(texts)
    scores = classifier(classifier.preprocessor(texts), training=False)
    np.testing.assert_allclose(found, tf.nn.sigmoid(scores), atol=1e-5)


# Windows


LENGTH = 8


@pytest.fixture
def short_classifier(preset):
    return BertClassifier.from_preset(
        preset, preprocessor=BertPreprocessor.from_preset(preset, LENGTH)
    )


def by_hand(whole, text, pair=None):
    """Windows of a text of letters, each a token, with the tokens that each of them adds."""
    words = (pair or text).split()
    fixed = 2 if pair is None else 3 + len(text.split())
    room = LENGTH - fixed
    found, start = [], 0
    while True:
        window = " ".join(words[start : start + room])
        rows = [window] if pair is None else [[text], [window]]
        weight = len(window.split()) + (fixed if start == 0 else -(room // 4))
        found.append((whole([window])[0] if pair is None else whole(*rows)[0], weight))
        if start + room >= len(words):
            return found
        start += room - room // 4


@pytest.mark.parametrize("pair", [None, "o p q r s t u v w x y"])
def test_a_long_text_is_the_mean_of_its_windows(short_classifier, pair):
    predictor = Predictor(short_classifier, "CPU", AREA, long_text="windows")
    text = "a b c d e f g h i j k l m n" if pair is None else "a b"
    seconds = () if pair is None else ([pair, "y", pair],)
    found = predictor([text, "a b", text], *seconds)
    whole = Predictor(short_classifier, "CPU")
    windows = by_hand(whole, text, pair)
    assert len(windows) > 2
    expected = sum(weight * result for result, weight in windows) / sum(w for _, w in windows)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    np.testing.assert_array_equal(found[2], found[0])
    short = whole(["a b"]) if pair is None else whole(["a b"], ["y"])
    np.testing.assert_allclose(found[1], short[0], atol=1e-6)


def test_a_mean_of_vectors_is_normalized_again(short_classifier):
    text = "a b c d e f g h i j k l m n"
    embedder = make_embedder(short_classifier, 5, normalize=True)
    found = Predictor(embedder, "CPU", AREA, long_text="windows")([text])[0]
    windows = by_hand(Predictor(embedder, "CPU"), text)
    total = sum(weight * result for result, weight in windows)
    np.testing.assert_allclose(found, total / np.linalg.norm(total), atol=1e-6)
    plain = make_embedder(short_classifier, 5)
    found = Predictor(plain, "CPU", AREA, long_text="windows")([text])[0]
    windows = by_hand(Predictor(plain, "CPU"), text)
    expected = sum(weight * result for result, weight in windows) / sum(w for _, w in windows)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_equal_windows_are_computed_once_and_every_row_counts_once(short_classifier):
    predictor = Predictor(short_classifier, "CPU", AREA, long_text="windows")
    computed = predictor._compute = Computed(predictor._compute)
    tokens, _, _ = predictor.preprocessor.encode_windows([*["a b " * 20] * 3, "good", "a " * 30])
    done = []
    predictor.predict(tokens, on_rows=done.append)
    assert sum(done) == 5
    assert computed.num_rows < len(predictor.preprocessor.split_windows(tokens).tokens) / 2


def test_a_window_that_fails_is_its_rows_error(short_classifier):
    predictor = Predictor(short_classifier, "CPU", AREA, long_text="windows")
    bad_id = predictor.preprocessor.tokenizer.token_to_id("[")
    predictor._compute = Computed(predictor._compute, is_bad=lambda ids: bad_id in ids)
    tokens, _, _ = predictor.preprocessor.encode_windows(["a " * 30, "a b " * 9 + "[ x", "b"])
    prediction = predictor.predict(tokens)
    assert prediction.errors == {1: "ValueError: cannot compute this"}
    assert np.isnan(prediction.outputs[1]).all()
    assert np.isfinite(prediction.outputs[[0, 2]]).all()


# Shapes compiled by XLA, as on a GPU


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


def test_every_length_has_one_shape_and_its_compilation_is_timed(compiled, texts):
    computed = compiled._compute = Computed(compiled._compute)
    compiled(texts)
    compiled(texts[::2])
    # 24 is the longest sequence that the model takes.
    assert set(computed.shapes) == {(AREA // 16, 16), (AREA // 24, 24)}
    assert compiled.compile_seconds.keys() == set(computed.shapes)
    assert min(compiled.compile_seconds.values()) > 0


def test_the_padding_of_compiled_shapes_is_counted(compiled, texts):
    computed = compiled._compute = Computed(compiled._compute)
    tokens = encode(compiled, texts)
    padded = compiled.predict(tokens).padded_tokens
    assert padded == sum(computed.areas) - tokens.lengths.sum()


def test_a_compiled_shape_that_does_not_fit_gets_fewer_rows(compiled, classifier, texts):
    computed = compiled._compute = Computed(compiled._compute, largest_area=AREA // 2)
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
