"""What all kinds of folders have in common, and what happens when storage refuses."""

import pytest
from apache_beam.io.filesystem import BeamIOError

from transforms.errors import OutputError
from transforms.writing.folder import OutputFolder, _RemoteFolder, open_folder, storage_errors

RUN = "20250102t030405-abcdef"
TEMPORARY = f"_temporary-{RUN}"


@pytest.fixture(params=["local", "remote with folders", "bucket"])
def folder(request, tmp_path) -> OutputFolder:
    """An empty one; Beam's own local file system stands in for HDFS and its like."""
    if request.param == "local":
        return open_folder(str(tmp_path))
    if request.param == "remote with folders":
        return _RemoteFolder(str(tmp_path))
    # With characters that mean something in a pattern.
    return open_folder(f"{request.getfixturevalue('gcs_bucket')}/results [1]")


def put(folder: OutputFolder, name: str, content: bytes) -> None:
    with folder.create(name) as file:
        file.write(content)


def test_a_file_is_found_with_its_size(folder):
    assert folder.files() == {}
    assert folder.read("a.txt") is None
    put(folder, "a.txt", b"abc")
    put(folder, "rejected/b.txt", b"b")
    assert folder.files() == {"a.txt": 3}
    assert folder.files("rejected") == {"rejected/b.txt": 1}
    assert folder.read("a.txt") == b"abc"


def test_files_are_renamed_over_others(folder):
    put(folder, "old/a", b"new")
    put(folder, "old/b", b"b")
    put(folder, "a", b"former")
    folder.rename([("old/a", "a"), ("old/b", "b")])
    assert folder.files() == {"a": 3, "b": 1}
    assert folder.files("old") == {}


def test_nothing_to_rename_or_remove_is_no_error(folder):
    folder.rename([])
    folder.remove([])
    folder.remove_tree("absent")
    folder.remove_if_empty("absent")


def test_publishing_replaces_a_file_and_leaves_no_other(folder):
    folder.reserve(TEMPORARY)
    folder.remove_tree(TEMPORARY)
    for content in (b"one", b"two"):
        folder.write_whole("m.json", content, TEMPORARY)
    assert folder.read("m.json") == b"two"
    assert folder.files() == {"m.json": 3}


def test_temporaries_of_runs_are_found_and_removed(folder):
    folder.reserve(TEMPORARY)
    put(folder, f"{TEMPORARY}/x.parquet", b"half")
    put(folder, f"_temporary-{RUN.replace('a', 'b')}.json", b"{")
    put(folder, "_temporary-of-another-program/x", b"x")
    names = [TEMPORARY, f"_temporary-{RUN.replace('a', 'b')}.json"]
    assert sorted(folder.temporaries()) == names
    for name in names:
        folder.remove_tree(name)
    assert folder.temporaries() == {}


def test_a_folder_that_is_there_is_no_file(folder):
    put(folder, "a.txt", b"abc")
    folder.check_no_file()


def test_a_file_is_no_folder(tmp_path, gcs_bucket):
    put(open_folder(gcs_bucket), "out", b"")
    (tmp_path / "out").write_bytes(b"")
    for path in (f"{gcs_bucket}/out", str(tmp_path / "out")):
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
