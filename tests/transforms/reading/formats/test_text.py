import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.reading.reading import COMPRESS, Found, read
from transforms.reading import lines
from transforms.reading.corpus import plan_corpus
from transforms.reading.layout import BATCH_BYTES
from transforms.reading.readers import FileRange
from transforms.reading.units import split_file


def test_every_line_of_text_is_a_row_with_its_offset(tmp_path):
    found = read(tmp_path / "a.txt", "one\r\n\ntwo \r x\n \n\r\n\0\nlast")
    assert found.texts == ["one", "", "two \r x", " ", "", "\0", "last"]
    assert found.column("position") == [0, 5, 6, 14, 16, 18, 20]
    assert set(found.column("source")) == {f"{tmp_path}/a.txt"}


@pytest.mark.parametrize("content", ["", "\ufeff"])
def test_an_empty_text_file_has_no_rows(tmp_path, content):
    assert read(tmp_path / "a.txt", content).batches == []


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    found = read(tmp_path / "a.txt", "\ufeffone\n\ufefftwo\n")
    assert found.texts == ["one", "\ufefftwo"]
    assert found.column("position") == [3, 7]


def test_only_newlines_end_lines(tmp_path):
    text = "a\x0bb\x0cc\x1cd\x85e\u2028f"
    assert read(tmp_path / "a.txt", text).texts == [text]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("unit_bytes", [1000, 6])
def test_a_byte_order_mark_tells_the_encoding(tmp_path, encoding, unit_bytes):
    content = "\ufeffone\r\n\ntwö\u0a00\u000b😀\nthree"
    (tmp_path / "a.txt").write_bytes(content.encode(encoding))
    (tmp_path / "b.txt").write_text("neighbour")
    found = Found(plan_corpus([str(tmp_path)]), unit_bytes)
    assert found.texts == ["one", "", "twö\u0a00\u000b😀", "three", "neighbour"]
    ends = [len(content[:at].encode(encoding)) for at in (1, 6, 7, 14)]
    assert found.column("position") == [*ends, 0]


def test_bytes_that_only_begin_as_utf16_does_cost_their_line(tmp_path):
    found = read(tmp_path / "a.txt", b"\xff\xfe\none\ntwo\n")
    assert found.texts == ["one", "two"]
    assert found.only_error() == "invalid UTF-8: byte 0xff at offset 0"


def test_a_line_that_is_no_utf8_is_rejected_with_its_bytes(tmp_path):
    found = read(tmp_path / "a.txt", b"one\nt\xffo\r\nthree\n\xe2\x82")
    assert found.texts == ["one", "three"]
    assert found.column("position") == [0, 9]
    assert found.raws == [b"t\xffo", b"\xe2\x82"]
    assert [row["position"] for row in found.rejected] == [4, 15]
    assert found.rejected[0]["error"] == "invalid UTF-8: byte 0xff at offset 1"


def test_a_long_line_is_a_row(tmp_path):
    text = "x" * (10 << 20)
    assert read(tmp_path / "a.txt", f"a\n{text}\nb").texts == ["a", text, "b"]


def test_batches_end_by_rows_and_by_bytes(tmp_path):
    short = read(tmp_path / "a.txt", "x\n" * 5000)
    assert [b.num_rows for b in short.batches] == [2048, 2048, 904]
    long = read(tmp_path / "a.txt", ("x" * 100_000 + "\n") * 100)
    assert max(batch.rows.nbytes for batch in long.batches) < BATCH_BYTES * 1.1
    assert len(long.batches) < 6


@pytest.mark.parametrize("stop", [None, 5, 900_000])
def test_a_line_longer_than_the_limit_is_a_fault_and_is_skipped(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(lines, "LINE_BYTES", 300_000)
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\n" + b"x" * 950_000 + b"\nb\n")
    found = list(lines.line_blocks(str(path), stop=stop, block_bytes=100_000))
    faults = [block for block in found if block.fault]
    assert [(block.offset, block.fault) for block in faults] == [
        (2, "the line is longer than 300,000 bytes")
    ]
    assert len(faults[0].data) <= 1 << 20
    others = [(block.offset, block.data) for block in found if not block.fault]
    assert others == [(0, b"a\n"), (950_003, b"b\n")][: 2 if stop is None else 1]


def test_rows_around_a_line_that_is_too_long_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LINE_BYTES", 5 << 20)
    for name, row in (("a.txt", "{}"), ("a.csv", "{}"), ("a.jsonl", '{{"text": "{}"}}')):
        rows = "\n".join(row.format(text) for text in ("a", "x" * (9 << 20), "b"))
        head = "text\n" if name == "a.csv" else ""
        path = tmp_path / name
        path.write_text(head + row.format("a") + "\n")
        corpus = plan_corpus([str(path)])
        path.write_text(head + rows)
        found = Found(corpus)
        assert found.texts == ["a", "b"]
        assert found.only_error() == "the line is longer than 5,242,880 bytes"


CONTENT = st.lists(st.sampled_from([b"a", b"bcd", b"\n", b"\r\n", b"\n\n", b"\xc3\xa4"])).map(
    b"".join
)


@settings(max_examples=300)
@given(content=CONTENT, unit_bytes=st.integers(1, 12), has_mark=st.booleans())
def test_units_together_are_the_lines_of_the_file(tmp_path_factory, content, unit_bytes, has_mark):
    path = tmp_path_factory.getbasetemp() / "property.txt"
    mark = b"\xef\xbb\xbf" * has_mark
    path.write_bytes(mark + content)
    found = Found(plan_corpus([str(path)]), unit_bytes)
    expected, offset = [], len(mark)
    for line in content.split(b"\n"):
        expected.append((offset, line))
        offset += len(line) + 1
    if not expected[-1][1]:
        expected.pop()
    else:
        expected[-1] = (expected[-1][0], expected[-1][1] + b"\n")
    assert list(zip(found.column("position"), found.texts, strict=True)) == [
        (at, line.removesuffix(b"\n" if line.endswith(b"\n") else b"\r").decode())
        for at, line in expected
    ]


@settings(max_examples=100)
@given(
    content=CONTENT,
    start=st.integers(0, 20),
    length=st.integers(1, 20),
    block_bytes=st.integers(1, 9),
)
def test_a_range_gives_the_lines_that_begin_in_it(
    tmp_path_factory, content, start, length, block_bytes
):
    path = tmp_path_factory.getbasetemp() / "range.txt"
    path.write_bytes(content)
    expected, offset = [], 0
    for line in content.splitlines(keepends=True):
        if start <= offset < start + length:
            expected.append((offset, line))
        offset += len(line)
    found = []
    for block in lines.line_blocks(str(path), start, start + length, block_bytes):
        at = block.offset
        for line in block.data.splitlines(keepends=True):
            found.append((at, line))
            at += len(line)
    assert found == expected


def test_large_files_of_lines_are_split(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {i}\n" for i in range(50_000)))
    corpus = plan_corpus([str(path)])
    units = list(split_file(corpus, corpus.files[0], 100_000))
    assert len(units) == 6
    assert Found(corpus, 100_000).texts == [f"line {i}" for i in range(50_000)]


def test_compressed_files_stay_whole(tmp_path):
    for name in ("a.txt.gz", "a.csv.gz", "a.tsv.bz2"):
        content = b"text\nvalue\n"
        (tmp_path / name).write_bytes(COMPRESS[name.rpartition(".")[2]](content))
        corpus = plan_corpus([f"{tmp_path}/{name}"])
        (part,) = split_file(corpus, corpus.files[0], 1)
        assert part == FileRange(corpus.files[0])
