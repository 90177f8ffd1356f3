"""Files on a web server, which is on loopback."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.reading.reading import Found
from transforms.errors import InputError
from transforms.files import match, open_binary
from transforms.reading.corpus import find_files, plan_corpus
from transforms.reading.units import plan_units
from transforms.storage import stores
from transforms.storage.web import _whole
from transforms.versions import ChangedInputError, check_unchanged, with_fingerprints

LINES = [f"line {number}" for number in range(500)]
TEXT = "\n".join(LINES).encode()


def parquet(more: int = 0) -> bytes:
    sink = pa.BufferOutputStream()
    padding = [number.to_bytes(2, "big") * (more // 2) for number in range(len(LINES))]
    table = pa.table({"text": LINES, "padding": padding})
    pq.write_table(table, sink, row_group_size=100, compression="none", use_dictionary=False)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("has_ranges", [True, False])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", TEXT),
        ("a.txt.gz", gzip.compress(TEXT, mtime=0)),
        ("a.parquet", parquet()),
        ("a.parquet", parquet(1000)),  # whose footer is looked at first
    ],
    ids=["lines", "gzip", "parquet", "large parquet"],
)
def test_a_file_is_read_with_and_without_ranges(web, has_ranges, name, content):
    web.has_ranges = has_ranges
    web.files[f"in/{name}"] = content
    corpus = plan_corpus([f"{web.url}/in/{name}"])
    found = Found(corpus, unit_bytes=700)
    assert found.texts == LINES
    assert set(found.column("source")) == {f"{web.url}/in/{name}"}


def test_a_file_is_split_where_parts_of_it_can_be_asked_for(web):
    web.files["a.txt"] = TEXT
    corpus = plan_corpus([f"{web.url}/a.txt"])
    assert len(plan_units(corpus, unit_bytes=700)) > 5
    web.has_ranges = False
    corpus = plan_corpus([f"{web.url}/a.txt"])
    assert len(plan_units(corpus, unit_bytes=700)) == 1


def test_ranges_are_all_that_is_fetched_of_a_file(web, monkeypatch):
    monkeypatch.setattr(stores, "_READ_BYTES", 1000)
    web.files["a.bin"] = bytes(1 << 20)
    with open_binary(f"{web.url}/a.bin") as file:
        file.seek(500_000)
        file.read(10)
    assert sum(count for _, count in web.sent) < 2000


def test_what_follows_a_question_mark_is_no_part_of_the_name(web):
    web.files["a.csv.gz"] = gzip.compress(b"text,id\nx,1\n", mtime=0)
    url = f"{web.url}/a.csv.gz?download=true&v=[1]*"
    corpus = plan_corpus([url])
    assert (corpus.format, corpus.files[0].path) == ("csv", url)
    assert Found(corpus).texts == ["x"]


@pytest.mark.parametrize("version", ["ETag", "Last-Modified", None])
def test_a_file_is_known_by_what_its_server_says(web, version):
    web.version = version
    web.files["a.txt"] = b"hello"
    files = with_fingerprints(find_files([f"{web.url}/a.txt"]))
    check_unchanged(files)
    web.files["a.txt"] = b"hallo" if version else b"longer"  # all that is known is the size
    with pytest.raises(ChangedInputError, match=r"a\.txt' changed"):
        check_unchanged(files)
    del web.files["a.txt"]
    with pytest.raises(ChangedInputError, match=r"a\.txt' was removed"):
        check_unchanged(files)


@pytest.mark.parametrize("content", [b"b" * 3000, b"b" * 10, b"b" * 4000])
def test_a_file_that_changes_while_it_is_read_ends_the_reading(web, monkeypatch, content):
    monkeypatch.setattr(stores, "_READ_BYTES", 1000)
    web.files["a.txt"] = b"a" * 3000
    with open_binary(f"{web.url}/a.txt") as file:
        assert file.read(1000) == b"a" * 1000
        web.files["a.txt"] = content
        with pytest.raises(ChangedInputError, match=r"a\.txt' changed while it was read"):
            file.read(1000)


def test_what_fails_for_a_moment_is_asked_for_again(web):
    web.files["a.txt"] = TEXT
    web.trouble.statuses += [503, 429]
    web.trouble.drops += [0, 100]
    assert Found(plan_corpus([f"{web.url}/a.txt"])).texts == LINES
    assert not web.trouble.statuses
    assert not web.trouble.drops


def test_a_file_that_breaks_off_without_ranges_is_not_taken_for_whole(web):
    web.files["a.txt"], web.has_ranges = TEXT, False
    (file,) = match(f"{web.url}/a.txt")
    web.has_length = False
    web.files["a.txt"] = TEXT[:100]
    web.version = None
    with pytest.raises(stores.StoreError, match="100 bytes came of"):
        _whole(file)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "the server answered 500"),
        (403, r"the server answered 403 Forbidden; a login may be put into ~/\.netrc"),
        (400, "the server answered 400"),
    ],
)
def test_a_server_that_refuses_is_an_error_in_one_line(web, status, said):
    web.files["a.txt"] = b"x"
    web.trouble.statuses += [status] * 9
    with pytest.raises(InputError, match=rf"cannot look up '.*/a\.txt': {said}"):
        match(f"{web.url}/a.txt")


def test_a_file_that_is_not_there_is_an_error(web):
    with pytest.raises(InputError, match=r"no such file: '.*/\*\.txt'"):
        match(f"{web.url}/*.txt")
    with pytest.raises(InputError, match="names no host"):
        match("https:///a.txt")


def test_a_server_that_is_not_there_is_an_error_in_one_line(web):
    web.stop()
    with pytest.raises(InputError, match=r"no answer from 127\.0\.0\.1:\d+: Connection refused"):
        match(f"{web.url}/a.txt")


def test_a_file_of_unknown_length_is_an_error_that_says_what_to_do(web):
    web.files["a.txt"], web.has_ranges, web.has_length = b"x", False, False
    with pytest.raises(InputError, match=r"does not say how long '.*' is: download it"):
        match(f"{web.url}/a.txt")


def test_an_empty_file_is_a_file(web):
    web.files["a.txt"] = b""
    assert [file.size for file in match(f"{web.url}/a.txt")] == [0]
    assert Found(plan_corpus([f"{web.url}/a.txt"])).texts == []


def test_a_url_with_a_secret_is_refused_and_one_in_a_redirect_is_not_shown(web):
    with pytest.raises(InputError, match=r"holds a password") as refused:
        match("https://ann:secret-word@example.com/a.txt")
    assert "secret-word" not in str(refused.value)
    web.files["a.txt"] = b"hello"
    assert Found(plan_corpus([f"{web.url}/moved/a.txt"])).texts == ["hello"]
    web.trouble.statuses += [503] * 9
    with pytest.raises(InputError) as failed:
        match(f"{web.url}/moved/a.txt")
    assert "abc12345" not in str(failed.value)
