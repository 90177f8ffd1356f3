"""Timestamps of 96 bits, which pyarrow writes on demand."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.reading.reading import read
from transforms.reading.corpus import plan_corpus
from transforms.reading.units import plan_units, read_unit

FAR = [datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(2024, 1, 1, 0, 0, 0, 5), None,
       datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(1677, 1, 1),
       datetime(2263, 1, 1)]  # fmt: skip
NANOSECONDS = [1, -1, None, -(2**63) + 1, 2**63 - 1, 1_700_000_000_123_456_789, 0]
BEYOND = "is beyond the years 1678 to 2261 that nanoseconds reach"


def write(path: Path, rows: int = 7, **columns: Any) -> None:
    texts = [f"text {row}" for row in range(rows)]
    table = pa.table({"text": texts, **columns})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, row_group_size=3)


def table_of(path: Path, unit_bytes: int | None = None) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Reads a corpus whose values Python cannot hold; returns rows, and what was rejected."""
    corpus = plan_corpus([str(path)])
    batches = [
        b for unit in plan_units(corpus, None, unit_bytes) for _, b in read_unit(corpus, unit)
    ]
    rejected = [row for batch in batches for row in batch.rejected.to_pylist()]
    return pa.Table.from_batches([batch.rows for batch in batches], corpus.schema), rejected


@pytest.mark.parametrize("tz", [None, "UTC"])
def test_years_beyond_nanoseconds_come_out_as_they_are(tmp_path, tz):
    write(tmp_path / "a.parquet", t=pa.array(FAR, pa.timestamp("us", tz)))
    found = read(tmp_path)
    assert found.column("t") == FAR
    assert found.batches[0].rows.schema.field("t").type == pa.timestamp("us")


def test_nanoseconds_come_out_as_they_are(tmp_path):
    write(tmp_path / "a.parquet", t=pa.array(NANOSECONDS, pa.timestamp("ns")))
    table, rejected = table_of(tmp_path)
    assert table.column("t").type == pa.timestamp("ns")
    assert table.column("t").cast(pa.int64()).to_pylist() == NANOSECONDS
    assert not rejected


def test_timestamps_inside_of_other_types_come_out_as_they_are(tmp_path):
    type_ = pa.timestamp("us")
    lists = [FAR, None, [], [None], FAR[:1], FAR[2:], FAR[1:2]]
    write(
        tmp_path / "a.parquet",
        l=pa.array(lists, pa.list_(type_)),
        s=pa.array([{"n": 1, "t": t} for t in FAR[:6]] + [None],
                   pa.struct([("n", pa.int8()), ("t", type_)])),
        m=pa.array([[("k", t)] for t in FAR[:6]] + [None], pa.map_(pa.string(), type_)),
        o=pa.array([[{"t": ts}] for ts in lists],
                   pa.list_(pa.struct([("t", pa.list_(type_))]))),
        n=list(range(7)),
    )  # fmt: skip
    table = pq.read_table(tmp_path / "a.parquet", coerce_int96_timestamp_unit="us")
    found, rejected = table_of(tmp_path)
    assert found.select(table.column_names).equals(table)
    assert found.column("l").to_pylist() == lists
    assert not rejected


def test_what_does_not_fit_most_of_a_column_is_rejected_with_its_value(tmp_path):
    write(tmp_path / "a.parquet", t=pa.array(NANOSECONDS, pa.timestamp("ns")))
    write(tmp_path / "b.parquet", t=pa.array(FAR, pa.timestamp("us")))
    table, rejected = table_of(tmp_path)
    assert table.column("t").type == pa.timestamp("ns")
    assert table.column("t").cast(pa.int64()).to_pylist() == [
        *NANOSECONDS, 1_704_067_200_000_005_000, None, -1_000
    ]  # fmt: skip
    assert [row["position"] for row in rejected] == [0, 3, 5, 6]
    assert rejected[0]["error"] == (
        f"column 't': the timestamp 9999-12-31T23:59:59.999999000 {BEYOND}"
    )
    assert rejected[0]["raw"] == b'{"text":"text 0","t":null}'


def test_nanoseconds_among_microseconds_are_rejected(tmp_path):
    times = pa.array([0] * 3000, pa.timestamp("ns")).to_pylist()
    values = pa.array([0] * 3000 + [5] + [0] * 5999, pa.timestamp("ns"))
    texts = pa.array(["x"] * 9000)
    pq.write_table(
        pa.table({"text": texts, "t": values, "l": pa.ListArray.from_arrays(range(9001), values)}),
        tmp_path / "a.parquet",
        use_deprecated_int96_timestamps=True,
    )
    table, rejected = table_of(tmp_path)
    assert table.column("t").type == pa.timestamp("us")
    assert len(table) == 8999
    assert table.column("t")[:3000].to_pylist() == times
    assert [(row["position"], row["error"]) for row in rejected] == [(3000, (
        "column 'l': the timestamp 1970-01-01T00:00:00.000000005 does not fit microseconds, as "
        "which the file's are read"
    ))]  # fmt: skip


def test_they_stand_beside_timestamps_of_64_bits(tmp_path):
    write(tmp_path / "a.parquet", t=pa.array(FAR, pa.timestamp("us")))
    pq.write_table(
        pa.table({"text": ["x"], "t": pa.array([datetime(2024, 1, 1)], pa.timestamp("ms"))}),
        tmp_path / "b.parquet",
    )
    assert read(tmp_path).column("t") == [*FAR, datetime(2024, 1, 1)]


def test_a_row_group_is_read_in_many_batches(tmp_path):
    micros = list(range(-(10**14), 10**14, 4 * 10**10))
    lists = pa.array(
        [micros[: row % 5] for row in range(len(micros))], pa.list_(pa.timestamp("us"))
    )
    table = pa.table({
        "text": ["a long text " * 300] * len(micros),
        "t": pa.array(micros, pa.timestamp("us")),
        "l": lists,
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    found, rejected = table_of(tmp_path)
    assert found.select(table.column_names).equals(table)
    assert not rejected


def test_only_kept_columns_are_read(tmp_path):
    write(tmp_path / "a.parquet", t=pa.array(FAR, pa.timestamp("us")), n=list(range(7)))
    assert read(tmp_path, columns=["n"]).column("n") == list(range(7))


def test_a_damaged_row_group_costs_its_rows(tmp_path):
    path = tmp_path / "a.parquet"
    texts = [f"text {row}" for row in range(300)]
    times = pa.array(range(300), pa.timestamp("us"))
    pq.write_table(pa.table({"text": texts, "t": times}), path, row_group_size=100,
                   use_deprecated_int96_timestamps=True, use_dictionary=False)  # fmt: skip
    for group in range(3):
        corpus = plan_corpus([str(path)])
        start = pq.ParquetFile(path).metadata.row_group(group).column(1).data_page_offset
        content = bytearray(path.read_bytes())
        content[start : start + 300] = b"\xff" * 300
        path.write_bytes(content)
        found = read(path)
        assert len(found.rejected) == 100 * (group + 1)
        assert found.column("position") == list(range(100 * (group + 1), 300))
        assert corpus.fields == plan_corpus([str(path)]).fields
