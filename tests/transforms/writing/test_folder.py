"""What all kinds of folders have in common, and what happens when storage refuses."""

import errno

import pytest
from apache_beam.io.filesystem import BeamIOError

from transforms.errors import OutputError
from transforms.writing import local_folder
from transforms.writing.folder import RUNS, OutputFolder, open_folder, storage_errors
from transforms.writing.remote_folder import RemoteFolder

RUN = "20250102t030405-abcdef"


@pytest.fixture(params=["local", "remote with folders", "gcs_bucket", "s3_bucket"])
def folder(request, tmp_path) -> OutputFolder:
    """An empty one; Beam's own local file system stands in for HDFS and its like."""
    if request.param == "local":
        return open_folder(str(tmp_path))
    if request.param == "remote with folders":
        return RemoteFolder(str(tmp_path))
    # With characters that mean something in a pattern.
    return open_folder(f"{request.getfixturevalue(request.param)}/results [1]")


def put(folder: OutputFolder, name: str, content: bytes) -> None:
    file = folder.create(name)
    file.write(content)
    file.close()


def test_a_file_is_found_with_its_size(folder):
    assert folder.files() == {}
    assert folder.read("a.txt") is None
    put(folder, "a.txt", b"abc")
    put(folder, "rejected/b.txt", b"b")
    assert folder.files() == {"a.txt": 3}
    assert folder.files("rejected") == {"rejected/b.txt": 1}
    assert folder.files("rejected", "b.") == {"rejected/b.txt": 1}
    assert folder.files("rejected", "c") == folder.files("", "b") == {}
    assert folder.read("a.txt") == b"abc"


def test_a_file_appears_under_another_name_too_and_replaces_what_had_it(folder):
    put(folder, f"{RUNS}/a", b"new")
    put(folder, f"{RUNS}/b", b"b")
    put(folder, "a", b"former")
    names = {"a": f"{RUNS}/a", "rejected/b": f"{RUNS}/b"}
    for _ in range(2):  # again, as after a death
        folder.link(names)
        assert folder.files() == {"a": 3}
        assert folder.files("rejected") == {"rejected/b": 1}
        assert folder.files(RUNS) == {f"{RUNS}/a": 3, f"{RUNS}/b": 1}
    with folder.open("a") as file:
        assert file.read() == b"new"


def test_nothing_to_link_or_remove_is_no_error(folder):
    folder.link({})
    folder.remove([])
    folder.remove(["absent"])
    folder.remove_tree("absent")
    folder.remove_if_empty("absent")


def test_a_file_is_replaced_whole_and_leaves_no_other(folder):
    for content in (b"one", b"two"):
        folder.write_whole("m.json", content)
    assert folder.read("m.json") == b"two"
    assert folder.files() == {"m.json": 3}
    assert folder.files(RUNS) == {}


def test_only_the_first_creates_a_file(folder):
    assert folder.create_new("locks/1", b"one")
    assert not folder.create_new("locks/1", b"two")
    assert folder.read("locks/1") == b"one"
    assert folder.files(RUNS) == {}


def test_a_file_is_as_old_as_its_last_touch(folder):
    assert folder.age("a") is None
    put(folder, "a", b"content")
    folder.touch("a")
    assert -5 < folder.age("a") < 60
    assert folder.read("a") == b"content"


def test_runs_are_found_and_removed(folder):
    assert folder.run_ids() == []
    others = [RUN.replace("a", "b"), "of-another-program"]
    for run_id in (RUN, *others):
        put(folder, f"{RUNS}/{run_id}/parts/x.parquet", b"half")
    assert folder.run_ids() == [RUN, others[0]]
    folder.remove_tree(f"{RUNS}/{RUN}")
    assert folder.run_ids() == [others[0]]


@pytest.mark.parametrize("operation", ["link", "create_new"])
def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch, operation):
    folder = open_folder(str(tmp_path))
    put(folder, f"{RUNS}/a", b"content")

    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(local_folder.os, "link", no_links)
    if operation == "link":
        folder.link({"b": f"{RUNS}/a"})
    else:
        assert folder.create_new("b", b"content")
        assert not folder.create_new("b", b"other")
    assert folder.read("b") == b"content"
    assert folder.files(RUNS) == {f"{RUNS}/a": 7}


def test_a_folder_that_is_there_is_no_file(folder):
    put(folder, "a.txt", b"abc")
    folder.check_no_file()


def test_a_file_is_no_folder(tmp_path, gcs_bucket, s3_bucket):
    (tmp_path / "out").write_bytes(b"")
    for bucket in (gcs_bucket, s3_bucket):
        put(open_folder(bucket), "out", b"")
    for path in (f"{gcs_bucket}/out", f"{s3_bucket}/out", str(tmp_path / "out")):
        with pytest.raises(NotADirectoryError):
            open_folder(path).check_no_file()


def test_a_scheme_alone_is_no_folder():
    with pytest.raises(OutputError, match="gs:// names no bucket"):
        open_folder("gs://")


def test_an_unknown_scheme_is_named():
    with pytest.raises(OutputError, match="nowhere://bucket/out"):
        open_folder("nowhere://bucket/out")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (BeamIOError("failed", {"gs://b/o": 403}), "status 403"),
        (BeamIOError("failed", {"gs://b/o": OSError(13, "Denied")}), "Denied"),
        (OSError("several\nlines"), "several lines"),
    ],
)
def test_what_storage_raises_is_one_line(error, reason):
    with pytest.raises(OutputError) as caught, storage_errors("write to out"):
        raise error
    assert str(caught.value) == f"cannot write to out: {reason}"


def test_mistakes_of_the_program_are_not_blamed_on_storage():
    with pytest.raises(ValueError, match="mine"), storage_errors("write to out"):
        raise ValueError("mine")
