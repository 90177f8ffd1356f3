import pickle
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.ml.inference.base import ModelHandler
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that, equal_to

from models.errors import RunError
from models.inference.prediction import Pending, Prediction
from models.packing import Tokens
from transforms.infer import Classify, Embed, Predicted, add_labels, add_vectors
from transforms.rejected import REJECTED
from transforms.schemas import label_fields, vector_field
from transforms.tokenize import add_tokens
from transforms.unit_batch import UnitBatch

LABELS = ["low", "middle", "high"]


class ByLength(ModelHandler[UnitBatch, Predicted, Any]):
    """The longer a row, the higher its label; rows of seven tokens cannot be computed."""

    def load_model(self):
        return np.zeros(1)

    def run_inference(self, batch, model, inference_args=None):
        lengths = pa.compute.list_value_length(batch.rows.column("token_ids")).to_numpy()
        outputs = np.full((len(batch), 3), 0.1, np.float32)
        outputs[np.arange(len(batch)), np.minimum(lengths // 3, 2)] = 0.8
        errors = {int(row): "seven" for row in np.flatnonzero(lengths == 7)}
        return [(batch, Pending.of(Prediction(outputs, errors, padded_tokens=5)))]

    def get_num_bytes(self, batch):
        return batch.rows.nbytes


def batch_of_lengths(*lengths: int) -> pa.RecordBatch:
    batch = pa.RecordBatch.from_pydict(
        {
            "text": [f"text {length}" for length in lengths],
            "source": ["a.txt"] * len(lengths),
            "position": list(range(len(lengths))),
        }
    )
    splits = np.concatenate([[0], np.cumsum(lengths)])
    tokens = Tokens(np.zeros(splits[-1], np.int32), splits)
    return add_tokens(batch, tokens, np.array(lengths), np.zeros(len(lengths), bool))


def classify(rows: pa.RecordBatch, check) -> None:
    """Runs the transform over one batch, and lets a function look at what comes out."""
    with Pipeline() as pipeline:
        batches = pipeline | beam.Create([UnitBatch(rows)])
        assert_that(batches | Classify(ByLength(), LABELS, ["text"]), check)


def test_every_row_gets_its_label_and_score():
    def check(batches):
        batch = batches[0].rows
        assert batch.column("label").to_pylist() == ["low", "high", "middle"]
        np.testing.assert_allclose(batch.column("score").to_pylist(), 0.8, rtol=1e-6)
        assert batch.column("text").to_pylist() == ["text 1", "text 9", "text 4"]

    classify(batch_of_lengths(1, 9, 4), check)


def test_a_row_that_cannot_be_computed_is_rejected_alone():
    def check(batches):
        (batch,) = batches
        assert batch.rows.column("position").to_pylist() == [0, 2]
        assert batch.rows.column("label").to_pylist() == ["low", "middle"]
        assert batch.rejected.schema == REJECTED
        assert batch.rejected.to_pylist() == [
            {
                "source": "a.txt",
                "position": 1,
                "raw": b"text 7",
                "stage": "infer",
                "error": "seven",
            }
        ]

    classify(batch_of_lengths(1, 7, 4), check)


def test_a_batch_of_rejected_rows_only_gives_no_rows():
    def check(batches):
        (batch,) = batches
        assert batch.rows.num_rows == 0
        assert batch.rejected.num_rows == 2
        assert batch.counts == {"padded_tokens": 5, "precision": {"float32": 0}}

    classify(batch_of_lengths(7, 7), check)


def test_added_columns_are_those_that_were_promised():
    outputs = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]], np.float32)
    batch = pa.RecordBatch.from_pydict({"text": ["a", "b"]})
    labelled = add_labels(batch, outputs, LABELS, probabilities=True, top_k=2)
    fields = label_fields(LABELS, probabilities=True, top_k=2)
    assert list(labelled.schema) == [pa.field("text", pa.string()), *fields]
    assert labelled.column("label").to_pylist() == ["middle", "low"]
    first, second = labelled.column("probabilities").to_pylist()
    np.testing.assert_allclose([*first.values()], outputs[0])
    np.testing.assert_allclose([*second.values()], outputs[1])
    tops = [[entry["label"] for entry in top] for top in labelled.column("top").to_pylist()]
    assert tops == [["middle", "high"], ["low", "high"]]


def test_more_labels_asked_for_than_there_are_gives_all():
    outputs = np.array([[0.2, 0.5, 0.3]], np.float32)
    batch = pa.RecordBatch.from_pydict({"text": ["a"]})
    labelled = add_labels(batch, outputs, LABELS, probabilities=False, top_k=9)
    assert [e["label"] for e in labelled.column("top").to_pylist()[0]] == ["middle", "high", "low"]


def test_a_row_has_every_label_of_at_least_the_threshold_the_likeliest_first():
    outputs = np.array([[0.5, 0.9, 0.4], [0.1, 0.2, 0.3], [0.6, 0.7, 0.8]], np.float32)
    batch = pa.RecordBatch.from_pydict({"text": ["a", "b", "c"]})
    labelled = add_labels(batch, outputs, LABELS, True, 1, threshold=0.5)
    fields = label_fields(LABELS, True, 1, is_multi_label=True)
    assert list(labelled.schema) == [pa.field("text", pa.string()), *fields]
    found = [[entry["label"] for entry in row] for row in labelled.column("labels").to_pylist()]
    assert found == [["middle", "low"], [], ["high", "middle", "low"]]
    assert labelled.column("labels")[0][1]["score"].as_py() == 0.5
    assert labelled.column("label").to_pylist() == ["middle", "high", "high"]
    np.testing.assert_allclose(labelled.column("score").to_pylist(), [0.9, 0.3, 0.8])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_vector_is_a_list_of_a_fixed_size(dtype):
    outputs = np.arange(6).reshape(3, 2).astype(dtype)
    batch = pa.RecordBatch.from_pydict({"text": ["a", "b", "c"]})
    embedded = add_vectors(batch, outputs)
    assert embedded.schema.field("embedding") == vector_field(2, dtype)
    assert embedded.column("embedding").to_pylist() == outputs.tolist()


class Vectors(ByLength):
    """Vectors that grow with the row; that of seven tokens is no number."""

    def run_inference(self, batch, model, inference_args=None):
        lengths = pa.compute.list_value_length(batch.rows.column("token_ids")).to_numpy()
        outputs = np.stack([lengths, 10.0**lengths], axis=1).astype(np.float32)
        errors = {int(row): "seven" for row in np.flatnonzero(lengths == 7)}
        outputs[list(errors)] = np.nan
        return [(batch, Pending.of(Prediction(outputs, errors)))]


@pytest.mark.parametrize(
    ("dtype", "kept", "errors"),
    [
        ("float32", [1, 9, 4], ["seven"]),
        ("float16", [1, 4], ["seven", "the model's output is too large for float16"]),
    ],
)
def test_a_vector_that_cannot_be_written_is_a_rejected_row(dtype, kept, errors):
    def check(batches):
        (batch,) = batches
        assert batch.rows.column("embedding").flatten().to_pylist()[::2] == kept
        assert batch.rejected.column("error").to_pylist() == errors

    with Pipeline() as pipeline:
        batches = pipeline | beam.Create([UnitBatch(batch_of_lengths(1, 7, 9, 4))])
        assert_that(batches | Embed(Vectors(), ["text"], dtype), check)


class Losing(ByLength):
    """Gives no result for the last row."""

    def run_inference(self, batch, model, inference_args=None):
        ((batch, pending),) = super().run_inference(batch, model)
        return [(batch, Pending.of(Prediction(pending.result().outputs[:-1])))]


def test_another_number_of_results_than_rows_ends_the_run():
    pipeline = Pipeline()
    batches = pipeline | beam.Create([UnitBatch(batch_of_lengths(1, 9, 4))])
    _ = batches | Classify(Losing(), LABELS, ["text"])
    with pytest.raises(RunError, match="the model gave 2 results for 3 rows"):
        pipeline.run()


class Overlapping(ByLength):
    """Notes when a batch begins to be computed, and when its results are taken."""

    def __init__(self, noted: list[str]) -> None:
        self._noted = noted

    def run_inference(self, batch, model, inference_args=None):
        if not len(batch):
            return [(batch, None)]
        name = batch.rows.column("text")[0].as_py()
        self._noted.append(f"begin {name}")
        ((_, pending),) = super().run_inference(batch, model)

        def taken(prediction):
            self._noted.append(f"take {name}")
            return prediction

        return [(batch, pending.then(taken))]


def steps_of(transform, batches):
    """What the steps of inference give for batches, one after another, in one bundle."""
    handler, add = transform._handler, transform._add_results
    add.start_bundle()
    given = []
    for batch in batches:
        for predicted in handler.run_inference(batch, None):
            given += add.process(predicted, 0, None)
    return [getattr(each, "value", each) for each in [*given, *add.finish_bundle()]]


def test_the_next_batch_begins_before_the_results_of_one_are_taken():
    noted: list[str] = []
    batches = [UnitBatch(batch_of_lengths(length)) for length in (1, 4, 9)]
    end = UnitBatch(batch_of_lengths(1).slice(0, 0), is_last=True)
    found = steps_of(Classify(Overlapping(noted), LABELS, ["text"]), [*batches, end])
    assert noted == [
        *("begin text 1", "begin text 4", "take text 1"),
        *("begin text 9", "take text 4", "take text 9"),
    ]
    assert [batch.is_last for batch in found] == [False, False, False, True]
    assert [batch.rows["label"].to_pylist() for batch in found[:3]] == [
        ["low"],
        ["middle"],
        ["high"],
    ]


def test_a_batch_that_waits_comes_with_the_end_of_its_bundle():
    noted: list[str] = []
    transform = Classify(Overlapping(noted), LABELS, ["text"])
    (found,) = steps_of(transform, [UnitBatch(batch_of_lengths(1))])
    assert found.rows["label"].to_pylist() == ["low"]


def test_what_a_bundle_that_failed_has_left_is_not_of_the_next():
    transform = Classify(Overlapping([]), LABELS, ["text"])
    handler, add = transform._handler, transform._add_results
    (left,) = handler.run_inference(UnitBatch(batch_of_lengths(1)), None)
    assert list(add.process(left, 0, None)) == []
    (found,) = steps_of(transform, [UnitBatch(batch_of_lengths(4))])
    assert found.rows["label"].to_pylist() == ["middle"]


def test_rows_keep_their_time_and_window():
    with Pipeline() as pipeline:
        batches = pipeline | beam.Create([UnitBatch(batch_of_lengths(n)) for n in (1, 4)])
        late = batches | beam.Map(
            lambda batch: beam.window.TimestampedValue(batch, len(batch) * 70)
        )
        labelled = (
            late
            | beam.WindowInto(beam.window.FixedWindows(60))
            | Classify(ByLength(), LABELS, ["text"])
            | beam.Map(lambda batch, window=beam.DoFn.WindowParam: int(window.start))
        )
        assert_that(labelled, equal_to([60, 60]))


def test_a_runner_that_takes_steps_apart_gets_results():
    pending = Pending.of(Prediction(np.ones((1, 2), np.float32)))
    assert pickle.loads(pickle.dumps(pending)).result().outputs.tolist() == [[1, 1]]
