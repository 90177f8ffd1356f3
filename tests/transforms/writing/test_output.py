import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tests.transforms.writing.results import names_in, rows_of
from tests.transforms.writing.runs import SmallRun, run
from transforms.errors import OutputError
from transforms.writing.manifest import read_manifest
from transforms.writing.output import Reservation, reserve_output
from transforms.writing.schemas import written_schema

SCHEMA = pa.schema([("text", pa.string()), ("token_ids", pa.list_(pa.int32()))])
COLUMNS = {"text": "string"}
RUN = "20250102t030405-abcdef"


def finished(folder: Path, **facts) -> Path:
    """Puts what a finished run leaves into a folder."""
    manifest = {
        "format_version": 3,
        "output_format": "parquet",
        "columns": COLUMNS,
        "arrow_schema": "",
        "metadata": {"weights": "one"},
        "settings": {"weights": "one"},
        "rows": {"written": 7},
        "rejected": {},
        "tokens": {},
        "inputs": [],
        "finished": "2025-01-02T03:04:05+00:00",
        "parts": [{"path": "part-00000-of-00001.parquet"}],
        "rejected_parts": [],
        "runs": [{"run_id": RUN}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "part-00000-of-00001.parquet").write_bytes(b"x")
    (folder / "_MANIFEST.json").write_text(json.dumps(manifest | facts))
    return folder


def reserve(folder, **options) -> Reservation:
    return reserve_output(str(folder), **options)


def released(folder, **options) -> Reservation:
    """Reserves a folder and gives it back."""
    reservation = reserve(folder, **options)
    reservation.close(finished=False)
    return reservation


def test_a_new_folder_is_created_and_reserved(tmp_path):
    reservation = reserve(tmp_path / "a" / "b")
    assert Path(reservation.plan.folder) == tmp_path / "a" / "b"
    assert names_in(tmp_path) == ["a/b/_runs/lock-000001.json"]
    assert reservation.plan.if_exists == "error"
    assert reservation.plan.earlier_run is None


def test_a_folder_that_was_given_back_has_nothing(tmp_path):
    released(tmp_path / "out")
    released(tmp_path / "new" / "deeper" / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_which_nothing_is_done_leaves_nothing(tmp_path):
    unfinished = SmallRun(tmp_path / "out", [rows_of("a", 0, 2)])
    assert unfinished.reservation.close(finished=False) == 0
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_used_by_now_stay(tmp_path):
    reservation = reserve(tmp_path / "new" / "deeper" / "out")
    (tmp_path / "new" / "notes.txt").write_text("mine")
    reservation.close(finished=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "notes.txt"]


def test_what_was_there_stays(tmp_path):
    folder = finished(tmp_path / "out")
    before = sorted(folder.iterdir())
    released(folder, if_exists="overwrite")
    assert sorted(folder.iterdir()) == before


def test_files_of_others_are_no_results(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "part-00000-4f3c.snappy.parquet").write_bytes(b"of another program")
    assert reserve(tmp_path).plan.if_exists == "error"


def test_results_are_an_error_that_names_the_choices_and_writes_nothing(tmp_path):
    finished(tmp_path)
    message = r"7 rows.*--if_exists=update, append or overwrite"
    with pytest.raises(OutputError, match=message) as error:
        reserve(tmp_path)
    assert "\n" not in str(error.value)
    assert names_in(tmp_path) == ["_MANIFEST.json", "part-00000-of-00001.parquet"]


@pytest.mark.parametrize("if_exists", ["error", "append", "update"])
def test_parts_without_a_manifest_are_not_ours(tmp_path, if_exists):
    (finished(tmp_path) / "_MANIFEST.json").unlink()
    with pytest.raises(OutputError, match=r"1 part files and no _MANIFEST.json"):
        reserve(tmp_path, if_exists=if_exists)
    assert names_in(tmp_path) == ["part-00000-of-00001.parquet"]


def test_overwrite_touches_nothing_yet(tmp_path):
    finished(tmp_path)
    assert released(tmp_path, if_exists="overwrite").plan.if_exists == "overwrite"
    assert names_in(tmp_path) == ["_MANIFEST.json", "part-00000-of-00001.parquet"]


def test_overwrite_accepts_a_broken_manifest(tmp_path):
    (finished(tmp_path) / "_MANIFEST.json").write_text("{")
    with pytest.raises(OutputError, match="not JSON"):
        reserve(tmp_path)
    assert released(tmp_path, if_exists="overwrite").plan.if_exists == "overwrite"
    assert names_in(tmp_path) == ["_MANIFEST.json", "part-00000-of-00001.parquet"]


@pytest.mark.parametrize(
    "content",
    ['{"format_version": 3}', '{"runs": "x"}', '{"runs": [1]}', '{"rows": 3}', "[" * 100_000],
)
@pytest.mark.parametrize("if_exists", ["error", "append", "update"])
def test_a_manifest_of_something_else_is_told(tmp_path, content, if_exists):
    (tmp_path / "_MANIFEST.json").write_text(content)
    with pytest.raises(OutputError, match=r"_MANIFEST\.json is no.*--if_exists=overwrite"):
        reserve(tmp_path, if_exists=if_exists)
    assert reserve(tmp_path, if_exists="overwrite").plan.earlier_run is None


def test_a_manifest_of_an_unknown_output_format_is_told(tmp_path):
    finished(tmp_path, output_format="xml")
    with pytest.raises(OutputError, match="its output format is 'xml'; replace it with"):
        reserve(tmp_path, if_exists="append")


def test_columns_that_a_manifest_does_not_tell_are_told(tmp_path):
    finished(tmp_path, arrow_schema="AAAA")
    with pytest.raises(OutputError, match=r"_MANIFEST\.json has a damaged 'arrow_schema'"):
        reserve(tmp_path, if_exists="append").earlier_schema()


def test_a_result_of_the_same_sample_run_is_replaced(tmp_path):
    finished(tmp_path, sample=True)
    reservation = released(tmp_path, replace_if=lambda manifest: manifest.get("sample"))
    assert reservation.plan.if_exists == "overwrite"
    with pytest.raises(OutputError, match="holds results already"):
        reserve(tmp_path, replace_if=lambda manifest: False)


@pytest.mark.parametrize("if_exists", ["append", "update"])
def test_adding_to_an_empty_folder_is_a_first_run(tmp_path, if_exists):
    assert reserve(tmp_path, if_exists=if_exists).plan.if_exists == "error"


@pytest.mark.parametrize("if_exists", ["append", "update"])
def test_adding_knows_the_run_that_it_follows(tmp_path, if_exists):
    finished(tmp_path)
    plan = reserve(tmp_path, if_exists=if_exists, settings={"weights": "one"}).plan
    assert plan.if_exists == if_exists
    assert plan.earlier_run == RUN


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": "binary"}, "column text is binary in its results and string in this run"),
        ({"text": "string", "score": "float"}, r"score \(float\) is in its results but not in"),
        ({}, r"column text \(string\) is in this run but not in its results"),
    ],
)
def test_append_names_the_column_that_differs(tmp_path, columns, message):
    finished(tmp_path, columns=columns)
    with pytest.raises(OutputError, match=message):
        reserve(tmp_path, if_exists="append").fitted(SCHEMA)


def test_append_refuses_rows_of_another_model(tmp_path):
    finished(tmp_path)
    released(tmp_path, if_exists="append", metadata={"weights": "one"})
    with pytest.raises(OutputError, match="made with weights one, this run has two"):
        reserve(tmp_path, if_exists="append", metadata={"weights": "two"})


def test_append_refuses_parts_of_another_format(tmp_path):
    finished(tmp_path, output_format="csv")
    message = (
        "its parts are csv, and this run has --output_format=jsonl: give --output_format=csv, or "
        "another folder"
    )
    with pytest.raises(OutputError, match=message):
        reserve(tmp_path, if_exists="append", output_format="jsonl")
    released(tmp_path, if_exists="append", output_format="csv")


def test_update_refuses_other_settings(tmp_path):
    finished(tmp_path)
    message = "its rows had weights one, this one has two; give the same options"
    with pytest.raises(OutputError, match=message):
        reserve(tmp_path, if_exists="update", settings={"weights": "two"})
    with pytest.raises(OutputError, match="its rows had limit none, this one has 5"):
        reserve(tmp_path, if_exists="update", settings={"weights": "one", "limit": 5})


@pytest.mark.parametrize("if_exists", ["append", "update"])
def test_a_manifest_of_another_format_is_refused(tmp_path, if_exists):
    finished(tmp_path, format_version=99)
    with pytest.raises(OutputError, match="format version 99"):
        reserve(tmp_path, if_exists=if_exists)


@pytest.mark.parametrize("if_exists", ["append", "update"])
def test_columns_are_added_in_the_order_of_the_results(tmp_path, if_exists):
    finished(tmp_path, columns={"label": "string", "text": "string"}, settings={})
    schema = pa.schema([*SCHEMA, ("label", pa.string())])
    found = reserve(tmp_path, if_exists=if_exists).fitted(schema)
    assert found.names == ["label", "text", "token_ids"]


def test_token_columns_and_stale_metadata_do_not_reach_the_output():
    schema = SCHEMA.with_metadata({"pandas": "of an input, and stale"})
    assert written_schema(schema).equals(pa.schema([("text", pa.string())]), check_metadata=True)


def test_output_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="it is a file, and must be a folder"):
        reserve(tmp_path / "out")


def test_output_under_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Not a directory"):
        reserve(tmp_path / "file" / "out")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that root cannot write")
def test_output_that_cannot_be_written():
    with pytest.raises(OutputError, match="cannot use --output=/proc/out: "):
        reserve("/proc/out")


def test_output_that_is_a_link_to_nothing(tmp_path):
    (tmp_path / "out").symlink_to("gone")
    with pytest.raises(OutputError, match="it is a link to 'gone', which does not exist"):
        reserve(tmp_path / "out")


def test_output_whose_name_is_no_utf8(tmp_path):
    with pytest.raises(OutputError, match=r"out\\xff' is not UTF-8: rename it"):
        reserve(tmp_path / os.fsdecode(b"out\xff"))
    assert not any(tmp_path.iterdir())


def test_output_without_a_name():
    with pytest.raises(OutputError, match="empty"):
        reserve("")


def test_output_of_an_unknown_scheme():
    with pytest.raises(OutputError, match="nowhere://bucket/out"):
        reserve("nowhere://bucket/out")


@pytest.mark.parametrize("if_exists", ["overwrite", "update"])
def test_a_result_that_is_an_input_too_is_not_replaced(tmp_path, if_exists):
    run(tmp_path, [rows_of("a", 0, 2)])
    source = str(tmp_path / "part-00000-of-00001.parquet")
    with pytest.raises(OutputError, match="would remove the input"):
        SmallRun(tmp_path, [rows_of(source, 0, 2)], if_exists=if_exists)


def test_local_folders_need_no_beam(tmp_path):
    script = (
        "import sys; from transforms.writing.output import reserve_output\n"
        f"reserve_output({str(tmp_path)!r})\n"
        "assert 'apache_beam' not in sys.modules and 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_no_manifest_reads_as_none(tmp_path):
    assert read_manifest(str(tmp_path / "absent")) is None
    assert read_manifest(str(finished(tmp_path)))["rows"] == {"written": 7}


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_bucket_that_is_not_there(gcs_bucket, s3_bucket, scheme):
    with pytest.raises(OutputError, match=f"cannot use --output={scheme}://no-such-bucket/out"):
        reserve(f"{scheme}://no-such-bucket/out")
