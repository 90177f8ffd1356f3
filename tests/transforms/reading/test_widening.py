from datetime import date, datetime, time, timezone
from decimal import Decimal
from itertools import combinations
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.reading.formats.avro_files import schema_of
from tests.transforms.reading.reading import Found, read
from transforms.errors import InputError
from transforms.reading.corpus import plan_corpus
from transforms.reading.widening import common_type

UTC = timezone.utc
STRUCT = pa.struct([("a", pa.int32())])

# Two types, the type of both, and a value of each.
PAIRS: list[tuple[pa.DataType, pa.DataType, pa.DataType, Any, Any]] = [
    (pa.null(), pa.int8(), pa.int8(), None, 5),
    (pa.null(), STRUCT, STRUCT, None, {"a": 1}),
    (pa.int32(), pa.int64(), pa.int64(), 1, 2**40),
    (pa.uint8(), pa.uint32(), pa.uint32(), 1, 2**32 - 1),
    (pa.int8(), pa.uint8(), pa.int16(), -1, 255),
    (pa.int64(), pa.uint32(), pa.int64(), -1, 2**32 - 1),
    (pa.uint32(), pa.int8(), pa.int64(), 2**32 - 1, -1),
    (pa.int64(), pa.uint64(), pa.decimal128(20, 0), Decimal(-1), Decimal(2**64 - 1)),
    (pa.float32(), pa.float64(), pa.float64(), 0.5, 1e300),
    (pa.float16(), pa.float32(), pa.float32(), 0.5, 1.5),
    (pa.int32(), pa.float32(), pa.float64(), 2**31 - 1, 0.5),
    (pa.int64(), pa.float64(), pa.float64(), 2**53, 0.5),
    (pa.decimal128(5, 1), pa.decimal128(4, 3), pa.decimal128(7, 3),
     Decimal("9999.5"), Decimal("1.125")),
    (pa.decimal128(38, 0), pa.decimal128(3, 2), pa.decimal256(40, 2),
     Decimal(10**37), Decimal("1.25")),
    (pa.int32(), pa.decimal128(4, 2), pa.decimal128(12, 2), Decimal(2**31 - 1), Decimal("1.25")),
    (pa.string(), pa.large_string(), pa.string(), "a", "b"),
    (pa.string(), pa.dictionary(pa.int8(), pa.string()), pa.string(), "a", "b"),
    (pa.string(), pa.string_view(), pa.string(), "a", "b" * 30),
    (pa.binary(), pa.large_binary(), pa.binary(), b"a", b"b"),
    (pa.binary(2), pa.binary(3), pa.binary(), b"ab", b"abc"),
    (pa.string(), pa.binary(), pa.binary(), b"a", b"\xff"),
    (pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("us"),
     datetime(9999, 12, 31), datetime(2024, 1, 1, 0, 0, 0, 5)),
    (pa.timestamp("us", "UTC"), pa.timestamp("ms", "Europe/Berlin"), pa.timestamp("us", "UTC"),
     datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)),
    (pa.time32("ms"), pa.time64("us"), pa.time64("us"), time(23), time(1, 2, 3, 4)),
    (pa.date32(), pa.date64(), pa.date32(), date(9999, 12, 31), date(1, 1, 1)),
    (pa.list_(pa.int32()), pa.list_(pa.int64()), pa.list_(pa.int64()), [1, None], [2**40]),
    (pa.list_(pa.null()), pa.list_(STRUCT), pa.list_(STRUCT), [None], [{"a": 1}]),
    (pa.list_(pa.int8(), 2), pa.list_(pa.int8()), pa.list_(pa.int8()), [1, 2], [3]),
    (pa.list_(pa.int8(), 2), pa.list_(pa.int8(), 3), pa.list_(pa.int8()), [1, 2], [3, 4, 5]),
    (pa.list_(pa.int8()), pa.large_list(pa.int8()), pa.large_list(pa.int8()), [1], [2]),
    (STRUCT, pa.struct([("b", pa.string()), ("a", pa.int64())]),
     pa.struct([("a", pa.int64()), ("b", pa.string())]),
     {"a": 1, "b": None}, {"a": 2**40, "b": "x"}),
    (pa.map_(pa.string(), pa.int8()), pa.map_(pa.string(), pa.int16()),
     pa.map_(pa.string(), pa.int16()), [("k", 1)], [("k", 300)]),
]  # fmt: skip

REFUSED = [
    (pa.string(), pa.int64()),
    (pa.bool_(), pa.int8()),
    (pa.date32(), pa.timestamp("us")),
    (pa.timestamp("us"), pa.timestamp("us", "UTC")),
    (pa.timestamp("us"), pa.int64()),
    (pa.time64("us"), pa.duration("us")),
    (pa.decimal128(5, 1), pa.float64()),
    (pa.decimal256(76, 0), pa.decimal128(3, 2)),
    (pa.list_(pa.int8()), pa.int8()),
    (pa.list_(pa.int8()), pa.list_(pa.string())),
    (STRUCT, pa.map_(pa.string(), pa.int32())),
    (STRUCT, pa.struct([("a", pa.string())])),
    (pa.uuid(), pa.binary(16)),
]


def name_of(value: Any) -> str:
    return str(value) if isinstance(value, pa.DataType) else ""


def typed(value: Any, type_: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(type_):
        return pa.array([value], type_.value_type).dictionary_encode()
    stored = (
        value.decode("latin-1") if isinstance(value, bytes) and pa.types.is_string(type_) else value
    )
    if isinstance(value, Decimal) and pa.types.is_integer(type_):
        stored = int(value)
    if isinstance(value, dict):
        stored = {member.name: value[member.name] for member in type_}
    return pa.array([stored], type_)


@pytest.mark.parametrize(("one", "other", "both", "first", "second"), PAIRS, ids=name_of)
def test_columns_of_files_are_widened_and_rows_come_out_exact(
    tmp_path, one, other, both, first, second
):
    arrow, parquet = tmp_path / "arrow", tmp_path / "parquet"
    for name, value, type_ in (("a", first, one), ("b", second, other)):
        table = pa.table({"text": [name], "v": typed(value, type_)})
        arrow.mkdir(exist_ok=True)
        parquet.mkdir(exist_ok=True)
        with pa.ipc.new_file(arrow / f"{name}.arrow", table.schema) as writer:
            writer.write_table(table)
        pq.write_table(table, parquet / f"{name}.parquet")
    for folder in (arrow, parquet):
        found = read(folder)
        assert found.column("v") == [first, second]
        assert found.batches[0].rows.schema.field("v").type == both
    reverse = plan_corpus([f"{arrow}/b.arrow", f"{arrow}/a.arrow"])
    assert Found(reverse).column("v") == [second, first]


@pytest.mark.parametrize(("one", "other"), REFUSED, ids=name_of)
def test_columns_whose_types_do_not_go_together_are_refused_in_one_sentence(tmp_path, one, other):
    for name, type_ in (("a", one), ("b", other)):
        pq.write_table(
            pa.table({"text": [name], "v": pa.nulls(1, type_), "n": [1]}),
            tmp_path / f"{name}.parquet",
        )
    with pytest.raises(InputError) as caught:
        plan_corpus([str(tmp_path)])
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("column 'v' is ")
    for part in ("a.parquet'", "b.parquet'", "--columns", "runs of their own"):
        assert part in message
    assert read(tmp_path, columns=["n"]).column("n") == [1, 1]


def test_the_common_type_is_the_same_both_ways():
    types = {type_ for pair in PAIRS for type_ in pair[:3] if not pa.types.is_dictionary(type_)}
    for one, other in combinations(sorted(types, key=str), 2):
        found, reverse = common_type(one, other), common_type(other, one)
        if found is not None and pa.types.is_struct(found):
            assert {m.name: m.type for m in found} == {m.name: m.type for m in reverse}
        else:
            assert found == reverse, (one, other)


@pytest.mark.parametrize(
    ("one", "other", "value", "reason"),
    [
        (pa.int64(), pa.float64(), 2**53 + 1, "Integer value 9007199254740993 not in range"),
        (pa.timestamp("us"), pa.timestamp("ns"), datetime(9999, 12, 31), "out of bounds timestamp"),
        (
            pa.list_(pa.int64()),
            pa.list_(pa.float64()),
            [1, 2**53 + 1],
            "Integer value 9007199254740993",
        ),
    ],
    ids=name_of,
)
def test_a_value_beyond_the_wider_type_costs_its_row_alone(tmp_path, one, other, value, reason):
    pq.write_table(
        pa.table({"text": ["a", "b", "c"], "v": pa.array([None, value, None], one)}),
        tmp_path / "a.parquet",
    )
    pq.write_table(pa.table({"text": ["d"], "v": pa.nulls(1, other)}), tmp_path / "b.parquet")
    found = read(tmp_path)
    assert found.texts == ["a", "c", "d"]
    assert found.column("v") == [None] * 3
    type_ = str(other).replace("item", "element")
    assert found.only_error().startswith(f"column 'v': a value does not fit its type {type_}: ")
    assert reason in found.only_error()
    assert str(value).replace(" ", "")[:10].encode() in found.raws[0]


def test_nullable_and_other_names_inside_of_lists_do_not_matter(tmp_path):
    for name, field in {
        "a": pa.field("item", pa.int8(), nullable=False),
        "b": pa.field("array", pa.int8()),
    }.items():
        values = pa.array([[1]], pa.list_(field))
        pq.write_table(
            pa.table({"text": [name], "v": values}),
            tmp_path / f"{name}.parquet",
            use_compliant_nested_type=False,
        )
    assert read(tmp_path).column("v") == [[1], [1]]


@pytest.mark.parametrize(
    "schema", [("long", "double"), ("int", "long"), ("null", ["null", "int"])], ids=str
)
def test_avro_is_widened_too(tmp_path, schema):
    for name, type_, value in zip(
        "ab", schema, (None if schema[0] == "null" else 7, 8), strict=True
    ):
        with (tmp_path / f"{name}.avro").open("wb") as file:
            rows = [{"text": name, "v": value}]
            fastavro.writer(file, schema_of(("text", "string"), ("v", type_)), rows)
    assert read(tmp_path).column("v") == [None if schema[0] == "null" else 7, 8]


def test_a_text_column_may_be_bytes_in_one_file_and_null_in_another(tmp_path):
    pq.write_table(pa.table({"text": pa.nulls(2)}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="'text' holds null, not text"):
        read(tmp_path)
    pq.write_table(pa.table({"text": [b"bytes"]}), tmp_path / "b.parquet")
    found = read(tmp_path)
    assert found.texts == ["bytes"]
    assert [row["error"] for row in found.rejected] == ["'text' is null"] * 2
    pq.write_table(pa.table({"text": [1]}), tmp_path / "c.parquet")
    with pytest.raises(InputError, match=r"'text' holds int64, not text, in '.*c.parquet'"):
        read(tmp_path)


def test_a_list_that_may_be_null_has_no_fixed_size(tmp_path):
    type_ = pa.list_(pa.int8(), 2)
    pq.write_table(
        pa.table({"text": ["a"], "v": pa.array([[1, 2]], type_)}), tmp_path / "a.parquet"
    )
    assert read(tmp_path).batches[0].rows.schema.field("v").type == type_
    pq.write_table(pa.table({"text": ["b"]}), tmp_path / "b.parquet")
    found = read(tmp_path)
    assert found.column("v") == [[1, 2], None]
    table = pa.Table.from_batches([batch.rows for batch in found.batches])
    pq.write_table(table, tmp_path / "out")
    assert pq.read_table(tmp_path / "out").column("v").to_pylist() == [[1, 2], None]


def test_a_run_reads_the_types_of_all_its_units(tmp_path):
    for name, values in {"a": pa.array([1], pa.int32()), "b": pa.array([2**40])}.items():
        pq.write_table(pa.table({"text": [name], "id": values}), tmp_path / f"{name}.parquet")
    assert Found(plan_corpus([str(tmp_path)]), unit_bytes=1).column("id") == [1, 2**40]
