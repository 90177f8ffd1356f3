import bz2
import csv
import gzip
import hashlib
import io
import json
import re
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

import transforms.read
from models.predictor import Predictor
from models.presets import open_preset
from pipelines import classify as classify_command
from tests.pipelines.command_runs import ROOT, Run, run, run_process
from tests.pipelines.conftest import TEXTS
from transforms.progress import PROGRESS
from transforms.units import split_file

LONG = " ".join(TEXTS)
LENGTH = 24

NOISE = ("WARNING", "I0000", "W0000", "E0000", "oneDNN", "Traceback", "INFO", "cuda")


def json_lines(rows: list[Any]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def predicted(predictor: Predictor, *texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Labels and probabilities, as the predictor gives them without Beam."""
    probabilities = predictor(*texts)
    return [predictor.labels[best] for best in probabilities.argmax(axis=1)], probabilities


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


# The columns of the result


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
    assert f"1 row, kept in {reviews.folder}/rejected" in reviews.out.replace("\n", "")
    assert "1 × 'text' is not a string but null" in reviews.out


def test_the_summary_counts_labels_and_shows_rows(reviews):
    counts = Counter(reviews.column("label"))
    assert f"{len(TEXTS) + 1} rows labelled in" in reviews.out
    for label in ("negative", "positive"):
        line = rf"  {label} +{counts[label]} +{counts[label] / 11:.1%}  █+"
        assert re.search(line, reviews.out)
    assert TEXTS[0] in reviews.out


# The manifest


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


# Formats and files


def delimited(separator: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(["id", "text"])
    writer.writerows(enumerate(TEXTS))
    return text.getvalue().encode()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": range(len(TEXTS)), "text": TEXTS}), sink, row_group_size=3)
    return sink.getvalue()


FILES = {
    "a.txt.bz2": lambda: bz2.compress("\n".join(TEXTS).encode()),
    "a.jsonl": lambda: json_lines([{"id": i, "text": text} for i, text in enumerate(TEXTS)]),
    "a.csv.gz": lambda: gzip.compress(delimited(",")),
    "a.tsv.zst": lambda: zstandard.compress(delimited("\t")),
    "a.parquet": parquet,
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_labels_in_file_order(name, classify, predictor, tmp_path):
    (tmp_path / name).write_bytes(FILES[name]())
    found = classify(f"--input={tmp_path / name}")
    assert (found.code, found.err) == (0, "")
    assert found.column("text") == TEXTS
    assert found.column("label") == predicted(predictor, TEXTS)[0]
    assert set(found.column("source")) == {str(tmp_path / name)}
    positions = found.column("position")
    assert positions == sorted(set(positions))
    assert found.manifest["rows"]["read"] == len(TEXTS)


def test_parquet_columns_keep_their_types(classify, tmp_path):
    types = {
        "day": pa.date32(),
        "text": pa.string(),
        "stars": pa.int8(),
        "price": pa.decimal128(7, 2),
        "label": pa.int64(),
        "seen": pa.timestamp("ms", "UTC"),
        "parts": pa.list_(pa.struct([("name", pa.string()), ("weight", pa.float32())])),
        "nothing": pa.null(),
    }
    rows = [
        {
            "day": date(2024, 2, i + 1),
            "text": text,
            "stars": i,
            "price": Decimal("10.50"),
            "label": 7,
            "seen": 1_700_000_000_000 + i,
            "parts": [{"name": "x", "weight": 0.5}],
        }
        for i, text in enumerate(TEXTS)
    ]
    table = pa.Table.from_pylist(rows, pa.schema(types.items()))
    pq.write_table(table, tmp_path / "a.parquet")
    found = classify(f"--input={tmp_path / 'a.parquet'}").table
    kept = found.select(range(len(types))).replace_schema_metadata()
    assert kept.rename_columns({"input_label": "label"}) == table


def test_several_inputs_a_folder_and_a_glob_make_one_corpus(classify, tmp_path):
    names = ["one.csv", "folder/two.csv", "folder/three.csv", "globbed/four.csv", "globbed/no.tsv"]
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        lines = [f"{number},{text!r}".replace("'", '"') for text in TEXTS]
        (tmp_path / name).write_text("\n".join(["id,text", *lines]))
    found = classify(
        f"--input={tmp_path}/one.csv", f"--input={tmp_path}/folder", f"--input={tmp_path}/g*/*.csv"
    )
    assert found.code == 0
    wanted = {f"{tmp_path}/{name}": str(i) for i, name in enumerate(names[:4])}
    assert {entry["source"]: entry["rows"] for entry in found.manifest["inputs"]} == dict.fromkeys(
        wanted, len(TEXTS)
    )
    rows = found.table.select(["source", "id", "text", "position"]).to_pylist()
    for source, number in wanted.items():
        of_file = [row for row in rows if row["source"] == source]
        assert [row["text"] for row in of_file] == TEXTS
        assert [row["position"] for row in of_file] == list(range(len(TEXTS)))
        assert {row["id"] for row in of_file} == {number}


def test_rows_of_a_file_that_is_read_in_many_units_come_out_in_file_order(
    classify, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        transforms.read, "split_file", lambda corpus, file: split_file(corpus, file, 200)
    )
    (tmp_path / "a.txt").write_text("\n".join(TEXTS * 5))
    positions = classify(f"--input={tmp_path}/a.txt").column("position")
    assert len(positions) == 5 * len(TEXTS)
    assert positions == sorted(positions)


# Flags


def test_columns_and_limit_keep_a_part_of_the_corpus(classify, tmp_path):
    rows = [{"id": i, "text": text, "more": {"x": i}} for i, text in enumerate(TEXTS)]
    (tmp_path / "a.jsonl").write_bytes(json_lines(rows))
    found = classify(f"--input={tmp_path}/a.jsonl", "--columns=id", "--limit=3")
    assert found.table.column_names[:4] == ["id", "text", "source", "position"]
    assert found.column("id") == [0, 1, 2]
    assert found.manifest["rows"]["read"] == 3


def test_pairs_are_labelled_as_the_predictor_labels_pairs(classify, predictor, tmp_path):
    seconds = TEXTS[::-1]
    pairs = [{"a": a, "b": b} for a, b in zip(TEXTS, seconds, strict=True)]
    (tmp_path / "a.jsonl").write_bytes(json_lines([*pairs, {"a": "alone"}]))
    flags = (f"--input={tmp_path}/a.jsonl", "--text_column=a", "--text_pair_column=b")
    found = classify(*flags)
    labels, probabilities = predicted(predictor, TEXTS, seconds)
    assert found.column("label") == labels
    np.testing.assert_allclose(found.column("score"), probabilities.max(axis=1), atol=1e-6)
    assert [row["error"] for row in found.rejected] == ["no 'b' in the object, which has 'a'"]


def test_results_are_kept_appended_to_or_overwritten(classify, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    (tmp_path / "b.txt").write_text("\n".join(TEXTS[:2]))
    first = classify(f"--input={tmp_path}/a.txt")
    content = first.parts[0].read_bytes()

    refused = classify(f"--input={tmp_path}/b.txt")
    assert "holds results already (10 rows" in refused.error
    assert "--if_exists=overwrite or append" in refused.error
    assert first.parts[0].read_bytes() == content

    appended = classify(f"--input={tmp_path}/b.txt", "--if_exists=append")
    assert appended.column("text") == [*TEXTS, *TEXTS[:2]]
    manifest = appended.manifest
    assert manifest["rows"]["written"] == 12
    assert [run["rows"]["written"] for run in manifest["runs"]] == [10, 2]
    assert [entry["rows"] for entry in manifest["inputs"]] == [10, 2]
    assert manifest["labels"] == Counter(appended.column("label"))
    assert appended.out.startswith("2 rows labelled")  # of this run, not of the folder
    assert first.parts[0].read_bytes() == content

    shorter = classify(f"--input={tmp_path}/b.txt", "--if_exists=append", "--sequence_length=9")
    assert "sequence_length 128, this run has 9" in shorter.error

    replaced = classify(f"--input={tmp_path}/b.txt", "--if_exists=overwrite")
    assert replaced.column("text") == TEXTS[:2]
    assert [path.name for path in replaced.parts] == ["part-00000-of-00001.parquet"]
    assert len(replaced.manifest["runs"]) == 1


@pytest.mark.parametrize(("limit", "code"), [("1", 1), ("2", 0), ("19%", 1), ("20%", 0)], ids=str)
def test_more_rejected_rows_than_allowed_are_exit_code_1(classify, tmp_path, limit, code):
    lines = [*(text.encode() for text in TEXTS[:8]), b"\xff", b"\xfe\xff"]
    (tmp_path / "a.txt").write_bytes(b"\n".join(lines))
    found = classify(f"--input={tmp_path}/a.txt", f"--max_rejected={limit}")
    assert found.code == code
    assert found.manifest["rows"] == {"read": 10, "written": 8, "rejected": 2, "truncated": 0}
    if code:
        assert found.error_line == (
            f"2 of 10 rows were rejected, more than --max_rejected={limit} allows"
        )


def test_output_is_required_with_input(tmp_path):
    found = run(classify_command.main, tmp_path, "--input=a.txt")
    assert found.error == "--output is required with --input: the folder to write to"


@pytest.mark.parametrize(
    ("flags", "least"), [(["--sequence_length=2"], 3), (["--text_pair_column=b"], 4)], ids=str
)
def test_a_length_without_room_for_text_is_refused(classify, tmp_path, flags, least):
    (tmp_path / "a.jsonl").write_bytes(json_lines([{"text": "x", "b": "y"}]))
    found = classify(f"--input={tmp_path}/a.jsonl", "--sequence_length=3", *flags)
    assert f"at least {least} is needed" in found.error
    assert not found.folder.exists()


def test_a_length_beyond_the_positions_of_the_model_is_refused(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", "--sequence_length=129")
    assert "takes at most 128 tokens" in found.error


# Long texts


def test_a_long_text_read_in_windows_has_their_mean_probabilities(classify, tiny_preset, tmp_path):
    (tmp_path / "a.txt").write_text(f"{LONG}\n{TEXTS[0]}")
    flags = ("--long_text=windows", f"--sequence_length={LENGTH}", "--probabilities")
    found = classify(f"--input={tmp_path}/a.txt", *flags)
    windows = Predictor.from_preset(tiny_preset, sequence_length=LENGTH, long_text="windows")
    expected = windows([LONG, TEXTS[0]])
    probabilities = np.array([list(row.values()) for row in found.column("probabilities")])
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    assert found.column("truncated") == [False, False]
    assert (
        pq.ParquetFile(found.parts[0]).metadata.metadata[b"long_text"]
        == found.manifest["model"]["long_text"].encode()
        == b"windows"
    )


# Labels that do not exclude each other


@pytest.fixture(scope="module")
def multi_label_preset(tiny_preset, tmp_path_factory):
    from models import BertClassifier

    folder = tmp_path_factory.mktemp("presets") / "multi"
    BertClassifier.from_preset(tiny_preset, activation="sigmoid").save_to_preset(folder)
    return folder


def test_a_text_may_have_several_labels_or_none(classify, multi_label_preset, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    scores = Predictor.from_preset(multi_label_preset)(TEXTS)
    threshold = float(np.sort(scores.ravel())[len(TEXTS)])
    given = (f"--input={tmp_path}/a.txt", f"--preset={multi_label_preset}")
    found = classify(*given, f"--threshold={threshold}")
    assert found.table.schema.names[-3:] == ["label", "score", "labels"]
    names = ["negative", "positive"]
    for labels, row in zip(found.column("labels"), scores, strict=True):
        ranked = sorted(zip(row, names, strict=True), reverse=True)
        expected = [name for score, name in ranked if score >= threshold]
        assert [entry["label"] for entry in labels] == expected
    assert {len(labels) for labels in found.column("labels")} > {1}
    assert found.column("label") == [names[best] for best in scores.argmax(axis=1)]
    assert found.manifest["model"]["threshold"] == threshold
    every_label = [entry["label"] for labels in found.column("labels") for entry in labels]
    assert found.manifest["labels"] == Counter(every_label)
    assert "this run has 0.5" in classify(*given, "--if_exists=append").error


@pytest.mark.parametrize(
    ("value", "message"),
    [("0.3", "a text has one label of preset"), ("1.5", "must be from 0 to 1, not '1.5'")],
)
def test_a_threshold_that_means_nothing_is_refused(classify, tmp_path, value, message):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", f"--threshold={value}")
    assert message in found.error
    assert not found.folder.exists()


# The process


def test_a_run_of_its_own_prints_a_summary_and_no_noise(tiny_preset, predictor, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    folder = tmp_path / "out"
    flags = (f"--input={tmp_path}/a.txt", f"--preset={tiny_preset}", f"--output={folder}")
    found = run_process("classify", folder, *flags)
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith("10 rows labelled in ")
    assert not [word for word in NOISE if word in found.out]
    assert found.column("label") == predicted(predictor, TEXTS)[0]


def test_two_workers_in_processes_of_their_own_find_the_same_labels(
    classify, predictor, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the workers
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.txt").write_text("\n".join(TEXTS))
    before = PROGRESS.rows_done
    found = classify(
        f"--input={folder}", "--direct_running_mode=multi_processing", "--direct_num_workers=2"
    )
    assert (found.code, found.err) == (0, "")
    assert PROGRESS.rows_done == before  # nothing was done here
    assert len(found.parts) == 2  # a part of each worker
    labels = dict(zip(TEXTS, predicted(predictor, TEXTS)[0], strict=True))
    assert found.column("label") == [labels[text] for text in found.column("text")]
    assert Counter(found.column("text")) == dict.fromkeys(TEXTS, 8)


# The sample, and the preset that comes with the package


def test_without_arguments_the_sample_is_labelled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run(classify_command.main, tmp_path / "output")
    assert (found.code, found.err) == (0, "")
    assert found.table.num_rows == 200
    assert found.table.column_names[:3] == ["id", "product", "text"]
    assert set(found.column("label")) == {"negative", "positive"}
    assert found.manifest["model"]["preset"] == "sentiment_tiny_en"


def test_the_sample_run_replaces_its_own_result_and_no_other(tmp_path, monkeypatch, classify):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "output"
    assert run(classify_command.main, folder, "--limit=3").code == 0
    again = run(classify_command.main, folder, "--limit=2")
    assert again.code == 0
    assert again.table.num_rows == 2
    (tmp_path / "a.txt").write_text("mine")
    mine = classify(f"--input={tmp_path}/a.txt", f"--output={folder}", "--if_exists=overwrite")
    assert mine.code == 0
    assert "holds results already" in run(classify_command.main, folder).error
