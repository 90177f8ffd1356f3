"""Parquet files that say what is not so, or that take far more than what is stored of them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import RunError
from tests.transforms.reading.reading import read
from transforms.errors import InputError
from transforms.reading.corpus import plan_corpus
from transforms.reading.layout import BATCH_ROWS
from transforms.reading.stored import parquet_pages

# Thrift's compact form of "field 3, a 64-bit number" and of some numbers of rows.
ROWS_10, ROWS_20, ROWS_40 = b"\x16\x14", b"\x16\x28", b"\x16\x50"
TEXTS = [f"text {i}" for i in range(20)]


def replace_last(path, old: bytes, new: bytes) -> None:
    """Replaces the last occurrence in the footer."""
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    head, found, tail = content[start:-8].rpartition(old)
    assert found
    footer = head + new + tail
    path.write_bytes(content[:start] + footer + len(footer).to_bytes(4, "little") + content[-4:])


def constant(value: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [value])


def test_rows_that_a_row_group_lacks_are_rejected(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": TEXTS}), path)
    replace_last(path, ROWS_20, ROWS_40)
    found = read(path)
    assert found.texts == TEXTS
    assert [row["position"] for row in found.rejected] == list(range(20, 40))
    errors = {row["error"] for row in found.rejected}
    assert errors == {"row group 0 has fewer rows than the 40 that it claims"}


def test_a_number_of_missing_rows_that_cannot_be_true_is_one_row(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": TEXTS}), path)
    replace_last(path, ROWS_20, b"\x16\x80\x80\x80\x80\x80\x01")
    found = read(path)
    assert found.texts == TEXTS
    assert "it claims 17,179,869,164 more rows" in found.only_error()


def test_a_row_group_with_more_rows_than_the_file_says_ends_the_run(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": TEXTS}), path)
    replace_last(path, ROWS_20, ROWS_10)
    with pytest.raises(RunError, match=r"row group 0 of '.*a\.parquet' has more rows than the 10"):
        read(path)


def test_rows_without_a_description_of_their_column_are_rejected(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": TEXTS, "n": range(20)}), path, store_schema=False)
    # The offset of the column in the file, a deprecated field, comes before its description.
    replace_last(path, b"\x26\x00\x1c\x15\x0c", b"\x26\x00\x5c\x15\x0c")
    found = read(path)
    assert found.rows == []
    assert {row["error"] for row in found.rejected} == {
        "row group 0 cannot be read: its column 'text' is not described"
    }
    assert len(found.rejected) == 20


def test_metadata_of_a_column_that_contradict_its_schema_cost_their_rows(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"text": TEXTS, "lists": [["a"]] * 20})
    pq.write_table(table, path, store_schema=False)
    replace_last(path, b"\x35\x02\x18\x05lists", b"\x35\x00\x18\x05lists")  # no longer optional
    found = read(path)
    assert found.rows == []
    assert len(found.rejected) == 20
    assert "row group 0 cannot be read: Definition level" in found.rejected[0]["error"]


def test_an_index_outside_of_its_dictionary_costs_its_row_group(tmp_path):
    path = tmp_path / "a.parquet"
    kinds = pa.array(["a", "b", "c"] * 10).dictionary_encode()
    table = pa.table({"text": [f"text {i}" for i in range(30)], "kind": kinds})
    pq.write_table(table, path, row_group_size=15, compression="none")
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(1)
    content = bytearray(path.read_bytes())
    content[chunk.dictionary_page_offset + chunk.total_compressed_size - 2] = 0xFF
    path.write_bytes(content)
    found = read(path)
    assert found.texts == [f"text {i}" for i in range(15, 30)]
    assert len(found.rejected) == 15
    assert found.rejected[0]["error"].startswith("row group 0 cannot be read: ")


def test_a_footer_that_is_damaged_ends_the_plan(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": TEXTS}), path)
    replace_last(path, ROWS_20, b"\x16\x27")  # -20
    with pytest.raises(InputError, match=r"cannot read '.*a\.parquet' as Parquet: the footer"):
        plan_corpus([str(path)])


@pytest.mark.parametrize("store_schema", [True, False])
def test_long_texts_out_of_a_dictionary_are_decoded_a_few_at_a_time(tmp_path, store_schema):
    path = tmp_path / "a.parquet"
    text = "x" * (1 << 20)
    pq.write_table(pa.table({"text": constant(text, 200)}), path, store_schema=store_schema)
    assert path.stat().st_size < 200_000
    found = read(path)
    assert found.texts == [text] * 200
    assert max(batch.rows.nbytes for batch in found.batches) < 8 << 20


def test_values_that_may_share_their_beginnings_make_full_batches(tmp_path):
    path = tmp_path / "a.parquet"
    texts = [f"the same beginning of all texts, and number {i}" for i in range(10_000)]
    encoding = {"text": "DELTA_BYTE_ARRAY"}
    pq.write_table(pa.table({"text": texts}), path, use_dictionary=False, column_encoding=encoding)
    found = read(path)
    assert found.texts == texts
    assert [batch.num_rows for batch in found.batches][:-1] == [BATCH_ROWS] * 4


def test_a_page_that_would_take_too_much_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_pages, "PAGE_BYTES", 1 << 20)
    path = tmp_path / "a.parquet"
    table = pa.table({"text": ["x" * (2 << 20), "a", "b", "c"]})
    pq.write_table(table, path, row_group_size=2, compression="zstd", use_dictionary=False)
    found = read(path)
    assert found.texts == ["b", "c"]
    assert len(found.rejected) == 2
    assert "column 'text': a page says that it is 2,097," in found.rejected[0]["error"]


def test_lists_of_kilobytes_that_would_take_gigabytes_are_rejected(tmp_path):
    path = tmp_path / "a.parquet"
    count = 2_000_000
    lists = pa.ListArray.from_arrays([0, count], constant("x" * 10_000, count))
    pq.write_table(pa.table({"text": ["a"], "lists": lists}), path, store_schema=False)
    assert "bytes of lists may take 20,000,000,000 when decoded" in read(path).only_error()


def varint(number: int) -> bytes:
    octets = b""
    while number > 0x7F:
        octets, number = octets + bytes([number & 0x7F | 0x80]), number >> 7
    return octets + bytes([number])


def test_a_schema_that_would_overflow_the_stack_is_refused(tmp_path):
    text = b"\x15\x0c\x25\0\x18\x04text\0"  # a type, a repetition and a name
    group = b"\x35\0\x18\x01g\x15\x02\0"  # a repetition, a name and one child
    schema = [b"\x48\x01s\x15\x04\0", text, *[group] * 20_000, text.replace(b"text", b"leaf")]
    fields = [
        b"\x15\x02",
        b"\x19\xfc" + varint(len(schema)),
        *schema,
        b"\x16\0",
        b"\x19\x0c",
        b"\0",
    ]
    footer = b"".join(fields)
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(InputError, match="its schema is nested 20,001 levels deep, more than 100"):
        plan_corpus([str(path)])
