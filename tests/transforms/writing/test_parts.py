import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.writing.results import SCHEMA, column, rejected_of, rows_of
from transforms.rejected import REJECTED
from transforms.schemas import POSITION, SOURCE
from transforms.writing import parts
from transforms.writing.folder import open_folder
from transforms.writing.formats.record import OUTPUT_FORMATS
from transforms.writing.parts import (
    Part,
    PartWriter,
    count_rejected,
    count_results,
    part_name,
    result_files,
)


def writer_in(
    output, schema=SCHEMA, rejected=False, count=count_results, output_format="parquet"
) -> PartWriter:
    record = OUTPUT_FORMATS[output_format]
    return PartWriter(open_folder(str(output)), "_temporary", schema, rejected, count, record)


def write_part(output, batches, schema=SCHEMA, **options) -> Part:
    writer = writer_in(output, schema, **options)
    for batch in batches:
        writer.write(batch)
    return writer.close()


def test_a_part_knows_its_rows_bytes_and_digest(tmp_path):
    part = write_part(tmp_path, [rows_of("a", 4, 2), rows_of("b", 0, 3)])
    content = (tmp_path / part.path).read_bytes()
    assert part.rows == 5
    assert part.bytes == len(content)
    assert part.sha256 == hashlib.sha256(content).hexdigest()
    assert column(tmp_path / part.path, "position") == [4, 5, 0, 1, 2]


def test_a_part_without_rows_has_the_columns(tmp_path):
    part = write_part(tmp_path, [])
    assert part.rows == 0
    assert part.counters == {}
    assert pq.read_schema(tmp_path / part.path).names == SCHEMA.names


def test_vectors_types_and_metadata_survive(tmp_path):
    vector = pa.list_(pa.float16(), 4)
    schema = pa.schema(
        [
            SOURCE,
            POSITION,
            pa.field("embedding", vector),
            pa.field("nothing", pa.timestamp("us", "UTC")),
            pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
        ],
        metadata={"preset": "tiny", "pooling": "mean"},
    )
    numbers = np.array([1, 2, 3, 0.5, 4, 5, 6, -1], np.float16)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers), 4)
    kinds = pa.array(["x", "y"]).dictionary_encode().cast(schema.field("kind").type)
    columns = [["a", "a"], [0, 1], vectors, [None, None], kinds]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)

    written = pq.ParquetFile(tmp_path / write_part(tmp_path, [batch], schema).path)
    assert written.schema_arrow.remove_metadata() == schema.remove_metadata()
    assert written.schema_arrow.metadata == schema.metadata
    assert written.read().column("embedding").to_pylist() == vectors.to_pylist()
    assert {written.metadata.row_group(0).column(i).compression for i in range(5)} == {"ZSTD"}


def test_recurring_values_are_dictionary_encoded_and_others_are_not(tmp_path):
    part = write_part(tmp_path, [rows_of("a", 0, 100)])
    group = pq.ParquetFile(tmp_path / part.path).metadata.row_group(0)
    encoded = {
        group.column(i).path_in_schema: group.column(i).has_dictionary_page
        for i in range(group.num_columns)
    }
    assert encoded == {
        "source": True,
        "position": False,
        "text": False,
        "token_ids.list.element": False,
        "num_tokens": True,
        "truncated": False,
        "label": True,
    }


@pytest.mark.parametrize("kind", [pa.list_(pa.int8(), 64), pa.list_(pa.uint8())], ids=str)
def test_vectors_of_bytes_take_about_a_byte_a_number(tmp_path, kind):
    numbers = np.random.default_rng(0).integers(-128, 128, 64_000).astype(np.int8)
    values = pa.array(numbers.view(str(kind.value_type)))
    if pa.types.is_list(kind):
        vectors = pa.ListArray.from_arrays(pa.array(range(0, 64_001, 64), pa.int32()), values)
    else:
        vectors = pa.FixedSizeListArray.from_arrays(values, 64)
    schema = pa.schema([("vector", kind)])
    part = write_part(tmp_path, [pa.RecordBatch.from_arrays([vectors], schema=schema)], schema)
    assert part.bytes < 1.05 * len(numbers)
    assert pq.read_table(tmp_path / part.path)["vector"].to_pylist() == vectors.to_pylist()


def test_row_groups_have_a_limit_in_rows_and_bytes(tmp_path, monkeypatch):
    batches = [rows_of("a", start, 10) for start in range(0, 70, 10)]
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 30)
    metadata = pq.read_metadata(tmp_path / write_part(tmp_path, batches).path)
    assert [metadata.row_group(i).num_rows for i in range(3)] == [30, 30, 10]
    monkeypatch.setattr(parts, "ROW_GROUP_BYTES", 1)
    metadata = pq.read_metadata(tmp_path / write_part(tmp_path, batches).path)
    assert metadata.num_row_groups == 7


def test_a_part_is_full_once_its_file_has_a_size(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 2)
    monkeypatch.setattr(parts, "PART_BYTES", 100)
    writer = writer_in(tmp_path)
    assert not writer.is_full
    writer.write(rows_of("a", 0, 1))
    assert not writer.is_full  # it waits for its row group
    writer.write(rows_of("a", 1, 1))
    assert writer.is_full


@pytest.mark.parametrize("row_group_rows", [1, 100])
def test_an_abandoned_part_leaves_no_file(tmp_path, monkeypatch, row_group_rows):
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", row_group_rows)
    writer = writer_in(tmp_path)
    writer.write(rows_of("a", 0, 2))
    writer.abandon()
    assert list(tmp_path.rglob("*.parquet")) == []


def test_an_abandoned_part_leaves_no_object(gcs_bucket, monkeypatch):
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 1)
    writer = writer_in(f"{gcs_bucket}/run")
    writer.write(rows_of("a", 0, 2))
    writer.abandon()
    del writer
    assert open_folder(f"{gcs_bucket}/run").files("_temporary") == {}


def test_names_sort_in_order_and_are_recognized(tmp_path):
    run_id = "20250102t030405-abcdef"
    names = [
        part_name(False, 0, 2, None, ".parquet"),
        part_name(False, 1, 2, None, ".csv"),
        part_name(False, 2, 3, run_id, ".jsonl"),
        part_name(True, 0, 123456, None, ".csv"),
    ]
    assert names == [
        "part-00000-of-00002.parquet",
        "part-00001-of-00002.csv",
        f"part-00002-of-00003-{run_id}.jsonl",
        "rejected/part-00000-of-123456.csv",
    ]
    (tmp_path / "rejected").mkdir()
    for name in (*names, "part-00000-4f3c.snappy.parquet", "rejected/notes.txt", "part-1.csv"):
        (tmp_path / name).write_bytes(b"xyz")
    assert result_files(open_folder(str(tmp_path))) == dict.fromkeys(names, 3)


def test_results_are_counted_by_token_and_label(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 2)
    part = write_part(
        tmp_path,
        [rows_of("a", 0, 2), rows_of("a", 2, 1)],
        count=lambda table: count_results(table, "label"),
    )
    labels = {"positive": 2, "negative": 1}
    assert part.counters == {"tokens": 6, "truncated": 1, "labels": labels}


def test_error_messages_are_cut_and_the_most_common_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_ERRORS_IN_PART", 2)
    batches = [
        rejected_of("a", positions, "read", error)
        for positions, error in (([0, 1], "b"), ([2], "z"), ([3], "é" * 1000), ([4, 5], "a"))
    ]
    part = write_part(tmp_path, batches, REJECTED, rejected=True, count=count_rejected)
    assert part.rejected
    assert part.counters == {"stages": {"read": 6}, "errors": {"a": 2, "b": 2}}
    table = pa.Table.from_batches(batches[2:3])
    assert count_rejected(table)["errors"] == {"é" * 300: 1}
