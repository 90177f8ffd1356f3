import json

import pyarrow.parquet as pq
import pytest

from tests.transforms.writing.results import (
    SCHEMA,
    column,
    names_in,
    positions_in,
    rejected_of,
    rows_in_part,
    rows_of,
)
from tests.transforms.writing.runs import SmallRun, run
from transforms.errors import WriteError
from transforms.rejected import rejected_batch
from transforms.verification import verify
from transforms.writing import local_folder, parts
from transforms.writing.folder import open_folder
from transforms.writing.formats.record import OUTPUT_FORMATS
from transforms.writing.manifest import read_manifest, schema_in
from transforms.writing.parts import result_files
from transforms.writing.schemas import written_schema


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_rows_and_rejected_rows_are_accounted_for(tmp_path, output_format):
    manifest = run(
        tmp_path,
        [rows_of("a.txt", 0, 5)],
        [
            rejected_of("a.txt", [5], "read", "not UTF-8"),
            rejected_of("a.txt", [6, 7], "infer", "x"),
        ],
        facts={"model": {"preset": "tiny"}},
        output_format=output_format,
    )
    assert names_in(tmp_path) == [
        "_MANIFEST.json",
        f"part-00000-of-00001.{output_format}",
        f"rejected/part-00000-of-00001.{output_format}",
    ]
    assert manifest["output_format"] == output_format
    assert schema_in(manifest).equals(written_schema(SCHEMA))
    assert manifest["model"] == {"preset": "tiny"}
    (entry,) = manifest["inputs"]
    assert (entry["source"], entry["bytes"], entry["rows"]) == ("a.txt", 10, 8)
    assert entry["parts"] == names_in(tmp_path)[1:]
    assert manifest["rows"] == {"read": 8, "written": 5, "rejected": 3, "truncated": 1}
    assert manifest["rejected"] == {
        "stages": {"read": 1, "infer": 2},
        "errors": {"x": 2, "not UTF-8": 1},
    }
    assert manifest["tokens"] == {"real": 10, "padded": 3}
    assert manifest["labels"] == {"positive": 3, "negative": 2}
    assert manifest["columns"]["num_tokens"] == "int32"
    assert "token_ids" not in manifest["columns"]
    assert manifest["metadata"] == {"preset": "tiny"}
    assert manifest["started"] < manifest["finished"]
    assert positions_in(tmp_path) == [0, 1, 2, 3, 4]
    assert positions_in(tmp_path / "rejected") == [5, 6, 7]


def test_parts_are_in_the_order_of_the_units(tmp_path):
    batches = [rows_of(source, start, 2) for source in "ba" for start in (0, 2, 4)]
    run(tmp_path, batches, unit_bytes=1)  # every batch fills a chunk
    parts_there = sorted(tmp_path.glob("*.parquet"))
    assert [p.name for p in parts_there] == [f"part-{i:05d}-of-00006.parquet" for i in range(6)]
    first = [(column(p, "source")[0], column(p, "position")[0]) for p in parts_there]
    assert first == [(s, p) for s in "ba" for p in (0, 2, 4)]


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_the_same_run_gives_the_same_bytes(tmp_path, output_format):
    for output in (tmp_path / "a", tmp_path / "b"):
        batches = [rows_of("a.txt", start, 2) for start in (0, 2, 4)]
        rejected = [rejected_of("a.txt", [6], "read", "not UTF-8")]
        run(output, batches, rejected, unit_bytes=8, output_format=output_format)
    names = names_in(tmp_path / "a")
    assert len(names) > 3
    for name in names[1:]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("output_format", "header"),
    [("csv", b'"source","position","text","num_tokens","truncated","label"\n'), ("jsonl", b"")],
)
def test_no_rows_give_a_part_of_text_without_rows(tmp_path, output_format, header):
    run(tmp_path, [], [rejected_of("a", [0], "read", "x")], output_format=output_format)
    assert (tmp_path / f"part-00000-of-00001.{output_format}").read_bytes() == header


def test_a_part_without_a_byte_is_a_part_in_a_bucket_too(gcs_bucket):
    rejected = [rejected_of("a", [0], "read", "x")]
    run(f"{gcs_bucket}/run", [], rejected, output_format="jsonl")
    assert result_files(open_folder(f"{gcs_bucket}/run"))["part-00000-of-00001.jsonl"] == 0
    assert verify(f"{gcs_bucket}/run").problems == []


@pytest.mark.parametrize("output_format", ["csv", "jsonl"])
def test_what_was_read_of_a_rejected_row_is_text_if_it_can_be(tmp_path, output_format):
    raws = [b'caf\xc3\xa9,"\n', b"caf\xe9", None]
    rejected = rejected_batch(["a"] * 3, [0, 1, 2], raws, "read", ["x"] * 3)
    run(tmp_path, [], [rejected], output_format=output_format)
    rows = rows_in_part(tmp_path / "rejected" / f"part-00000-of-00001.{output_format}")
    assert list(rows[0]) == ["source", "position", "raw", "raw_base64", "stage", "error"]
    null = "" if output_format == "csv" else None
    assert [(row["raw"], row["raw_base64"]) for row in rows] == [
        ('caf\u00e9,"\n', null),
        (null, "Y2Fm6Q=="),
        (null, null),
    ]


def test_no_rows_give_an_empty_part(tmp_path):
    manifest = run(tmp_path, [], [rejected_of("a", [0], "read", "x")])
    assert manifest["rows"] == {"read": 1, "written": 0, "rejected": 1, "truncated": 0}
    assert [(part["path"], part["rows"]) for part in manifest["parts"]] == [
        ("part-00000-of-00001.parquet", 0)
    ]
    schema = pq.read_schema(tmp_path / "part-00000-of-00001.parquet")
    assert schema.names == [name for name in SCHEMA.names if name != "token_ids"]


def test_append_twice(tmp_path):
    run(tmp_path, [rows_of("a", 0, 2), rows_of("a", 2, 2)], unit_bytes=1)
    run(tmp_path, [rows_of("0", 4, 2)], [rejected_of("0", [6], "read", "x")], if_exists="append")
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
    assert [entry["source"] for entry in manifest["inputs"]] == ["a", "0", "b"]
    assert [run["rows"]["written"] for run in manifest["runs"]] == [4, 2, 2]
    assert names_in(tmp_path) == sorted(
        ["_MANIFEST.json"] + [p["path"] for p in manifest["parts"] + manifest["rejected_parts"]]
    )


def test_append_of_no_rows_adds_no_part(tmp_path):
    run(tmp_path, [rows_of("a", 0, 2)])
    manifest = run(tmp_path, [], if_exists="append")
    assert len(manifest["parts"]) == 1
    assert len(manifest["runs"]) == 2


def test_parts_that_no_manifest_lists_are_removed(tmp_path):
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
    (part,) = manifest["parts"]
    assert part["path"] == f"part-00000-of-00001-{manifest['runs'][0]['run_id']}.parquet"
    assert names_in(tmp_path) == ["_MANIFEST.json", "notes.txt", part["path"]]
    assert not (tmp_path / "rejected").exists()
    assert positions_in(tmp_path) == [50, 51]
    assert len(manifest["runs"]) == 1


def test_overwrite_replaces_parts_of_another_format(tmp_path):
    run(tmp_path, [rows_of("a", 0, 2)], [rejected_of("a", [2], "read", "x")])
    manifest = run(tmp_path, [rows_of("a", 0, 2)], if_exists="overwrite", output_format="jsonl")
    (part,) = manifest["parts"]
    assert names_in(tmp_path) == ["_MANIFEST.json", part["path"]]
    assert part["path"].endswith(".jsonl")
    assert positions_in(tmp_path) == [0, 1]


def test_overwrite_never_replaces_a_result_by_rejected_rows_alone(tmp_path):
    before = run(tmp_path, [rows_of("a", 0, 2)])
    again = SmallRun(tmp_path, [], [rejected_of("a", [0], "infer", "NaN")], if_exists="overwrite")
    again.work()
    with pytest.raises(WriteError, match=r"every row was rejected \(NaN\): the earlier result"):
        again.publish()
    assert read_manifest(str(tmp_path)) == before
    assert positions_in(tmp_path) == [0, 1]


def test_a_manifest_that_broke_meanwhile_is_replaced_too(tmp_path):
    run(tmp_path, [rows_of("a", 0, 2)])
    (tmp_path / "_MANIFEST.json").write_text("{")
    run(tmp_path, [rows_of("a", 50, 2)], if_exists="overwrite")
    assert positions_in(tmp_path) == [50, 51]


def test_a_unit_that_is_not_done_publishes_nothing(tmp_path):
    unfinished = SmallRun(tmp_path, [rows_of("a", 0, 2), rows_of("b", 2, 2)])
    unfinished.work(unfinished.units[0])
    with pytest.raises(RuntimeError, match="1 of 2 units of input are not done, the first in 'b'"):
        unfinished.publish()
    assert not (tmp_path / "_MANIFEST.json").exists()
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_run_that_took_over_is_kept(tmp_path):
    late = SmallRun(tmp_path, [rows_of("a", 0, 2)])
    late.work()
    late.reservation.close(finished=False)
    run(tmp_path, [rows_of("a", 5, 2)], if_exists="overwrite")
    with pytest.raises(WriteError, match="changed during this run"):
        late.publish()
    assert positions_in(tmp_path) == [5, 6]


def test_a_run_that_lost_its_lock_publishes_nothing(tmp_path):
    late = SmallRun(tmp_path, [rows_of("a", 0, 2)])
    late.work()
    (lock,) = (tmp_path / "_runs").glob("lock-*")
    lock.rename(lock.with_name("lock-000007.json"))
    with pytest.raises(WriteError, match="another run has taken over"):
        late.publish()
    assert list(tmp_path.glob("*.parquet")) == []


class Faulty:
    """Stands in for the module os: raises at the n-th call that changes a folder."""

    CHANGES = ("replace", "link", "fsync")

    def __init__(self, os, calls: int) -> None:
        self._os = os
        self._left = calls

    def __getattr__(self, name):
        found = getattr(self._os, name)
        if name not in self.CHANGES:
            return found

        def call(*args, **kwargs):
            self._left -= 1
            if self._left < 0:
                raise OSError("the machine went away")
            return found(*args, **kwargs)

        return call


@pytest.mark.parametrize("if_exists", ["error", "overwrite", "append", "update"])
def test_publishing_can_be_tried_again_from_any_point(tmp_path, monkeypatch, if_exists):
    # Nobody can look whether the files are those that were planned: they are nowhere.
    monkeypatch.setattr("transforms.writing.chunk.check_unchanged", lambda files: None)
    for calls in range(100):
        output = tmp_path / str(calls)
        if if_exists != "error":
            run(output, [rows_of("b", 100, 2)], versions={"b": "0:0"})
        again = SmallRun(
            output, [rows_of("b", 0, 2), rows_of("b", 2, 2)], if_exists=if_exists, unit_bytes=1,
            versions={"b": "1:0"},
        )  # fmt: skip
        again.work()
        with monkeypatch.context() as patch:
            patch.setattr(local_folder, "os", Faulty(local_folder.os, calls))
            try:
                again.publish()
                problem = None
            except WriteError as error:
                problem = str(error)
        assert problem is None or "went away" in problem
        seen = positions_in(output)
        assert len(seen) == len(set(seen))  # whatever happened, nobody reads a row twice
        manifest = again.publish()
        before = [100, 101] if if_exists == "append" else []
        assert positions_in(output) == [*before, 0, 1, 2, 3]
        listed = ["_MANIFEST.json", *(part["path"] for part in manifest["parts"])]
        assert names_in(output) == sorted(listed)
        assert read_manifest(str(output)) == manifest
        if problem is None:
            assert calls > 5
            return
    raise AssertionError("publishing never ended")


def test_a_cleaned_folder_is_noticed_before_the_old_result_goes(tmp_path):
    before = run(tmp_path, [rows_of("a", 0, 3)])
    again = SmallRun(tmp_path, [rows_of("a", 0, 2)], if_exists="overwrite")
    again.work()
    (part,) = (tmp_path / "_runs").rglob("*.parquet")
    part.unlink()
    with pytest.raises(WriteError, match="is gone: was the folder cleaned"):
        again.publish()
    assert read_manifest(str(tmp_path)) == before
    assert positions_in(tmp_path) == [0, 1, 2]


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
@pytest.mark.parametrize("bucket", ["gcs_bucket", "s3_bucket"])
def test_results_in_a_bucket(request, bucket, output_format):
    output = f"{request.getfixturevalue(bucket)}/run"
    batches = [rows_of("a", 0, 2), rows_of("a", 2, 2)]
    options = {"output_format": output_format}
    run(output, batches, [rejected_of("a", [4], "read", "x")], unit_bytes=1, **options)
    run(output, [rows_of("b", 5, 3)], if_exists="append", **options)
    run(output, [], [rejected_of("b", [5], "read", "x")], if_exists="append", **options)
    manifest = run(output, [rows_of("b", 5, 3)], if_exists="overwrite", **options)
    results = open_folder(output)
    (entry,) = manifest["parts"]
    assert results.files() == {
        "_MANIFEST.json": len(results.read("_MANIFEST.json")),
        entry["path"]: entry["bytes"],
    }
    assert results.files("rejected") == {}
    assert results.run_ids() == []
    assert json.loads(results.read("_MANIFEST.json")) == manifest


def test_a_chunk_that_is_written_twice_counts_once(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 2)
    twice = SmallRun(tmp_path, [rows_of("a", i, 2) for i in range(0, 10, 2)], unit_bytes=8)
    twice.work(stop=3)  # one worker dies in the middle of its second chunk
    twice.work()
    written = len(list((tmp_path / "_runs").rglob("*.parquet")))
    twice.work()  # and one is late
    assert len(list((tmp_path / "_runs").rglob("*.parquet"))) == written
    twice.publish()
    assert positions_in(tmp_path) == list(range(10))
