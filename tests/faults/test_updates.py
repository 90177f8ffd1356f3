"""What an update finds when somebody else was there before it."""

import json
import os
from pathlib import Path

import pytest

from tests.faults.null_run import null_run
from transforms.errors import OutputError
from transforms.verification import verify


def write(folder: Path, **files: str) -> str:
    """Puts files of one row each into a folder; returns the pattern that finds them."""
    folder.mkdir(exist_ok=True)
    for name, row in files.items():
        (folder / f"{name}.txt").write_text(f"{row}\n")
    return f"{folder}/*.txt"


def texts_in(output: Path) -> list[str]:
    import pyarrow.parquet as pq

    manifest = json.loads((output / "_MANIFEST.json").read_text())
    tables = [pq.read_table(output / part["path"]) for part in manifest["parts"]]
    return sorted(text for table in tables for text in table["text"].to_pylist())


def kill_after_units(monkeypatch, count: int, *run) -> None:
    """Lets a run die before it begins one more unit."""
    from tests.faults import null_run as module

    left = iter(range(count))
    process = module._ReadUnit.process

    def process_some(self, unit):
        if next(left, None) is None:
            raise KeyboardInterrupt
        yield from process(self, unit)

    with monkeypatch.context() as patch:
        patch.setattr(module._ReadUnit, "process", process_some)
        with pytest.raises(KeyboardInterrupt):
            null_run(*run, unit_bytes=2)


def test_a_file_of_the_same_name_in_another_folder_is_not_taken_for_it(tmp_path, monkeypatch):
    write(tmp_path / "A", x="of A")
    write(tmp_path / "B", x="of B")
    monkeypatch.chdir(tmp_path / "A")
    null_run(["*.txt"], str(tmp_path / "out"), "update")
    monkeypatch.chdir(tmp_path / "B")
    with pytest.raises(OutputError, match=r"'x.txt' is '.*/B/x.txt', and the one .*/A/x"):
        null_run(["*.txt"], str(tmp_path / "out"), "update")
    assert texts_in(tmp_path / "out") == ["of A"]


def test_a_folder_that_was_moved_with_its_files_is_the_same(tmp_path, monkeypatch):
    write(tmp_path / "A", x="of A")
    monkeypatch.chdir(tmp_path / "A")
    null_run(["*.txt"], str(tmp_path / "out"), "update")
    os.rename(tmp_path / "A", tmp_path / "C")
    monkeypatch.chdir(tmp_path / "C")
    null_run(["*.txt"], str(tmp_path / "out"), "update")
    assert texts_in(tmp_path / "out") == ["of A"]


def test_a_file_behind_a_link_is_the_same(tmp_path):
    null_run([write(tmp_path / "A", x="of A")], str(tmp_path / "out"), "update")
    (tmp_path / "L").symlink_to("A")
    null_run([f"{tmp_path}/L/*.txt"], str(tmp_path / "out"), "update")
    assert texts_in(tmp_path / "out") == ["of A"]


def test_an_overwrite_that_died_does_not_make_an_update_of_other_files_one(tmp_path, monkeypatch):
    out = str(tmp_path / "out")
    pattern = write(tmp_path / "in", a="a", b="b")
    null_run([pattern], out)
    (tmp_path / "in" / "a.txt").unlink()
    others = write(tmp_path / "others", x="x", y="y")
    kill_after_units(monkeypatch, 1, [others], out, "overwrite")
    write(tmp_path / "in", c="c")
    null_run([pattern], out, "update")
    assert texts_in(tmp_path / "out") == ["a", "b", "c"]
    assert not (tmp_path / "out" / "_runs").exists()


def test_an_overwrite_that_died_is_finished_by_an_update_of_its_files(tmp_path, monkeypatch):
    out = str(tmp_path / "out")
    null_run([write(tmp_path / "in", a="a")], out)
    others = write(tmp_path / "others", x="x", y="y")
    kill_after_units(monkeypatch, 1, [others], out, "overwrite")
    null_run([others], out, "update")
    assert texts_in(tmp_path / "out") == ["x", "y"]


@pytest.mark.parametrize("damage", ["record emptied", "part gone", "part changed", "staged"])
def test_what_is_damaged_of_a_run_that_died_is_done_again(tmp_path, monkeypatch, damage):
    out, pattern = tmp_path / "out", write(tmp_path / "in", a="a", b="b", c="c")
    kill_after_units(monkeypatch, 2, [pattern], str(out))
    record = sorted(out.glob("_runs/*/records/*"))[-1]
    part = out / json.loads(record.read_text())["parts"][0]["path"]
    if damage == "record emptied":
        record.write_bytes(b"")
    elif damage == "part gone":
        part.unlink()
    elif damage == "part changed":
        content = bytearray(part.read_bytes())
        content[50] ^= 1
        part.write_bytes(content)
    else:
        (record.parents[1] / "manifest.json").write_text("{")
    null_run([pattern], str(out), "update", unit_bytes=2)
    assert texts_in(out) == ["a", "b", "c"]
    assert verify(str(out), [pattern]).problems == []


def test_what_was_appended_twice_is_replaced_as_one_file(tmp_path):
    out, pattern = tmp_path / "out", write(tmp_path / "in", a="a", b="b")
    null_run([pattern], str(out))
    null_run([pattern], str(out), "append")
    write(tmp_path / "in", a="A")
    null_run([pattern], str(out), "update")
    assert texts_in(out) == ["A", "b", "b"]
    assert verify(str(out)).problems == []
