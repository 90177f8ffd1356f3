"""What the manifest says of tokens and cut texts."""

import apache_beam as beam
import pytest

from tests.transforms.rows.running import PRESET, pipeline_of
from transforms import ClassifyText, EmbedText, ReadCorpus, WriteResults
from transforms.writing.manifest import read_manifest

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
