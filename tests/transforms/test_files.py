import bz2
import errno
import gzip
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import zstandard

from transforms import files
from transforms.errors import InputError
from transforms.files import CorpusFile, distinct, map_files, match, open_binary
from transforms.reading.decompress import BrokenStreamError, InputStream
from transforms.storage import stores

COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstandard.compress}


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def sizes(found: list[CorpusFile]) -> dict[str, int]:
    return {file.path: file.size for file in found}


def names(found: list[CorpusFile], folder: object) -> list[str]:
    return [file.path.removeprefix(f"{folder}/") for file in found]


def read_all(path: Path, size: int = 1000) -> bytes:
    with InputStream(str(path)) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


def test_a_file_matches_itself_with_its_size(tmp_path):
    fill(tmp_path, "a.txt")
    assert sizes(match(f"{tmp_path}/a.txt")) == {f"{tmp_path}/a.txt": 5}


def test_a_relative_path_is_kept_as_it_was_written(tmp_path, monkeypatch):
    fill(tmp_path, "in/a.txt")
    monkeypatch.chdir(tmp_path)
    assert sizes(match("./in/*.txt")) == {"./in/a.txt": 8}


def test_a_folder_stands_for_the_visible_files_straight_in_it(tmp_path):
    fill(tmp_path, "b.txt", "a.txt", "_MANIFEST.json", ".hidden", "deeper/c.txt")
    assert names(match(str(tmp_path)), tmp_path) == ["a.txt", "b.txt"]


def test_two_stars_cross_folders(tmp_path):
    fill(tmp_path, "a.txt", "x/b.txt", "x/y/c.txt", "x/y/d.csv", "x/_SUCCESS")
    found = match(f"{tmp_path}/**/*.txt")
    assert names(found, tmp_path) == ["a.txt", "x/b.txt", "x/y/c.txt"]
    assert names(match(f"{tmp_path}/**"), tmp_path) == [
        "a.txt",
        "x/b.txt",
        "x/y/c.txt",
        "x/y/d.csv",
    ]


def test_a_hidden_name_is_found_where_it_is_asked_for(tmp_path):
    fill(tmp_path, "_a.txt", "b.txt")
    assert names(match(f"{tmp_path}/_*"), tmp_path) == ["_a.txt"]


def test_a_name_with_glob_characters_is_a_file_first(tmp_path):
    fill(tmp_path, "a[1].txt", "a1.txt")
    assert names(match(f"{tmp_path}/a[1].txt"), tmp_path) == ["a[1].txt"]


def test_a_missing_file_is_an_error_with_the_nearest_name(tmp_path):
    fill(tmp_path, "reviews.txt")
    with pytest.raises(InputError, match=r"no such file.*revews.txt.*did you mean.*/reviews\.txt"):
        match(f"{tmp_path}/revews.txt")
    with pytest.raises(InputError, match="there is no folder"):
        match(f"{tmp_path}/nowhere/a.txt")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("*.csv", "no file matches"), ("", "has no visible files"), ("**/*.csv", "no file matches")],
)
def test_nothing_found_is_an_error(tmp_path, pattern, message):
    fill(tmp_path, "_a.txt")
    with pytest.raises(InputError, match=message):
        match(f"{tmp_path}/{pattern}")


def test_an_empty_path_is_an_error():
    with pytest.raises(InputError, match="empty"):
        match("")


def test_a_folder_of_folders_is_an_error_that_shows_the_glob(tmp_path):
    fill(tmp_path, "x/a.txt")
    with pytest.raises(InputError, match=re.escape("/**")):
        match(str(tmp_path))


def test_a_file_without_permission_is_an_error(tmp_path, monkeypatch):
    fill(tmp_path, "a.txt")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(InputError, match="no permission"):
        match(f"{tmp_path}/a.txt")


@pytest.mark.parametrize("pattern", ["", "pipe.txt", "*.txt"])
def test_a_pipe_is_refused_with_what_to_do(tmp_path, pattern):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(
        InputError, match=r"pipe\.txt' is a pipe, a socket or a device.*to a file first"
    ):
        match(f"{tmp_path}/{pattern}")


def test_a_socket_is_refused_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.txt")
        with pytest.raises(InputError, match=r"'a\.txt' is a pipe, a socket or a device"):
            match("*.txt")


@pytest.mark.parametrize("pattern", ["", "b.txt", "*.txt"])
def test_a_link_to_nothing_is_told_and_not_left_out_in_silence(tmp_path, pattern):
    fill(tmp_path, "a.txt")
    (tmp_path / "b.txt").symlink_to("gone.txt")
    with pytest.raises(InputError, match=r"b\.txt' is a link to 'gone\.txt', which does not exist"):
        match(f"{tmp_path}/{pattern}")


@pytest.mark.parametrize("pattern", ["", "b.txt", "*.txt"])
def test_a_link_to_itself_is_told(tmp_path, pattern):
    (tmp_path / "b.txt").symlink_to("b.txt")
    with pytest.raises(InputError, match=r"b\.txt' is a link to 'b\.txt', which leads back to it"):
        match(f"{tmp_path}/{pattern}")


@pytest.mark.parametrize("pattern", ["*", "**", "", "*.txt", "a[.]txt"])
def test_of_a_file_and_a_link_to_it_the_file_is_read(tmp_path, pattern):
    fill(tmp_path, "a.txt")
    (tmp_path / "0.txt").symlink_to("a.txt")
    (tmp_path / "z.txt").symlink_to(tmp_path / "a.txt")
    assert names(match(f"{tmp_path}/{pattern}"), tmp_path) == ["a.txt"]


def test_a_link_that_is_named_alone_keeps_its_name(tmp_path):
    fill(tmp_path, "a.txt")
    (tmp_path / "b.txt").symlink_to("a.txt")
    assert names(match(f"{tmp_path}/b.txt"), tmp_path) == ["b.txt"]
    both = distinct([*match(f"{tmp_path}/b.txt"), *match(f"{tmp_path}/a.txt")])
    assert names(list(both), tmp_path) == ["b.txt"]


def test_hard_links_are_files_of_their_own(tmp_path):
    fill(tmp_path, "a.txt")
    os.link(tmp_path / "a.txt", tmp_path / "b.txt")
    assert names(match(f"{tmp_path}/*"), tmp_path) == ["a.txt", "b.txt"]


def test_a_file_that_vanishes_while_it_is_looked_at_is_told(tmp_path, monkeypatch):
    fill(tmp_path, "a.txt", "b.txt")
    monkeypatch.setattr(files, "expand", lambda pattern: [f"{tmp_path}/a.txt", f"{tmp_path}/c.txt"])
    with pytest.raises(InputError, match=r"c\.txt' vanished while .*: try again"):
        match(f"{tmp_path}/*")


def test_a_name_with_a_line_ending_is_a_name_like_others(tmp_path):
    fill(tmp_path, "a\nb.txt", "c\n/d.txt")
    assert names(match(f"{tmp_path}/**/*.txt"), tmp_path) == ["a\nb.txt", "c\n/d.txt"]


def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path, monkeypatch):
    fill(tmp_path, "x/a.txt")

    def forbid(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "lstat", forbid)  # root may look into every folder
    with pytest.raises(
        InputError, match=r"no permission to look into the folder '.*/y' for 'a\.txt'"
    ):
        match(f"{tmp_path}/y/a.txt")


def test_a_name_that_is_no_utf8_is_refused_with_its_bytes(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    with pytest.raises(InputError, match=r"caf\\xe9\.txt' is not UTF-8.*rename it"):
        match(str(tmp_path))


def test_a_scheme_without_a_file_system_is_an_error():
    with pytest.raises(InputError, match="nosuch://"):
        match("nosuch://bucket/a.txt")


def test_a_local_file_is_a_path_without_a_scheme():
    with pytest.raises(
        InputError, match=r"'file:///a.txt': write the path of a file on this machine"
    ):
        match("file:///a.txt")


def test_a_scheme_whose_package_is_missing_names_it(monkeypatch):
    monkeypatch.setattr(stores, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"hdfs:// .*: pip install 'apache-beam\[hadoop\]'"):
        match("hdfs://host/a.txt")


def test_local_files_are_found_and_read_without_beam(tmp_path):
    fill(tmp_path, "a.txt")
    code = (
        "import sys; from transforms.reading.corpus import plan_corpus\n"
        "from transforms.reading.units import *\n"
        f"corpus = plan_corpus([{str(tmp_path)!r}])\n"
        "assert [b.num_rows for _, b in read_unit(corpus, Unit(corpus.files))] == [1]\n"
        "assert 'apache_beam' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_are_waited_for_side_by_side_and_answered_in_order():
    some = [CorpusFile(f"{number}.txt", number) for number in range(4)]
    together = threading.Barrier(len(some), timeout=30)

    def look(file: CorpusFile) -> int:
        together.wait()  # breaks unless all are looked at
        return file.size

    assert map_files(some, look) == [0, 1, 2, 3]


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_members_in_a_row_are_one_content(tmp_path, suffix, size):
    compress = COMPRESS[suffix]
    path = tmp_path / f"a.txt.{suffix.upper()}"
    path.write_bytes(compress(b"one,") + compress(b"") + compress(b"two" * 500))
    assert read_all(path, size) == b"one," + b"two" * 500


@pytest.mark.parametrize("suffix", COMPRESS)
def test_an_empty_compressed_file_has_no_content(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"")
    assert read_all(path) == b""
    path.write_bytes(COMPRESS[suffix](b""))
    assert read_all(path) == b""


def test_zeros_behind_a_gzip_member_are_padding(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one,") + bytes(600) + gzip.compress(b"two") + bytes(70_000))
    assert read_all(path) == b"one,two"


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_truncated_stream_gives_what_it_has_and_then_says_where_it_ends(tmp_path, suffix):
    content = os.urandom(2_000_000)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(COMPRESS[suffix](content)[:1_500_000])
    with InputStream(str(path)) as stream:
        found = stream.read(3_000_000)
        with pytest.raises(BrokenStreamError, match=f"ends early, after {len(found):,} bytes"):
            stream.read(1)
    assert content.startswith(found)
    assert len(found) > 500_000


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_stream_is_broken_wherever_it_ends_inside_a_member(tmp_path, suffix):
    member = COMPRESS[suffix](b"one, two, three")
    path = tmp_path / f"a.{suffix}"
    for end in range(1, len(member)):
        path.write_bytes(member + member[:end])
        with pytest.raises(BrokenStreamError, match="ends early"):
            read_all(path)


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("content", [b"this is plain text", b"\0\0\0\1"])
def test_a_stream_of_something_else_is_corrupt(tmp_path, suffix, content):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(COMPRESS[suffix](b"first") + content)
    with InputStream(str(path)) as stream:
        assert stream.read(100) == b"first"
        with pytest.raises(BrokenStreamError, match=r"corrupt after 5 b|ends early, after 5 b"):
            stream.read(100)


def write_remote(path: str, content: bytes) -> None:
    from apache_beam.io.filesystems import FileSystems

    with FileSystems.create(path, compression_type="uncompressed") as file:
        file.write(content)


def test_cloud_storage_is_matched_like_a_local_folder(gcs_bucket):
    for name in ("a.txt", "b.txt", "_MANIFEST.json", "x/c.txt"):
        write_remote(f"{gcs_bucket}/in/{name}", name.encode())
    assert sizes(match(f"{gcs_bucket}/in/a.txt")) == {f"{gcs_bucket}/in/a.txt": 5}
    for folder in ("in", "in/", "in/*"):
        assert names(match(f"{gcs_bucket}/{folder}"), f"{gcs_bucket}/in") == ["a.txt", "b.txt"]
    found = match(f"{gcs_bucket}/in/**.txt")
    assert names(found, f"{gcs_bucket}/in") == ["a.txt", "b.txt", "x/c.txt"]
    for nothing in ("in/c.txt", "in/*.csv", "out/"):
        with pytest.raises(InputError, match="no file matches"):
            match(f"{gcs_bucket}/{nothing}")


def test_globs_in_cloud_storage_have_the_rules_of_local_ones(gcs_bucket):
    hidden = ("_temporary/0/a.txt", "x/.y/a.txt", "_SUCCESS")
    for name in (*hidden, "x/a.txt", "x/_day=1/b.txt", "data [1]/a.txt", "data 1/a.txt"):
        write_remote(f"{gcs_bucket}/{name}", name.encode())
    visible = ["data 1/a.txt", "data [1]/a.txt", "x/_day=1/b.txt", "x/a.txt"]
    assert names(match(f"{gcs_bucket}/**"), gcs_bucket) == visible
    assert names(match(f"{gcs_bucket}/**/*.txt"), gcs_bucket) == visible
    assert names(match(f"{gcs_bucket}/_temporary/**"), gcs_bucket) == [hidden[0]]
    assert names(match(f"{gcs_bucket}/data [1]/*"), gcs_bucket) == ["data [1]/a.txt"]
    assert names(match(f"{gcs_bucket}/data [12]/*"), gcs_bucket) == ["data 1/a.txt"]
    with pytest.raises(
        InputError,
        match=r"cannot look up 'gs://no-such-bucket/\*': there is no bucket 'no-such-bucket'",
    ):
        match("gs://no-such-bucket/*")


def test_a_file_in_cloud_storage_can_be_opened_anywhere(gcs_bucket):
    path = f"{gcs_bucket}/a.txt.gz"
    write_remote(path, gzip.compress(b"hello"))
    with open_binary(path) as file:
        file.seek(1)
        assert file.read(1) == b"\x8b"
