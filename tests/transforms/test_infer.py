from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.ml.inference.base import ModelHandler
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that

from models.errors import RunError
from models.inference.predictor import Prediction
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
        return [(batch, Prediction(outputs, errors, padded_tokens=5))]

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
        return [(batch, Prediction(outputs, errors))]


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
        ((batch, prediction),) = super().run_inference(batch, model)
        return [(batch, Prediction(prediction.outputs[:-1]))]


def test_another_number_of_results_than_rows_ends_the_run():
    pipeline = Pipeline()
    batches = pipeline | beam.Create([UnitBatch(batch_of_lengths(1, 9, 4))])
    _ = batches | Classify(Losing(), LABELS, ["text"])
    with pytest.raises(RunError, match="the model gave 2 results for 3 rows"):
        pipeline.run()
