from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models import BertClassifier, Predictor, PresetError, UserError
from models.inference import cores
from models.inference.distinct import distinct_rows
from models.inference.micro_batches import padded_rows
from models.inference.predictor import streams
from models.packing import Tokens
from tests.models.inference.predicting import (
    AREA,
    any_shape,
    encode,
    expected_probabilities,
    watched,
)


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
    with pytest.raises(UserError, match="the activation 'tanh' are not class"):
        Predictor(BertClassifier.from_preset(preset, activation="tanh"), "CPU")


def test_a_classifier_without_a_preprocessor_is_refused(classifier):
    with pytest.raises(ValueError, match="needs a model with a preprocessor"):
        Predictor(BertClassifier(classifier.backbone, 2), "CPU")


@pytest.mark.parametrize("as_batch", [np.array, tf.constant, pa.array], ids=["np", "tf", "arrow"])
def test_every_kind_of_batch_is_predicted(predictor, texts, as_batch):
    np.testing.assert_array_equal(predictor(as_batch(texts[:3])), predictor(texts[:3]))


def test_one_string_is_one_row(predictor):
    np.testing.assert_array_equal(predictor("good film"), predictor(["good film"]))


def test_what_is_no_string_is_refused_by_value(predictor):
    with pytest.raises(TypeError, match="a text must be a string, not None"):
        predictor(["good film", None])
    with pytest.raises(ValueError, match="1 first texts for 2 second texts"):
        predictor(["good film"], ["a", "b"])


def test_an_empty_batch_gives_an_empty_result(predictor):
    assert predictor([]).shape == (0, 3)
    prediction = predictor.predict(encode(predictor, []), on_rows=pytest.fail)
    assert (prediction.outputs.shape, prediction.errors, prediction.padded_tokens) == (
        (0, 3),
        {},
        0,
    )


@any_shape
def test_identical_rows_are_computed_once(classifier, texts):
    predictor, computed = watched(classifier)
    found = predictor([*texts, *texts[::-1], texts[0]])
    assert computed.num_rows == len(texts)
    np.testing.assert_array_equal(found[: len(texts)], found[len(texts) : -1][::-1])
    np.testing.assert_array_equal(found[-1], found[0])


@any_shape
def test_rows_of_an_earlier_batch_are_not_computed_again(classifier, texts):
    predictor, computed = watched(classifier)
    found = predictor(texts[:-1])
    before = computed.num_rows
    done = []
    prediction = predictor.predict(encode(predictor, texts), on_rows=done.append)
    assert computed.num_rows == before + 1
    assert sum(done) == len(texts)
    np.testing.assert_array_equal(prediction.outputs[:-1], found)


def test_a_row_that_failed_is_tried_again(classifier, texts):
    texts = texts[:5]
    predictor, computed = watched(classifier, is_bad=lambda ids: True)
    assert len(predictor.predict(encode(predictor, texts)).errors) == len(texts)
    computed.is_bad = lambda ids: False
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
    batches = list(padded_rows(np.arange(len(lengths)) + 7, lengths, area))
    chosen = [index - 7 for batch in batches for index in batch.chosen]
    assert sorted(chosen) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch.chosen) == 1 or batch.area <= area
        assert (batch.lengths == lengths[batch.chosen - 7]).all()
    # The rows of a micro-batch are of like length: none reaches into the next one's.
    longest_first = [batch.lengths for batch in batches]
    for before, after in pairwise(longest_first):
        assert before.min() >= after.max()


@any_shape
def test_what_is_computed_stays_within_the_area(classifier, texts):
    predictor, computed = watched(classifier)
    predictor(texts)
    assert computed.num_rows == len(texts)
    assert max(computed.areas) <= AREA


@any_shape
def test_padding_is_counted(classifier, texts):
    predictor, computed = watched(classifier)
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


@any_shape
def test_a_batch_that_does_not_fit_is_halved_and_later_ones_are_smaller(classifier, texts):
    predictor, computed = watched(classifier, largest_area=AREA // 2)
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


def test_a_bad_row_does_not_take_its_neighbours_along(classifier, texts):
    texts = [*texts, "[ good", "[ good", "film ["]
    bad_id = classifier.preprocessor.tokenizer.token_to_id("[")
    predictor, _ = watched(classifier, is_bad=lambda ids: bad_id in ids)
    done = []
    prediction = predictor.predict(encode(predictor, texts), on_rows=done.append)
    assert prediction.errors == dict.fromkeys(
        range(len(texts) - 3, len(texts)), "ValueError: cannot compute this"
    )
    assert np.isnan(prediction.outputs[-3:]).all()
    expected = expected_probabilities(classifier, texts)[:-3]
    np.testing.assert_allclose(prediction.outputs[:-3], expected, atol=1e-5)
    assert sum(done) == len(texts)


def test_a_failed_row_raises_where_there_is_nowhere_to_report_it(classifier):
    bad_id = classifier.preprocessor.tokenizer.token_to_id("[")
    predictor, _ = watched(classifier, is_bad=lambda ids: bad_id in ids)
    with pytest.raises(RuntimeError, match="row 1: ValueError: cannot compute this"):
        predictor(["good", "[", "bad"])


@any_shape
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_no_number_is_an_error_of_its_row(classifier, value):
    bad_id = classifier.preprocessor.tokenizer.token_to_id("[")

    def spoil(ids, outputs):
        outputs = np.array(outputs)
        outputs[(ids == bad_id).any(axis=1), 1] = value
        return outputs

    predictor, _ = watched(classifier, spoil=spoil)
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


@pytest.mark.parametrize("share", [0.5, 1.5, 8.0])
def test_results_are_the_same_however_many_cores_are_this_process_s(
    share, predictor, classifier, texts, monkeypatch
):
    alone = predictor(texts)
    monkeypatch.setattr(cores, "own", lambda: 8)
    monkeypatch.setattr(cores, "now", lambda: share)
    np.testing.assert_array_equal(Predictor(classifier, "CPU", AREA)(texts), alone)


def test_two_micro_batches_are_in_flight_for_each_core_and_for_a_gpu(monkeypatch):
    monkeypatch.setattr(cores, "own", lambda: 3)
    monkeypatch.setattr(cores, "now", lambda: 3.0)
    assert streams("CPU").width() == 6
    assert streams("GPU")._max_workers == 4


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


def test_an_area_of_no_tokens_is_refused(classifier):
    with pytest.raises(ValueError, match="batch_tokens must be a positive integer, not 0"):
        Predictor(classifier, "CPU", batch_tokens=0)


@pytest.mark.parametrize(("device", "area"), [("CPU", 4 * 1024), ("GPU", 2 * 16_384)])
def test_small_models_have_larger_micro_batches(classifier, device, area):
    assert classifier.backbone.hidden_dim < 128
    assert Predictor(classifier, device).batch_tokens == area
