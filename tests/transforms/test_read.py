import bz2
import csv
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import apache_beam as beam
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import format_delimited, lines
from transforms.corpus import Corpus, plan_corpus
from transforms.files import CorpusFile
from transforms.layout import BATCH_BYTES, BATCH_ROWS, InputColumn, ReadBatch
from transforms.progress import PROGRESS
from transforms.read import ReadCorpus
from transforms.schemas import REJECTED
from transforms.units import ReadUnit, read_head, read_unit, split_file

COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstandard.compress}


class Found:
    """Everything that a corpus gives, checked for what holds of every batch."""

    def __init__(self, corpus: Corpus, unit_bytes: int = 64 << 20) -> None:
        self.rows: list[dict[str, Any]] = []
        self.rejected: list[dict[str, Any]] = []
        self.batches: list[ReadBatch] = []
        for file in corpus.files:
            for unit in split_file(corpus, file, unit_bytes):
                for batch in read_unit(corpus, unit):
                    self._add(corpus, batch)

    def _add(self, corpus: Corpus, batch: ReadBatch) -> None:
        assert batch.rows.schema.equals(corpus.schema, check_metadata=True)
        assert batch.rejected.schema == REJECTED
        batch.rows.validate(full=True)
        assert 0 < batch.num_rows <= BATCH_ROWS
        self.batches.append(batch)
        self.rows += batch.rows.to_pylist()
        self.rejected += batch.rejected.to_pylist()

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    @property
    def texts(self) -> list[str]:
        return self.column("text")

    @property
    def raws(self) -> list[bytes | None]:
        return [row["raw"] for row in self.rejected]

    def only_error(self) -> str:
        assert len(self.rejected) == 1
        assert self.rejected[0]["stage"] == "read"
        return self.rejected[0]["error"]


def read(path: Path, content: str | bytes | None = None, **options: Any) -> Found:
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Found(plan_corpus([str(path)], **options))


def as_csv(*rows: list[str]) -> str:
    # Python 3.10 does not write a NUL: another character stands in for it.
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([[field.replace("\0", "\ue000") for field in row] for row in rows])
    return buffer.getvalue().replace("\ue000", "\0")


# Plain text


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


@settings(max_examples=300, deadline=None)
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


@settings(max_examples=100, deadline=None)
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


def test_compressed_and_csv_files_stay_whole(tmp_path):
    for name in ("a.txt.gz", "a.csv", "a.tsv"):
        content = b"text\nvalue\n"
        stored = gzip.compress(content) if name.endswith("gz") else content
        (tmp_path / name).write_bytes(stored)
        corpus = plan_corpus([f"{tmp_path}/{name}"])
        assert list(split_file(corpus, corpus.files[0], 1)) == [ReadUnit(f"{tmp_path}/{name}")]


# Compression


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
@pytest.mark.parametrize("broken", [b"no gzip", gzip.compress(b'{"te') + b"no gzip"])
def test_a_broken_file_does_not_take_its_neighbours_along(tmp_path, name, row, broken):
    (tmp_path / f"a.{name}.gz").write_bytes(broken)
    (tmp_path / f"b.{name}").write_text(row)
    found = read(tmp_path)
    assert found.texts == ["one"]
    assert "stream is corrupt after" in found.only_error()


# JSON Lines


def test_objects_become_rows_with_the_offset_of_their_line(tmp_path):
    content = '\ufeff{"text": "a", "n": 1}\r\n\n  \n{"n": null, "text": "\\u0000ä"}\n{"text": ""}'
    found = read(tmp_path / "a.jsonl", content)
    assert found.texts == ["a", "\0ä", ""]
    assert found.column("n") == [1, None, None]
    assert found.column("position") == [
        content.encode().index(line) for line in (b'{"text": "a"', b'{"n": null', b'{"text": ""')
    ]


def test_values_keep_their_types(tmp_path):
    row = {"text": "t", "i": 7, "f": 0.5, "b": True, "l": [{"a": 1}], "s": {"x": {"y": "z"}}}
    found = read(tmp_path / "a.jsonl", json.dumps(row))
    assert {name: found.rows[0][name] for name in row} == row


def test_mixed_values_become_json_text(tmp_path):
    values = ["a", 1, None, 2.5, {"b": [1]}, True]
    content = "".join(json.dumps({"text": "t", "v": value}) + "\n" for value in values)
    found = read(tmp_path / "a.jsonl", content)
    assert found.column("v") == ["a", "1", None, "2.5", '{"b":[1]}', "true"]


JSON_PLAN = '{"text": "t", "i": 1, "f": 1.5, "s": {"a": 1}, "l": [1], "b": true, "z": "z"}\n'


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("nonsense", "not JSON: "),
        ('{"text": "a"', "not JSON: "),
        ('{"text": "a"} {"text": "b"}', "not JSON: "),
        ('{"text": NaN}', "not JSON: "),
        ("[1]", "not a JSON object but [1]"),
        ("null", "not a JSON object but null"),
        ('{"i": 1}', "no 'text' in the object, which has 'i'"),
        ("{}", "no 'text' in the object, which has no keys"),
        ('{"text": null}', "'text' is not a string but null"),
        ('{"text": 5}', "'text' is not a string but 5"),
        ('{"text": ["a"]}', "'text' is not a string but [\"a\"]"),
        ('{"text": "a", "i": "x"}', "'i' does not fit its type int64: \"x\""),
        ('{"text": "a", "i": 1.5}', "'i' does not fit its type int64: 1.5"),
        ('{"text": "a", "i": 1.0}', "'i' does not fit its type int64: 1.0"),
        ('{"text": "a", "i": true}', "'i' does not fit its type int64: true"),
        ('{"text": "a", "i": 9223372036854775808}', "'i' does not fit its type int64: 922337"),
        ('{"text": "a", "f": true}', "'f' does not fit its type double: true"),
        ('{"text": "a", "f": 9007199254740993}', "'f' does not fit its type double: 9007"),
        ('{"text": "a", "b": 1}', "'b' does not fit its type bool: 1"),
        ('{"text": "a", "l": 1}', "'l' does not fit its type list<item: int64>: 1"),
        ('{"text": "a", "l": ["x"]}', "'l' does not fit its type list<item: int64>: [\"x\"]"),
        ('{"text": "a", "s": {"c": 1}}', "'s' does not fit its type struct<a: int64>: {\"c\":1}"),
        ('{"text": "a", "new": 1}', "unplanned key 'new', which"),
    ],
)
def test_a_line_that_does_not_fit_is_rejected_alone(tmp_path, line, error, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_text(JSON_PLAN)
    corpus = plan_corpus([str(path)])
    found_before = Found(corpus)
    path.write_text(f"{JSON_PLAN}{line}\r\n{JSON_PLAN}")
    found = Found(corpus)
    assert found.column("position") == [0, len(JSON_PLAN) + len(line) + 2]
    assert found.rows[0] == found_before.rows[0]
    assert found.only_error().startswith(error)
    assert found.raws == [line.encode()]
    assert found.rejected[0]["position"] == len(JSON_PLAN)


def test_json_that_is_no_utf8_is_rejected(tmp_path):
    found = read(tmp_path / "a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n')
    assert found.texts == ["a"]
    assert found.only_error() == "invalid UTF-8: byte 0xff at offset 10"


def test_a_string_column_takes_other_values_as_json_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(JSON_PLAN)
    corpus = plan_corpus([str(path)])
    path.write_text(JSON_PLAN + '{"text": "a", "z": 5}\n')
    assert Found(corpus).column("z") == ["z", "5"]


def test_other_keys_are_ignored_where_columns_were_named(tmp_path):
    content = '{"text": "a", "n": 1, "x": 1}\n{"text": "b", "y": [1, "a"]}\n'
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    corpus = plan_corpus([str(path)], columns=["n"])
    path.write_text(content + '{"text": "c", "new": {}}\n')
    found = Found(corpus)
    assert found.texts == ["a", "b", "c"]
    assert list(found.rows[0]) == ["text", "n", "source", "position"]


def test_json_that_is_nested_deeply_is_kept_or_rejected_but_stops_nothing(tmp_path):
    path = tmp_path / "a.jsonl"

    def row(depth: int) -> str:
        return '{"text": "t", "v": ' + "[" * depth + "]" * depth + "}\n"

    path.write_text(row(100) + row(500))
    found = read(path)
    assert found.column("v") == ["[" * 100 + "]" * 100]
    assert found.only_error() == "'v' does not fit its type string: nested too deeply"


def test_an_unplanned_key_is_told_with_what_to_do(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n')
    corpus = plan_corpus([str(path)])
    path.write_text('{"text": "a", "x": 1, "y": 2}\n')
    error = Found(corpus).only_error()
    assert error.startswith("unplanned key 'x', 'y'")
    assert "--columns" in error


@settings(max_examples=50, deadline=None)
@given(
    texts=st.lists(st.text(alphabet="aä\n\0😀"), min_size=1),
    unit_bytes=st.integers(1, 40),
    blank=st.sampled_from(["", "\n", " \r\n"]),
)
def test_units_of_json_lines_together_are_the_objects(tmp_path_factory, texts, unit_bytes, blank):
    path = tmp_path_factory.getbasetemp() / "property.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"text": t}) + b"\n" + blank.encode() for t in texts))
    found = Found(plan_corpus([str(path)]), unit_bytes)
    content = path.read_bytes()
    assert found.texts == texts
    for row in found.rows:
        line = content[row["position"] :].split(b"\n")[0]
        assert orjson.loads(line)["text"] == row["text"]


# CSV and TSV


def test_csv_fields_are_strings_with_everything_that_quotes_allow(tmp_path):
    rows = [["007", 'a "b", c'], ["", "two\nlines\r\nthree"], ["1e5", "\0"], [" x ", ""]]
    found = read(tmp_path / "a.csv", as_csv(["id", "text"], *rows))
    assert [[row["id"], row["text"]] for row in found.rows] == rows
    assert found.column("position") == [0, 1, 2, 3]


def test_blank_lines_of_csv_are_no_rows(tmp_path):
    found = read(tmp_path / "a.csv", "\ufefftext,n\n\na,1\r\n\r\n\nb,2")
    assert found.texts == ["a", "b"]
    assert found.column("position") == [0, 1]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t")])
def test_a_record_with_another_number_of_fields_is_rejected(tmp_path, name, mark):
    content = "text,n\na,1\nb\nc,1,2\nd,2\n".replace(",", mark)
    found = read(tmp_path / name, content)
    assert found.texts == ["a", "d"]
    assert found.column("position") == [0, 3]
    assert [row["position"] for row in found.rejected] == [1, 2]
    assert [row["error"] for row in found.rejected] == [
        "1 fields where the header has 2",
        "3 fields where the header has 2",
    ]
    assert found.raws == [b"b", f"c{mark}1{mark}2".encode()]


def test_a_rejected_record_of_several_lines_is_kept_as_it_was(tmp_path):
    found = read(tmp_path / "a.csv", 'text,n\r\n"a\r\nb"\r\nc,1\r\n')
    assert found.raws == [b'"a\r\nb"']
    assert found.texts == ["c"]


def test_tsv_takes_quotes_as_they_are(tmp_path):
    found = read(tmp_path / "a.tsv", 'text\tn\n"a\t1\r\n\n"b" c\t"\n\t\n')
    assert found.texts == ['"a', '"b" c', ""]
    assert found.column("n") == ["1", '"', ""]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", b","), ("a.tsv", b"\t")])
def test_invalid_utf8_counts_in_kept_columns_only(tmp_path, name, mark):
    path = tmp_path / name
    path.write_bytes(b"text,n,x\na,1,\xff\nb,\xfe,2\nc,3,3\n".replace(b",", mark))
    found = read(path, columns=["n"])
    assert found.texts == ["a", "c"]
    assert found.only_error() == "column 'n': invalid UTF-8: byte 0xfe at offset 0"
    assert found.raws == [b"b,\xfe,2".replace(b",", mark)]


def test_a_quote_that_is_never_closed_costs_its_line(tmp_path):
    rest = "".join(f"{i},t{i}\n" for i in range(3000))
    found = read(tmp_path / "a.csv", f'n,text\n1,a\n2,"b\n{rest}')
    assert found.texts == ["a"] + [f"t{i}" for i in range(3000)]
    assert "a quote is opened that is not closed before the end of the file" in found.only_error()
    assert found.raws == [b'2,"b']
    assert found.rejected[0]["position"] == 1


def test_a_stray_quote_does_not_melt_records_together(tmp_path):
    found = read(tmp_path / "a.csv", 'n,text\n1,a\n2,"b\n3,"c"\n4,"d"\n')
    assert found.texts == ["a", "d"]
    assert found.raws == [b'2,"b\n3,"c"']
    assert found.only_error() == "a quoted field goes on behind its closing quote"


@pytest.mark.parametrize("last", ['2,"b', '2,"b\n', '2,"'])
def test_a_quote_left_open_in_the_last_line_is_rejected(tmp_path, last):
    found = read(tmp_path / "a.csv", f"n,text\n1,a\n{last}")
    assert found.texts == ["a"]
    assert found.raws == [last.strip().encode()]


def test_an_open_quote_is_given_up_after_a_bounded_length(tmp_path, monkeypatch):
    monkeypatch.setattr(format_delimited, "FIELD_CHARACTERS", 10_000)
    body = "".join(f"{i},t\n" for i in range(10_000))
    found = read(tmp_path / "a.csv", f'n,text\n0,"a\n{body}1,"b\n{body}2,"c"\n')
    assert len(found.texts) == 20_001
    assert found.raws == [b'0,"a', b'1,"b']
    assert "not closed before the end of 10,000 characters" in found.rejected[0]["error"]


def test_a_field_that_is_too_long_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(format_delimited, "FIELD_CHARACTERS", 1000)
    found = read(tmp_path / "a.csv", f"text,n\na,1\n{'x' * 2000},2\nb,3\n")
    assert found.texts == ["a", "b"]
    assert found.only_error() == "a field is longer than 1,000 characters"


def test_a_carriage_return_outside_quotes_is_rejected(tmp_path):
    found = read(tmp_path / "a.csv", "text,n\na\rb,1\nc,2\n")
    assert found.texts == ["c"]
    assert found.only_error() == "a carriage return outside quotes"


def test_nul_is_read_where_the_csv_module_refuses_it(tmp_path, monkeypatch):
    monkeypatch.setattr(format_delimited, "_NUL_STAND_IN", "\ud800")  # as on Python 3.10
    found = read(tmp_path / "a.csv", b'text,n\n"a\0b",\0\nc\xff,1\n\0,2,3\n')
    assert found.rows[0] | {"source": ""} == {
        "text": "a\0b", "n": "\0", "source": "", "position": 0,
    }  # fmt: skip
    assert found.raws == [b"c\xff,1", b"\0,2,3"]


def test_columns_are_found_by_name_in_every_file(tmp_path):
    (tmp_path / "a.csv").write_text("text,n\na,1\n")
    (tmp_path / "b.csv").write_text("n,text\n2,b\n")
    (tmp_path / "c.csv").write_text("")
    found = read(tmp_path)
    assert [(row["text"], row["n"]) for row in found.rows] == [("a", "1"), ("b", "2")]


def test_a_field_of_ten_megabytes_is_a_row(tmp_path):
    text = "ab\n" * (3 << 20)
    assert read(tmp_path / "a.csv", as_csv(["text", "n"], [text, "1"])).texts == [text]


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.text(alphabet='a",\n\r\0ä\u2028')] * 2).filter(any), min_size=1)
)
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "property.csv"
    found = read(path, as_csv(["text", "n"], *rows))
    assert [(row["text"], row["n"]) for row in found.rows] == rows
    assert not found.rejected


# Parquet


def test_parquet_columns_come_as_they_are(tmp_path):
    table = pa.table(
        {
            "id": pa.array([1, None, 3], pa.uint16()),
            "text": ["a", "", "c\0"],
            "tags": [["x"], None, []],
            "meta": [{"k": 1.5}, None, {"k": None}],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found = read(tmp_path)
    assert [{name: row[name] for name in table.column_names} for row in found.rows] == (
        table.to_pylist()
    )
    assert found.column("position") == [0, 1, 2]


def test_columns_of_parquet_whose_names_hold_dots_are_told_apart(tmp_path):
    table = pa.table({"a": [{"b": 1}], "a.b": ["x"], "text": ["t"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path, columns=["a.b"]).column("a.b") == ["x"]
    assert read(tmp_path, columns=["a"]).column("a") == [{"b": 1}]


def test_row_groups_are_units_with_the_numbers_of_their_rows(tmp_path):
    path = tmp_path / "a.parquet"
    texts = [str(i) for i in range(10_000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=1000)
    corpus = plan_corpus([str(path)])
    units = list(split_file(corpus, corpus.files[0], corpus.size // 4))
    assert 3 <= len(units) <= 6
    found = Found(corpus, corpus.size // 4)
    assert found.texts == texts
    assert found.column("position") == list(range(10_000))


@pytest.mark.parametrize(
    "type_", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(),
              pa.dictionary(pa.int8(), pa.string())],
)  # fmt: skip
def test_parquet_rows_without_text_are_rejected(tmp_path, type_):
    texts = pa.array(["a", None, "c"])
    texts = texts.dictionary_encode() if pa.types.is_dictionary(type_) else texts.cast(type_)
    pq.write_table(pa.table({"n": [1, 2, 3], "text": texts}), tmp_path / "a.parquet")
    found = read(tmp_path)
    assert found.texts == ["a", "c"]
    assert found.column("position") == [0, 2]
    assert found.only_error() == "'text' is null"
    assert orjson.loads(found.raws[0]) == {"n": 2, "text": None}


@pytest.mark.parametrize("type_", [pa.string(), pa.binary()])
def test_parquet_text_that_is_no_utf8_is_rejected(tmp_path, type_):
    texts = pa.array([b"a", b"b\xff", b"c"])
    texts = pa.Array.from_buffers(type_, 3, texts.buffers())
    pq.write_table(pa.table({"text": texts, "blob": [b"\xff"] * 3}), tmp_path / "a.parquet")
    found = read(tmp_path)
    assert found.texts == ["a", "c"]
    assert found.only_error() == "column 'text': invalid UTF-8: byte 0xff at offset 1"
    assert orjson.loads(found.raws[0]) == {"text": "b\\xff", "blob": "\\xff"}


def test_a_list_with_a_string_that_is_no_utf8_is_rejected(tmp_path):
    broken = pa.array([b"a", b"\xff", b"c"])
    strings = pa.Array.from_buffers(pa.string(), 3, broken.buffers())
    tags = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), strings)
    pq.write_table(pa.table({"text": ["x", "y", "z"], "tags": tags}), tmp_path / "a.parquet")
    found = read(tmp_path)
    assert found.texts == ["x", "z"]
    assert "column 'tags'" in found.only_error()


def test_both_texts_of_a_pair_are_needed(tmp_path):
    table = pa.table({"text": ["a", None, "c"], "b": ["x", "y", None]})
    pq.write_table(table, tmp_path / "a.parquet")
    found = read(tmp_path, text_pair_column="b")
    assert found.texts == ["a"]
    assert [row["error"] for row in found.rejected] == ["'text' is null", "'b' is null"]
    (tmp_path / "a.parquet").unlink()
    found = read(tmp_path / "a.jsonl", '{"text": "a", "b": "b"}\n{"text": "a", "b": null}\n',
                 text_pair_column="b")  # fmt: skip
    assert found.only_error() == "'b' is not a string but null"


def test_a_row_group_that_cannot_be_read_is_rejected_row_by_row(tmp_path):
    path = tmp_path / "a.parquet"
    texts = [f"text {i}" for i in range(9000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=3000, use_dictionary=False)
    corpus = plan_corpus([str(path)])
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 500] = b"\xff" * 500
    path.write_bytes(content)
    found = Found(corpus)
    assert found.texts == texts[:3000] + texts[6000:]
    assert found.column("position") == [*range(3000), *range(6000, 9000)]
    assert [row["position"] for row in found.rejected] == list(range(3000, 6000))
    assert found.rejected[0]["error"].startswith("row group 1 cannot be read: ")


def test_long_texts_in_parquet_make_small_batches(tmp_path):
    texts = ["x" * 100_000] * 200
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    found = read(tmp_path)
    assert found.texts == texts
    assert max(batch.rows.nbytes for batch in found.batches) < BATCH_BYTES * 1.1


def test_parquet_without_rows_is_a_corpus_without_rows(tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert read(tmp_path).batches == []


# What holds of all formats


def test_a_column_whose_name_is_taken_is_renamed(tmp_path):
    found = read(tmp_path / "a.csv", "label,source\na,b\n", text_column="label",
                 reserved=["label"])  # fmt: skip
    assert found.rows == [
        {"input_label": "a", "input_source": "b", "source": f"{tmp_path}/a.csv", "position": 0}
    ]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl", "a.csv", "a.parquet"])
def test_progress_counts_about_the_bytes_of_the_file(tmp_path, name):
    generator = random.Random(0)
    texts = [f"{generator.getrandbits(400):x}" for _ in range(20_000)]
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.table({"text": texts}), path)
    else:
        rows = [json.dumps({"text": t}) for t in texts] if name == "a.jsonl" else texts
        content = "\n".join(["text", *rows] if name == "a.csv" else rows).encode()
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    before = PROGRESS.bytes_read
    corpus = plan_corpus([str(path)])
    assert PROGRESS.bytes_read == before
    Found(corpus, corpus.size // 3)
    assert PROGRESS.bytes_read - before == pytest.approx(corpus.size, rel=0.01)


def test_the_first_rows_count_rejected_ones_and_open_no_file_too_many(tmp_path):
    for number in range(3):
        content = b"a\n\xff\nb\n\xff\n"
        (tmp_path / f"{number}.txt").write_bytes(content)
    corpus = plan_corpus([str(tmp_path)])
    (tmp_path / "2.txt").unlink()
    heads = list(read_head(corpus, 6))
    assert [(path[-5:], b.rows.num_rows, b.rejected.num_rows) for path, b in heads] == [
        ("0.txt", 2, 2),
        ("1.txt", 1, 1),
    ]
    assert sum(batch.num_rows for _, batch in read_head(corpus, 8)) == 8
    assert list(read_head(corpus, 0)) == []


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        for _ in range(100):
            file.write((b"x" * 99 + b"\n") * 10_000)
    corpus = plan_corpus([str(path)])
    before, most = pa.total_allocated_bytes(), 0
    for batch in read_unit(corpus, ReadUnit(str(path))):
        most = max(most, pa.total_allocated_bytes() - before, batch.rows.nbytes)
    assert most < 20 << 20


def corpus_of(files: tuple[CorpusFile, ...], file_format: str) -> Corpus:
    return Corpus(
        fields=(InputColumn("text", "text", pa.string()),), text_column="text",
        text_pair_column=None, all_columns=True, files=files, format=file_format,
    )  # fmt: skip


def test_a_file_that_went_away_stops_the_run(tmp_path):
    corpus = corpus_of((CorpusFile(f"{tmp_path}/gone.txt", 1),), "text")
    with pytest.raises(FileNotFoundError):
        Found(corpus)


# On Beam


@pytest.fixture
def mixed_folder(tmp_path) -> Path:
    for number in range(3):
        texts = [b"%d-%d" % (number, i) for i in range(3000)]
        (tmp_path / f"{number}.txt").write_bytes(b"\n".join([*texts, b"\xff"]))
    return tmp_path


def counters_of_a_run(
    corpus: Corpus, rows: int, rejected: int, limit: int | None = None
) -> dict[str, int]:
    """Checks how many rows come out of a pipeline, and returns Beam's counters."""
    pipeline = beam.Pipeline(runner=FnApiRunner())
    found = pipeline | ReadCorpus(corpus, limit)
    for name, batches, expected in (
        ("rows", found.rows, rows),
        ("rejected", found.rejected, rejected),
    ):
        assert batches.element_type is pa.RecordBatch
        counts = batches | f"Rows of {name}" >> beam.Map(lambda batch: batch.num_rows)
        total = counts | f"Sum of {name}" >> beam.CombineGlobally(sum)
        assert_that(total, equal_to([expected]), label=f"Check {name}")
    result = pipeline.run()
    result.wait_until_finish()
    return {
        counter.key.metric.name: counter.committed
        for counter in result.metrics().query()["counters"]
        if counter.key.metric.namespace == "textbeam"
    }


def test_a_pipeline_reads_every_row_and_counts_them(mixed_folder):
    corpus = plan_corpus([str(mixed_folder)])
    before = PROGRESS.rows_rejected
    counters = counters_of_a_run(corpus, rows=9000, rejected=3)
    assert counters == {"rows_read": 9003, "rows_rejected": 3}
    assert PROGRESS.rows_rejected - before == 3


def test_a_limit_takes_the_first_rows(mixed_folder):
    corpus = plan_corpus([str(mixed_folder)])
    counters = counters_of_a_run(corpus, rows=3001, rejected=1, limit=3002)
    assert counters == {"rows_read": 3002, "rows_rejected": 1}


@pytest.mark.parametrize("limit", [None, 10_000])
def test_tallies_count_the_rows_of_each_file(mixed_folder, limit):
    def check(tallies: list[dict[str, Any]]) -> None:
        files: dict[str, int] = {}
        for tally in tallies:
            assert tally["rows_read"] == sum(tally["files"].values())
            files |= tally["files"]
        assert files == {f"{mixed_folder}/{number}.txt": 3001 for number in range(3)}

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = pipeline | ReadCorpus(plan_corpus([str(mixed_folder)]), limit)
        assert_that(found.tallies, check)


def test_a_pipeline_reads_from_cloud_storage(gcs_bucket):
    from apache_beam.io.filesystems import FileSystems

    table = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b", None]}), table)
    contents = {"a.parquet": table.getvalue(), "b.txt": b"one\ntwo\n", "c.csv": b"text,n\nx,1\n"}
    for name, content in contents.items():
        with FileSystems.create(f"{gcs_bucket}/{name}", compression_type="uncompressed") as file:
            file.write(content)
    for name, expected in {
        "a.parquet": ["a", "b"],
        "b.txt": ["one", "two"],
        "c.csv": ["x"],
    }.items():
        corpus = plan_corpus([f"{gcs_bucket}/{name}"])
        assert Found(corpus, unit_bytes=5).texts == expected
        assert corpus.size == len(contents[name])
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = pipeline | ReadCorpus(plan_corpus([f"{gcs_bucket}/*.txt"]))
        texts = found.rows | beam.FlatMap(lambda batch: batch.column("text").to_pylist())
        assert_that(texts, equal_to(["one", "two"]))
