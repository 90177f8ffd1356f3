import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from transforms.errors import OutputError
from transforms.writing.folder import open_folder
from transforms.writing.manifest import read_manifest
from transforms.writing.output import OutputPlan, discard, prepare_output, written_schema
from transforms.writing.parts import result_files

SCHEMA = pa.schema([("text", pa.string()), ("token_ids", pa.list_(pa.int32()))])
COLUMNS = {"text": "string"}
RUN = "20250102t030405-abcdef"


def finished(folder: Path, **facts) -> Path:
    """Puts what a finished run leaves into a folder."""
    manifest = {
        "format_version": 1,
        "columns": COLUMNS,
        "metadata": {"weights": "one"},
        "rows": {"written": 7},
        "finished": "2025-01-02T03:04:05+00:00",
        "runs": [{"run_id": RUN}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "part-00000-of-00001.parquet").write_bytes(b"x")
    (folder / "_MANIFEST.json").write_text(json.dumps(manifest | facts))
    return folder


def prepare(folder, **options) -> OutputPlan:
    return prepare_output(str(folder), schema=SCHEMA, **options)


def test_a_new_folder_is_created_and_reserved(tmp_path):
    plan = prepare(tmp_path / "a" / "b")
    assert Path(plan.folder) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b" / plan.temporary).is_dir()
    assert plan.if_exists == "error"
    assert plan.earlier_run is None


def test_a_discarded_plan_leaves_nothing(tmp_path):
    discard(prepare(tmp_path / "out"))
    discard(prepare(tmp_path / "new" / "deeper" / "out"))
    assert list(tmp_path.iterdir()) == []


def test_a_discarded_plan_leaves_folders_that_are_used_by_now(tmp_path):
    plan = prepare(tmp_path / "new" / "deeper" / "out")
    (tmp_path / "new" / "notes.txt").write_text("mine")
    discard(plan)
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "notes.txt"]


def test_a_discarded_plan_leaves_what_was_there(tmp_path):
    folder = finished(tmp_path / "out")
    before = sorted(folder.iterdir())
    discard(prepare(folder, if_exists="overwrite"))
    assert sorted(folder.iterdir()) == before


def test_files_of_others_are_no_results(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "part-00000-4f3c.snappy.parquet").write_bytes(b"of another program")
    assert prepare(tmp_path).if_exists == "error"


def test_results_are_an_error_that_names_the_choices(tmp_path):
    finished(tmp_path)
    with pytest.raises(OutputError, match=r"7 rows.*--if_exists=overwrite or append") as error:
        prepare(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("if_exists", ["error", "append"])
def test_parts_without_a_manifest_are_an_unfinished_run(tmp_path, if_exists):
    (finished(tmp_path) / "_MANIFEST.json").unlink()
    with pytest.raises(OutputError, match=r"no _MANIFEST.json: the earlier run did not finish"):
        prepare(tmp_path, if_exists=if_exists)


def test_overwrite_touches_nothing_yet(tmp_path):
    finished(tmp_path)
    assert prepare(tmp_path, if_exists="overwrite").if_exists == "overwrite"
    assert (tmp_path / "_MANIFEST.json").exists()
    assert (tmp_path / "part-00000-of-00001.parquet").exists()


def test_overwrite_accepts_a_broken_manifest(tmp_path):
    (finished(tmp_path) / "_MANIFEST.json").write_text("{")
    with pytest.raises(OutputError, match="not JSON"):
        prepare(tmp_path)
    assert prepare(tmp_path, if_exists="overwrite").if_exists == "overwrite"


@pytest.mark.parametrize(
    "content",
    ['{"format_version": 1}', '{"runs": "x"}', '{"runs": [1]}', '{"rows": 3}', "[" * 100_000],
)
@pytest.mark.parametrize("if_exists", ["error", "append"])
def test_a_manifest_of_something_else_is_told(tmp_path, content, if_exists):
    (tmp_path / "_MANIFEST.json").write_text(content)
    with pytest.raises(OutputError, match=r"_MANIFEST\.json is no.*--if_exists=overwrite"):
        prepare(tmp_path, if_exists=if_exists)
    assert prepare(tmp_path, if_exists="overwrite").earlier_run is None


def test_a_result_of_the_same_sample_run_is_replaced(tmp_path):
    finished(tmp_path, sample=True)
    plan = prepare(tmp_path, replace_if=lambda manifest: manifest.get("sample"))
    assert plan.if_exists == "overwrite"
    with pytest.raises(OutputError, match="holds results already"):
        prepare(tmp_path, replace_if=lambda manifest: False)


def test_append_to_an_empty_folder_is_a_first_run(tmp_path):
    assert prepare(tmp_path, if_exists="append").if_exists == "error"


def test_append_knows_the_run_that_it_follows(tmp_path):
    finished(tmp_path)
    plan = prepare(tmp_path, if_exists="append")
    assert plan.if_exists == "append"
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
        prepare(tmp_path, if_exists="append")


def test_append_refuses_rows_of_another_model(tmp_path):
    finished(tmp_path)
    prepare(tmp_path, if_exists="append", metadata={"weights": "one"})
    with pytest.raises(OutputError, match="made with weights one, this run has two"):
        prepare(tmp_path, if_exists="append", metadata={"weights": "two"})


def test_append_refuses_a_manifest_of_another_format(tmp_path):
    finished(tmp_path, format_version=99)
    with pytest.raises(OutputError, match="format version 99"):
        prepare(tmp_path, if_exists="append")


def test_append_refuses_columns_in_another_order(tmp_path):
    finished(tmp_path, columns={"label": "string", "text": "string"})
    schema = pa.schema([("text", pa.string()), ("label", pa.string())])
    with pytest.raises(OutputError, match="its results are in another order: label, text"):
        prepare_output(str(tmp_path), if_exists="append", schema=schema)


def test_token_columns_and_stale_metadata_do_not_reach_the_output():
    schema = SCHEMA.with_metadata({"pandas": "of an input, and stale"})
    assert written_schema(schema).equals(pa.schema([("text", pa.string())]), check_metadata=True)


def test_output_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="it is a file, and must be a folder"):
        prepare(tmp_path / "out")


def test_output_under_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Not a directory"):
        prepare(tmp_path / "file" / "out")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that root cannot write")
def test_output_that_cannot_be_written():
    with pytest.raises(OutputError, match="cannot use --output=/proc/out: "):
        prepare("/proc/out")


def test_output_that_is_a_link_to_nothing(tmp_path):
    (tmp_path / "out").symlink_to("gone")
    with pytest.raises(OutputError, match="it is a link to 'gone', which does not exist"):
        prepare(tmp_path / "out")


def test_output_whose_name_is_no_utf8(tmp_path):
    with pytest.raises(OutputError, match=r"out\\xff' is not UTF-8: rename it"):
        prepare(tmp_path / os.fsdecode(b"out\xff"))
    assert not any(tmp_path.iterdir())


def test_output_without_a_name():
    with pytest.raises(OutputError, match="empty"):
        prepare("")


def test_output_of_an_unknown_scheme():
    with pytest.raises(OutputError, match="nowhere://bucket/out"):
        prepare("nowhere://bucket/out")


def test_the_leftover_of_a_dead_run_is_removed(tmp_path):
    script = (
        "import os, pyarrow as pa; from transforms.writing.output import prepare_output\n"
        f"plan = prepare_output({str(tmp_path)!r}, schema=pa.schema([]))\n"
        "open(os.path.join(plan.folder, plan.temporary, 'x.parquet'), 'w').write('half')\n"
        "print(plan.temporary); os.kill(os.getpid(), 9)"
    )
    died = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    leftover = tmp_path / died.stdout.strip()
    assert leftover.is_dir()
    assert leftover.name.startswith("_temporary-")
    prepare(tmp_path)
    assert not leftover.exists()


def test_a_live_run_in_the_same_folder_is_left_alone(tmp_path):
    script = (
        "import sys, pyarrow as pa; from transforms.writing.output import prepare_output\n"
        f"prepare_output({str(tmp_path)!r}, schema=pa.schema([]))\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], text=True, **pipes) as other:
        assert other.stdout.readline() == "ready\n"
        for if_exists in ("error", "overwrite"):
            with pytest.raises(OutputError, match="being written by another run"):
                prepare(tmp_path, if_exists=if_exists)
        assert len(list(tmp_path.iterdir())) == 1
        other.communicate()


@pytest.mark.parametrize("owner", ["[]", "{}", '{"host": "elsewhere", "pid": "x"}'])
def test_a_leftover_whose_owner_cannot_be_read_hinders_nothing(tmp_path, owner):
    leftover = tmp_path / f"_temporary-{RUN}"
    leftover.mkdir()
    (leftover / "_owner.json").write_text(owner)
    discard(prepare(tmp_path))
    assert leftover.exists()


def test_a_leftover_of_another_host_is_removed_after_a_day(tmp_path):
    leftover = tmp_path / f"_temporary-{RUN}"
    leftover.mkdir()
    (leftover / "_owner.json").write_text('{"host": "elsewhere", "pid": 1, "birth": "1"}')
    discard(prepare(tmp_path))
    assert leftover.exists()
    yesterday = time.time() - 25 * 3600
    for path in (leftover / "_owner.json", leftover):
        os.utime(path, (yesterday, yesterday))
    discard(prepare(tmp_path))
    assert not leftover.exists()


def test_local_folders_need_no_beam(tmp_path):
    script = (
        "import sys, pyarrow as pa; from transforms.writing.output import prepare_output\n"
        f"prepare_output({str(tmp_path)!r}, schema=pa.schema([]))\n"
        "assert 'apache_beam' not in sys.modules and 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_no_manifest_reads_as_none(tmp_path):
    assert read_manifest(str(tmp_path / "absent")) is None
    assert read_manifest(str(finished(tmp_path)))["rows"] == {"written": 7}


def test_a_folder_in_a_bucket_behaves_as_a_local_one(gcs_bucket):
    output = f"{gcs_bucket}/results [1]"  # with characters that mean something in a pattern
    folder = open_folder(output)
    plan = prepare(output)
    assert plan.folder == output
    folder.write_whole("_MANIFEST.json", b'{"runs": []}', plan.temporary)
    with folder.create("part-00000-of-00001.parquet") as file:
        file.write(b"x")
    with folder.create(f"_temporary-{RUN}/x.parquet") as file:
        file.write(b"half")
    assert read_manifest(output) == {"runs": []}
    assert result_files(folder) == {"part-00000-of-00001.parquet": 1}

    with pytest.raises(OutputError, match="holds results already"):
        prepare(output)
    assert list(folder.temporaries()) == [f"_temporary-{RUN}"]
    prepare(output, if_exists="overwrite")
    assert folder.temporaries() == {}
    assert result_files(folder) == {"part-00000-of-00001.parquet": 1}


def test_a_bucket_that_is_not_there(gcs_bucket):
    with pytest.raises(OutputError, match="cannot use --output=gs://no-such-bucket/out"):
        prepare("gs://no-such-bucket/out")
