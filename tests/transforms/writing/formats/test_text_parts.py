"""What columns of every type become in parts of text, and that nothing of them is lost."""

import base64
import io
import json
import uuid
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.writing.results import rows_in_part
from transforms.writing.formats import record_blocks
from transforms.writing.formats.json_forms import unwritable
from transforms.writing.formats.record import OUTPUT_FORMATS
from transforms.writing.formats.text_forms import texts

TEXT_FORMATS = [name for name, record in OUTPUT_FORMATS.items() if record.is_text]
_HALVES = np.array([0.1, np.nan, 6e-8], np.float16)
_UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")

# Values, and what they are in JSONL and in CSV; a null goes before the last of them.
CASES: dict[str, tuple[pa.Array, list[str], list[str]]] = {
    "null": (pa.nulls(1), ["null"], [""]),
    "bool": (pa.array([True, False]), ["true", "false"], ["true", "false"]),
    "int64": (
        pa.array([2**63 - 1, -(2**63)]),
        ["9223372036854775807", "-9223372036854775808"],
        ["9223372036854775807", "-9223372036854775808"],
    ),
    "uint64": (pa.array([2**64 - 1], pa.uint64()), [f"{2**64 - 1}"], [f"{2**64 - 1}"]),
    "int8": (pa.array([-128], pa.int8()), ["-128"], ["-128"]),
    "float16": (pa.array(_HALVES), ["0.1", '"NaN"', "6e-8"], ["0.1", "nan", "6e-8"]),
    "float32": (
        pa.array([0.1, 2, float("-inf")], pa.float32()),
        ["0.1", "2.0", '"-Infinity"'],
        ["0.1", "2", "-inf"],
    ),
    "float64": (
        pa.array([0.1 + 0.2, -0.0, float("inf")]),
        ["0.30000000000000004", "-0.0", '"Infinity"'],
        ["0.30000000000000004", "-0", "inf"],
    ),
    "decimal128": (
        pa.array([Decimal("1.50"), Decimal("0.00")], pa.decimal128(38, 2)),
        ["1.50", "0.00"],
        ["1.50", "0.00"],
    ),
    "decimal256": (
        pa.array([Decimal("1234567890123456789012345678901234567890.5")], pa.decimal256(60, 1)),
        ["1234567890123456789012345678901234567890.5"],
        ["1234567890123456789012345678901234567890.5"],
    ),
    "decimal of small numbers": (
        pa.array([Decimal("0.00000001")], pa.decimal64(10, 8)),
        ["0.00000001"],
        ["1E-8"],
    ),
    "string": (
        pa.array(['a,"b"\r\n\u2028\0', "", "007"]),
        ['"a,\\"b\\"\\r\\n\u2028\\u0000"', '""', '"007"'],
        ['"a,""b""\r\n\u2028\0"', '""', '"007"'],
    ),
    "binary": (pa.array([b"\xff\0", b""]), ['"/wA="', '""'], ['"/wA="', '""']),
    "fixed_size_binary": (pa.array([b"ab"], pa.binary(2)), ['"YWI="'], ['"YWI="']),
    "date32": (
        pa.array([-1, 0, 2**31 - 1], pa.date32()),
        ['"1969-12-31"', '"1970-01-01"', '"5881580-07-11"'],
        ['"1969-12-31"', '"1970-01-01"', '"5881580-07-11"'],
    ),
    "date64": (pa.array([86_400_000], pa.date64()), ['"1970-01-02"'], ['"1970-01-02"']),
    "date before the year 0": (
        pa.array([-719_529, -800_000], pa.date32()),
        ['"-0001-12-31"', '"-0221-09-04"'],
        ['"-0001-12-31"', '"-0221-09-04"'],
    ),
    "timestamp[s]": (
        pa.array([0, 253_402_300_800], pa.timestamp("s")),
        ['"1970-01-01T00:00:00"', '"10000-01-01T00:00:00"'],
        ['"1970-01-01T00:00:00"', '"10000-01-01T00:00:00"'],
    ),
    "timestamp[us] with a zone": (
        pa.array([1_234_567_890_123_456], pa.timestamp("us", "Europe/Berlin")),
        ['"2009-02-13T23:31:30.123456Z"'],
        ['"2009-02-13T23:31:30.123456Z"'],
    ),
    "timestamp[ns]": (
        pa.array([2**63 - 1, -(2**63)], pa.timestamp("ns")),
        ['"2262-04-11T23:47:16.854775807"', '"1677-09-21T00:12:43.145224192"'],
        ['"2262-04-11T23:47:16.854775807"', '"1677-09-21T00:12:43.145224192"'],
    ),
    "time32": (pa.array([86_399_999], pa.time32("ms")), ['"23:59:59.999"'], ['"23:59:59.999"']),
    "time64": (pa.array([1], pa.time64("ns")), ['"00:00:00.000000001"'], ['"00:00:00.000000001"']),
    "duration[us]": (
        pa.array([-1, 90_000_000], pa.duration("us")),
        ['"-PT0.000001S"', '"PT90.000000S"'],
        ['"-PT0.000001S"', '"PT90.000000S"'],
    ),
    "duration[s]": (pa.array([-90], pa.duration("s")), ['"-PT90S"'], ['"-PT90S"']),
    "uuid": (pa.array([_UUID.bytes], pa.uuid()), [f'"{_UUID}"'], [f'"{_UUID}"']),
    "json": (pa.array(['{"a": 1}'], pa.json_()), ['"{\\"a\\": 1}"'], ['"{""a"": 1}"']),
    "dictionary": (pa.array(["x"]).dictionary_encode(), ['"x"'], ['"x"']),
    "list": (pa.array([[1, None], []]), ["[1,null]", "[]"], ['"[1,null]"', '"[]"']),
    "list of lists": (
        pa.array([[[0.1], None, []]], pa.large_list(pa.list_(pa.float32()))),
        ["[[0.1],null,[]]"],
        ['"[[0.1],null,[]]"'],
    ),
    "vector": (
        pa.array([[0.1, 1.0], [float("nan"), 2.0]], pa.list_(pa.float32(), 2)),
        ["[0.1,1.0]", '["NaN",2.0]'],
        ['"[0.1,1.0]"', '"[""NaN"",2.0]"'],
    ),
    "vector of float16": (
        pa.FixedSizeListArray.from_arrays(pa.array(np.array([0.1, 1], np.float16)), 2),
        ["[0.1,1.0]"],
        ['"[0.1,1.0]"'],
    ),
    "map": (
        pa.array([[("a", Decimal("1.0")), ("a", None)]], pa.map_(pa.string(), pa.decimal32(3, 1))),
        ['[{"key":"a","value":1.0},{"key":"a","value":null}]'],
        ['"[{""key"":""a"",""value"":1.0},{""key"":""a"",""value"":null}]"'],
    ),
    "struct": (
        pa.array([{"x": b"\xff", "y": 0.1}], pa.struct([("x", pa.binary()), ("y", pa.float32())])),
        ['{"x":"/w==","y":0.1}'],
        ['"{""x"":""/w=="",""y"":0.1}"'],
    ),
}


def encoded(output_format: str, table: pa.Table) -> bytes:
    """What a part with these rows holds."""
    sink = io.BytesIO()
    encoder = OUTPUT_FORMATS[output_format].load().encoder(sink, table.schema, table)
    encoder.write(table)
    encoder.close()
    return sink.getvalue()


def with_null(values: pa.Array) -> pa.Array:
    """The values, with a null before the last one, as a slice of a longer array."""
    order = [0, *range(len(values) - 1), None, len(values) - 1]
    return values.take(pa.array(order, pa.int64())).slice(1)


@pytest.mark.parametrize("name", CASES)
def test_a_value_in_jsonl(name):
    values, expected, _ = CASES[name]
    *before, last = expected
    found = encoded("jsonl", pa.table({"v": with_null(values), "n": range(len(values) + 1)}))
    lines = [*before, "null", last]
    assert found.decode() == "".join(f'{{"v":{v},"n":{n}}}\n' for n, v in enumerate(lines))


@pytest.mark.parametrize("name", CASES)
def test_a_value_in_csv(name):
    values, _, expected = CASES[name]
    *before, last = expected
    found = encoded("csv", pa.table({"v": with_null(values), "n": range(len(values) + 1)}))
    fields = [*before, "", last]
    rows = "".join(f"{field},{n}\n" for n, field in enumerate(fields))
    assert found.decode() == f'"v","n"\n{rows}'


def test_the_lowest_times_are_one_below_those_that_numpy_writes():
    for unit in ("s", "ms", "us", "ns"):
        lowest, next_one = texts(pa.array([-(2**63), -(2**63) + 1], pa.timestamp(unit)))
        assert lowest[:-1] == next_one[:-1]
        assert int(lowest[-1]) + 1 == int(next_one[-1])


# What turns text back into a value: Arrow's own casts, which know nothing of how it was written.
_BACK = {
    "decimal": (pa.decimal128(38, 8), st.decimals(-(10**20), 10**20, places=8)),
    "float16": (pa.float16(), st.floats(width=16)),
    "float32": (pa.float32(), st.floats(width=32)),
    "float64": (pa.float64(), st.floats()),
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "timestamp": (pa.timestamp("us", "UTC"), st.integers(-(10**15), 10**17)),
    "date": (pa.date32(), st.integers(-100_000, 1_000_000)),
    "time": (pa.time64("us"), st.integers(0, 86_399_999_999)),
}


@pytest.mark.parametrize("name", _BACK)
@pytest.mark.parametrize("output_format", TEXT_FORMATS)
def test_whatever_the_value_its_text_is_that_very_value(tmp_path, name, output_format):
    type_, values = _BACK[name]

    @settings(max_examples=50)
    @given(st.lists(st.none() | values, min_size=1))
    def check(rows):
        if name == "float16":
            rows = [None if row is None else np.float16(row) for row in rows]
        column = pa.array(rows, type_)
        content = encoded(output_format, pa.table({"v": column, "n": range(len(rows))}))
        if output_format == "csv":
            read = pacsv.read_csv(
                io.BytesIO(content),
                convert_options=pacsv.ConvertOptions(
                    column_types={"v": pa.string()}, strings_can_be_null=True, null_values=[""]
                ),
            )["v"].combine_chunks()
        else:
            lines = content.decode().splitlines()
            # As text: a number is not to become one of Python's on the way.
            cut = [line.removeprefix('{"v":').rpartition(',"n":')[0] for line in lines]
            read = pa.array([None if v == "null" else v.strip('"') for v in cut], pa.string())
        wider = pa.float64() if name == "float16" else type_
        if name == "time":
            back = pa.array([v and time.fromisoformat(v) for v in read.to_pylist()], type_)
        else:
            back = pc.cast(read, wider)
        if name == "float16":
            back = pa.array(back.to_numpy(zero_copy_only=False).astype(np.float16)).cast("float32")
            column = pa.array(column.cast("float32").to_numpy(zero_copy_only=False))
        np.testing.assert_array_equal(
            back.is_null(nan_is_null=True), column.is_null(nan_is_null=True)
        )
        assert back.filter(pc.invert(back.is_null(nan_is_null=True))).equals(
            column.filter(pc.invert(column.is_null(nan_is_null=True)))
        )

    check()


_STRINGS = st.lists(
    st.tuples(st.none() | st.text(st.characters(codec="utf-8")), st.binary()), min_size=1
)


@settings(max_examples=200)
@given(_STRINGS)
def test_whatever_the_text_it_comes_back(rows):
    table = pa.table(
        {"text": pa.array([text for text, _ in rows], pa.string()), "raw": [raw for _, raw in rows]}
    )
    lines = encoded("jsonl", table).split(b"\n")[:-1]
    found = [json.loads(line) for line in lines]
    assert [(row["text"], base64.b64decode(row["raw"])) for row in found] == rows
    options = pacsv.ConvertOptions(
        column_types={"text": pa.string(), "raw": pa.string()},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    read = pacsv.read_csv(
        io.BytesIO(encoded("csv", table)),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=options,
    )
    assert read["text"].to_pylist() == [text for text, _ in rows]
    assert [base64.b64decode(raw) for raw in read["raw"].to_pylist()] == [raw for _, raw in rows]


@pytest.mark.parametrize("names", [["a b", 'say "x",\n', "é\u2028\0"]])
@pytest.mark.parametrize("output_format", TEXT_FORMATS)
def test_names_of_columns_are_texts_like_others(tmp_path, names, output_format):
    table = pa.table([[1], [2], [3]], names)
    part = tmp_path / f"part{OUTPUT_FORMATS[output_format].extension}"
    part.write_bytes(encoded(output_format, table))
    (row,) = rows_in_part(part)
    assert list(row) == names
    with part.open("rb") as file:
        assert OUTPUT_FORMATS[output_format].load().columns(file) == names


@pytest.mark.parametrize("output_format", TEXT_FORMATS)
@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 20])
def test_rows_are_read_again_with_their_bytes_whatever_the_blocks(
    monkeypatch, output_format, block_bytes
):
    monkeypatch.setattr(record_blocks, "BLOCK_BYTES", block_bytes)
    entry = pa.struct([("label", pa.string()), ("score", pa.float32())])
    schema = pa.schema(
        [
            ("text", pa.string()),
            ("position", pa.int64()),
            ("truncated", pa.bool_()),
            ("labels", pa.list_(entry)),
        ]
    )
    rows: list[dict[str, Any]] = [
        {"text": 'a\n"b"\n', "position": 0, "truncated": True, "labels": []},
        {"text": "", "position": 1, "truncated": False, "labels": [{"label": "x", "score": 0.5}]},
        {"text": None, "position": 2, "truncated": None, "labels": None},
        {"text": '",\r\n', "position": 3, "truncated": True, "labels": [{"label": "", "score": 1}]},
    ]
    content = encoded(output_format, pa.Table.from_pylist(rows, schema))
    part_format = OUTPUT_FORMATS[output_format].load()
    wanted = pa.schema([schema.field(name) for name in ("labels", "position", "truncated", "text")])
    found = list(part_format.rows(io.BytesIO(content), wanted))
    assert (
        pa.Table.from_batches([each.columns for each in found]).select(schema.names).to_pylist()
        == pa.Table.from_pylist(rows, schema).to_pylist()
    )
    again = io.BytesIO()
    encoder = part_format.encoder(again, schema, schema.empty_table())
    for each in found:
        encoder.write_stored(each.filter(pc.not_equal(each.columns["position"], 1)))
    kept = pa.Table.from_pylist([row for row in rows if row["position"] != 1], schema)
    assert again.getvalue() == encoded(output_format, kept)


@pytest.mark.parametrize(
    ("output_format", "content", "problem"),
    [
        ("jsonl", b'{"n":1}\n{"n":', "it ends in the middle of a row"),
        ("jsonl", b"[1]\n", "a line is not an object"),
        ("jsonl", b'{"m":1}\n', "a row lacks 'n'"),
        ("jsonl", b"{\n", "unexpected end"),
        ("csv", b"", "it has no header"),
        ("csv", b'"n"\n"1', "it ends in the middle of a row"),
        ("csv", b'"n"\nx\n', "CSV conversion error to int64"),
        ("csv", b'"n"\n1,2\n', "Expected 1 columns, got 2"),
        ("csv", b'"n"\n1\n\n2\n', "it has 2 rows where 3 were expected"),
    ],
)
def test_what_is_no_part_is_told(output_format, content, problem):
    rows = OUTPUT_FORMATS[output_format].load().rows
    with pytest.raises(ValueError, match=problem):
        list(rows(io.BytesIO(content), pa.schema([("n", pa.int64())])))


def nested(levels: int) -> pa.DataType:
    type_ = pa.int8()
    for _ in range(levels):
        type_ = pa.list_(type_)
    return type_


@pytest.mark.parametrize(
    ("type_", "fault"),
    [
        (pa.bool8(), "holds extension<arrow.bool8>"),
        (pa.month_day_nano_interval(), "holds month_day_nano_interval"),
        (
            pa.list_(pa.struct([("a", pa.int8()), ("a", pa.int8())])),
            "more than one member named 'a'",
        ),
        (pa.map_(pa.string(), pa.bool8()), "holds extension<arrow.bool8>"),
        (nested(200), "is nested more than 200 levels deep"),
        (nested(199), None),
        *((values.type, None) for values, _, _ in CASES.values()),
    ],
    ids=str,
)
def test_a_type_without_an_exact_form_is_told(type_, fault):
    found = unwritable(type_)
    assert found is None if fault is None else fault in found


def test_the_deepest_lists_are_written():
    column = pa.array([None], nested(199))
    value: Any = 1
    for _ in range(199):
        value = [value]
    column = pa.array([value], nested(199))
    assert encoded("jsonl", pa.table({"v": column})).startswith(b'{"v":' + 199 * b"[" + b"1")


def test_readers_get_numbers_texts_and_nulls(tmp_path: Path):
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    table = pa.table(
        {
            "text": ['a "b",\nc', "", None],
            "count": [1, None, 3],
            "score": pa.array([0.1, 1.0, 1.5], pa.float32()),
            "when": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
            "vector": pa.array([[0.1, 1.0]] * 3, pa.list_(pa.float32(), 2)),
        }
    )
    for name in TEXT_FORMATS:
        (tmp_path / f"a.{name}").write_bytes(encoded(name, table))
    vector = (np.float32(0.1).item(), 1.0)
    rows = [('a "b",\nc', 1, 0.1, vector), ("", None, 1.0, vector), (None, 3, 1.5, vector)]
    for source in (
        f"read_csv('{tmp_path}/a.csv', allow_quoted_nulls=false)",
        f"read_json('{tmp_path}/a.jsonl')",
    ):
        query = f'select text, count, score, vector::float[2], epoch_us("when") from {source}'
        found = duckdb.sql(query).fetchall()
        assert [row[:4] for row in found] == rows
        assert [row[4] for row in found] == [0, 1, None]
    by_polars = polars.read_csv(tmp_path / "a.csv")
    assert by_polars["text"].to_list() == [row[0] for row in rows]
    assert by_polars["count"].to_list() == [1, None, 3]
    assert by_polars["score"].to_list() == [0.1, 1.0, 1.5]
    assert polars.read_ndjson(tmp_path / "a.jsonl")["vector"].to_list() == [[0.1, 1.0]] * 3
