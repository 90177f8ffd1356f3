"""A row that cannot go on ends the pipeline, or comes out with the reason: none is lost."""

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from tests.transforms.rows.running import PRESET, Kept, run
from transforms import ClassifyText, EmbedText, RejectedRow
from transforms.rows.texts import text_problem
from transforms.unit_batch import UnitBatch

WRONG = {
    "null": ({"id": 1, "text": None}, "'text' is null"),
    "missing": ({"id": 1, "body": "a"}, "no 'text' in the row, which has 'id', 'body'"),
    "number": ({"id": 1, "text": 5}, "'text' is not a string but 5"),
    "bytes": ({"id": 1, "text": b"a"}, "'text' is not a string but b'a'"),
}


def both(elements, transform) -> tuple[list, list]:
    """Returns what comes out of a transform, and what it rejects."""
    good, bad = Kept(), Kept()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        rows, rejected = pipeline | beam.Create(elements) | transform
        _ = rows | "good" >> good
        _ = rejected | beam.Reshuffle() | "bad" >> bad
    return good.elements, bad.elements


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_row_does_not_take_its_neighbours_along(kind):
    row, error = WRONG[kind]
    others = [{"id": 0, "text": "fine"}, {"id": 2, "text": ""}]
    good, bad = both([others[0], row, others[1]], ClassifyText(PRESET).with_exception_handling())
    assert sorted(each["id"] for each in good) == [0, 2]
    assert bad == [RejectedRow(row, "read", error)]


@pytest.mark.parametrize("kind", WRONG)
def test_without_a_way_for_it_a_wrong_row_ends_the_pipeline(kind):
    row, error = WRONG[kind]
    with pytest.raises(Exception, match="rows, rejected = ") as found:
        run([{"id": 0, "text": "fine"}, row], ClassifyText(PRESET))
    said = str(found.value)
    assert f"ClassifyText rejects a row (read: {error}): {{'id': 1" in said
    assert "ClassifyText(…).with_exception_handling()" in said


NO_ROWS = {"int": 5, "bytes": b"fine", "list": ["fine"], "tuple": ("a", "b"), "set": {"fine"}}
TRANSFORMS = pytest.mark.parametrize("transform", [ClassifyText, EmbedText])


@TRANSFORMS
def test_elements_of_no_kind_are_rejected_beside_rows_of_any(transform):
    wrong = list(NO_ROWS.values())
    rows = [wrong[0], {"text": "fine"}, *wrong[1:], "fine"]
    good, bad = both(rows, transform(PRESET).with_exception_handling())
    assert len(good) == 2
    assert sorted(bad, key=lambda each: repr(each.row)) == [
        RejectedRow(
            row,
            "read",
            f"an element of the type {type(row).__name__} is none of str, dict, beam.Row, "
            "NamedTuple, dataclass, pyarrow.RecordBatch, and what ReadCorpus gives",
        )
        for row in sorted(wrong, key=repr)
    ]


@TRANSFORMS
@pytest.mark.parametrize("kind", NO_ROWS)
def test_an_element_of_no_kind_ends_the_pipeline_with_the_way_out(transform, kind):
    with pytest.raises(Exception, match="rows, rejected = ") as found:
        run(["fine", NO_ROWS[kind]], transform(PRESET))
    said = f"{transform.__name__} rejects a row (read: an element of the type {kind} is none of "
    assert said in str(found.value)


def test_a_single_text_among_pairs_is_rejected_alone():
    rows = [{"a": "fine", "b": "day"}, "fine"]
    good, bad = both(rows, ClassifyText(PRESET, "a", "b").with_exception_handling())
    assert len(good) == 1
    problem = "pairs are rows with two columns, and an element is a str: make it a dict"
    assert bad == [RejectedRow("fine", "read", problem)]
    with pytest.raises(Exception, match=problem):
        run(rows, ClassifyText(PRESET, "a", "b"))


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"body": ["a", "b"]}, "a record batch has no column 'text', but body"),
        ({"text": [1, 2]}, "the column 'text' is int64, and texts are strings"),
        ({"text": ["a", "b"], "label": [1, 2]}, "the rows have 'label' already"),
    ],
)
def test_a_record_batch_of_other_columns_is_rejected_row_by_row(columns, problem):
    wrong = pa.RecordBatch.from_pydict(columns)
    right = pa.RecordBatch.from_pydict({"text": ["fine"]})
    (good,), bad = both([wrong, right], ClassifyText(PRESET).with_exception_handling())
    assert good.column("text").to_pylist() == ["fine"]
    assert sorted(map(repr, (each.row for each in bad))) == sorted(map(repr, wrong.to_pylist()))
    assert {each.stage for each in bad} == {"read"}
    assert all(problem in each.error for each in bad)
    with pytest.raises(Exception, match=problem):
        run([wrong], ClassifyText(PRESET))


def test_a_row_with_a_column_of_a_results_name_is_rejected_alone():
    rows = [{"id": 0, "text": "fine"}, {"id": 1, "text": "fine", "label": 3}]
    good, bad = both(rows, ClassifyText(PRESET).with_exception_handling())
    assert [row["id"] for row in good] == [0]
    assert bad == [RejectedRow(rows[1], "read", "'label' is in the row already")]


def test_half_of_a_surrogate_pair_is_no_text():
    # Only a coder that pickles would bring it here: Beam's own writes strings as UTF-8.
    assert text_problem("a\ud800", "text", {}) == "'text' cannot be written as UTF-8"
    assert text_problem("Größte 😂", "text", {}) is None


def test_all_rows_may_be_wrong():
    good, bad = both([None, None], ClassifyText(PRESET).with_exception_handling())
    assert good == []
    assert bad == [RejectedRow(None, "read", "'text' is null")] * 2


def test_rejected_rows_of_a_record_batch_are_dicts():
    batch = pa.RecordBatch.from_pydict({"id": [1, 2, 3], "text": ["fine", None, "bad"]})
    (good,), bad = both([batch], ClassifyText(PRESET).with_exception_handling())
    assert good.column("id").to_pylist() == [1, 3]
    assert good.column("label").to_pylist() == ["positive", "negative"]
    assert bad == [RejectedRow({"id": 2, "text": None}, "read", "'text' is null")]


def test_a_string_of_a_record_batch_that_is_not_utf_8_is_rejected_alone():
    texts = pa.Array.from_buffers(
        pa.string(), 2, [None, *pa.array([b"\xff\xfe", b"fine"], pa.binary()).buffers()[1:]]
    )
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2]), texts], ["id", "text"])
    rows = batch.select(["id", "text"])
    good, bad = Kept(), Kept()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        labelled, rejected = (
            pipeline | beam.Create([rows]) | ClassifyText(PRESET).with_exception_handling()
        )
        _ = labelled | beam.Map(lambda batch: batch.column("id").to_pylist()) | "good" >> good
        _ = rejected | beam.Map(lambda row: row.error) | "bad" >> bad
    assert good.elements == [[2]]
    assert bad.elements == ["'text' is not UTF-8"]


def test_a_batch_of_read_corpus_takes_its_rejected_rows_along():
    rows = pa.RecordBatch.from_pydict(
        {"text": ["fine", None, "bad"], "source": ["a"] * 3, "position": [3, 6, 9]}
    )
    (found,) = run([UnitBatch(rows, num_read=3, source="a")], ClassifyText(PRESET))
    assert found.rows.column("position").to_pylist() == [3, 9]
    assert found.rejected.to_pylist() == [
        {"source": "a", "position": 6, "raw": None, "stage": "read", "error": "'text' is null"}
    ]


def test_rejected_and_truncated_rows_are_counted():
    pipeline = beam.Pipeline(runner=FnApiRunner())
    classify = ClassifyText(PRESET, sequence_length=8).with_exception_handling()
    _ = pipeline | beam.Create(["one two three four five six seven eight nine", None]) | classify
    result = pipeline.run()
    result.wait_until_finish()
    counters = result.metrics().query(MetricsFilter().with_namespace("textbeam"))["counters"]
    found = {each.key.metric.name: each.committed for each in counters}
    assert found["rows_truncated"] == 1
    assert found["rows_rejected"] == 1
    assert found["rows_done"] == 1
