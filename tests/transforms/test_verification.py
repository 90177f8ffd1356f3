import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.faults.null_run import null_run
from tests.transforms.writing.results import names_in, rejected_of, rows_of
from tests.transforms.writing.runs import SmallRun
from transforms.errors import OutputError
from transforms.verification import repair, verify
from transforms.writing import finishing
from transforms.writing.folder import open_folder
from transforms.writing.formats.record import OUTPUT_FORMATS
from transforms.writing.parts import digest_of


@pytest.fixture
def corpus(tmp_path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abc":
        lines = [b"%s %d" % (name.encode(), number) for number in range(200)]
        (folder / f"{name}.txt").write_bytes(b"\n".join([*lines, b"\xff"]))
    return folder


@pytest.fixture(params=OUTPUT_FORMATS)
def result(corpus, tmp_path, request) -> Path:
    null_run([str(corpus)], str(tmp_path / "out"), unit_bytes=1000, output_format=request.param)
    return tmp_path / "out"


def problems_of(result: Path, corpus: Path | None = None) -> list[str]:
    return verify(str(result), None if corpus is None else [str(corpus)]).problems


def test_a_result_that_is_whole_has_no_problems(result, corpus):
    assert problems_of(result, corpus) == []
    assert len(list(result.glob("part-*"))) > 3


def rewrite(path: Path, drop: int = 0, repeat: int = 0, before: Path | None = None) -> None:
    """Drops first rows of a part, repeats first ones at its end, puts two of another before."""
    if path.suffix == ".parquet":
        rows = pq.read_table(path)
        others = rows.slice(0, 0) if before is None else pq.read_table(before).slice(0, 2)
        pq.write_table(pa.concat_tables([others, rows.slice(drop), rows.slice(0, repeat)]), path)
        return
    header, rows = lines_of(path)
    others = [] if before is None else lines_of(before)[1][:2]
    path.write_bytes(b"".join([*header, *others, *rows[drop:], *rows[:repeat]]))


def lines_of(path: Path) -> tuple[list[bytes], list[bytes]]:
    """The header of a part of text whose rows have a line each, and its rows."""
    lines = path.read_bytes().splitlines(keepends=True)
    count = 1 if path.suffix == ".csv" else 0
    return lines[:count], lines[count:]


def num_rows(path: Path) -> int:
    return pq.read_metadata(path).num_rows if path.suffix == ".parquet" else len(lines_of(path)[1])


def as_listed(result: Path) -> None:
    """Makes the manifest agree with the parts in bytes, digests and rows."""
    manifest = json.loads((result / "_MANIFEST.json").read_text())
    for entry in (*manifest["parts"], *manifest["rejected_parts"]):
        entry["bytes"], entry["sha256"] = digest_of(open_folder(str(result)), entry["path"])
        entry["rows"] = num_rows(result / entry["path"])
    (result / "_MANIFEST.json").write_text(json.dumps(manifest))


def test_a_part_with_another_content_is_told(result):
    part = next(iter(sorted(result.glob("part-*"))))
    content = bytearray(part.read_bytes())
    content[100] ^= 1
    part.write_bytes(content)
    (problem, *_) = problems_of(result)
    assert problem.startswith(f"{part.name}: its content is another: ")


def test_a_part_that_is_gone_is_told(result):
    part = next(iter(sorted(result.glob("part-*"))))
    part.unlink()
    assert f"{part.name}: it is gone" in problems_of(result)


def test_a_file_that_the_manifest_does_not_list_is_told(result):
    part = next(iter(result.glob("part-*")))
    name = f"rejected/part-00009-of-00010{part.suffix}"
    shutil.copy(part, result / name)
    assert problems_of(result) == [f"{name}: the manifest does not list it"]


def test_rows_that_are_missing_are_told(result, corpus):
    rewrite(next(iter(sorted(result.glob("part-*")))), drop=3)
    as_listed(result)
    said = problems_of(result, corpus)
    assert "a.txt': 198 of its rows are there, 201 in the manifest" in said[0]
    assert "_MANIFEST.json: 603 rows read, but 600 in its parts" in said
    assert "a.txt': 3 of its rows are missing, the first at 0" in said[-1]


def test_rows_that_are_doubled_in_a_part_are_told(result):
    part = next(iter(sorted(result.glob("part-*"))))
    rewrite(part, repeat=2)
    as_listed(result)
    assert any(
        "2 rows of" in problem and "are doubled" in problem for problem in problems_of(result)
    )


def test_rows_that_are_in_two_parts_are_told(result):
    first, second = sorted(result.glob("part-*"))[:2]
    rewrite(second, before=first)
    as_listed(result)
    assert any("2 rows are in more than one part" in problem for problem in problems_of(result))


def test_another_column_is_told(result):
    part = next(iter(sorted(result.glob("part-*"))))
    if part.suffix == ".parquet":
        table = pq.read_table(part)
        pq.write_table(table.append_column("more", [[1] * len(table)]), part)
    elif part.suffix == ".csv":
        header, rows = lines_of(part)
        part.write_bytes(b"".join([b'"more",' + header[0], *(b"1," + row for row in rows)]))
    else:
        part.write_bytes(b"".join(b'{"more":1,' + row[1:] for row in lines_of(part)[1]))
    as_listed(result)
    assert any("its columns are" in problem for problem in problems_of(result))


def test_an_input_that_is_not_there_or_not_the_same_is_told(result, corpus):
    (corpus / "a.txt").write_text("other")
    (corpus / "d.txt").write_text("new")
    said = problems_of(result, corpus)
    assert said == [
        f"'{corpus}/a.txt': it has changed since",
        f"'{corpus}/d.txt': it is not in the result",
    ]


def test_what_was_appended_twice_is_a_note(result, corpus, tmp_path):
    written_as = json.loads((result / "_MANIFEST.json").read_text())["output_format"]
    null_run([str(corpus / "a.txt")], str(result), "append", output_format=written_as)
    found = verify(str(result))
    assert found.problems == []
    assert found.notes == [f"'{corpus}/a.txt' was appended more than once"]


def test_a_run_that_has_not_ended_is_a_note(result):
    unfinished = SmallRun(result, [rows_of("a", 0, 2), rows_of("b", 0, 2)], if_exists="overwrite")
    unfinished.work(unfinished.units[0])
    unfinished.reservation.close(finished=False)
    found = verify(str(result))
    assert found.problems == []
    assert "50% of it done" in found.notes[0]


def test_a_folder_without_a_manifest_is_no_result(tmp_path):
    assert problems_of(tmp_path) == ["no _MANIFEST.json: no run has finished here"]


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_types_that_a_format_does_not_keep_are_no_problem(tmp_path, output_format):
    table = pa.table(
        {
            "text": ["a", "b"],
            "when": pa.array([0, None], pa.timestamp("s")),
            "large": pa.array([[1], None], pa.large_list(pa.int8())),
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
            "member": pa.array([[1], None], pa.list_(pa.field("x", pa.int8(), nullable=False))),
        }
    )
    for name in "ab":
        with pa.ipc.new_file(tmp_path / f"{name}.arrow", table.schema) as file:
            file.write_table(table)
    inputs, out = [f"{tmp_path}/*.arrow"], str(tmp_path / "out")
    null_run(inputs, out, output_format=output_format)
    assert verify(out, inputs).problems == []
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as file:
        file.write_table(table.slice(1))
    manifest = null_run(inputs, out, "update", output_format=output_format)
    assert manifest["rows"]["written"] == 3
    assert verify(out, inputs).problems == []


def test_a_part_that_is_none_is_told(result):
    part = next(iter(sorted(result.glob("part-*"))))
    content = part.read_bytes()[:-7]
    part.write_bytes(content)
    manifest = json.loads((result / "_MANIFEST.json").read_text())
    manifest["parts"][0]["bytes"], manifest["parts"][0]["sha256"] = digest_of(
        open_folder(str(result)), part.name
    )
    (result / "_MANIFEST.json").write_text(json.dumps(manifest))
    assert problems_of(result)[0].startswith(f"{part.name}: it cannot be read: ")


def test_a_manifest_of_another_version_is_not_verified(result):
    manifest = json.loads((result / "_MANIFEST.json").read_text())
    (result / "_MANIFEST.json").write_text(json.dumps(manifest | {"format_version": 2}))
    with pytest.raises(OutputError, match="format version 2, and this program reads version 3"):
        verify(str(result))


@pytest.mark.parametrize("steps", [0, 1])
def test_a_publishing_that_died_is_finished_by_repair(tmp_path, monkeypatch, steps):
    out = tmp_path / "out"
    SmallRun(out, [rows_of("a", 0, 2)], [rejected_of("a", [5], "read", "x")]).finish()
    dead = SmallRun(out, [rows_of("b", 0, 2)], if_exists="overwrite")
    dead.work()

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if steps == 0:
            patch.setattr("transforms.writing.publish.finish_publishing", die)
        else:
            patch.setattr(finishing, "result_files", finishing.result_files)
            patch.setattr("transforms.writing.local_folder.LocalFolder.link", die)
        with pytest.raises(KeyboardInterrupt):
            dead.publish()
    if steps:
        assert any("--repair finishes it" in problem for problem in problems_of(out))
    (out / "_runs" / "lock-000001.json").unlink()
    assert repair(str(out)) == "finished the publishing of a run that had died"
    assert problems_of(out) == []
    assert verify(str(out)).manifest["inputs"][0]["source"] == "b"
    assert repair(str(out)) is None
    assert len(names_in(out)) == 2


def test_repair_leaves_a_run_that_is_at_work_alone(result):
    SmallRun(result, [rows_of("a", 0, 2)], if_exists="overwrite")
    with pytest.raises(OutputError, match="being written by another run"):
        repair(str(result))


def test_a_result_in_a_bucket_is_verified(corpus, gcs_bucket):
    null_run([str(corpus)], f"{gcs_bucket}/out")
    assert verify(f"{gcs_bucket}/out", [str(corpus)]).problems == []
