import gzip
import json
import random

import pytest
import zstandard

from tests.transforms.reading.reading import COMPRESS, read
from transforms.reading.decompress import InputStream


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files_are_read_like_others(tmp_path, suffix):
    compress = COMPRESS[suffix]
    found = read(tmp_path / f"a.txt.{suffix}", compress(b"one\ntw") + compress(b"o\nthree"))
    assert found.texts == ["one", "two", "three"]
    assert found.column("position") == [0, 4, 8]


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.tsv"])
def test_a_stream_that_ends_early_costs_one_row(tmp_path, suffix, name):
    generator = random.Random(0)
    texts = [f"{i} {generator.getrandbits(4000):x}" for i in range(1600)]
    content = "".join(f"{text}\n" for text in ["text", *texts])
    if name == "a.jsonl":
        content = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    if name == "a.txt":
        content = content.removeprefix("text\n")
    stored = COMPRESS[suffix](content.encode())
    path = tmp_path / f"{name}.{suffix}"
    found = read(path, stored[: len(stored) * 4 // 5])
    assert "stream ends early, after" in found.only_error()
    assert len(found.texts) > 500
    assert found.texts == texts[: len(found.texts)]
    raw = found.rejected[0]["raw"].decode()
    place = found.rejected[0]["position"]
    if name in ("a.txt", "a.jsonl"):
        assert content[place:].startswith(raw)
    else:
        assert place == len(found.texts)
        assert texts[place].startswith(raw)


def test_a_stream_that_breaks_between_lines_costs_an_empty_row(tmp_path):
    broken = gzip.compress(b"one\n") + b"no gzip"
    found = read(tmp_path / "a.txt.gz", broken)
    assert found.texts == ["one"]
    assert found.raws == [b""]
    assert "gzip stream is corrupt after 4 bytes of content" in found.only_error()


def test_a_csv_stream_that_breaks_inside_quotes_costs_the_record(tmp_path):
    content = gzip.compress(b'text,n\na,1\n"b\nc') + b"no gzip"
    found = read(tmp_path / "a.csv.gz", content)
    assert found.texts == ["a"]
    assert found.raws == [b'"b\nc']
    assert "corrupt" in found.only_error()


@pytest.mark.parametrize(("name", "row"), [("txt", "one"), ("jsonl", '{"text": "one"}')])
@pytest.mark.parametrize("broken", [b"\1no gzip", gzip.compress(b'{"te', mtime=0) + b"no gzip"])
def test_a_broken_file_does_not_take_its_neighbours_along(tmp_path, name, row, broken):
    (tmp_path / f"a.{name}.gz").write_bytes(broken)
    (tmp_path / f"b.{name}").write_text(row)
    found = read(tmp_path)
    assert found.texts == ["one"]
    assert "stream is corrupt after" in found.only_error()


def test_zstd_gives_no_more_than_was_asked_for(tmp_path):
    path = tmp_path / "a.txt.zst"
    content = bytes(40 << 20) + b"end"
    path.write_bytes(zstandard.compress(content) * 2)
    assert path.stat().st_size < 10_000
    with InputStream(str(path)) as stream:
        parts = []
        while part := stream.read(1 << 20):
            assert len(part) <= 1 << 20
            parts.append(part)
    assert b"".join(parts) == content * 2
