"""Rows of each kind come back as that kind, with the results of their own texts."""

import dataclasses
import typing
from collections import Counter

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.combiners import CountCombineFn
from apache_beam.typehints.row_type import RowTypeConstraint

from models.errors import UserError
from models.inference.predictor import Predictor
from tests.transforms.rows.running import PRESET, TEXTS, run
from transforms import ClassifyText, EmbedText
from transforms.unit_batch import UnitBatch


class Mail(typing.NamedTuple):
    id: int
    body: str
    note: str | None


@dataclasses.dataclass(frozen=True)
class Post:
    id: int
    body: str
    note: str | None


MADE = {
    "dict": lambda i, text: {"id": i, "body": text, "note": None},
    "row": lambda i, text: beam.Row(id=i, body=text, note=f"n{i}"),
    "named tuple": lambda i, text: Mail(i, text, None),
    "data class": lambda i, text: Post(i, text, f"n{i}"),
}
HINTS = {
    "dict": None,
    "row": RowTypeConstraint.from_fields([("id", int), ("body", str), ("note", str)]),
    "named tuple": Mail,
    "data class": Post,
}


@pytest.fixture(scope="module")
def scores() -> dict[str, np.ndarray]:
    """The probability of each label, by text."""
    predictor = Predictor.from_preset(PRESET)
    return dict(zip(TEXTS, predictor(TEXTS), strict=True))


@pytest.fixture(scope="module")
def vectors() -> dict[str, np.ndarray]:
    predictor = Predictor.from_preset(PRESET, task="embed")
    return dict(zip(TEXTS, predictor(TEXTS), strict=True))


def fields_of(row) -> dict:
    """The fields of a row, which has been through a coder for its schema if it has one."""
    if isinstance(row, dict):
        return row
    return row.as_dict() if isinstance(row, beam.Row) else row._asdict()


def test_a_text_becomes_a_row_of_it_and_its_label(scores):
    rows = run(TEXTS, ClassifyText(PRESET))
    assert {row.text for row in rows} == set(TEXTS)
    for row in rows:
        assert row._fields == ("text", "label", "score")
        assert row.label == ["negative", "positive"][scores[row.text].argmax()]
        assert row.score == pytest.approx(scores[row.text].max(), abs=1e-6)


@pytest.mark.parametrize("kind", MADE)
def test_rows_come_back_as_rows_with_labels(kind, scores):
    given = [MADE[kind](i, text) for i, text in enumerate(TEXTS)]
    rows = run(given, ClassifyText(PRESET, "body"), HINTS[kind])
    assert len(rows) == len(TEXTS)
    for row in rows:
        fields = fields_of(row)
        assert list(fields) == ["id", "body", "note", "label", "score"]
        assert fields["body"] == TEXTS[fields["id"]]
        assert fields["score"] == pytest.approx(scores[fields["body"]].max(), abs=1e-6)
    assert (kind == "dict") is isinstance(rows[0], dict)


@pytest.mark.parametrize("kind", MADE)
def test_rows_come_back_as_rows_with_vectors(kind, vectors):
    given = [MADE[kind](i, text) for i, text in enumerate(TEXTS)]
    for row in run(given, EmbedText(PRESET, "body"), HINTS[kind]):
        fields = fields_of(row)
        assert isinstance(fields["embedding"], list)
        np.testing.assert_allclose(fields["embedding"], vectors[fields["body"]], atol=1e-6)


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()], ids=str)
def test_a_record_batch_comes_back_with_more_columns(type_, scores, vectors):
    batch = pa.RecordBatch.from_pydict(
        {"id": pa.array(range(len(TEXTS))), "text": pa.array(TEXTS, type_)},
        metadata={"owner": "me"},
    )
    both = ClassifyText(PRESET) | EmbedText(PRESET, embedding_dtype="float16")
    (found,) = run([batch], both)
    assert found.schema.names == ["id", "text", "label", "score", "embedding"]
    assert found.schema.metadata == {b"owner": b"me"}
    assert found.column("text").equals(batch.column("text"))
    assert found.schema.field("embedding").type == pa.list_(pa.float16(), 384)
    for text, score, vector in zip(*map(found.column, ["text", "score", "embedding"]), strict=True):
        assert score.as_py() == pytest.approx(scores[text.as_py()].max(), abs=1e-6)
        np.testing.assert_allclose(vector.as_py(), vectors[text.as_py()], atol=2e-3)


def test_an_empty_record_batch_gets_the_columns():
    batch = pa.RecordBatch.from_pydict({"text": pa.array([], pa.string())})
    (found,) = run([batch], ClassifyText(PRESET))
    assert found.schema.field("label").type == pa.string()
    assert found.schema.field("score").type == pa.float32()


def test_a_batch_of_read_corpus_keeps_its_place():
    rows = pa.RecordBatch.from_pydict(
        {"text": ["fine", "bad"], "source": ["a", "a"], "position": [3, 9]}
    )
    given = UnitBatch(rows, start=7, num_read=2, source="a")
    (found,) = run([given], ClassifyText(PRESET))
    assert (found.start, found.num_read, found.source) == (7, 2, "a")
    assert found.rows.column("position").to_pylist() == [3, 9]
    assert found.counts["truncated"] == 0
    assert found.counts["tokens"] == 6


def test_small_record_batches_go_through_the_model_together_and_come_back_apart():
    given = [
        pa.RecordBatch.from_pydict({"n": [n] * n, "text": TEXTS[:n]}) for n in range(len(TEXTS))
    ]
    found = run(given, ClassifyText(PRESET))
    assert sorted(len(batch) for batch in found) == list(range(len(TEXTS)))
    for batch in found:
        assert batch.column("n").to_pylist() == [len(batch)] * len(batch)
        assert batch.column("text").to_pylist() == TEXTS[: len(batch)]


def test_all_that_a_classifier_tells_has_a_schema(scores):
    everything = ClassifyText(PRESET, probabilities=True, top_k=2, token_counts=True)
    for row in run(["A fine day.", "a" * 3000], everything):
        assert row._fields == (
            *("text", "num_tokens", "truncated", "label", "score", "probabilities", "top"),
        )
        assert row.probabilities["positive"] == pytest.approx(scores[row.text][1], abs=1e-6)
        assert row.top[0].label == row.label
        assert not row.truncated


def test_what_works_with_schemas_works_with_labelled_rows(scores):
    expected = Counter(["negative", "positive"][of.argmax()] for of in scores.values())
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        rows = pipeline | beam.Create(TEXTS) | ClassifyText(PRESET)
        by_label = beam.GroupBy("label").aggregate_field("score", CountCombineFn(), "texts")
        counts = rows | by_label | beam.Map(tuple)
        assert_that(counts, equal_to(list(expected.items())))
    assert isinstance(beam.coders.registry.get_coder(rows.element_type), beam.coders.RowCoder)


def test_the_columns_of_results_can_be_called_something_else():
    names = {"label": "topic", "score": "sure"}
    two = ClassifyText(PRESET) | "again" >> ClassifyText(PRESET, rename=names)
    (row,) = run([{"text": "fine"}], two)
    assert list(row) == ["text", "label", "score", "topic", "sure"]
    assert row["label"] == row["topic"]


@pytest.mark.parametrize(
    ("element", "transform", "message"),
    [
        (beam.Row(text="a", label="b"), ClassifyText(PRESET), "the rows have 'label' already"),
        (beam.Row(body="a"), ClassifyText(PRESET), "the rows have no 'text', but body"),
        ("a", ClassifyText(PRESET, "text", "other"), "pairs are rows with two columns"),
        ("a", ClassifyText(PRESET, rename={"label": "text"}), "give each a name of its own"),
        ("a", ClassifyText(PRESET, rename={"labels": "x"}), "what is added is label, score"),
        ("a", ClassifyText("sentiment_tiny"), "did you mean 'sentiment_tiny_en'"),
        ("a", ClassifyText(PRESET, threshold=0.2), "^threshold=0.2 is for presets whose labels"),
        ("a", ClassifyText(PRESET, sequence_length=2), "^sequence_length=2 leaves no room"),
        ("a", EmbedText(PRESET, dimensions=900), "cannot keep 900"),
        ("a", EmbedText(PRESET, prompt="query"), "prompt"),
    ],
    ids=range(10),
)
def test_what_cannot_work_is_refused_before_any_work(element, transform, message):
    pipeline = beam.Pipeline(runner=FnApiRunner())
    rows = pipeline | beam.Create([element])
    with pytest.raises(UserError, match=message):
        _ = rows | transform


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (b"text", "an element of the type bytes is none of str, dict, beam.Row, .*rejected = "),
        ({"text": "a", "score": 1}, "the rows have 'score' already: .* rename={'score': 'new_"),
        (pa.RecordBatch.from_pydict({"body": ["a"]}), "no column 'text', but body"),
        (pa.RecordBatch.from_pydict({"text": [1]}), "the column 'text' is int64"),
    ],
    ids=range(4),
)
def test_what_cannot_work_ends_the_pipeline_with_the_way_out(element, message):
    with pytest.raises(Exception, match=message):
        run([element], ClassifyText(PRESET))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClassifyText(3), "takes a preset first"),
        (lambda: ClassifyText(PRESET, long_text="cut"), "'cut' is not one of 'truncate', 'wind"),
        (lambda: ClassifyText(PRESET, precision="half"), "'half' is not one of 'auto', 'fast'"),
        (lambda: ClassifyText(PRESET, backend="torch"), "'torch' is not one of 'tensorflow'"),
        (lambda: ClassifyText(PRESET, top_k=0), "top_k must be a positive integer, not 0"),
        (lambda: ClassifyText(PRESET, batch_tokens=True), "batch_tokens must be a positive"),
        (lambda: ClassifyText(PRESET, threshold=2), "threshold must be from 0 to 1"),
        (lambda: ClassifyText(PRESET, "a", "a"), "name two columns"),
        (lambda: ClassifyText(PRESET, precision="int8", backend="jax"), "is for TensorFlow"),
        (lambda: EmbedText(PRESET, embedding_dtype="int8"), "is for python -m pipelines.embed"),
        (lambda: EmbedText(PRESET, embedding_dtype="float64"), "not one of 'float32', 'float16'"),
        (lambda: EmbedText(PRESET, pooling="sum"), "pooling='sum' is not one of"),
    ],
    ids=range(12),
)
def test_an_argument_that_is_none_of_its_choices_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
