"""Runs that died, and what comes after them."""

import json

import pytest

from tests.transforms.writing.results import names_in, rejected_of, rows_in_part, rows_of
from tests.transforms.writing.runs import SmallRun, run
from transforms.errors import OutputError
from transforms.writing.folder import open_folder
from transforms.writing.formats.record import OUTPUT_FORMATS
from transforms.writing.output import Reservation, reserve_output
from transforms.writing.parts import result_files


def reserve(folder, **options) -> Reservation:
    return reserve_output(str(folder), **options)


def half_done(output, **options) -> SmallRun:
    """A run of which one of two units is done, and the process has died."""
    half = SmallRun(output, [rows_of("a", 0, 2), rows_of("b", 2, 2)], **options)
    half.work(half.units[0])
    assert half.reservation.close(finished=False) == 0.5
    return half


def test_a_run_that_died_is_an_error_with_its_share_and_both_ways_on(tmp_path):
    half_done(tmp_path)
    message = r"did not finish \(50% of it is done\): go on with --if_exists=update, or begin anew"
    with pytest.raises(OutputError, match=message):
        reserve(tmp_path)
    assert (tmp_path / "_runs").is_dir()


def test_update_goes_on_where_a_run_died(tmp_path):
    half = half_done(tmp_path)
    rows = [rows_of("a", 0, 2), rows_of("b", 2, 2), rows_of("c", 4, 2)]
    again = SmallRun(tmp_path, rows, if_exists="update")
    assert again.plan.run_id == half.plan.run_id
    for unit in again.units[1:]:
        again.work(unit)
    manifest = again.finish()
    assert [entry["source"] for entry in manifest["inputs"]] == ["a", "b", "c"]
    assert manifest["rows"]["written"] == 6
    assert len(manifest["runs"]) == 1
    assert len(names_in(tmp_path)) == 4


def test_what_was_done_in_other_columns_is_done_anew(tmp_path):
    half = half_done(tmp_path)
    plan = tmp_path / "_runs" / half.plan.run_id / "plan.json"
    saved = json.loads(plan.read_text())
    assert saved["columns"]["position"] == "int64"
    plan.write_text(json.dumps(saved | {"columns": {**saved["columns"], "position": "int32"}}))
    rows = [rows_of("a", 0, 2), rows_of("b", 2, 2)]
    again = SmallRun(tmp_path, rows, if_exists="update")
    assert again.plan.run_id == half.plan.run_id
    again.work(again.units[1])
    with pytest.raises(RuntimeError):
        again.publish()
    manifest = again.finish()
    assert manifest["rows"]["written"] == 4
    assert len(names_in(tmp_path)) == 3


def test_update_with_other_settings_does_not_go_on(tmp_path):
    half_done(tmp_path, settings={"weights": "one"})
    with pytest.raises(OutputError, match="the run there that did not finish had weights one"):
        reserve(tmp_path, if_exists="update", settings={"weights": "two"})


@pytest.mark.parametrize("if_exists", ["overwrite", "append"])
def test_others_begin_anew_after_a_death(tmp_path, if_exists):
    half_done(tmp_path)
    manifest = run(tmp_path, [rows_of("z", 9, 2)], if_exists=if_exists)
    assert [entry["source"] for entry in manifest["inputs"]] == ["z"]
    assert names_in(tmp_path) == ["_MANIFEST.json", "part-00000-of-00001.parquet"]


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_update_adds_replaces_and_keeps(tmp_path, monkeypatch, output_format):
    monkeypatch.setattr("transforms.writing.chunk.check_unchanged", lambda files: None)
    before = ["1:0", "1:0", "1:0"]
    run(
        tmp_path,
        [rows_of("a", 0, 3), rows_of("b", 0, 3), rows_of("gone", 0, 3)],
        [rejected_of("b", [3], "read", "bad"), rejected_of("a", [4], "read", "odd")],
        versions=dict(zip("ab", before, strict=False)) | {"gone": "1:0"},
        output_format=output_format,
    )
    manifest = run(
        tmp_path,
        [rows_of("a", 0, 3), rows_of("b", 5, 2), rows_of("c", 7, 1)],
        versions={"a": "1:0", "b": "2:0", "c": "1:0"},
        if_exists="update",
        output_format=output_format,
    )
    entries = {entry["source"]: entry for entry in manifest["inputs"]}
    assert {source: entry["rows"] for source, entry in entries.items()} == {
        "a": 4, "gone": 3, "b": 2, "c": 1,
    }  # fmt: skip
    assert manifest["rows"] == {"read": 10, "written": 9, "rejected": 1, "truncated": 2}
    assert manifest["rejected"] == {"stages": {"read": 1}, "errors": {"odd": 1}}
    assert manifest["tokens"]["real"] == 18
    assert sum(manifest["labels"].values()) == 9
    rows = [row for part in manifest["parts"] for row in rows_in_part(tmp_path / part["path"])]
    found = sorted((row["source"], int(row["position"])) for row in rows)
    expected = {"a": [0, 1, 2], "b": [5, 6], "c": [7], "gone": [0, 1, 2]}
    assert found == [(source, place) for source, places in expected.items() for place in places]
    listed = {part["path"] for part in (*manifest["parts"], *manifest["rejected_parts"])}
    assert {*names_in(tmp_path)} == {"_MANIFEST.json", *listed}
    for entry in entries.values():
        assert set(entry["parts"]) <= listed


def test_update_of_what_is_up_to_date_has_nothing_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.writing.chunk.check_unchanged", lambda files: None)
    versions = {"a": "1:0"}
    run(tmp_path, [rows_of("a", 0, 3)], versions=versions)
    reservation = reserve(tmp_path, if_exists="update")
    todo = reservation.compare([*SmallRun.files_of(["a"], versions)])
    assert (todo.files, todo.replaced, todo.num_same) == ((), (), 1)


def test_the_same_run_again_finishes_what_only_had_to_be_published(tmp_path, monkeypatch):
    rows = [rows_of("a", 0, 3)]
    dead = SmallRun(tmp_path, rows)
    dead.work()
    with monkeypatch.context() as patch:
        patch.setattr("transforms.writing.publish.finish_publishing", die)
        with pytest.raises(KeyboardInterrupt):
            dead.publish()
    dead.reservation.close(finished=False)
    with pytest.raises(OutputError, match="100% of it is done"):
        SmallRun(tmp_path, [rows_of("b", 0, 3)])
    again = SmallRun(tmp_path, rows)
    assert not again.is_to_do
    again.reservation.close(finished=True)
    assert names_in(tmp_path) == ["_MANIFEST.json", "part-00000-of-00001.parquet"]


def die(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("bucket", ["gcs_bucket", "s3_bucket"])
def test_a_folder_in_a_bucket_behaves_as_a_local_one(request, bucket):
    # With characters that mean something in a pattern.
    output = f"{request.getfixturevalue(bucket)}/results [1]"
    folder = open_folder(output)
    half_done(output)
    with pytest.raises(OutputError, match="did not finish"):
        reserve(output)
    again = SmallRun(output, [rows_of("a", 0, 2), rows_of("b", 2, 2)], if_exists="update")
    again.work(again.units[1])
    manifest = again.finish()
    assert manifest["rows"]["written"] == 4
    assert len(result_files(folder)) == 2
    with pytest.raises(OutputError, match="holds results already"):
        reserve(output)
    assert folder.run_ids() == []
    assert folder.files("_runs") == {}
