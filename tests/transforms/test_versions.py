import os

import pytest

from transforms.files import CorpusFile, local_file
from transforms.reading.corpus import find_files
from transforms.versions import (
    ChangedInputError,
    check_unchanged,
    fingerprint,
    is_unchanged,
    with_fingerprints,
)


@pytest.mark.parametrize("place", [0, 150_000, 299_999])
def test_a_fingerprint_changes_with_what_is_sampled(tmp_path, place):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(300_000))
    before = fingerprint(CorpusFile(str(path), 300_000))
    content = bytearray(300_000)
    content[place] = 1
    path.write_bytes(content)
    assert before.startswith("sha256-sampled:")
    assert fingerprint(CorpusFile(str(path), 300_000)) != before


def test_a_fingerprint_of_a_short_file_changes_with_its_length(tmp_path):
    digests = set()
    for size in range(3):
        path = tmp_path / "a.bin"
        path.write_bytes(bytes(size))
        digests.add(fingerprint(CorpusFile(str(path), size)))
    assert len(digests) == 3


@pytest.fixture
def planned(tmp_path) -> CorpusFile:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (file,) = with_fingerprints(find_files([str(tmp_path)]))
    return file


def test_a_file_that_nobody_touched_is_unchanged(planned):
    check_unchanged([planned])
    assert is_unchanged(planned, local_file(planned.path))


def test_other_permissions_and_another_name_beside_are_no_change(planned):
    os.chmod(planned.path, 0o600)
    os.link(planned.path, f"{planned.path}.link")
    assert local_file(planned.path).version != planned.version
    check_unchanged([planned])


def test_a_change_of_which_the_times_are_set_back_is_seen(planned):
    before = os.stat(planned.path)
    with open(planned.path, "r+") as file:
        file.write("0ne")
    os.utime(planned.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ChangedInputError, match=r"a.txt' changed .* \(8 bytes then, 8 now\)"):
        check_unchanged([planned])


@pytest.mark.parametrize("how", ["appended", "rewritten", "replaced", "removed"])
def test_every_other_change_is_seen(planned, how):
    if how == "removed":
        os.unlink(planned.path)
    elif how == "replaced":
        with open(f"{planned.path}.new", "w") as file:
            file.write("one\ntwo\n")
        os.replace(f"{planned.path}.new", planned.path)
    else:
        with open(planned.path, "a" if how == "appended" else "w") as file:
            file.write("one\ntwo\n")
    with pytest.raises(ChangedInputError):
        check_unchanged([planned])


def put(path: str, content: bytes) -> None:
    from apache_beam.io.filesystems import FileSystems

    with FileSystems.create(path, compression_type="uncompressed") as file:
        file.write(content)


@pytest.mark.parametrize("count", [1, 20])
def test_an_object_is_known_by_its_generation(gcs_bucket, count):
    for number in range(count):
        put(f"{gcs_bucket}/in/{number}.txt", b"hello")
    files = with_fingerprints(find_files([f"{gcs_bucket}/in/*.txt"]))
    assert len({file.version for file in files}) == count
    assert all(file.fingerprint.startswith("crc32c:") for file in files)
    check_unchanged(files)
    put(f"{gcs_bucket}/in/0.txt", b"hallo")
    with pytest.raises(ChangedInputError, match=r"0\.txt' changed"):
        check_unchanged(files)
