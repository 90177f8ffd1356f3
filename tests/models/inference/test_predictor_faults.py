"""What is no fault of the rows: a machine that fails, a model that is broken."""

import errno
import os
import threading
from concurrent import futures

import numpy as np
import pytest
import tensorflow as tf

from models import faults
from models.errors import RunError
from models.inference import cores, prediction
from models.inference.predictor import Predictor
from tests.models.inference.predicting import (
    AREA,
    any_shape,
    encode,
    expected_probabilities,
    watched,
)


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    made: list[float] = []
    monkeypatch.setattr(faults.time, "sleep", made.append)
    return made


def faulty(classifier, error: Exception, times: int):
    """A predictor whose device fails the first times that it is asked for something."""
    predictor, computed = watched(classifier)
    left = [times]
    compute = computed.computation

    def fail_first(features):
        with computed.lock:
            left[0] -= 1
            if left[0] >= 0:
                raise error
        return compute(features)

    computed.computation = fail_first
    return predictor


TOO_MANY_FILES = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
ILLEGAL_ACCESS = tf.errors.InternalError(None, None, "CUDA error\nat some address")


@pytest.mark.parametrize("error", [TOO_MANY_FILES, ILLEGAL_ACCESS])
def test_a_fault_that_passes_costs_no_row(classifier, texts, error):
    predictor = faulty(classifier, error, times=3)
    np.testing.assert_allclose(
        predictor(texts), expected_probabilities(classifier, texts), atol=1e-5
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TOO_MANY_FILES, r"OSError: \[Errno 24\] Too many open files"),
        (ILLEGAL_ACCESS, "InternalError: CUDA error"),
        (MemoryError(), "MemoryError"),
    ],
)
@pytest.mark.parametrize("num_texts", [1, 5, 40])
def test_a_fault_that_stays_ends_the_run_and_rejects_nothing(
    classifier, texts, error, reason, num_texts, pauses
):
    predictor = faulty(classifier, error, times=10**9)
    told = f"^the computation failed 4 times on this machine, which is no .*: {reason}$"
    with pytest.raises(RunError, match=told):
        predictor.predict(encode(predictor, texts[:num_texts]))
    assert len(pauses) >= 3


def test_what_waits_for_its_turn_is_not_computed_once_the_run_has_ended(
    classifier, texts, monkeypatch
):
    monkeypatch.setattr(cores, "own", lambda: 16)
    monkeypatch.setattr(cores, "now", lambda: 0.5)  # one at a time, of 32 threads
    predictor, computed = watched(classifier, area=1)  # a micro-batch is a row
    tokens = encode(predictor, texts)
    begun, is_over = [], threading.Event()

    def fail(features):
        begun.append(features)
        if len(begun) == 1:
            threading.Event().wait(0.3)  # meanwhile the others come to wait for their turn
            raise RunError("the first fails")
        is_over.wait(60)
        return computed.computation(features)

    def wait(tasks):
        is_over.set()
        return futures.wait(tasks)

    monkeypatch.setattr(predictor._attempts, "_compute", fail)
    monkeypatch.setattr(prediction, "wait", wait)
    with pytest.raises(RunError, match="the first fails"):
        predictor.predict(tokens)
    assert len(begun) <= 2 < len(tokens)


def test_a_single_row_without_memory_ends_the_run(classifier):
    predictor, computed = watched(classifier, largest_area=15)
    with pytest.raises(RunError, match=r"ResourceExhaustedError: OOM when allocating$"):
        predictor.predict(encode(predictor, ["good", "the " * 20, "bad film"]))
    whole, *alone = [area for area in computed.areas if area > 15]
    assert whole == max(computed.areas)
    assert len(set(alone)) == 1


def test_nothing_is_computed_any_more_when_an_error_is_told(classifier, texts, monkeypatch):
    predictor, computed = watched(classifier, largest_area=0)
    monkeypatch.setattr(faults.time, "sleep", lambda seconds: threading.Event().wait(0.05))
    with pytest.raises(RunError, match="OOM when allocating"):
        predictor.predict(encode(predictor, texts))
    told = len(computed.shapes)
    threading.Event().wait(0.5)
    assert len(computed.shapes) == told


@any_shape
def test_a_large_micro_batch_without_memory_is_halved_and_not_tried_again(
    classifier, texts, pauses
):
    predictor, computed = watched(classifier, largest_area=AREA // 2)
    predictor(texts)
    assert pauses == []
    assert max(computed.areas) > AREA // 2


@pytest.mark.parametrize("num_texts", [9, 40])
def test_a_model_that_fails_on_every_row_of_a_batch_ends_the_run(classifier, texts, num_texts):
    predictor, _ = watched(classifier, is_bad=lambda ids: True)
    told = f"every row, {num_texts} different ones in succession.*: ValueError: cannot compute this"
    for _ in range(2):  # a runner that tries the batch again is told the same
        with pytest.raises(RunError, match=told):
            predictor.predict(encode(predictor, texts[:num_texts]))


def test_a_small_input_of_bad_rows_alone_is_rejected(classifier, texts):
    predictor, _ = watched(classifier, is_bad=lambda ids: True)
    assert len(predictor.predict(encode(predictor, texts[:8] * 5)).errors) == 40


def test_many_small_batches_of_bad_rows_end_the_run_too(classifier, texts):
    predictor, _ = watched(classifier, is_bad=lambda ids: True)
    for text in texts[:8]:
        assert len(predictor.predict(encode(predictor, [text])).errors) == 1
    with pytest.raises(RunError, match="every row, 9 different ones in succession"):
        predictor.predict(encode(predictor, [texts[8]]))


def test_rows_known_from_before_do_not_vouch_for_a_model_that_broke(classifier, texts):
    predictor, computed = watched(classifier)
    predictor(texts[:20])
    computed.is_bad = lambda ids: True
    with pytest.raises(RunError, match="every row, 20 different ones"):
        predictor.predict(encode(predictor, texts[:40]))


@any_shape
def test_one_good_row_makes_the_others_bad_rows(classifier, texts):
    good = classifier.preprocessor.encode(texts[:1])[0].ids.tolist()
    predictor, _ = watched(
        classifier, is_bad=lambda ids: ids[: len(good)].tolist() != good or any(ids[len(good) :])
    )
    prediction = predictor.predict(encode(predictor, texts))
    assert sorted(prediction.errors) == list(range(1, len(texts)))


def test_the_windows_of_a_text_are_one_row(classifier):
    predictor, _ = watched(classifier, long_text="windows", is_bad=lambda ids: True)
    tokens = predictor.preprocessor.encode_windows(["good film the great play " * 100])[0]
    assert len(predictor.preprocessor.split_windows(tokens).tokens) > 9
    assert len(predictor.predict(tokens).errors) == 1


def test_a_model_whose_output_is_never_a_number_ends_the_run(new_classifier, texts):
    classifier = new_classifier()
    classifier.logits.bias.assign([np.nan, 0, 0])
    predictor = Predictor(classifier, "CPU")
    with pytest.raises(RunError, match=r"every row.*: the model's output is not a finite number$"):
        predictor.predict(encode(predictor, texts))


def test_half_precision_that_is_too_narrow_is_told(preset, texts):
    predictor = Predictor.from_preset(preset, precision="float16")
    predictor.model.logits.bias.assign([np.nan, 0, 0])
    with pytest.raises(RunError, match="float16 may be too narrow for it: compute in float32"):
        predictor.predict(encode(predictor, texts))


@any_shape
@pytest.mark.parametrize("change", [lambda o: o[:-1], lambda o: np.concatenate([o, o])])
def test_another_number_of_results_than_rows_ends_the_run(classifier, change):
    predictor, _ = watched(classifier, spoil=lambda ids, outputs: change(outputs))
    with pytest.raises(RunError, match=r"gave results of the shape \[\d, 3\], not \[[23], 3\]"):
        predictor.predict(encode(predictor, ["good", "bad"]))


@any_shape
def test_results_of_another_width_end_the_run(classifier):
    predictor, _ = watched(classifier, spoil=lambda ids, outputs: outputs[:, :2])
    with pytest.raises(RunError, match=r"of the shape \[[13], 2\], not \[[13], 3\]"):
        predictor.predict(encode(predictor, ["good"]))
