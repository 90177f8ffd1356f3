from collections.abc import Callable

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that, equal_to

from models.inference.prediction import Prediction
from models.packing import Tokens
from models.quantization import Ranges
from tests.transforms.writing.runs import SmallRun
from transforms.quantizing import sample
from transforms.quantizing.calibrate import Calibrate, _Calibrate
from transforms.quantizing.stored import load_ranges
from transforms.read import _All
from transforms.reading.corpus import plan_corpus
from transforms.tokenize import add_tokens
from transforms.writing.folder import open_folder


class _ByNumber(beam.DoFn):
    """Makes a token of the number that a text is; what is none is rejected."""

    def process(self, batch):
        texts = batch.rows["text"].to_pylist()
        errors = {row: "no number" for row, text in enumerate(texts) if not text.isdigit()}
        if errors:
            batch = batch.reject(errors, ["text"], "tokenize")
        ids = np.array([int(text) for text in texts if text.isdigit()], np.int32)
        if len(ids):
            tokens = Tokens(ids, np.arange(len(ids) + 1))
            counts = np.ones(len(ids), int)
            batch = batch.with_rows(add_tokens(batch.rows, tokens, counts, counts > 1))
        yield batch


class NumberTokenizer:
    """Stands for `Tokenize`."""

    batches = _ByNumber()


class NumberModel:
    """Stands for the handler and for its model: a row's vector is its number, and minus that.

    Rows with the number 13 fail.

    Args:
        scale: What numbers are multiplied by.
        before: Called before rows are computed.
    """

    def __init__(self, scale: int = 1, before: Callable[[], object] = lambda: None) -> None:
        self._scale = scale
        self._before = before
        self.loads = 0
        self.rows = 0

    def load_model(self):
        self.loads += 1
        return self

    def predict(self, tokens):
        self._before()
        self.rows += len(tokens)
        outputs = self._scale * np.stack([tokens.ids, -tokens.ids], axis=1).astype(np.float32)
        outputs[tokens.ids == 13] = np.nan
        failed = np.flatnonzero(tokens.ids == 13).tolist()
        return Prediction(outputs, dict.fromkeys(failed, "thirteen"))


@pytest.fixture
def run(tmp_path):
    """A run over a file of numbers."""

    class NumbersRun:
        plan = SmallRun(tmp_path / "out").plan

        def __init__(self, *texts: object) -> None:
            (tmp_path / "in.txt").write_text("".join(f"{text}\n" for text in texts))
            self.corpus = plan_corpus([str(tmp_path / "in.txt")])

        def given(self, model) -> tuple:
            work = _All(self.corpus, None)
            return self.corpus, work, NumberTokenizer(), model, ["text"], self.plan

        def calibrate(self, model) -> Ranges | None:
            assert list(_Calibrate(*self.given(model)).process(None)) == [None]
            return self.ranges

        @property
        def ranges(self) -> Ranges | None:
            return load_ranges(open_folder(self.plan.folder), self.plan.run_id)

    return NumbersRun


def test_ranges_are_those_of_the_rows_that_have_vectors(run):
    model = NumberModel()
    assert run(5, "x", 13, 2, 9).calibrate(model) == Ranges((2, -9), (9, -2), rows=3)
    assert (model.loads, model.rows) == (1, 4)


def test_stored_ranges_are_kept_and_no_model_is_loaded(run):
    first, second = NumberModel(), NumberModel()
    ranges = run(1, 2).calibrate(first)
    assert run(3, 4).calibrate(second) == ranges
    assert second.loads == 0


def test_of_two_workers_at_the_same_moment_the_first_counts(run):
    numbers, other = run(1, 2), NumberModel(scale=10)
    # The other worker begins, and is done, while this one computes.
    slow = NumberModel(before=lambda: other.loads or numbers.calibrate(other))
    assert numbers.calibrate(slow) == Ranges((10, -20), (20, -10), rows=2)
    assert (slow.loads, other.loads) == (1, 1)


def test_no_row_with_a_vector_gives_ranges_of_none(run):
    assert run("x", 13, "y").calibrate(NumberModel()) == Ranges()


def test_no_rows_at_all_give_ranges_of_none(run):
    assert run().calibrate(NumberModel()) == Ranges()


def test_when_all_of_the_sample_is_rejected_other_rows_are_looked_at(run, monkeypatch):
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 3)
    texts = ["x"] * 1_000
    texts[400], texts[800] = "4", "8"
    assert run(*texts).calibrate(NumberModel()) == Ranges((4, -8), (8, -4), rows=2)


def test_a_pipeline_hands_on_what_it_begins_with(run):
    numbers = run(1, 2)
    with Pipeline() as pipeline:
        begun = pipeline | beam.Create([None])
        assert_that(begun | Calibrate(*numbers.given(NumberModel())), equal_to([None]))
    assert numbers.ranges == Ranges((1, -2), (2, -1), rows=2)


def test_the_columns_of_the_sample_are_the_texts_alone(run, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"text": "3", "other": [1, 2]}\n')
    numbers = run()
    numbers.corpus = plan_corpus([str(tmp_path / "in.jsonl")])
    assert numbers.calibrate(NumberModel()) == Ranges((3, -3), (3, -3), rows=1)
    assert pa.types.is_list(numbers.corpus.schema.field("other").type)
