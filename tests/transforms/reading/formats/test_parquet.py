import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.reading.reading import Found, read
from transforms.errors import InputError
from transforms.reading.corpus import find_files, plan_corpus
from transforms.reading.formats.parquet import PARQUET
from transforms.reading.layout import BATCH_BYTES
from transforms.reading.units import split_file


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


@pytest.mark.parametrize(
    "type_", [pa.string_view(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_strings_inside_of_other_types_are_plain_ones(tmp_path, type_):
    strings = pa.array(["a", "b", "c"])
    strings = strings.dictionary_encode() if pa.types.is_dictionary(type_) else strings.cast(type_)
    offsets = pa.array([0, 1, 2, 3], pa.int32())
    keys = pa.array(["x", "y", "z"])
    table = pa.table(
        {
            "text": ["a", None, "c"],
            "list": pa.ListArray.from_arrays(offsets, strings),
            "struct": pa.StructArray.from_arrays([strings], ["s"]),
            "map": pa.MapArray.from_arrays(offsets, keys, strings),
            "pair": pa.FixedSizeListArray.from_arrays(strings, 1),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found = read(tmp_path)
    assert found.only_error() == "'text' is null"
    del found.rows[0]["source"], found.rows[0]["position"]
    assert found.rows[0] == {
        "text": "a", "list": ["a"], "struct": {"s": "a"}, "map": [("x", "a")], "pair": ["a"],
    }  # fmt: skip
    types = found.batches[0].rows.schema
    assert str(types.field("struct").type) == "struct<s: string>"
    assert str(types.field("list").type) == "list<element: string>"


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


def test_a_row_group_that_cannot_be_read_may_have_any_type(tmp_path):
    path = tmp_path / "a.parquet"
    ids = pa.StructArray.from_arrays([pa.array([bytes(16)], pa.uuid())], ["id"])
    pq.write_table(pa.table({"text": ["a" * 1000], "ids": ids}), path, use_dictionary=False)
    start = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 10] = b"\xff" * 10
    path.write_bytes(content)
    assert read(path).only_error().startswith("row group 0 cannot be read: ")


def test_a_name_that_is_no_text_in_a_row_group_costs_nothing_and_in_the_schema_the_file(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "number": [1]}), path, store_schema=False)
    content = path.read_bytes()
    assert content.count(b"number") >= 2  # in the schema, then in the row group
    head, _, tail = content.rpartition(b"number")
    path.write_bytes(head + b"\xffumber" + tail)
    assert read(path).column("number") == [1]
    path.write_bytes(content.replace(b"number", b"\xffumber"))
    with pytest.raises(InputError, match=r"cannot read '.*a\.parquet' as Parquet: .*invalid start"):
        plan_corpus([str(path)])


def test_long_texts_in_parquet_make_small_batches(tmp_path):
    texts = ["x" * 100_000] * 200
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    found = read(tmp_path)
    assert found.texts == texts
    assert max(batch.rows.nbytes for batch in found.batches) < BATCH_BYTES * 1.1


def test_parquet_without_rows_is_a_corpus_without_rows(tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert read(tmp_path).batches == []


@pytest.mark.parametrize("rows", [0, 7])
def test_rows_of_parquet_are_counted_by_its_footer(tmp_path, rows):
    table = pa.table({"text": pa.array(["a"] * rows, pa.string())})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=3)
    (file,) = find_files([str(tmp_path / "a.parquet")])
    assert PARQUET.num_rows(file) == rows


def test_a_file_without_row_groups_is_planned_whatever_its_size(tmp_path):
    path = tmp_path / "a.parquet"
    pq.ParquetWriter(path, pa.schema([("text", pa.string())])).close()
    assert pq.ParquetFile(path).num_row_groups == 0
    assert Found(plan_corpus([str(path)]), unit_bytes=1).batches == []
