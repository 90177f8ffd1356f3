import csv
import json
from collections import Counter
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from examples import own_pipeline, rows_in_and_out, two_models
from examples.mails import mails
from transforms.writing.manifest import read_manifest

ROOT = Path(__file__).parents[1]


def test_the_mails_are_what_their_script_writes():
    with (ROOT / "examples/mails.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["text", "queue"]
    assert [tuple(row) for row in rows] == list(mails(600, seed=0))


def test_every_queue_has_as_many_mails():
    assert set(Counter(queue for _, queue in mails(50, seed=3)).values()) == {10}


@pytest.fixture
def reviews(tmp_path):
    texts = ["A fine day &amp; a lovely lake.", "Cold soup, slow service.", None]
    rows = [{"id": i, "text": text} for i, text in enumerate(texts)]
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return f"--input={tmp_path / 'reviews.jsonl'}"


def result_in(folder: Path) -> list[dict]:
    """The rows of a result; of what was rejected the manifest tells."""
    manifest = read_manifest(str(folder))
    assert manifest is not None
    assert manifest["rows"] == {"read": 3, "written": 2, "rejected": 1, "truncated": 0}
    (part,) = folder.glob("*.parquet")
    return pq.read_table(part).to_pylist()


def test_a_pipeline_of_ones_own(reviews, tmp_path):
    own_pipeline.main([reviews, f"--output={tmp_path / 'out'}"])
    rows = result_in(tmp_path / "out")
    assert [row["text"] for row in rows] == [
        "A fine day & a lovely lake.",
        "Cold soup, slow service.",
    ]
    assert [row["label"] for row in rows] == ["positive", "negative"]
    assert [len(row["top"]) for row in rows] == [2, 2]


def test_rows_in_and_out():
    rows = [{"id": 1, "review": "A fine day."}, {"id": 2, "review": None}]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        labelled, rejected = rows_in_and_out.label(pipeline | beam.Create(rows))
        names = labelled | beam.Map(lambda row: (row["id"], row["sentiment"], sorted(row)))
        expected = (1, "positive", ["id", "review", "score", "sentiment"])
        assert_that(names, equal_to([expected]), "labelled")
        assert_that(rejected, equal_to([{"id": 2, "error": "'review' is null"}]), "rejected")


def test_two_models_over_one_reading(reviews, tmp_path):
    two_models.main([reviews, f"--output={tmp_path / 'out'}"])
    rows = result_in(tmp_path / "out")
    assert [row["label"] for row in rows] == ["positive", "negative"]
    lengths = [np.linalg.norm(np.array(row["embedding"], np.float32)) for row in rows]
    np.testing.assert_allclose(lengths, 1, atol=1e-3)
