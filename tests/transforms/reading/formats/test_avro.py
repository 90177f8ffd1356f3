import bz2
import datetime
import io
import json
import lzma
import random
import uuid
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import orjson
import pyarrow as pa
import pytest
import zstandard

from tests.transforms.reading.reading import Found, read
from transforms.errors import InputError
from transforms.reading.corpus import plan_corpus
from transforms.reading.formats import avro
from transforms.reading.layout import BATCH_BYTES, BATCH_ROWS
from transforms.reading.units import split_file

MARKER = bytes(range(16))
NUMBERED = [("id", "long"), ("text", "string")]


def schema_of(*fields: tuple[str, Any]) -> dict[str, Any]:
    described = [{"name": name, "type": type_} for name, type_ in fields]
    return {"type": "record", "name": "Row", "fields": described}


def number(value: int) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, "long", value)
    return stream.getvalue()


def header_of(schema: Any, codec: str = "null") -> bytes:
    stream = io.BytesIO()
    meta = {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec.encode()}
    fastavro.schemaless_writer(stream, {"type": "map", "values": "bytes"}, meta)
    return b"Obj\x01" + stream.getvalue() + MARKER


def encoded(schema: Any, rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    for row in rows:
        fastavro.schemaless_writer(stream, schema, row)
    return stream.getvalue()


def block_of(num_rows: int, content: bytes, marker: bytes = MARKER) -> bytes:
    return number(num_rows) + number(len(content)) + content + marker


def numbered(start: int, stop: int) -> list[dict[str, Any]]:
    return [{"id": i, "text": f"text {i}"} for i in range(start, stop)]


def blocks_of_ten(
    count: int, codec: str = "null", compress: Callable[[bytes], bytes] = bytes
) -> list[bytes]:
    """Returns the header and blocks of ten rows each, numbered on."""
    schema = schema_of(*NUMBERED)
    blocks = [
        block_of(10, compress(encoded(schema, numbered(10 * i, 10 * i + 10)))) for i in range(count)
    ]
    return [header_of(schema, codec), *blocks]


def write(path: Path, schema: Any, rows: list[dict[str, Any]], **options: Any) -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, schema, rows, **options)
    return path


def plan_fails(match: str, *paths: Path, **options: Any) -> None:
    with pytest.raises(InputError, match=match) as caught:
        plan_corpus([str(path) for path in paths], **options)
    assert "\n" not in str(caught.value)


def all_positions(found: Found) -> list[int]:
    return sorted(found.column("position") + [row["position"] for row in found.rejected])


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
        (schema_of() | {"name": "Empty"}, r"is list<item: struct<>>, which Parquet cannot hold"),
    ],
    ids=str,
)
def test_a_column_without_a_like_in_arrow_is_refused_and_can_be_left_out(tmp_path, type_, reason):
    value = {"type": "array", "items": type_}
    schema = schema_of(("text", "string"), ("value", value), ("n", "int"))
    path = write(tmp_path / "a.avro", schema, [{"text": "t", "value": [], "n": 1}])
    plan_fails(f"column 'value' of '.*a.avro' .*{reason}.*--columns", path)
    assert read(path, columns=["n"]).column("n") == [1]


def test_a_column_of_numbers_is_no_text(tmp_path):
    path = write(tmp_path / "a.avro", schema_of(("text", "long")), [{"text": 1}])
    plan_fails("column 'text' holds int64, not text", path)


def test_files_must_agree_on_the_kept_columns(tmp_path):
    a = write(tmp_path / "a.avro", schema_of(*NUMBERED), numbered(0, 1))
    b = write(tmp_path / "b.avro", schema_of(("id", "string"), ("text", "string")), [])
    plan_fails("column 'id' is string in '.*b.avro' and int64 in '.*a.avro'", a, b)
    assert plan_corpus([str(a), str(b)], columns=[]).schema.names[0] == "text"
    c = write(tmp_path / "c.avro", schema_of(("text", "string")), [])
    plan_fails("'.*c.avro' has no column 'id'", a, c)


# Blocks


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_what_another_program_writes_is_read(tmp_path, codec):
    rows = numbered(0, 5000)
    path = write(tmp_path / "a.avro", schema_of(*NUMBERED), rows, codec=codec)
    found = read(path)
    assert [{"id": row["id"], "text": row["text"]} for row in found.rows] == rows
    assert found.column("position") == list(range(5000))
    assert [batch.num_rows for batch in found.batches] == [BATCH_ROWS, BATCH_ROWS, 904]


def deflated(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(content) + compressor.flush()


def snapped(content: bytes) -> bytes:
    compressed = pa.compress(content, codec="snappy", asbytes=True)
    return compressed + zlib.crc32(content).to_bytes(4, "big")


CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": deflated,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "snappy": snapped,
    "zstandard": zstandard.compress,
}


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


# Damage


def damaged(tmp_path: Path, parts: list[bytes]) -> Found:
    """Reads a file whole and in units, and checks that both find the same."""
    path = tmp_path / "a.avro"
    path.write_bytes(b"".join(parts))
    corpus = plan_corpus([str(path)])
    found, in_units = Found(corpus), Found(corpus, 200)
    assert (in_units.rows, in_units.rejected) == (found.rows, found.rejected)
    positions = all_positions(found)
    assert len(set(positions)) == len(positions)
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_that_is_cut_gives_the_rows_before_the_cut(tmp_path, codec):
    blocks = blocks_of_ten(3, codec, CODECS[codec])
    content = b"".join(blocks)
    for cut in range(len(blocks[0]) + 1, len(content), 11):
        found = damaged(tmp_path, [content[:cut]])
        ends = [len(b"".join(blocks[: i + 1])) for i in range(4)]
        whole = sum(cut >= end for end in ends[1:])
        assert len(found.rows) >= 10 * whole
        assert found.column("id") == list(range(len(found.rows)))
        assert bool(found.rejected) == (cut not in ends)


def test_a_cut_says_where_and_keeps_the_rows_of_the_block_that_are_whole(tmp_path):
    blocks = blocks_of_ten(2)
    found = damaged(tmp_path, [*blocks[:2], blocks[2][:60]])
    assert found.column("id") == list(range(16))
    assert [row["position"] for row in found.rejected] == list(range(16, 21))
    offset = len(blocks[0] + blocks[1])
    assert found.rejected[0]["error"] == (
        f"the block at byte {offset} cannot be read from its row 6 on: it breaks off"
    )
    assert found.rejected[-1]["error"] == (
        f"the block at byte {offset} has no end, and rows may be lost up to byte {offset + 60}"
    )


def test_behind_a_block_of_a_wrong_size_reading_goes_on_with_the_next(tmp_path):
    blocks = blocks_of_ten(5)
    content = encoded(schema_of(*NUMBERED), numbered(10, 20)) + MARKER
    for size in (0, 1, 50, 200, 1000, 1 << 40, -1):
        broken = number(10) + number(size) + content
        found = damaged(tmp_path, [*blocks[:2], broken, *blocks[3:]])
        assert [i for i in found.column("id") if not 10 <= i < 20] == [*range(10), *range(20, 50)]
        assert found.rejected


def test_behind_a_marker_that_is_wrong_reading_goes_on_after_the_next_one(tmp_path):
    blocks = blocks_of_ten(4)
    found = damaged(tmp_path, [*blocks[:2], blocks[2][:-1] + b"x", *blocks[3:]])
    assert found.column("id") == [*range(20), *range(30, 40)]
    assert "has no end, and rows may be lost" in found.only_error()
    assert found.rejected[0]["position"] == 20


@pytest.mark.parametrize("count", [-1, 0, 5, 15, 1 << 50])
def test_a_wrong_number_of_rows_is_told(tmp_path, count):
    blocks = blocks_of_ten(3)
    broken = number(count) + blocks[2][1:]
    found = damaged(tmp_path, [*blocks[:2], broken, blocks[3]])
    assert found.column("id")[:10] == list(range(10))
    assert found.column("id")[-10:] == list(range(20, 30))
    assert found.rejected
    if count == 5:
        assert "bytes follow it in a block that has no more rows" in found.only_error()
        assert orjson.loads(found.raws[0]) == {"id": 14, "text": "text 14"}


def test_rows_that_damage_makes_up_are_not_rejected_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(avro, "MOST_REJECTED", 100)
    blocks = blocks_of_ten(3)
    found = damaged(tmp_path, [*blocks[:2], number(1000) + blocks[2][1:], blocks[3]])
    assert found.column("id") == list(range(30))
    assert found.only_error().endswith("it breaks off; it claims 990 more rows")


def test_a_flipped_bit_never_stops_a_run_nor_costs_rows_of_far_blocks(tmp_path):
    generator = random.Random(0)
    blocks = blocks_of_ten(6, "deflate", deflated)
    begin, end = len(blocks[0] + blocks[1]), len(b"".join(blocks[:4]))
    for _ in range(200):
        content = bytearray(b"".join(blocks))
        content[generator.randrange(begin, end)] ^= 1 << generator.randrange(8)
        found = damaged(tmp_path, [bytes(content)])
        ids = found.column("id")
        assert set(ids) >= {*range(10), *range(40, 60)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it does not begin as an Avro file does"),
        (b"PAR1 and so on", "it does not begin as an Avro file does"),
        (header_of(schema_of(*NUMBERED))[:40], "its header breaks off"),
        (header_of("long"), "its schema is not one of records"),
        (header_of({"type": "record", "name": "R", "fields": [{"name": "a", "type": "no"}]}),
         "its schema is not valid: no"),
        (header_of(schema_of(("a", "int"), ("a", "int"))), "two columns of its schema have the"),
        (header_of({})[:-20] + b"\xff" * 40, "its header is damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_header_that_cannot_be_read_is_an_error_before_any_work(tmp_path, content, reason):
    (tmp_path / "a.avro").write_bytes(content)
    plan_fails(f"cannot read '.*a.avro' as Avro: {reason}", tmp_path / "a.avro")


def test_a_header_may_be_long(tmp_path):
    schema = schema_of(*NUMBERED) | {"doc": "x" * 100_000}
    assert len(read(write(tmp_path / "a.avro", schema, numbered(0, 3))).rows) == 3


def test_a_file_that_is_compressed_from_outside_is_refused(tmp_path):
    (tmp_path / "a.avro.gz").write_bytes(b"")
    plan_fails("Avro is compressed internally; unpack the file first", tmp_path / "a.avro.gz")


def test_a_file_that_changed_since_it_was_planned_is_refused(tmp_path):
    path = write(tmp_path / "a.avro", schema_of(*NUMBERED), numbered(0, 1))
    corpus = plan_corpus([str(path)])
    write(path, schema_of(("id", "string"), ("text", "string")), [])
    with pytest.raises(InputError, match=r"column 'id' of '.*a\.avro' is no longer what it was"):
        Found(corpus)
