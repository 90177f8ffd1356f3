import datetime
import uuid
from decimal import Decimal
from typing import Any

import orjson
import pytest

from tests.transforms.reading.formats.avro_files import (
    CODECS,
    NUMBERED,
    block_of,
    blocks_of_ten,
    encoded,
    header_of,
    numbered,
    plan_fails,
    schema_of,
    snapped,
    write,
)
from tests.transforms.reading.reading import Found, read
from transforms.reading.corpus import plan_corpus
from transforms.reading.layout import BATCH_BYTES, BATCH_ROWS
from transforms.reading.units import split_file

# Types

DAY, TIME = datetime.date(2024, 2, 29), datetime.time(1, 2, 3, 4000)
MOMENT = datetime.datetime(2024, 2, 29, 1, 2, 3, 4000)
NOW = MOMENT.replace(tzinfo=datetime.timezone.utc)
ID = uuid.UUID(int=7)


def logical(type_: str, logical_type: str, /, **more: Any) -> dict[str, Any]:
    return {"type": type_, "logicalType": logical_type, **more}


@pytest.mark.parametrize(
    ("avro", "arrow", "value"),
    [
        ("null", "null", None),
        ("boolean", "bool", True),
        ("int", "int32", -5),
        ("long", "int64", -(1 << 60)),
        ("float", "float", 0.5),
        ("double", "double", 0.1),
        ("bytes", "binary", b"\xff"),
        ("string", "string", "é\0"),
        (["null", "string"], "string", None),
        (["long", "null"], "int64", 3),
        (["string"], "string", "x"),
        ({"type": "string"}, "string", "x"),
        (logical("int", "date"), "date32[day]", DAY),
        (logical("int", "time-millis"), "time32[ms]", TIME),
        (logical("long", "time-micros"), "time64[us]", TIME),
        (logical("long", "timestamp-millis"), "timestamp[ms, tz=UTC]", NOW),
        (["null", logical("long", "timestamp-micros")], "timestamp[us, tz=UTC]", NOW),
        (logical("long", "local-timestamp-millis"), "timestamp[ms]", MOMENT),
        (logical("long", "local-timestamp-micros"), "timestamp[us]", MOMENT),
        (logical("string", "uuid"), "string", ID),
        (logical("string", "datetime"), "string", "2024-02-29T01:02:03"),
        (logical("bytes", "decimal"), "binary", b"\x01"),
        (logical("bytes", "decimal", precision=7, scale=2), "decimal128(7, 2)", Decimal("-10.50")),
        (
            ["null", logical("bytes", "decimal", precision=77, scale=38)],
            "decimal256(76, 38)",
            Decimal("1234567890123456789012345678901234567.5"),
        ),
        (
            logical("fixed", "decimal", name="F", size=8, precision=9, scale=1),
            "decimal128(9, 1)",
            Decimal("0.5"),
        ),
        ({"type": "fixed", "name": "F", "size": 2}, "fixed_size_binary[2]", b"\0\xff"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "string", "B"),
        ({"type": "array", "items": ["null", "string"]}, "list<item: string>", ["a", None]),
        (
            {"type": "array", "items": logical("int", "date")},
            "list<item: date32[day]>",
            [DAY],
        ),
        ({"type": "map", "values": "long"}, "map<string, int64>", {"é": 1}),
        (
            ["null", schema_of(("x", "int"), ("y", ["null", logical("int", "date")]))
             | {"name": "Inner"}],
            "struct<x: int32, y: date32[day]>",
            {"x": 1, "y": None},
        ),
    ],
    ids=str,
)  # fmt: skip
def test_every_type_has_its_like_in_arrow(tmp_path, avro, arrow, value):
    schema = schema_of(("text", "string"), ("value", avro))
    path = write(tmp_path / "a.avro", schema, [{"text": "t", "value": value}] * 3)
    corpus = plan_corpus([str(path)])
    assert [str(column.type) for column in corpus.fields] == ["string", arrow]
    expected = list(value.items()) if arrow.startswith("map") else value
    expected = str(value) if value is ID else expected
    assert Found(corpus).column("value") == [expected] * 3


def test_a_fixed_uuid_is_its_text(tmp_path):
    fixed = logical("fixed", "uuid", name="F", size=16)
    schema = schema_of(("text", "string"), ("id", fixed))
    plain = schema_of(("text", "string"), ("id", {"type": "fixed", "name": "F", "size": 16}))
    rows = encoded(plain, [{"text": "t", "id": ID.bytes}])
    assert read(tmp_path / "a.avro", header_of(schema) + block_of(1, rows)).column("id") == [
        str(ID)
    ]


def test_values_inside_of_others_are_converted_too(tmp_path):
    amount = logical("bytes", "decimal", precision=5, scale=1)
    parts = {"type": "array", "items": schema_of(("n", ["null", amount])) | {"name": "Part"}}
    schema = schema_of(("text", "string"), ("parts", parts),
                       ("by_name", {"type": "map", "values": amount}))  # fmt: skip
    half = Decimal("0.5")
    row = {"text": "t", "parts": [{"n": half}, {"n": None}], "by_name": {"a": half}}
    found = read(write(tmp_path / "a.avro", schema, [row]))
    assert found.column("parts") == [row["parts"]]
    assert found.column("by_name") == [[("a", half)]]


def test_a_named_type_can_be_used_again(tmp_path):
    inner = schema_of(("s", "string"), ("d", logical("int", "date"))) | {"name": "Inner"}
    schema = schema_of(("text", "string"), ("a", inner), ("b", ["null", "shop.Inner"]),
                       ("c", "Inner")) | {"namespace": "shop"}  # fmt: skip
    value = {"s": "x", "d": DAY}
    found = read(write(tmp_path / "a.avro", schema, [dict.fromkeys("abc", value) | {"text": "t"}]))
    assert [found.column(name) for name in "abc"] == [[value]] * 3


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        (
            ["null", "string", "long"],
            "holds a union of string and long, and only a union of",
        ),
        ({"type": "array", "items": ["int", "string"]}, "holds a union of int and string"),
        (["null", "Row"], "holds the record Row inside itself"),
        (
            {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"},
            "holds durations of months, days and milliseconds, of which the output",
        ),
    ],
    ids=str,
)
def test_a_column_without_a_like_in_arrow_is_refused_and_can_be_left_out(tmp_path, type_, reason):
    value = {"type": "array", "items": type_}
    schema = schema_of(("text", "string"), ("value", value), ("n", "int"))
    path = write(tmp_path / "a.avro", schema, [{"text": "t", "value": [], "n": 1}])
    plan_fails(f"column 'value' of '.*a.avro' .*{reason}.*--columns", path)
    assert read(path, columns=["n"]).column("n") == [1]


@pytest.mark.parametrize("items", ["null", schema_of() | {"name": "Empty"}], ids=str)
def test_an_array_of_what_takes_no_bytes_is_refused(tmp_path, items):
    schema = schema_of(("text", "string"), ("value", {"type": "array", "items": items}))
    path = write(tmp_path / "a.avro", schema, [])
    plan_fails("its schema has an array of values that take no bytes", path)


def test_a_schema_whose_names_multiply_is_refused(tmp_path):
    records = [schema_of(("a", "int")) | {"name": "R0"}]
    for level in range(1, 60):
        fields = [("a", records[-1]), ("b", f"R{level - 1}")]
        records.append(schema_of(*fields) | {"name": f"R{level}"})
    schema = schema_of(("text", "string"), ("deep", records[-1]))
    (tmp_path / "a.avro").write_bytes(header_of(schema))
    plan_fails("its schema has [0-9,]+ types, more than 10,000", tmp_path / "a.avro")


def test_a_row_that_is_too_deep_costs_its_block(tmp_path):
    schema = schema_of(("text", "string"), ("next", ["null", "Row"]))
    deep = b"\x02a\x02" * 1_000_000 + b"\x02a\0"
    blocks = [block_of(1, b"\x02a\0"), block_of(1, deep), block_of(1, b"\x02b\0")]
    (tmp_path / "a.avro").write_bytes(b"".join([header_of(schema), *blocks]))
    found = read(tmp_path / "a.avro", columns=["text"])
    assert found.texts == ["a", "b"]
    assert "RecursionError" in found.only_error()


def test_a_column_of_numbers_is_no_text(tmp_path):
    path = write(tmp_path / "a.avro", schema_of(("text", "long")), [{"text": 1}])
    plan_fails("column 'text' holds int64, not text", path)


def test_files_must_agree_on_the_kept_columns(tmp_path):
    a = write(tmp_path / "a.avro", schema_of(*NUMBERED), numbered(0, 1))
    b = write(tmp_path / "b.avro", schema_of(("id", "string"), ("text", "string")), [])
    plan_fails("column 'id' is string in '.*b.avro' and int64 in '.*a.avro'", a, b)
    assert plan_corpus([str(a), str(b)], columns=[]).schema.names[0] == "text"
    c = write(tmp_path / "c.avro", schema_of(("id", "long")), [])
    plan_fails("'.*c.avro' has no column 'text', which '.*a.avro' has", a, c)


# Blocks


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_what_another_program_writes_is_read(tmp_path, codec):
    rows = numbered(0, 5000)
    path = write(tmp_path / "a.avro", schema_of(*NUMBERED), rows, codec=codec)
    found = read(path)
    assert [{"id": row["id"], "text": row["text"]} for row in found.rows] == rows
    assert found.column("position") == list(range(5000))
    assert [batch.num_rows for batch in found.batches] == [BATCH_ROWS, BATCH_ROWS, 904]


@pytest.mark.parametrize("codec", CODECS)
def test_a_block_that_cannot_be_decompressed_is_rejected_row_by_row(tmp_path, codec):
    blocks = blocks_of_ten(3, codec, CODECS[codec])
    assert read(tmp_path / "a.avro", b"".join(blocks)).column("id") == list(range(30))
    content = bytearray(blocks[2])
    content[4:-16] = b"\xff" * len(content[4:-16])
    found = read(tmp_path / "a.avro", b"".join([*blocks[:2], content, blocks[3]]))
    assert found.column("id") == [*range(10), *range(20, 30)]
    assert [row["position"] for row in found.rejected] == list(range(10, 20))
    offset = len(blocks[0] + blocks[1])
    reason = f"the block at byte {offset} cannot be read from its row 0 on: "
    assert all(row["error"].startswith(reason) for row in found.rejected)


def test_a_checksum_that_is_wrong_costs_the_block(tmp_path):
    blocks = blocks_of_ten(1, "snappy", lambda content: snapped(content)[:-4] + bytes(4))
    found = read(tmp_path / "a.avro", b"".join(blocks))
    assert (len(found.rows), len(found.rejected)) == (0, 10)
    assert "its checksum is wrong" in found.rejected[0]["error"]


def test_another_codec_is_refused_with_those_that_can_be_read(tmp_path):
    path = tmp_path / "a.avro"
    path.write_bytes(header_of(schema_of(*NUMBERED), "lz4"))
    plan_fails("compressed with 'lz4', and only null, deflate, bzip2, xz, snappy, zstandard", path)


def test_ranges_of_blocks_are_units_with_the_numbers_of_their_rows(tmp_path):
    path = write(tmp_path / "a.avro", schema_of(*NUMBERED), numbered(0, 9000), sync_interval=500)
    corpus = plan_corpus([str(path)])
    units = list(split_file(corpus, corpus.files[0], corpus.size // 4))
    assert 3 <= len(units) <= 5
    assert [unit.start for unit in units[1:]] == [unit.stop for unit in units[:-1]]
    found = Found(corpus, corpus.size // 4)
    assert found.column("id") == found.column("position") == list(range(9000))


def test_long_texts_make_small_batches(tmp_path):
    rows = [{"text": "x" * 100_000}] * 200
    found = read(write(tmp_path / "a.avro", schema_of(("text", "string")), rows))
    assert len(found.texts) == 200
    assert max(batch.rows.nbytes for batch in found.batches) < BATCH_BYTES * 1.1


def test_a_file_without_rows_is_a_corpus_without_rows(tmp_path):
    assert read(write(tmp_path / "a.avro", schema_of(*NUMBERED), [])).batches == []


# Rows


def test_rows_without_text_are_rejected(tmp_path):
    schema = schema_of(("n", "int"), ("text", ["null", "string"]))
    rows = [{"n": n, "text": text} for n, text in enumerate(["a", None, ""])]
    found = read(write(tmp_path / "a.avro", schema, rows))
    assert found.texts == ["a", ""]
    assert found.only_error() == "'text' is null"
    assert found.rejected[0]["position"] == 1
    assert orjson.loads(found.raws[0]) == {"n": 1, "text": None}


@pytest.mark.parametrize("type_", ["string", "bytes"])
def test_text_that_is_no_utf8_is_rejected_and_takes_no_other_along(tmp_path, type_):
    rows = encoded(schema_of(("text", "bytes")), [{"text": t} for t in (b"a", b"b\xff", b"c")])
    content = header_of(schema_of(("text", type_))) + block_of(3, rows)
    found = read(tmp_path / "a.avro", content)
    assert found.texts == ["a", "c"]
    assert found.only_error() == "column 'text': invalid UTF-8: byte 0xff at offset 1"
    assert orjson.loads(found.raws[0]) == {"text": "b\\xff"}


def test_a_key_of_a_map_that_is_no_utf8_is_rejected(tmp_path):
    schema = schema_of(("text", "string"), ("map", {"type": "map", "values": "int"}))
    rows = encoded(schema, [{"text": str(i), "map": {"key": i}} for i in range(3)])
    rows = rows.replace(b"key\2", b"k\xffy\2")
    found = read(tmp_path / "a.avro", header_of(schema) + block_of(3, rows))
    assert found.texts == ["0", "2"]
    assert "column 'map'" in found.only_error()


def test_a_number_with_too_many_digits_is_rejected(tmp_path):
    amount = logical("bytes", "decimal", precision=3, scale=1)
    schema = schema_of(("text", "string"), ("n", amount))
    plain = schema_of(("text", "string"), ("n", "bytes"))
    rows = encoded(plain, [{"text": "a", "n": b"\x05"}, {"text": "b", "n": b"\x7f\xff"}])
    found = read(tmp_path / "a.avro", header_of(schema) + block_of(2, rows))
    assert found.column("n") == [Decimal("0.5")]
    assert found.only_error().startswith("a value does not fit: ")
    assert orjson.loads(found.raws[0])["text"] == "b"
