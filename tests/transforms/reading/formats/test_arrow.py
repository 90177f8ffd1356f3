import io
import random
import struct
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from tests.transforms.reading.reading import Found, read
from transforms.errors import InputError
from transforms.reading.corpus import plan_corpus
from transforms.reading.layout import BATCH_BYTES, BATCH_ROWS
from transforms.reading.units import split_file

FILE, STREAM = pa.ipc.new_file, pa.ipc.new_stream


def stored(table: pa.Table, make: Any = FILE, rows: int = 1000, codec: str | None = None) -> bytes:
    sink = io.BytesIO()
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        for batch in table.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
    return sink.getvalue()


def numbered(rows: int) -> pa.Table:
    texts = pa.array([f"text {i}" for i in range(rows)], pa.string())
    return pa.table({"id": pa.array(range(rows), pa.int64()), "text": texts})


def plan_fails(match: str, *paths: Path, **options: Any) -> None:
    with pytest.raises(InputError, match=match) as caught:
        plan_corpus([str(path) for path in paths], **options)
    assert "\n" not in str(caught.value)


def damaged(tmp_path: Path, content: bytes) -> Found:
    """Reads a file whole and in units, and checks that both find the same."""
    path = tmp_path / "a.arrow"
    path.write_bytes(content)
    corpus = plan_corpus([str(path)])
    found, in_units = Found(corpus), Found(corpus, max(corpus.size // 4, 1))
    assert (in_units.rows, in_units.rejected) == (found.rows, found.rejected)
    positions = found.column("position") + [row["position"] for row in found.rejected]
    assert len(set(positions)) == len(positions)
    return found


# Columns


@pytest.mark.parametrize("make", [FILE, STREAM])
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("name", ["a.arrow", "a.feather", "a.arrows"])
def test_the_content_tells_a_file_from_a_stream(tmp_path, name, make, codec):
    found = read(tmp_path / name, stored(numbered(3000), make, codec=codec))
    assert found.column("id") == found.column("position") == list(range(3000))
    assert found.texts == [f"text {i}" for i in range(3000)]


@pytest.mark.parametrize("rows", [4, BATCH_ROWS + 4])
def test_columns_come_as_they_are(tmp_path, rows):
    types = {
        "id": pa.uint16(),
        "day": pa.date32(),
        "price": pa.decimal128(7, 2),
        "seen": pa.timestamp("ms", "UTC"),
        "took": pa.duration("s"),
        "small": pa.float16(),
        "tags": pa.list_(pa.string()),
        "meta": pa.struct([("k", pa.float64())]),
        "map": pa.map_(pa.string(), pa.int8()),
        "pair": pa.list_(pa.int32(), 2),
        "key": pa.binary(2),
        "nothing": pa.null(),
    }
    value = {"id": 1, "day": 5, "price": "1.50", "seen": 7, "took": 3, "small": 0.5, "tags": ["x"],
             "meta": {"k": 0.5}, "map": [("a", 1)], "pair": [1, 2],
             "key": b"ab"}  # fmt: skip
    values = {name: [value.get(name), None] * (rows // 2) for name in types}
    values["price"] = [None] * rows
    columns = {name: pa.array(values[name], type_) for name, type_ in types.items()}
    table = pa.table({"text": ["t"] * rows, **columns})
    found = read(tmp_path / "a.arrow", stored(table, rows=rows))
    assert [{name: row[name] for name in table.column_names} for row in found.rows] == (
        table.to_pylist()
    )
    schema = found.batches[0].rows.schema
    types["pair"] = pa.list_(pa.int32())  # which may be null, and not at a fixed size
    assert [schema.field(name).type for name in types] == list(types.values())


@pytest.mark.parametrize(
    "type_",
    [pa.string_view(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())],
)
def test_every_type_of_text_becomes_string_and_rows_without_are_rejected(tmp_path, type_):
    texts = pa.array(["a", None, "c" * 20])
    texts = texts.dictionary_encode() if pa.types.is_dictionary(type_) else texts.cast(type_)
    found = read(tmp_path / "a.arrow", stored(pa.table({"n": [1, 2, 3], "text": texts})))
    assert found.texts == ["a", "c" * 20]
    assert found.column("position") == [0, 2]
    assert found.only_error() == "'text' is null"
    assert orjson.loads(found.raws[0]) == {"n": 2, "text": None}


def test_dictionaries_are_their_values_inside_of_lists_too(tmp_path):
    strings = pa.array(["a", "b", "a"]).dictionary_encode()
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), strings)
    table = pa.table({"text": ["x", "y", "z"], "tag": strings, "tags": lists})
    for make in (FILE, STREAM):
        found = read(tmp_path / "a.arrow", stored(table, make, rows=2))
        assert found.column("tag") == ["a", "b", "a"]
        assert found.column("tags") == [["a"], ["b"], ["a"]]


def test_a_dictionary_that_a_stream_replaces_is_read(tmp_path):
    batches = [
        pa.record_batch({"text": pa.array(texts).dictionary_encode()})
        for texts in (["a", "b"], ["c", "a"])
    ]
    sink = io.BytesIO()
    with STREAM(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    assert read(tmp_path / "a.arrow", sink.getvalue()).texts == ["a", "b", "c", "a"]


@pytest.mark.parametrize("type_", [pa.string(), pa.binary(), pa.string_view()])
@pytest.mark.parametrize("rows", [3, 3 * BATCH_ROWS])
def test_text_that_is_no_utf8_is_rejected_and_takes_no_other_along(tmp_path, type_, rows):
    texts = pa.array([b"a", b"b\xff", b"c"] + [b"x"] * (rows - 3))
    if pa.types.is_string_view(type_):
        texts = texts.cast(pa.binary_view())
    texts = texts.view(type_)
    found = read(tmp_path / "a.arrow", stored(pa.table({"text": texts}), rows=rows))
    assert found.texts == ["a", "c"] + ["x"] * (rows - 3)
    assert found.only_error() == "column 'text': invalid UTF-8: byte 0xff at offset 1"
    assert orjson.loads(found.raws[0]) == {"text": "b\\xff"}


def test_a_list_with_a_string_that_is_no_utf8_is_rejected(tmp_path):
    strings = pa.array([b"a", b"\xff", b"c"]).view(pa.string())
    tags = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), strings)
    found = read(tmp_path / "a.arrow", stored(pa.table({"text": ["x", "y", "z"], "tags": tags})))
    assert found.texts == ["x", "z"]
    assert "column 'tags'" in found.only_error()


def test_columns_can_be_left_out(tmp_path):
    table = pa.table({"a": [1], "text": ["t"], "b": [2]})
    for make in (FILE, STREAM):
        found = read(tmp_path / "a.arrow", stored(table, make), columns=["b"])
        assert list(found.rows[0])[:2] == ["text", "b"]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([None], pa.month_day_nano_interval()),
        pa.array([{}], pa.struct([])),
        pa.array([{"a": [1]}], pa.struct([("a", pa.list_view(pa.int8()))])),
        pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["x"])),
    ],
    ids=lambda values: str(values.type),
)
def test_a_column_that_the_output_cannot_hold_is_refused_and_can_be_left_out(tmp_path, values):
    path = tmp_path / "a.arrow"
    path.write_bytes(stored(pa.table({"text": ["t"], "value": values, "n": [1]})))
    plan_fails("column 'value' of '.*a.arrow' is .*, which Parquet cannot hold; .*--columns", path)
    assert read(path, columns=["n"]).column("n") == [1]


def test_a_column_of_numbers_is_no_text(tmp_path):
    (tmp_path / "a.arrow").write_bytes(stored(pa.table({"text": [1]})))
    plan_fails("column 'text' holds int64, not text", tmp_path / "a.arrow")


def test_files_must_agree_on_the_kept_columns_and_may_be_files_or_streams(tmp_path):
    a, b, c = (tmp_path / f"{name}.arrow" for name in "abc")
    a.write_bytes(stored(pa.table({"text": ["a"], "n": [1]})))
    b.write_bytes(stored(pa.table({"text": ["b"], "n": ["1"]}), STREAM))
    plan_fails("column 'n' is string in '.*b.arrow' and int64 in '.*a.arrow'", a, b)
    c.write_bytes(stored(pa.table({"n": [2]}), STREAM))
    plan_fails("'.*c.arrow' has no column 'text', which '.*a.arrow' has", a, c)
    c.write_bytes(stored(pa.table({"text": ["c"]}), STREAM))
    assert read(tmp_path, columns=[]).texts == ["a", "b", "c"]
    b.write_bytes(stored(pa.table({"text": ["b"], "n": [1.5]}), STREAM))
    assert read(tmp_path).column("n") == [1.0, 1.5, None]


def test_two_columns_of_one_name_are_an_error(tmp_path):
    (tmp_path / "a.arrow").write_bytes(stored(pa.table([["a"], ["b"]], names=["text", "text"])))
    plan_fails("more than one column named 'text'", tmp_path / "a.arrow")


# Record batches


@pytest.mark.parametrize("codec", [None, "zstd"])
def test_record_batches_are_units_with_the_numbers_of_their_rows(tmp_path, codec):
    path = tmp_path / "a.arrow"
    path.write_bytes(stored(numbered(10_000), rows=300, codec=codec))
    corpus = plan_corpus([str(path)])
    units = list(split_file(corpus, corpus.files[0], corpus.size // 4))
    assert 3 <= len(units) <= 5
    assert [unit.first_row for unit in units] == [300 * unit.start for unit in units]
    found = Found(corpus, corpus.size // 4)
    assert found.column("id") == found.column("position") == list(range(10_000))


def test_a_stream_is_one_unit(tmp_path):
    path = tmp_path / "a.arrow"
    path.write_bytes(stored(numbered(10_000), STREAM))
    corpus = plan_corpus([str(path)])
    assert len(list(split_file(corpus, corpus.files[0], 100))) == 1


def test_a_large_record_batch_makes_small_batches(tmp_path):
    texts = ["x" * 100_000] * 200
    table = pa.table({"text": texts, "tags": [["y" * 10]] * 200})
    found = read(tmp_path / "a.arrow", stored(table))
    assert found.texts == texts
    assert max(batch.rows.nbytes for batch in found.batches) < BATCH_BYTES * 1.1
    found = read(tmp_path / "a.arrow", stored(numbered(5000), rows=5000))
    assert [batch.num_rows for batch in found.batches] == [BATCH_ROWS, BATCH_ROWS, 904]


@pytest.mark.parametrize("make", [FILE, STREAM])
def test_a_file_without_rows_is_a_corpus_without_rows(tmp_path, make):
    assert read(tmp_path / "a.arrow", stored(numbered(0), make)).batches == []


# Damage


@pytest.mark.parametrize("make", [FILE, STREAM])
def test_a_record_batch_that_is_damaged_is_rejected_row_by_row(tmp_path, make):
    content = bytearray(stored(numbered(3000), make))
    begin = content.rindex(b"text 1000text 1001")
    offsets = content.rindex((9).to_bytes(4, "little") + (18).to_bytes(4, "little"), 0, begin)
    content[offsets : offsets + 4] = b"\xff" * 4
    found = damaged(tmp_path, bytes(content))
    assert found.column("id") == [*range(1000), *range(2000, 3000)]
    assert [row["position"] for row in found.rejected] == list(range(1000, 2000))
    what = "record batch 1" if make is FILE else "the record batch at row 1000"
    assert found.rejected[0]["error"].startswith(f"{what} cannot be read: ")


def test_a_record_batch_that_cannot_be_decompressed_is_rejected_row_by_row(tmp_path):
    content = bytearray(stored(numbered(3000), codec="lz4"))
    place = content.index(b"text 100")  # the beginning of the texts of the second batch
    content[place - 9 : place] = b"\xff" * 9
    found = damaged(tmp_path, bytes(content))
    assert found.column("id") == [*range(1000), *range(2000, 3000)]
    assert len(found.rejected) == 1000


def test_a_stream_that_is_cut_gives_the_rows_before_the_cut(tmp_path):
    content = stored(numbered(30), STREAM, rows=10)
    begin = len(stored(numbered(0), STREAM))
    for cut in range(begin, len(content) - 8, 37):
        found = damaged(tmp_path, content[:cut])
        assert found.column("id") == list(range(len(found.rows)))
        assert len(found.rows) in (0, 10, 20)
        if found.rejected:
            assert found.only_error().startswith(
                f"the stream cannot be read from row {len(found.rows)} on: "
            )
            assert found.rejected[0]["position"] == len(found.rows)


def test_a_file_that_lost_its_footer_is_read_as_a_stream_and_says_so(tmp_path):
    content = stored(numbered(30), rows=10)
    found = damaged(tmp_path, content[:-3])
    assert found.column("id") == list(range(30))
    assert found.only_error() == ("the file has no footer, so rows may be lost: Not an Arrow file")
    begin = len(stored(numbered(0), STREAM)) + 8
    for cut in range(begin, len(content), 37):
        found = damaged(tmp_path, content[:cut])
        assert found.column("id") == list(range(len(found.rows)))
        assert [row["position"] for row in found.rejected] == [len(found.rows)]


@pytest.mark.parametrize("make", [FILE, STREAM])
@pytest.mark.parametrize("codec", [None, "lz4"])
def test_a_flipped_bit_never_stops_a_run(tmp_path, make, codec):
    generator = random.Random(0)
    content = stored(numbered(3000), make, codec=codec)
    refused = 0
    for _ in range(100):
        broken = bytearray(content)
        broken[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        try:
            found = damaged(tmp_path, bytes(broken))
        except InputError:
            refused += 1
        else:
            assert found.rejected or len(found.rows) == 3000
            assert len(found.rows) >= 2000 or make is STREAM
    assert refused < 20


def with_null_views(type_: pa.DataType, length: int) -> pa.Array:
    """Returns three values of which the second is null, and its view has a length."""
    array = pa.array(["a" * 20, None, "c"], type_)
    validity, views, *data = array.buffers()
    broken = bytearray(views)
    broken[16:20] = length.to_bytes(4, "little", signed=True)
    return pa.Array.from_buffers(type_, 3, [validity, pa.py_buffer(bytes(broken)), *data])


@pytest.mark.parametrize("length", [-(1 << 24), -251658240, 1 << 30])
@pytest.mark.parametrize("make", [FILE, STREAM])
def test_what_a_view_holds_where_it_is_null_does_not_end_the_process(tmp_path, length, make):
    views = with_null_views(pa.string_view(), length)
    offsets = pa.array([0, 1, 2, 3], pa.int32())
    table = pa.table(
        {
            "text": ["x", "y", "z"],
            "plain": views,
            "binary": with_null_views(pa.binary_view(), length),
            "list": pa.ListArray.from_arrays(offsets, views),
            "large": pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), views),
            "pair": pa.FixedSizeListArray.from_arrays(views, 1),
            "struct": pa.StructArray.from_arrays([views], ["s"]),
            "map": pa.MapArray.from_arrays(offsets, pa.array(["k"] * 3), views),
        }
    )
    found = read(tmp_path / "a.arrow", stored(table, make))
    value = [None if v is None else v * 20 if v == "a" else v for v in ("a", None, "c")]
    assert found.column("plain") == value
    assert found.column("binary") == [v if v is None else v.encode() for v in value]
    assert found.column("list") == found.column("large") == found.column("pair") == [
        [v] for v in value
    ]  # fmt: skip
    assert found.column("struct") == [{"s": v} for v in value]
    assert found.column("map") == [[("k", v)] for v in value]


@pytest.mark.parametrize("damage", [(0, "<q", -8), (0, "<q", 1 << 62), (8, "<i", -8)])
def test_a_batch_whose_place_in_the_footer_is_damaged_is_rejected(tmp_path, damage):
    content = bytearray(stored(numbered(30), rows=10))
    first = len(stored(numbered(0), STREAM))  # where the first batch begins
    place = content.rindex(struct.pack("<q", first))
    shift, kind, value = damage
    struct.pack_into(kind, content, place + shift, value)
    found = damaged(tmp_path, bytes(content))
    assert found.column("id") == list(range(10, 30))
    assert found.only_error().startswith("record batch 0 cannot be read: ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Tried reading schema message, was null or length 0"),
        (b"\1 is another format", ""),
        (b"FEA1\0\0\0\0", "it is Feather V1; rewrite it as V2 with a current pyarrow"),
        (stored(numbered(1))[:100], "Expected to read"),
        (stored(pa.table({"text": ["x"], "s": [{"member": 1}]})).replace(b"member", b"\xffember"),
         "'utf-8' codec can't decode byte 0xff"),
        (stored(numbered(1), STREAM)[:100], "Expected to read"),
    ],
    ids=["empty", "other", "V1", "file", "name", "stream"],
)  # fmt: skip
def test_a_head_that_cannot_be_read_is_an_error_before_any_work(tmp_path, content, reason):
    (tmp_path / "a.arrow").write_bytes(content)
    plan_fails(f"cannot read '.*a.arrow' as Arrow: {reason}", tmp_path / "a.arrow")


def test_a_file_that_is_compressed_from_outside_is_refused(tmp_path):
    (tmp_path / "a.arrow.gz").write_bytes(b"")
    plan_fails("Arrow is compressed internally; unpack the file first", tmp_path / "a.arrow.gz")


def test_a_file_that_changed_since_it_was_planned_is_refused(tmp_path):
    path = tmp_path / "a.arrow"
    path.write_bytes(stored(numbered(1)))
    corpus = plan_corpus([str(path)])
    path.write_bytes(stored(pa.table({"id": ["x"], "text": ["y"]})))
    with pytest.raises(InputError, match=r"column 'id' of '.*a\.arrow' is no longer what it was"):
        Found(corpus)
    path.write_bytes(stored(pa.table({"text": ["y"]})))
    with pytest.raises(InputError, match=r"'.*a\.arrow' no longer has the column 'id'"):
        Found(corpus)
