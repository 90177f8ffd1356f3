"""Both commands with `--output_format`: the same rows, in files that others read."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.inference.predictor import Predictor
from pipelines import classify as classify_command
from pipelines import embed as embed_command
from pipelines import verify as verify_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.conftest import TEXTS
from tests.transforms.writing.results import rows_in_part

TEXT_FORMATS = ["csv", "jsonl"]


@pytest.fixture
def command(tiny_preset: Path, tmp_path: Path) -> Callable[..., Run]:
    """Runs a command over `TEXTS` and a line that is none, into a folder of the test."""
    lines = [json.dumps({"id": i, "text": text}).encode() for i, text in enumerate(TEXTS)]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*lines, b"\xff"]))

    def run_command(main=classify_command.main, *flags: str, output: str = "out") -> Run:
        folder = tmp_path / output
        given = [f"--preset={tiny_preset}", f"--output={folder}"]
        if not any(flag.startswith("--input=") for flag in flags):
            given.append(f"--input={tmp_path}/a.jsonl")
        return run(main, folder, *given, *flags)

    return run_command


def rows_of(found: Run) -> list[dict]:
    assert (found.code, found.err) == (0, "")
    return [
        row for part in found.manifest["parts"] for row in rows_in_part(found.folder / part["path"])
    ]


@pytest.mark.parametrize("output_format", TEXT_FORMATS)
def test_labels_are_those_of_parquet(command, output_format):
    flags = ("--probabilities", "--top_k=2")
    expected = rows_of(command(classify_command.main, *flags, output="parquet"))
    found = command(classify_command.main, *flags, f"--output_format={output_format}")
    rows = rows_of(found)
    assert [list(row) for row in rows] == [list(row) for row in expected]
    for row, other in zip(rows, expected, strict=True):
        if output_format == "csv":
            row |= {
                name: json.loads(row[name]) for name in row.keys() - {"text", "source", "label"}
            }
        for name, value in row.items():
            if name in ("score", "probabilities", "top"):
                assert np.float32(flat(value)).tolist() == np.float32(flat(other[name])).tolist()
            else:
                assert value == other[name]
    assert f"out (1 {output_format.upper()} file, " in found.out
    assert f"  {rows[0]['label']}  " in found.out
    doubtful = min(expected, key=lambda row: row["score"])
    assert doubtful["text"][:40] in found.out
    assert found.manifest["settings"]["output_format"] == output_format


def flat(value) -> list[float]:
    if isinstance(value, dict):
        return [number for member in value.values() for number in flat(member)]
    if isinstance(value, list):
        return [number for item in value for number in flat(item)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("output_format", TEXT_FORMATS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_vectors_are_lists_of_the_very_numbers(command, tiny_preset, output_format, dtype):
    flags = (f"--output_format={output_format}", f"--embedding_dtype={dtype}")
    rows = rows_of(command(embed_command.main, *flags))
    found = [row["embedding"] for row in rows]
    if output_format == "csv":
        found = [json.loads(vector) for vector in found]
    expected = Predictor.from_preset(tiny_preset, "embed")(TEXTS)
    np.testing.assert_array_equal(np.array(found, dtype), expected.astype(dtype))


@pytest.mark.parametrize("output_format", TEXT_FORMATS)
def test_a_result_is_verified_updated_and_an_input_itself(command, tmp_path, output_format):
    flag = f"--output_format={output_format}"
    first = command(classify_command.main, flag)
    (rejected,) = rows_in_part(first.folder / first.manifest["rejected_parts"][0]["path"])
    assert rejected["raw_base64"] == "/w=="
    (tmp_path / "b.jsonl").write_text(json.dumps({"id": 99, "text": "More."}))
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": 100, "text": "Changed."}))
    inputs = f"--input={tmp_path}/*.jsonl"
    updated = command(classify_command.main, flag, inputs, "--if_exists=update")
    assert sorted(row["text"] for row in rows_of(updated)) == ["Changed.", "More."]
    whole = run(verify_command.main, tmp_path, str(updated.folder), inputs)
    assert (whole.code, whole.out.count("\n")) == (0, 1)
    again = command(classify_command.main, f"--input={updated.folder}", output="again")
    assert sorted(again.column("text")) == ["Changed.", "More."]
    assert set(again.column("input_source")) == {f"{tmp_path}/a.jsonl", f"{tmp_path}/b.jsonl"}
    assert again.column("input_label") == [row["label"] for row in rows_of(updated)]


@pytest.mark.parametrize("output_format", TEXT_FORMATS)
def test_an_update_with_an_empty_file_knows_the_columns(command, tmp_path, output_format):
    flag = f"--output_format={output_format}"
    first = command(classify_command.main, flag)
    (tmp_path / "a.jsonl").write_text("")
    updated = command(classify_command.main, flag, "--if_exists=update")
    assert rows_of(updated) == []
    assert updated.manifest["columns"] == first.manifest["columns"]
    assert updated.manifest["arrow_schema"] == first.manifest["arrow_schema"]
    assert run(verify_command.main, tmp_path, str(updated.folder)).code == 0


def test_results_of_another_format_are_not_added_to(command, tmp_path):
    command(classify_command.main, "--output_format=csv")
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    appended = command(classify_command.main, "--if_exists=append")
    assert "its parts are csv, and this run has --output_format=parquet" in appended.error
    updated = command(classify_command.main, "--if_exists=update", "--output_format=jsonl")
    assert "its rows had output_format csv, this one has jsonl" in updated.error
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before


def test_a_column_without_a_form_as_text_is_refused_with_the_ways_out(command, tmp_path):
    flags = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1], pa.int8()))
    pq.write_table(pa.table({"label": flags, "text": TEXTS[:1]}), tmp_path / "a.parquet")
    given = (classify_command.main, f"--input={tmp_path}/a.parquet", "--output_format=jsonl")
    assert command(*given).error == (
        "column 'label' holds extension<arrow.bool8>, which has no exact form in JSONL: name the "
        "columns to keep with --columns to leave it out, or give --output_format=parquet"
    )
    assert not (tmp_path / "out").exists()
    assert len(rows_of(command(*given, "--columns="))) == 1


def test_an_unknown_format_is_refused(command):
    assert "choose from" in command(classify_command.main, "--output_format=xml").error
