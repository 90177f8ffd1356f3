"""Types of Parquet that Arrow has no name for, and values that their type does not allow."""

import io
from datetime import time
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.reading.reading import read
from transforms.errors import InputError
from transforms.reading.corpus import Corpus, plan_corpus
from transforms.reading.layout import ReadBatch
from transforms.reading.units import plan_units, read_unit


def plan_fails(match: str, path: Path) -> None:
    with pytest.raises(InputError, match=match) as caught:
        plan_corpus([str(path)])
    assert "\n" not in str(caught.value)


def written_by_duckdb(path: Path, columns: str) -> None:
    duckdb.sql(f"copy (select 'a' as text, 5 as n, {columns}) to '{path}'")


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        (
            "interval '1 month 2 days' as v",
            "INTERVAL values, of which the output could keep the bytes",
        ),
        ("[interval '1 day'] as v", "INTERVAL values"),
        ("{'a': 1, 'b': {'c': interval '1 day'}} as v", "INTERVAL values"),
        ("map {'k': interval '1 day'} as v", "INTERVAL values"),
        (
            "timetz '12:34:56+02' as v",
            "times of day in UTC, and the output could keep them but not",
        ),
        ("[timetz '12:34:56+02'] as v", "times of day in UTC"),
    ],
)
def test_types_that_the_output_would_forget_are_refused_and_can_be_left_out(
    tmp_path, columns, fault
):
    path = tmp_path / "a.parquet"
    written_by_duckdb(path, f'{columns}, 1 as "v.a"')
    plan_fails(f"column 'v' of '.*a.parquet' holds {fault}.*--columns", path)
    found = read(path, columns=["n", "v.a"])
    assert found.column("n") == [5]
    assert found.column("v.a") == [1]


def test_what_duckdb_writes_comes_out_with_its_types(tmp_path):
    path, out = tmp_path / "a.parquet", tmp_path / "out.parquet"
    written_by_duckdb(
        path,
        "time '12:34:56.789' as t, 18446744073709551615::ubigint as u, 'x'::enum('x', 'y') as e, "
        "uuid() as id, date '12345-01-01' as d, date 'infinity' as di, timestamp 'infinity' as ti, "
        "timestamp_ns '2024-01-01 00:00:00.123456789' as tn, "
        "timestamptz '2024-01-01 00:00:00+00' as tz, '{\"a\": 1}'::json as j, map {1: 'x'} as m, "
        "{'a': [1, null]} as s, 1.25::decimal(38, 10) as dec, '\\xff'::blob as b, null as z",
    )
    corpus = plan_corpus([str(path)])
    batches = [pa.Table.from_batches([b.rows]) for b in _batches(corpus)]
    pq.write_table(pa.concat_tables(batches), out)
    names = ", ".join(column.name for column in corpus.fields)
    for query in ("select {} from '{}'", "describe select {} from '{}'"):
        before, after = (duckdb.sql(query.format(names, file)).fetchall() for file in (path, out))
        assert before == after


def _batches(corpus: Corpus) -> list[ReadBatch]:
    return [batch for unit in plan_units(corpus) for _, batch in read_unit(corpus, unit)]


def test_times_that_arrow_wrote_have_no_zone_whatever_the_file_says(tmp_path):
    path = tmp_path / "a.parquet"
    times = pa.array([time(1, 2, 3)], pa.time64("us"))
    pq.write_table(pa.table({"text": ["a"], "t": times}), path, write_time_adjusted_to_utc=True)
    assert read(path).column("t") == [time(1, 2, 3)]


def with_logical_type(kind: bytes, converted: int | None = None) -> bytes:
    """Returns a file whose column of strings `v` has another logical type in its footer.

    Args:
        kind: The type as the header of a field in Thrift's compact form.
        converted: The number of the older form of the type.
    """
    sink = io.BytesIO()
    table = pa.table({"text": ["a", "b"], "v": ["x", "y"]})
    pq.write_table(table, sink, store_schema=False, compression="none", use_dictionary=False)
    content = sink.getvalue()
    length = int.from_bytes(content[-8:-4], "little")
    body, footer = content[: -8 - length], content[-8 - length : -8]
    # The name, the converted type and the logical type of the column.
    old = b"\x01v" + bytes.fromhex("2500 4c 1c 00 00")
    assert footer.count(old) == 1
    older = b"\x6c" if converted is None else bytes([0x25, 2 * converted, 0x4C])
    footer = footer.replace(old, b"\x01v" + older + kind + b"\x00\x00")
    return body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    ("kind", "converted", "fault"),
    [
        (
            b"\xdc",
            20,
            "holds BSON values, of which the output could keep the bytes but not the type",
        ),
        (b"\x0c\x22", None, "holds GEOMETRY values"),
        (b"\x0c\x24", None, "holds GEOGRAPHY values"),
        (b"\x0c\x60", None, "holds a type that is not known here, of which the output could keep"),
    ],
    ids=["bson", "geometry", "geography", "future"],
)
def test_logical_types_that_pyarrow_reads_as_bytes_are_refused(tmp_path, kind, converted, fault):
    path = tmp_path / "a.parquet"
    path.write_bytes(with_logical_type(kind, converted))
    plan_fails(f"column 'v' of '.*a.parquet' {fault}", path)
    assert read(path, columns=[]).texts == ["a", "b"]


def test_an_enumeration_is_a_string(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(with_logical_type(b"\x4c", 4))
    found = read(path)
    assert found.column("v") == ["x", "y"]
    assert found.batches[0].rows.schema.field("v").type == pa.string()
    assert read(path, text_column="v", columns=[]).column("v") == ["x", "y"]


# Values that their type does not allow


def arrow_file(path: Path, values: pa.Array) -> None:
    table = pa.table({"text": [f"text {row}" for row in range(len(values))], "v": values})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def test_a_time_of_24_hours_costs_its_row_alone(tmp_path):
    duckdb.sql(
        "copy (select 'a' as text, time '24:00:00' as t union all select 'b', time '01:00:00') "
        f"to '{tmp_path}/a.parquet'"
    )
    found = read(tmp_path)
    assert found.column("t") == [time(1)]
    assert "column 't': time64[us] 86400000000 is not within" in found.only_error()


_DAY = 86_400_000


@pytest.mark.parametrize(
    ("values", "kept", "error"),
    [
        (pa.array([5, 86_400, None], pa.int32()).view(pa.time32("s")), [time(0, 0, 5), None],
         "time32"),
        (pa.array([[86_400_000_000], [5], None]).view(pa.list_(pa.time64("us"))),
         [[time(0, 0, 0, 5)], None], "time64"),
        (pa.array([_DAY, 1, None]).view(pa.date64()), None,
         "a value does not fit its type date32[day]: "),
        (pa.array([_DAY, 2**62 // _DAY * _DAY, None]).view(pa.date64()), None,
         "a value does not fit its type date32[day]: "),
        (pa.array([1, 10**17, None], pa.timestamp("s")), None,
         "a value does not fit its type timestamp[ms]: "),
        (pa.array([b"\1" + bytes(15), b"\x7f" * 16, None], pa.binary(16)).view(pa.decimal128(5, 0)),
         [Decimal(1), None], "recision"),
    ],
    ids=["time32", "list", "date64", "date64-far", "seconds", "decimal"],
)  # fmt: skip
def test_a_value_that_its_type_does_not_allow_costs_its_row_alone(tmp_path, values, kept, error):
    arrow_file(tmp_path / "a.arrow", values)
    found = read(tmp_path)
    assert len(found.rows) == 2
    if kept is not None:
        assert found.column("v") == kept
    assert found.only_error().startswith("column 'v': ")
    assert error in found.only_error()


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (pa.array([5], pa.timestamp("s", "UTC")), pa.timestamp("ms", "UTC")),
        (pa.array([5], pa.time32("s")), pa.time32("ms")),
        (pa.array([_DAY]).view(pa.date64()), pa.date32()),
        (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), pa.list_(pa.int8())),
        (pa.array([{"a": [1, 2]}], pa.struct([("a", pa.list_(pa.int8(), 2))])),
         pa.struct([("a", pa.list_(pa.int8()))])),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else "",
)  # fmt: skip
def test_a_type_that_parquet_lacks_is_the_one_that_is_read_back(tmp_path, values, type_):
    arrow_file(tmp_path / "a.arrow", values)
    found = read(tmp_path)
    schema = found.batches[0].rows.schema
    assert schema.field("v").type == type_
    assert found.column("v") == values.to_pylist()
    pq.write_table(pa.Table.from_batches([found.batches[0].rows]), tmp_path / "out")
    assert pq.read_schema(tmp_path / "out").field("v").type == type_


@pytest.mark.parametrize(
    "type_", [pa.decimal128(5, -2), pa.binary(0), pa.month_day_nano_interval()], ids=str
)
def test_a_type_that_parquet_cannot_hold_is_refused(tmp_path, type_):
    arrow_file(tmp_path / "a.arrow", pa.nulls(1, type_))
    plan_fails(r"column 'v' of '.*a\.arrow' is .*, which Parquet cannot hold", tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([Decimal("1" * 70), None], pa.decimal256(76, 3)),
        pa.array([Decimal("1.5"), None], pa.decimal32(5, 1)),
        pa.array([2**64 - 1, None], pa.uint64()),
        pa.array(np.array([1.5, 6e-8], np.float16)),
        pa.array([[(1, "x"), (1, "y")], None], pa.map_(pa.int32(), pa.string())),
        pa.array([[({"a": 1}, None)], []], pa.map_(pa.struct([("a", pa.int8())]), pa.string())),
        pa.array([{"a": [{"b": None}]}, {"a": None}],
                 pa.struct([("a", pa.list_(pa.struct([("b", pa.int8())])))])),
        pa.array([[None], None], pa.list_(pa.null())),
        pa.array([4 * 10**16, -4 * 10**16], pa.timestamp("us")),
        pa.array([-5, None], pa.duration("ns")),
        pa.array([b"0" * 16, None], pa.uuid()),
        pa.array(['{"a": 1}', None], pa.json_()),
        pa.ListArray.from_arrays(pa.array([0, 1, 1], pa.int32()), pa.array([b"0" * 16], pa.uuid())),
    ],
    ids=lambda values: str(values.type),
)  # fmt: skip
@pytest.mark.parametrize("format_", ["parquet", "arrow"])
def test_other_types_come_out_as_they_are(tmp_path, format_, values):
    path = tmp_path / f"a.{format_}"
    if format_ == "arrow":
        arrow_file(path, values)
    else:
        pq.write_table(pa.table({"text": ["a", "b"], "v": values}), path)
    corpus = plan_corpus([str(path)])
    (batch,) = _batches(corpus)
    pq.write_table(pa.Table.from_batches([batch.rows]), tmp_path / "out")
    read_back = pq.read_table(tmp_path / "out").column("v").combine_chunks()
    assert read_back.type == values.type
    assert read_back.equals(values)


@pytest.mark.parametrize(
    ("value", "type_", "kept"),
    [
        (1, pa.timestamp("ns"), "1970-01-01 00:00:00.000000001"),
        (1, pa.time64("ns"), "00:00:00.000000001"),
        (-(10**6), pa.date32(), "-0768-02-04"),
        (1 << 60, pa.timestamp("us"), "1152921504606846976"),
    ],
    ids=["timestamp", "time", "date", "far timestamp"],
)
def test_a_rejected_row_keeps_values_that_python_cannot_hold(tmp_path, value, type_, kept):
    table = pa.table({"text": pa.array([None, "a"]), "when": pa.array([value, None], type_)})
    pq.write_table(table, tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    assert found.only_error() == "'text' is null"
    assert kept in found.raws[0].decode()
