"""Batches that are lost between reading and writing are no result."""

import typing

import apache_beam as beam
import pyarrow as pa
import pytest

from tests.transforms.rows.running import pipeline_of, rows_in
from transforms import ReadCorpus, WriteResults
from transforms.reading import units
from transforms.verification import verify
from transforms.writing.manifest import read_manifest

SCHEMA = pa.schema([("text", pa.string()), ("source", pa.string()), ("position", pa.int64())])


@pytest.fixture
def reviews(tmp_path):
    """A file, one line of which has no text."""
    (tmp_path / "reviews.jsonl").write_text('{"body": "Good."}\n{"body": null}\n{"body": "Bad."}\n')
    return str(tmp_path / "reviews.jsonl")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            beam.Map(lambda batch: batch.with_rows(batch.rows.slice(1))),
            r"take rows out with batch.reject\(…\)",
        ),
        (beam.Filter(lambda batch: batch.is_last), "did not come to be written, or twice"),
        (beam.Filter(lambda batch: not batch.is_last), "did not come to be written to its end"),
        (beam.FlatMap(lambda batch: [batch, batch]), "did not come to be written, or twice"),
    ],
    ids=["fewer rows", "no rows", "no end", "doubled"],
)
def test_rows_that_are_lost_on_the_way_are_no_result(step, message, reviews, tmp_path):
    pipeline = pipeline_of()
    read = pipeline | ReadCorpus(reviews, text_column="body")
    _ = read | step.with_output_types(typing.Any) | WriteResults(str(tmp_path / "out"))
    with pytest.raises(Exception, match=message):
        pipeline.run()
    assert read_manifest(str(tmp_path / "out")) is None


@pytest.fixture
def two_units(tmp_path, monkeypatch):
    """A folder of two files, which are units of their own."""
    monkeypatch.setattr(units, "unit_bytes_of", lambda corpus: 8)
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.txt").write_bytes(f"{name} 1\n{name} 2\n".encode())
    return str(tmp_path / "in")


def is_of(name):
    return lambda batch: batch.unit.files[0].path.endswith(f"{name}.txt")


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (is_of("a"), "nothing of 1 of the 2 parts that a corpus was read in came to be written"),
        (lambda batch: False, "nothing of what was read came to be written"),
    ],
    ids=["one", "none"],
)
@pytest.mark.parametrize("given", [None, SCHEMA], ids=["", "schema"])
def test_whole_units_that_are_lost_on_the_way_are_no_result(
    kept, message, given, two_units, tmp_path
):
    pipeline = pipeline_of()
    batches = pipeline | ReadCorpus(two_units) | beam.Filter(kept)
    _ = batches | WriteResults(str(tmp_path / "out"), schema=given)
    with pytest.raises(Exception, match=message):
        pipeline.run()
    assert read_manifest(str(tmp_path / "out")) is None


def test_units_may_go_different_ways_and_two_corpora_one(two_units, tmp_path):
    (tmp_path / "c.txt").write_text("c 1\n")
    with pipeline_of() as pipeline:
        read = pipeline | "two" >> ReadCorpus(two_units)
        first = read | "first" >> beam.Filter(is_of("a"))
        second = read | "second" >> beam.Filter(is_of("b"))
        other = pipeline | "other" >> ReadCorpus(str(tmp_path / "c.txt"))
        _ = (first, second, other) | beam.Flatten() | WriteResults(str(tmp_path / "out"))
    texts = [row["text"] for row in rows_in(tmp_path / "out")]
    assert sorted(texts) == ["a 1", "a 2", "b 1", "b 2", "c 1"]
    assert not verify(str(tmp_path / "out")).problems
