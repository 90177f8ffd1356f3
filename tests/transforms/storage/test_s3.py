"""Amazon S3, against a server on loopback that speaks its protocol."""

import builtins
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("boto3")

from tests.transforms.reading.reading import Found
from transforms.errors import InputError, OutputError
from transforms.files import match, open_binary
from transforms.reading.corpus import find_files, plan_corpus
from transforms.storage import s3, s3_folder, stores
from transforms.storage.s3 import client, split
from transforms.versions import ChangedInputError, check_unchanged, with_fingerprints
from transforms.writing.folder import open_folder


def put(path: str, content: bytes) -> None:
    bucket, key = split(path)
    client().put_object(Bucket=bucket, Key=key, Body=content)


def names(pattern: str, folder: str) -> list[str]:
    return [file.path.removeprefix(f"{folder}/") for file in match(pattern)]


@pytest.fixture
def filled(s3_bucket) -> str:
    for name in ("a.txt", "b.txt", "_SUCCESS", "x/c.txt", "_temporary/0/d.txt", "x/", ".e.txt"):
        put(f"{s3_bucket}/in/{name}", name.encode())
    return f"{s3_bucket}/in"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", ["a.txt", "b.txt"]),
        ("/", ["a.txt", "b.txt"]),
        ("/*", ["a.txt", "b.txt"]),
        ("/**", ["a.txt", "b.txt", "x/c.txt"]),
        ("/**.txt", ["a.txt", "b.txt", "x/c.txt"]),
        ("/*/*.txt", ["x/c.txt"]),
        ("/a.txt", ["a.txt"]),
        ("/[b-z]*", ["b.txt"]),
        ("/_temporary/**", ["_temporary/0/d.txt"]),
    ],
)
def test_a_bucket_is_matched_like_a_local_folder(filled, pattern, found):
    assert names(f"{filled}{pattern}", filled) == found
    assert {file.size for file in match(f"{filled}/a.txt")} == {5}


def test_a_folder_of_partitions_stands_for_the_files_in_them(s3_bucket):
    for name in ("y=1/m=2/a.txt", "y=2/b.txt", "y=2/_x/c.txt", "z/e.txt", "y=2/z/f.txt"):
        put(f"{s3_bucket}/t/{name}", b"x")
    assert names(f"{s3_bucket}/t", f"{s3_bucket}/t") == ["y=1/m=2/a.txt", "y=2/b.txt"]
    put(f"{s3_bucket}/t/direct.txt", b"x")
    with pytest.raises(InputError, match=r"has files directly in it .*/t/\*\*' for all of them"):
        match(f"{s3_bucket}/t")
    assert names(f"{s3_bucket}/t/*", f"{s3_bucket}/t") == ["direct.txt"]


def test_a_name_with_brackets_is_itself(s3_bucket):
    for name in ("data [1]/sub/a.txt", "data 1/sub/a.txt", "a[1].txt", "a1.txt"):
        put(f"{s3_bucket}/{name}", b"x")
    assert names(f"{s3_bucket}/data [1]/**/*.txt", s3_bucket) == ["data [1]/sub/a.txt"]
    assert names(f"{s3_bucket}/a[1].txt", s3_bucket) == ["a[1].txt"]
    assert names(f"{s3_bucket}/a[12].txt", s3_bucket) == ["a1.txt"]


def test_nothing_found_is_an_error(filled):
    for nothing in ("c.txt", "*.csv", "no/**"):
        with pytest.raises(InputError, match="no file matches"):
            match(f"{filled}/{nothing}")
    put(f"{filled}/x/y/z/a.txt", b"")
    with pytest.raises(InputError, match=r"to include its subfolders, write '.*/in/x/y/\*\*'"):
        match(f"{filled}/x/y")


def test_a_bucket_that_is_not_there_is_an_error():
    with pytest.raises(InputError, match=r"cannot look up 's3://no-such-bucket/a': no such bucket"):
        match("s3://no-such-bucket/a")
    with pytest.raises(InputError, match="names no bucket"):
        match("s3:///a")


def test_more_objects_than_a_page_has_are_all_found(s3_bucket):
    for number in range(1005):
        put(f"{s3_bucket}/{number:04}.txt", b"x")
    files = find_files([f"{s3_bucket}/*.txt"])
    assert len(files) == 1005
    check_unchanged(files)


def test_ranges_of_an_object_are_read(s3_bucket, monkeypatch):
    monkeypatch.setattr(stores, "_READ_BYTES", 1000)
    content = bytes(range(256)) * 100
    put(f"{s3_bucket}/a.bin", content)
    with open_binary(f"{s3_bucket}/a.bin") as file:
        assert file.read(3) == content[:3]
        file.seek(-10, 2)
        assert file.read() == content[-10:]
        file.seek(5000)
        assert file.read(9000) == content[5000:14000]
        assert file.tell() == 14000
    with pytest.raises(FileNotFoundError):
        open_binary(f"{s3_bucket}/b.bin")


def test_units_of_lines_and_row_groups_of_parquet_are_read(s3_bucket):
    lines = [f"line {number}" for number in range(500)]
    put(f"{s3_bucket}/a.txt", "\n".join(lines).encode())
    found = Found(plan_corpus([f"{s3_bucket}/a.txt"]), unit_bytes=700)
    assert found.texts == lines
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": lines}), sink, row_group_size=100)
    put(f"{s3_bucket}/a.parquet", sink.getvalue().to_pybytes())
    assert Found(plan_corpus([f"{s3_bucket}/a.parquet"]), unit_bytes=100).texts == lines


def test_an_object_is_known_by_its_etag(s3_bucket):
    for number in range(20):
        put(f"{s3_bucket}/{number}.txt", b"hello")
    files = with_fingerprints(find_files([f"{s3_bucket}/*.txt"]))
    assert all(file.fingerprint.startswith("etag:") for file in files)
    check_unchanged(files)
    check_unchanged(files[:1])
    put(f"{s3_bucket}/0.txt", b"hallo")
    for some in (files, files[:1]):
        with pytest.raises(ChangedInputError, match=r"0\.txt' changed"):
            check_unchanged(some)
    bucket, key = split(f"{s3_bucket}/0.txt")
    client().delete_object(Bucket=bucket, Key=key)
    with pytest.raises(ChangedInputError, match=r"0\.txt' was removed"):
        check_unchanged(files)


def test_an_object_that_changes_while_it_is_read_ends_the_reading(s3_bucket, monkeypatch):
    monkeypatch.setattr(stores, "_READ_BYTES", 1000)
    put(f"{s3_bucket}/a.txt", b"a" * 3000)
    with open_binary(f"{s3_bucket}/a.txt") as file:
        assert file.read(1000) == b"a" * 1000
        put(f"{s3_bucket}/a.txt", b"b" * 3000)
        with pytest.raises(ChangedInputError, match=r"a\.txt' changed while it was read"):
            file.read(1000)


def test_a_store_that_fails_for_a_moment_is_asked_again(s3_bucket, monkeypatch):
    put(f"{s3_bucket}/a.txt", b"hello")
    monkeypatch.setattr(stores, "PAUSES", (0, 0))
    fetch, left = s3.S3Store.fetch, [503, 500]

    def failing(self, file, start, stop):
        if left:
            raise stores.StoreError(f"Amazon S3 answered {left.pop()}")
        return fetch(self, file, start, stop)

    monkeypatch.setattr(s3.S3Store, "fetch", failing)
    with open_binary(f"{s3_bucket}/a.txt") as file:
        assert file.read() == b"hello"
    left += [500, 500, 500]
    with open_binary(f"{s3_bucket}/a.txt") as file, pytest.raises(stores.StoreError, match="500"):
        file.read()


def test_without_the_package_its_name_is_told(monkeypatch):
    stores._store.cache_clear()
    for name in [name for name in sys.modules if name.startswith("transforms.storage.s3")]:
        monkeypatch.delitem(sys.modules, name)
    load = builtins.__import__

    def without_boto(name, *args, **kwargs):
        if name.partition(".")[0] in ("boto3", "botocore"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_boto)
    for use in (match, open_folder):
        with pytest.raises(InputError, match="s3:// paths need another package: pip install boto3"):
            use("s3://bucket/a")


@pytest.mark.parametrize("output", ["az://a/b", "abfs://a@b.dfs.core.windows.net/c", "hf://a/b"])
def test_an_output_that_could_not_be_kept_whole_is_refused(output):
    with pytest.raises(OutputError, match="a folder on this machine, in gs:// or in s3://"):
        open_folder(output)


def test_a_store_that_ignores_conditions_is_no_place_for_results(s3_bucket, monkeypatch):
    monkeypatch.setattr(s3_folder, "_conditional", set())
    folder = open_folder(s3_bucket)

    def ignoring(self, name, content):
        self.write_whole(name, content)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(s3_folder.S3Folder, "_create", ignoring)
        with pytest.raises(OutputError, match=r"this store writes over what is there"):
            folder.create_new("_runs/lock", b"x")
    assert folder.files("_runs") == {}
    assert folder.create_new("_runs/lock", b"x")


def test_a_lost_answer_to_a_creation_is_not_taken_for_another_s(s3_bucket):
    folder = open_folder(s3_bucket)
    assert folder.create_new("lock", b"mine")
    assert folder.create_new("lock", b"mine")  # as a client does that heard nothing
    assert not folder.create_new("lock", b"another's")


def test_a_large_part_is_sent_in_pieces_and_an_abandoned_one_leaves_nothing(s3_bucket, monkeypatch):
    monkeypatch.setattr(s3_folder, "_PART_BYTES", 5 << 20)
    folder = open_folder(s3_bucket)
    content = bytes(12 << 20)
    for name, end in (("a", "close"), ("b", "terminate"), ("_runs/r/c", None)):
        file = folder.create(name)
        for start in range(0, len(content), 1 << 20):
            file.write(content[start : start + (1 << 20)])
        if end:
            getattr(file, end)()
    assert folder.files() == {"a": len(content)}
    assert folder.read("a") == content
    unfinished = folder._unfinished(folder._prefix)
    assert [upload["Key"].rpartition("/")[2] for upload in unfinished] == ["c"]
    folder.remove_tree("_runs/r")
    assert folder._unfinished(folder._prefix) == []


def test_a_touch_brings_nothing_back(s3_bucket):
    folder = open_folder(s3_bucket)
    folder.touch("absent")
    assert folder.files() == {}
