"""What the manifest says of tokens and cut texts."""

import apache_beam as beam
import pyarrow as pa
import pytest

from tests.transforms.rows.running import PRESET, pipeline_of
from transforms import ClassifyText, EmbedText, ReadCorpus, WriteResults
from transforms.verification import verify
from transforms.writing.manifest import append_manifest, read_manifest

TEXTS = "one two three four five six seven\nshort\n"  # of 9 and 3 tokens


def counted(tmp_path, *steps) -> dict:
    """Returns the manifest of two texts that went through steps."""
    (tmp_path / "a.txt").write_text(TEXTS)
    with pipeline_of() as pipeline:
        rows = pipeline | ReadCorpus(str(tmp_path / "a.txt"))
        for number, step in enumerate(steps):
            rows = rows | f"{number}" >> step
        _ = rows | WriteResults(str(tmp_path / "out"))
    manifest = read_manifest(str(tmp_path / "out"))
    assert manifest is not None
    assert manifest["rows"]["truncated"] <= manifest["rows"]["written"]
    return manifest


@pytest.mark.parametrize(
    "rename",
    [
        {},
        {"num_tokens": "n", "truncated": "cut"},
        {"num_tokens": "n"},
        {"truncated": "cut"},
        {"num_tokens": "n", "label": "num_tokens", "truncated": "cut", "score": "truncated"},
    ],
)
def test_columns_of_any_name_are_counted_once(rename, tmp_path):
    classify = ClassifyText(PRESET, sequence_length=6, token_counts=True, rename=rename)
    manifest = counted(tmp_path, classify)
    assert manifest["rows"]["truncated"] == 1
    assert manifest["tokens"]["real"] == 12
    assert manifest["runs"][0]["tokens"] == 12


NAMES = {"num_tokens": "n", "truncated": "cut"}


@pytest.mark.parametrize("first", [6, 64])
@pytest.mark.parametrize("second", [6, 64])
@pytest.mark.parametrize(
    ("counts", "others"),
    [(False, False), (True, False), (False, True), (True, True)],
    ids=["neither", "first", "second", "both"],
)
def test_a_text_that_two_models_cut_is_one(first, second, counts, others, tmp_path):
    manifest = counted(
        tmp_path,
        ClassifyText(PRESET, sequence_length=first, token_counts=counts),
        EmbedText(
            PRESET,
            sequence_length=second,
            token_counts=others,
            rename=NAMES if counts and others else {},
        ),
    )
    assert manifest["rows"]["truncated"] == int(6 in (first, second))
    assert manifest["tokens"]["real"] == 24


def test_a_text_that_is_rejected_after_it_was_cut_is_not_among_those_written(tmp_path):
    reject = beam.Map(
        lambda batch: batch.reject(dict.fromkeys(range(len(batch)), "odd"), ["text"], "my step")
    )
    manifest = counted(tmp_path, ClassifyText(PRESET, sequence_length=6), reject)
    assert manifest["rows"] == {"read": 2, "written": 0, "rejected": 2, "truncated": 0}


def written(tmp_path, rows, **arguments) -> dict:
    """Returns the manifest of rows of one's own that went through a model."""
    with pipeline_of() as pipeline:
        labelled = pipeline | beam.Create(rows) | ClassifyText(PRESET, **arguments)
        _ = labelled | WriteResults(str(tmp_path / "out"))
    assert not verify(str(tmp_path / "out")).problems
    manifest = read_manifest(str(tmp_path / "out"))
    assert manifest is not None
    return manifest


def batch_of(*texts: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"text": texts})


@pytest.mark.parametrize("rows", [TEXTS.splitlines(), [batch_of(*TEXTS.splitlines())]])
def test_what_nothing_counted_is_not_in_the_manifest(rows, tmp_path):
    manifest = written(tmp_path, rows, sequence_length=6)
    assert manifest["rows"] == {"read": 2, "written": 2, "rejected": 0}
    assert manifest["tokens"] == {}
    assert "tokens" not in manifest["runs"][0]


@pytest.mark.parametrize("rows", [TEXTS.splitlines(), [batch_of(*TEXTS.splitlines())]])
def test_columns_tell_what_was_cut_of_any_rows(rows, tmp_path):
    manifest = written(tmp_path, rows, sequence_length=6, token_counts=True)
    assert manifest["rows"] == {"read": 2, "written": 2, "rejected": 0, "truncated": 1}
    assert manifest["tokens"] == {"real": 12}
    assert manifest["runs"][0]["tokens"] == 12


def test_what_was_not_counted_of_all_rows_is_not_known():
    counted = {"read": 2, "written": 2, "rejected": 0, "truncated": 1}
    uncounted = {"read": 3, "written": 3, "rejected": 0}
    other = {"tokens": {}, "rejected": {"errors": {}}, "inputs": [], "parts": []}
    other |= {"rejected_parts": [], "runs": [], "started": "", "seconds": 1}
    first, second = ({"rows": rows, **other} for rows in (counted, uncounted))
    for earlier, new in ((first, second), (second, first)):
        rows = append_manifest(earlier, new)["rows"]
        assert rows == {"read": 5, "written": 5, "rejected": 0}
    assert append_manifest(first, first)["rows"]["truncated"] == 2
