"""What a command makes of input, output and presets that are not as they should be."""

import base64
import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import classify as classify_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.conftest import TEXTS

TEN_MEGABYTES = "The soup was hot. " * 600_000


@pytest.fixture(scope="module")
def run_once(tiny_preset: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Runs the command over one file, for several tests to look at."""

    def run_over(name: str, content: bytes, *flags: str) -> Run:
        folder = tmp_path_factory.mktemp("bad")
        (folder / name).write_bytes(content)
        output = folder / "out"
        given = (f"--input={folder / name}", f"--preset={tiny_preset}", f"--output={output}")
        return run(classify_command.main, output, *given, *flags)

    return run_over


def assert_accounted_for(found: Run, written: int, rejected: int) -> None:
    """Checks that a run ended well, lost no row, and told of the rejected ones."""
    assert (found.code, found.err) == (0, "")
    rows = found.manifest["rows"]
    assert (rows["read"], rows["written"], rows["rejected"]) == (
        written + rejected,
        written,
        rejected,
    )
    assert found.table.num_rows == written
    assert len(found.rejected) == rejected
    assert f"{counted(written)} labelled in" in found.out
    assert (f"{counted(rejected)}, kept in" in found.out) == (rejected > 0)


def counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


# Rows of JSON Lines

VALID = ["", " \t\u00a0\n ", "nul \0 inside", TEN_MEGABYTES, *TEXTS]
INVALID = {
    b'{"text": null}': "'text' is not a string but null",
    b'{"text": 3.5}': "'text' is not a string but 3.5",
    b'{"text": ["a list"]}': """'text' is not a string but ["a list"]""",
    b'{"body": "no text"}': "no 'text' in the object, which has 'body'",
    b'{"text": "never closed': "not JSON",
    b'["an array"]': """not a JSON object but ["an array"]""",
    b"plain words": "not JSON",
    b'{"text": "caf\xe9"}': "invalid UTF-8: byte 0xe9 at offset 13",
}


@pytest.fixture(scope="module")
def jsonl(run_once) -> Run:
    """Valid and invalid lines in turn."""
    lines = [orjson.dumps({"text": text}) for text in VALID]
    for number, line in enumerate(INVALID):
        lines.insert(2 * number, line)
    return run_once("a.jsonl", b"\n".join(lines), "--columns=text", "--probabilities")


def test_lines_that_are_no_text_are_rejected_and_take_no_other_along(jsonl):
    assert_accounted_for(jsonl, len(VALID), len(INVALID))
    assert jsonl.column("text") == VALID


def test_a_rejected_line_keeps_what_was_read_and_the_reason(jsonl):
    assert [row["raw"] for row in jsonl.rejected] == list(INVALID)
    for row, error in zip(jsonl.rejected, INVALID.values(), strict=True):
        assert row["error"].startswith(error)
        assert row["stage"] == "read"
        assert row["source"].endswith("a.jsonl")
    positions = jsonl.column("position") + [row["position"] for row in jsonl.rejected]
    assert len(set(positions)) == len(VALID) + len(INVALID)


def test_empty_blank_and_nul_texts_are_labelled(jsonl, predictor):
    probabilities = predictor(VALID[:3])
    found = [list(row.values()) for row in jsonl.column("probabilities")[:3]]
    np.testing.assert_allclose(found, probabilities, atol=1e-6)
    assert jsonl.column("num_tokens")[:2] == [2, 2]  # nothing but the special tokens


def test_a_line_of_ten_megabytes_is_labelled_truncated_and_counted(jsonl, predictor):
    assert jsonl.column("truncated") == [text == TEN_MEGABYTES for text in VALID]
    assert jsonl.column("num_tokens")[3] == 600_000 * 5 + 2
    assert jsonl.manifest["rows"]["truncated"] == 1
    assert "1 row longer than 128 tokens" in jsonl.out
    beginning = predictor([TEN_MEGABYTES[:1000]])
    assert jsonl.column("score")[3] == pytest.approx(beginning.max(), abs=1e-6)


def test_the_summary_names_the_commonest_reasons_first(run_once):
    lines = [b'{"text": null}'] * 3 + [b"nonsense"] * 2 + [b'{"text": "good"}']
    found = run_once("a.jsonl", b"\n".join(lines))
    assert_accounted_for(found, 1, 5)
    first = found.out.index("3 × 'text' is not a string but null")
    assert found.out.index("2 × not JSON") > first


# Rows of the other formats


def test_lines_of_plain_text(run_once):
    lines = [b"", b"   ", b"nul \0 inside", b"caf\xe9", TEN_MEGABYTES.encode(), b"last"]
    found = run_once("a.txt", b"\n".join(lines))
    assert_accounted_for(found, 5, 1)
    assert found.column("text") == ["", "   ", "nul \0 inside", TEN_MEGABYTES, "last"]
    assert [row["raw"] for row in found.rejected] == [b"caf\xe9"]
    assert found.manifest["rows"]["truncated"] == 1


def test_records_of_csv_with_too_few_or_too_many_fields(run_once):
    content = b"id,text\n1,one\n2\n3,three,3\n4,\n5,caf\xe9\n6,nul \0 inside\n"
    found = run_once("a.csv", content)
    assert_accounted_for(found, 3, 3)
    assert found.column("text") == ["one", "", "nul \0 inside"]
    assert [(row["raw"], row["error"]) for row in found.rejected] == [
        (b"2", "1 field where the header has 2"),
        (b"3,three,3", "3 fields where the header has 2"),
        (b"5,caf\xe9", "column 'text': invalid UTF-8: byte 0xe9 at offset 3"),
    ]


def test_a_gzip_file_that_breaks_off(run_once):
    # What no compressor shortens, so that a cut in the middle costs about half of the lines.
    lines = [base64.b64encode(os.urandom(30)) for _ in range(2000)]
    whole = gzip.compress(b"\n".join(lines))
    found = run_once("a.txt.gz", whole[: len(whole) // 2])
    assert (found.code, found.err) == (0, "")
    texts = found.column("text")
    assert 800 < len(texts) < 1200
    assert texts == [line.decode() for line in lines[: len(texts)]]
    (row,) = found.rejected
    assert lines[len(texts)].startswith(row["raw"])
    assert "1 row, kept in" in found.out
    assert found.manifest["rows"]["read"] == len(texts) + 1


def test_nulls_and_broken_strings_in_parquet(run_once, tmp_path):
    texts = pa.array([b"one", None, b"", b"caf\xe9", b"five"], pa.binary())
    table = pa.table({"text": texts, "id": range(5)})
    pq.write_table(table, tmp_path / "a.parquet")
    found = run_once("a.parquet", (tmp_path / "a.parquet").read_bytes())
    assert_accounted_for(found, 3, 2)
    assert found.column("text") == ["one", "", "five"]
    assert [row["position"] for row in found.rejected] == [1, 3]
    assert [json.loads(row["raw"])["id"] for row in found.rejected] == [1, 3]


def test_a_corpus_of_rejected_rows_alone_ends_well(run_once):
    found = run_once("a.txt", b"\xff\n\xfe")
    assert_accounted_for(found, 0, 2)
    assert found.table.schema.names[-2:] == ["label", "score"]


def test_an_empty_file_gives_an_empty_result(run_once):
    found = run_once("a.txt", b"")
    assert_accounted_for(found, 0, 0)
    assert "a.txt" in found.manifest["inputs"][0]["source"]


# Inputs that a run cannot begin with

WITHOUT_TEXT = {
    "a.jsonl": b'{"body": "x", "id": 1}\n',
    "a.csv": b"body,id\nx,1\n",
    "a.tsv": b"body\tid\nx\t1\n",
}


def assert_refused(found: Run, *parts: str) -> None:
    for part in parts:
        assert part in found.error
    assert found.out == ""
    assert not found.folder.exists()


@pytest.mark.parametrize("name", WITHOUT_TEXT)
def test_a_missing_text_column_is_refused_with_the_columns_there_are(classify, tmp_path, name):
    (tmp_path / name).write_bytes(WITHOUT_TEXT[name])
    found = classify(f"--input={tmp_path / name}")
    assert_refused(found, "no column 'text' for --text_column", "which has 'body', 'id'")


def test_a_misspelt_column_is_refused_with_the_nearest(classify, tmp_path):
    pq.write_table(pa.table({"body": ["x"], "id": [1]}), tmp_path / "a.parquet")
    found = classify(f"--input={tmp_path}/a.parquet", "--text_column=bodi")
    assert_refused(found, "which has 'body', 'id'; did you mean 'body'?")


def test_a_column_of_numbers_is_no_text(classify, tmp_path):
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    found = classify(f"--input={tmp_path}/a.parquet")
    assert_refused(found, "column 'text' holds int64, not text")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_an_empty_file_without_columns_is_refused(classify, tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert_refused(classify(f"--input={tmp_path / name}"), name)


def test_inputs_that_are_not_there_are_refused(classify, tmp_path):
    (tmp_path / "reviews.csv").write_text("text\nx\n")
    found = classify(f"--input={tmp_path}/*.jsonl")
    assert_refused(found, f"no file matches '{tmp_path}/*.jsonl'")
    found = classify(f"--input={tmp_path}/review.csv")
    assert_refused(found, "no such file", f"did you mean '{tmp_path}/reviews.csv'?")


def test_parquet_files_of_different_schemas_are_refused(classify, tmp_path):
    pq.write_table(pa.table({"text": ["x"], "id": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["x"], "id": ["1"]}), tmp_path / "b.parquet")
    found = classify(f"--input={tmp_path}/*.parquet")
    assert_refused(found, "column 'id' is string in", "b.parquet", "int64 in", "a.parquet")


# Outputs that a run cannot write to


def test_an_output_that_is_a_file_or_lies_under_one_is_refused(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    for output in ("a.txt", "a.txt/out"):
        found = classify(f"--input={tmp_path}/a.txt", f"--output={tmp_path / output}")
        assert_refused(found, f"cannot use --output={tmp_path / output}")
    assert (tmp_path / "a.txt").read_text() == "x"


def test_an_output_that_cannot_be_written_is_refused(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", "--output=/proc/textbeam")
    assert_refused(found, "cannot use --output=/proc/textbeam")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_an_output_in_a_folder_without_permission_is_refused(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "closed").mkdir(0o555)
    found = classify(f"--input={tmp_path}/a.txt", f"--output={tmp_path}/closed/out")
    assert_refused(found, "Permission denied")


# Presets


def test_an_unknown_preset_is_refused_with_the_nearest(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", "--preset=sentiment_tiny_eng")
    assert_refused(found, "'sentiment_tiny_eng'", "did you mean 'sentiment_tiny_en'?")


def test_a_preset_without_a_classifier_is_refused_with_what_to_do(classify, tiny_preset, tmp_path):
    shutil.copytree(tiny_preset, tmp_path / "backbone")
    for name in ("task.json", "task.weights.h5", "labels.json"):
        (tmp_path / "backbone" / name).unlink()
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", f"--preset={tmp_path}/backbone")
    assert_refused(found, "has no classifier", "python -m pipelines.finetune")


def change(name: str, **config: Any) -> Callable[[Path], None]:
    def apply(preset: Path) -> None:
        content = json.loads((preset / name).read_bytes())
        content["config"].update(config)
        (preset / name).write_text(json.dumps(content))

    return apply


def write(name: str, content: str) -> Callable[[Path], Any]:
    return lambda preset: (preset / name).write_text(content)


def remove(name: str) -> Callable[[Path], None]:
    return lambda preset: (preset / name).unlink()


def keep_weights_elsewhere(preset: Path) -> None:
    """Replaces an array of the head by a link to the same array in another file."""
    (preset / "task.weights.h5").rename(preset.parent / "elsewhere.h5")
    with h5py.File(preset / "task.weights.h5", "w") as store:
        store["layers"] = h5py.ExternalLink(str(preset.parent / "elsewhere.h5"), "layers")


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (remove("config.json"), "config.json: no such file"),
    "no tokenizer": (remove("tokenizer.json"), "tokenizer.json: no such file"),
    "no vocabulary": (
        remove("assets/tokenizer/vocabulary.txt"),
        "assets/tokenizer/vocabulary.txt: no such file",
    ),
    "no weights": (remove("model.weights.h5"), "model.weights.h5: no such file"),
    "no head": (remove("task.weights.h5"), "task.weights.h5: no such file"),
    "config is no JSON": (write("config.json", "{"), "config.json: not valid JSON"),
    "config is a list": (write("config.json", "[]"), "config.json: must be an object"),
    "weights are no HDF5": (write("model.weights.h5", "x"), "model.weights.h5: cannot be read"),
    "wider than its weights": (change("config.json", hidden_dim=32), "has the shape"),
    "deeper than its weights": (change("config.json", num_layers=2), "model.weights.h5: lacks"),
    "heads of another width": (change("config.json", num_heads=3), "config.json"),
    "another number of classes": (change("task.json", num_classes=3), "labels.json: 2 labels"),
    "labels are no strings": (write("labels.json", "[1, 2]"), "labels.json: must be an array"),
    "unknown field": (change("config.json", layers=1), "config.json: unknown field 'layers'"),
    "class of something else": (
        write("config.json", '{"class_name": "os.system", "config": {}}'),
        "config.json: class_name 'os.system' is not one of",
    ),
    "vocabulary elsewhere": (
        change("tokenizer.json", vocabulary="../../elsewhere.txt"),
        "tokenizer.json: vocabulary must not be '../../elsewhere.txt'",
    ),
    "tokenizer elsewhere": (
        change("tokenizer.json", config_file="../elsewhere.json"),
        "tokenizer.json: config_file must be 'tokenizer.json', not '../elsewhere.json'",
    ),
    "weights elsewhere": (keep_weights_elsewhere, "task.weights.h5: lacks"),
    "vocabulary too long": (
        lambda preset: (preset / "assets/tokenizer/vocabulary.txt").open("a").write("more\n"),
        "assets/tokenizer/vocabulary.txt",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_preset_is_refused_with_its_file_and_leaves_nothing(
    name, classify, tiny_preset, tmp_path
):
    mutilate, message = BROKEN[name]
    preset = tmp_path / "preset"
    shutil.copytree(tiny_preset, preset)
    mutilate(preset)
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", f"--preset={preset}")
    assert_refused(found, str(preset), message)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_weights_that_are_no_numbers_are_refused_and_cost_no_row(
    classify, tiny_preset, tmp_path, value
):
    preset = tmp_path / "preset"
    shutil.copytree(tiny_preset, preset)
    with h5py.File(preset / "task.weights.h5", "r+") as store:
        store["layers/dense/vars/1"][0] = value
    (tmp_path / "a.txt").write_text("x\ny")
    found = classify(f"--input={tmp_path}/a.txt", f"--preset={preset}")
    where = f"preset {str(preset)!r}: task.weights.h5: the weight 'layers/dense/vars/1' holds"
    assert_refused(found, f"{where} {value}, not a finite number", "use another copy")
