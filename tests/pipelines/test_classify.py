import gzip
import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models import backends
from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from pipelines import classify as classify_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.conftest import TEXTS
from tests.pipelines.labelling import LENGTH, LONG, json_lines, predicted


@pytest.fixture(scope="module")
def reviews(tiny_preset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with every column that can be asked for, over a row too long and a row without text."""
    folder = tmp_path_factory.mktemp("reviews")
    rows: list[dict[str, Any]] = [
        {"id": i, "text": text, "label": f"gold {i}", "tags": ["a", str(i)]}
        for i, text in enumerate([*TEXTS, LONG])
    ]
    rows.insert(4, {"id": 99, "text": None, "label": "none", "tags": []})
    (folder / "reviews.jsonl.gz").write_bytes(gzip.compress(json_lines(rows)))
    output = folder / "out"
    return run(
        classify_command.main,
        output,
        f"--input={folder}/reviews.jsonl.gz",
        f"--preset={tiny_preset}",
        f"--output={output}",
        "--probabilities",
        "--top_k=2",
        f"--sequence_length={LENGTH}",
    )


@pytest.fixture(scope="module")
def short_predictor(tiny_preset: Path) -> Predictor:
    return Predictor.from_preset(tiny_preset, sequence_length=LENGTH)


def test_a_run_ends_well_and_leaves_what_it_promised(reviews):
    assert (reviews.code, reviews.err) == (0, "")
    names = sorted(str(p.relative_to(reviews.folder)) for p in reviews.folder.rglob("*.*"))
    assert names == [
        "_MANIFEST.json",
        "part-00000-of-00001.parquet",
        "rejected/part-00000-of-00001.parquet",
    ]


def test_input_columns_come_first_and_unchanged(reviews):
    assert reviews.table.column_names == [
        *("id", "text", "input_label", "tags", "source", "position"),
        *("num_tokens", "truncated", "label", "score", "probabilities", "top"),
    ]
    assert reviews.column("id") == list(range(len(TEXTS) + 1))
    assert reviews.column("text") == [*TEXTS, LONG]
    assert reviews.column("tags")[3] == ["a", "3"]


def test_labels_are_those_of_the_predictor(reviews, short_predictor):
    labels, probabilities = predicted(short_predictor, [*TEXTS, LONG])
    assert set(labels) == {"negative", "positive"}
    assert reviews.column("label") == labels
    np.testing.assert_allclose(reviews.column("score"), probabilities.max(axis=1), atol=1e-6)


def test_probabilities_are_a_struct_that_sums_to_one(reviews, short_predictor):
    struct = reviews.table.column("probabilities").combine_chunks()
    assert struct.type == pa.struct([("negative", pa.float32()), ("positive", pa.float32())])
    found = np.stack(struct.flatten(), axis=1)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, predicted(short_predictor, [*TEXTS, LONG])[1], atol=1e-6)


def test_top_lists_the_likeliest_labels_first(reviews):
    for top, label, score in zip(*map(reviews.column, ("top", "label", "score")), strict=True):
        assert top[0] == {"label": label, "score": score}
        assert top[1]["score"] == pytest.approx(1 - score, abs=1e-6)
        assert {entry["label"] for entry in top} == {"negative", "positive"}


def test_a_label_column_of_the_input_is_renamed_and_that_is_said(reviews):
    assert reviews.column("input_label") == [f"gold {i}" for i in range(len(TEXTS) + 1)]
    assert "input column label → input_label" in reviews.out


def test_truncated_rows_are_marked_counted_and_said(reviews):
    assert reviews.column("truncated") == [False] * len(TEXTS) + [True]
    assert reviews.column("num_tokens")[-1] > LENGTH
    assert reviews.manifest["rows"]["truncated"] == 1
    assert f"1 row longer than {LENGTH} tokens" in reviews.out


def test_a_rejected_row_is_kept_with_its_reason_and_is_said(reviews):
    (row,) = reviews.rejected
    assert json.loads(row["raw"])["id"] == 99
    assert (row["stage"], row["error"]) == ("read", "'text' is not a string but null")
    assert f"1 row, kept in {reviews.folder}/rejected" in reviews.out
    assert "1 × 'text' is not a string but null" in reviews.out


def test_the_summary_counts_labels_and_shows_rows(reviews):
    counts = Counter(reviews.column("label"))
    assert f"{len(TEXTS) + 1} rows labelled in" in reviews.out
    for label in ("negative", "positive"):
        line = rf"  {label} +{counts[label]} +{counts[label] / 11:.1%}  █+"
        assert re.search(line, reviews.out)
    scores = dict(zip(reviews.column("text"), reviews.column("score"), strict=True))
    *_, said = reviews.out.partition("least certain\n")
    shown = said.partition("\n\n")[0].splitlines()
    doubtful = sorted(scores, key=lambda text: scores[text])[:3]
    assert len(shown) == 3
    for line, text in zip(shown, doubtful, strict=True):
        assert text[:40] in line


def test_rows_in_are_rows_out_and_rejected_rows(reviews):
    rows = reviews.manifest["rows"]
    assert rows == {"read": 12, "written": 11, "rejected": 1, "truncated": 1}
    assert reviews.table.num_rows == 11
    assert reviews.manifest["rejected"] == {
        "stages": {"read": 1},
        "errors": {"'text' is not a string but null": 1},
    }


def test_digests_and_rows_of_the_parts_are_those_on_disk(reviews):
    for entries, files in (
        (reviews.manifest["parts"], reviews.parts),
        (reviews.manifest["rejected_parts"], reviews.rejected_parts),
    ):
        assert [reviews.folder / entry["path"] for entry in entries] == files
        for entry, file in zip(entries, files, strict=True):
            content = file.read_bytes()
            assert entry["bytes"] == len(content)
            assert entry["sha256"] == hashlib.sha256(content).hexdigest()
            assert entry["rows"] == pq.ParquetFile(file).metadata.num_rows


def test_the_manifest_tells_inputs_model_tokens_and_labels(reviews, tiny_preset):
    manifest = reviews.manifest
    (entry,) = manifest["inputs"]
    file = reviews.folder.parent / "reviews.jsonl.gz"
    assert (entry["source"], entry["bytes"], entry["rows"]) == (str(file), file.stat().st_size, 12)
    assert entry["fingerprint"].startswith("sha256-sampled:")
    assert manifest["model"] == {
        "preset": str(tiny_preset),
        "family": "bert",
        "weights": open_preset(tiny_preset).digest,
        "labels": ["negative", "positive"],
        "sequence_length": LENGTH,
        "long_text": "truncate",
        "precision": manifest["model"]["precision"],
        "backend": backends.name(),
    }
    assert manifest["tokens"]["real"] == sum(reviews.column("num_tokens"))
    assert manifest["tokens"]["padded"] >= 0
    assert manifest["labels"] == Counter(reviews.column("label"))
    assert manifest["columns"]["id"] == "int64"
    assert {"textbeam", "python", "apache-beam", "tensorflow"} <= manifest["versions"].keys()
    assert manifest["seconds"] > 0


def test_every_part_carries_the_model_in_its_metadata(reviews, tiny_preset):
    for part in [*reviews.parts, *reviews.rejected_parts]:
        metadata = pq.ParquetFile(part).metadata.metadata
        assert metadata[b"preset"].decode() == str(tiny_preset)
        assert metadata[b"weights"].decode() == open_preset(tiny_preset).digest
        assert metadata[b"sequence_length"] == str(LENGTH).encode()
        assert {b"precision", b"textbeam"} <= metadata.keys()
        assert (
            reviews.manifest["metadata"].items()
            == {k.decode(): v.decode() for k, v in metadata.items() if k != b"ARROW:schema"}.items()
        )
