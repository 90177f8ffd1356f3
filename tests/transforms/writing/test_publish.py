import pyarrow.parquet as pq
import pytest

from tests.transforms.writing.results import (
    SCHEMA,
    column,
    names_in,
    positions_in,
    rejected_of,
    rows_of,
)
from transforms.errors import OutputError
from transforms.rejected import REJECTED
from transforms.writing import folder
from transforms.writing.folder import open_folder
from transforms.writing.manifest import read_manifest
from transforms.writing.output import OutputPlan, prepare_output, written_schema
from transforms.writing.parts import Part, PartWriter, count_rejected, count_results
from transforms.writing.publish import publish

WRITTEN = written_schema(SCHEMA)


def prepare(output, if_exists="error") -> OutputPlan:
    return prepare_output(str(output), if_exists=if_exists, schema=SCHEMA)


def write_parts(plan: OutputPlan, batches, rejected=()) -> list[Part]:
    """Writes each batch to a part of its own."""
    output = open_folder(plan.folder)
    parts = []
    for batch in batches:
        writer = PartWriter(output, plan.temporary, WRITTEN, False, count_labels)
        writer.write(batch.select(WRITTEN.names))
        parts.append(writer.close())
    for batch in rejected:
        writer = PartWriter(output, plan.temporary, REJECTED, True, count_rejected)
        writer.write(batch)
        parts.append(writer.close())
    return parts


def count_labels(table):
    return count_results(table, "label")


def publish_parts(plan: OutputPlan, parts: list[Part], facts=None, **tallies) -> dict:
    tallies = {"rows_read": sum(part.rows for part in parts)} | tallies
    return publish(plan, WRITTEN, facts or {}, parts, tallies)


def run(output, batches, rejected=(), *, if_exists="error", facts=None) -> dict:
    """Does what a run does; returns the manifest."""
    plan = prepare(output, if_exists)
    manifest = publish_parts(plan, write_parts(plan, batches, rejected), facts)
    assert read_manifest(str(output)) == manifest
    return manifest


def test_parts_are_ordered_by_source_and_position(tmp_path):
    run(tmp_path, [rows_of(source, start, 2) for source in "ba" for start in (100, 8, 9000)])
    parts = sorted(tmp_path.glob("*.parquet"))
    assert [p.name for p in parts] == [f"part-{i:05d}-of-00006.parquet" for i in range(6)]
    first = [(column(p, "source")[0], column(p, "position")[0]) for p in parts]
    assert first == [(s, p) for s in "ab" for p in (8, 100, 9000)]


def test_no_rows_give_an_empty_part(tmp_path):
    manifest = run(tmp_path, [], [rejected_of("a", [0], "read", "x")])
    assert manifest["rows"] == {"read": 1, "written": 0, "rejected": 1, "truncated": 0}
    assert [(part["path"], part["rows"]) for part in manifest["parts"]] == [
        ("part-00000-of-00001.parquet", 0)
    ]
    schema = pq.read_schema(tmp_path / "part-00000-of-00001.parquet")
    assert schema.names == [name for name in SCHEMA.names if name != "token_ids"]


def test_append_twice(tmp_path):
    run(tmp_path, [rows_of("a", 0, 2), rows_of("a", 2, 2)], facts={"inputs": [{"source": "a"}]})
    run(
        tmp_path,
        [rows_of("0", 4, 2)],
        [rejected_of("0", [6], "read", "x")],
        if_exists="append",
        facts={"inputs": [{"source": "0"}]},
    )
    manifest = run(tmp_path, [rows_of("b", 7, 2)], if_exists="append")

    runs = [run["run_id"] for run in manifest["runs"]]
    assert [part["path"] for part in manifest["parts"]] == [
        "part-00000-of-00002.parquet",
        "part-00001-of-00002.parquet",
        f"part-00002-of-00003-{runs[1]}.parquet",
        f"part-00003-of-00004-{runs[2]}.parquet",
    ]
    assert (
        manifest["rejected_parts"][0]["path"] == f"rejected/part-00000-of-00001-{runs[1]}.parquet"
    )
    assert positions_in(tmp_path) == [0, 1, 2, 3, 4, 5, 7, 8]
    assert manifest["rows"] == {"read": 9, "written": 8, "rejected": 1, "truncated": 1}
    assert manifest["labels"] == {"positive": 4, "negative": 4}
    assert [entry["source"] for entry in manifest["inputs"]] == ["a", "0"]
    assert [run["rows"]["written"] for run in manifest["runs"]] == [4, 2, 2]
    assert names_in(tmp_path) == sorted(
        ["_MANIFEST.json"] + [p["path"] for p in manifest["parts"] + manifest["rejected_parts"]]
    )


def test_append_of_no_rows_adds_no_part(tmp_path):
    run(tmp_path, [rows_of("a", 0, 2)])
    manifest = run(tmp_path, [], if_exists="append")
    assert len(manifest["parts"]) == 1
    assert len(manifest["runs"]) == 2


def test_append_removes_parts_of_an_append_that_died(tmp_path):
    run(tmp_path, [rows_of("a", 0, 2)])
    orphan = tmp_path / "part-00001-of-00002-20250102t030405-abcdef.parquet"
    orphan.write_bytes((tmp_path / "part-00000-of-00001.parquet").read_bytes())
    run(tmp_path, [rows_of("b", 2, 2)], if_exists="append")
    assert not orphan.exists()
    assert positions_in(tmp_path) == [0, 1, 2, 3]


def test_overwrite_replaces_parts_and_rejected_rows(tmp_path):
    batches = [rows_of("a", 0, 2), rows_of("a", 2, 2)]
    run(tmp_path, batches, [rejected_of("a", [4], "read", "x")])
    (tmp_path / "notes.txt").write_text("mine")
    manifest = run(tmp_path, [rows_of("a", 50, 2)], if_exists="overwrite")
    assert names_in(tmp_path) == ["_MANIFEST.json", "notes.txt", "part-00000-of-00001.parquet"]
    assert not (tmp_path / "rejected").exists()
    assert positions_in(tmp_path) == [50, 51]
    assert len(manifest["runs"]) == 1


def test_a_manifest_that_broke_meanwhile_is_replaced_too(tmp_path):
    run(tmp_path, [rows_of("a", 0, 2)])
    (tmp_path / "_MANIFEST.json").write_text("{")
    run(tmp_path, [rows_of("a", 50, 2)], if_exists="overwrite")
    assert positions_in(tmp_path) == [50, 51]


def test_lost_rows_publish_nothing(tmp_path):
    plan = prepare(tmp_path)
    parts = write_parts(plan, [rows_of("a", 0, 2)])
    with pytest.raises(RuntimeError, match="3 rows were read, but 2 written and 0 rejected"):
        publish_parts(plan, parts, rows_read=3)
    assert not (tmp_path / "_MANIFEST.json").exists()
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_run_that_finished_meanwhile_is_kept(tmp_path):
    plan = prepare(tmp_path)
    run(tmp_path, [rows_of("a", 0, 2)])
    with pytest.raises(OutputError, match="changed during this run"):
        publish_parts(plan, [])
    assert positions_in(tmp_path) == [0, 1]


@pytest.mark.parametrize("if_exists", ["error", "overwrite", "append"])
@pytest.mark.parametrize("renames", [0, 1, 2, 3])
def test_publishing_can_be_tried_again_from_any_point(tmp_path, monkeypatch, if_exists, renames):
    if if_exists != "error":
        run(tmp_path, [rows_of("a", 100, 2)])
    plan = prepare(tmp_path, if_exists)
    parts = write_parts(plan, [rows_of("b", 0, 2), rows_of("b", 2, 2)])

    replace, left = folder.os.replace, iter(range(renames))

    def replace_some(old, new):
        if next(left, None) is None:
            raise OSError("the machine went away")
        replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(folder.os, "replace", replace_some)
        if renames < 3:  # two parts and the manifest
            with pytest.raises(OutputError, match="went away"):
                publish_parts(plan, parts)
        else:
            publish_parts(plan, parts)
    manifest = publish_parts(plan, parts)

    before = [100, 101] if if_exists == "append" else []
    assert positions_in(tmp_path) == [*before, 0, 1, 2, 3]
    listed = ["_MANIFEST.json", *(part["path"] for part in manifest["parts"])]
    assert names_in(tmp_path) == sorted(listed)
    assert read_manifest(str(tmp_path)) == manifest


def test_a_cleaned_temporary_folder_is_noticed_before_the_old_result_goes(tmp_path):
    before = run(tmp_path, [rows_of("a", 0, 3)])
    plan = prepare(tmp_path, "overwrite")
    (part,) = write_parts(plan, [rows_of("a", 0, 2)])
    (tmp_path / part.path).unlink()
    with pytest.raises(OutputError, match="is gone: was the folder cleaned"):
        publish_parts(plan, [part])
    assert read_manifest(str(tmp_path)) == before
    assert positions_in(tmp_path) == [0, 1, 2]


def test_unknown_tallies_are_kept_as_counters(tmp_path):
    plan = prepare(tmp_path)
    assert publish_parts(plan, [], retries=1)["counters"] == {"retries": 1}


def test_results_in_a_bucket(gcs_bucket):
    output = f"{gcs_bucket}/run"
    run(output, [rows_of("a", 0, 2), rows_of("a", 2, 2)], [rejected_of("a", [4], "read", "x")])
    run(output, [rows_of("b", 5, 3)], if_exists="append")
    manifest = run(output, [rows_of("b", 5, 3)], if_exists="overwrite")
    results = open_folder(output)
    (entry,) = manifest["parts"]
    assert results.files() == {
        "_MANIFEST.json": len(results.read("_MANIFEST.json")),
        entry["path"]: entry["bytes"],
    }
    assert results.files("rejected") == {}
    assert results.temporaries() == {}
