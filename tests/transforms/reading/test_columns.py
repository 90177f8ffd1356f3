"""Columns that only some files have, and those of earlier results."""

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.reading.reading import Found, read
from tests.transforms.reading.test_partitions import write
from transforms.errors import InputError
from transforms.reading.corpus import Corpus, plan_corpus

TYPED = ["csv", "tsv", "parquet", "arrow", "avro"]


@pytest.mark.parametrize("suffix", [*TYPED, "jsonl"])
def test_a_column_that_some_files_lack_is_null_there(tmp_path, suffix):
    write(tmp_path / f"a.{suffix}", [{"text": "one", "x": "1"}])
    write(tmp_path / f"b.{suffix}", [{"y": "2", "text": "two"}])
    write(tmp_path / f"c.{suffix}", [{"text": "three"}])
    found = read(tmp_path)
    columns = ("text", "x", "y")
    assert [tuple(row[name] for name in columns) for row in found.rows] == [
        ("one", "1", None), ("two", None, "2"), ("three", None, None)
    ]  # fmt: skip
    assert list(found.rows[0]) == [*columns, "source", "position"]
    only = read(tmp_path, columns=["y"])
    assert only.column("y") == [None, "2", None]
    if suffix != "jsonl":
        assert plan_corpus([str(tmp_path)]).gaps == (("x", 2), ("y", 2))


def test_types_of_columns_that_some_files_lack(tmp_path):
    columns = {
        "i": pa.array([1], pa.int8()),
        "t": pa.array([5], pa.timestamp("us", "UTC")),
        "s": pa.array([{"a": [1]}]),
        "d": pa.array(["x"]).dictionary_encode(),
        "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
        "u": pa.array([b"0" * 16], pa.uuid()),
        "n": pa.nulls(1),
    }
    pq.write_table(pa.table({"text": ["a"], **columns}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["b"]}), tmp_path / "b.parquet")
    found = read(tmp_path)
    for name, values in columns.items():
        assert found.column(name) == [*values.to_pylist(), None]


def test_rows_are_rejected_in_files_that_lack_columns_too(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["b", None]}), tmp_path / "b.parquet")
    found = read(tmp_path)
    assert found.column("n") == [1, None]
    assert found.only_error() == "'text' is null"
    assert found.raws == [b'{"text":null}']


def test_a_column_that_no_file_has_is_an_error_with_the_nearest_of_all(tmp_path):
    write(tmp_path / "a.csv", [{"text": "one", "stars": "1"}])
    write(tmp_path / "b.csv", [{"text": "two", "Title": "2"}])
    message = (
        r"no column 'titel' for --columns in '.*a\.csv' and the other files, which have .*; did you"
    )
    with pytest.raises(InputError, match=message + " mean 'Title'"):
        plan_corpus([str(tmp_path)], columns=["titel"])


def test_a_key_of_any_file_of_json_lines_is_a_column(tmp_path):
    for number in range(100):
        more = {"rare": [number]} if number == 77 else {"some": None if number < 90 else 0.5}
        (tmp_path / f"{number:03}.jsonl").write_text(json.dumps({"text": "t", "n": 1, **more}))
    found = read(tmp_path)
    assert not found.rejected
    assert len(found.rows) == 100
    assert found.column("rare")[77] == [77]
    assert found.batches[0].rows.schema.field("some").type == pa.float64()


def test_a_file_of_json_lines_without_any_rejects_its_rows(tmp_path):
    for number in range(100):
        (tmp_path / f"{number:03}.jsonl").write_text("no JSON" if number == 77 else '{"text": "t"}')
    found = read(tmp_path)
    assert len(found.rows) == 99
    assert found.only_error().startswith("not JSON: ")


def test_a_file_whose_columns_changed_since_it_was_planned_is_refused(tmp_path):
    write(tmp_path / "a.csv", [{"text": "one", "n": "1"}])
    corpus = plan_corpus([str(tmp_path)])
    write(tmp_path / "a.csv", [{"text": "one"}])
    with pytest.raises(InputError, match=r"'.*a.csv' no longer has the column 'n'"):
        Found(corpus)


# Earlier results


def planned(folder: Path, earlier: dict[str, pa.DataType], **options: object) -> Corpus:
    return plan_corpus([str(folder)], earlier=pa.schema(list(earlier.items())), **options)


def types(corpus: Corpus) -> dict[str, pa.DataType]:
    return {column.output_name: column.type for column in corpus.fields}


def test_columns_are_widened_to_those_of_earlier_results(tmp_path):
    columns = {"n": pa.array([1], pa.int32()), "z": pa.nulls(1), "s": ["x"], "f": [0.5]}
    pq.write_table(pa.table({"text": ["a"], **columns}), tmp_path / "a.parquet")
    earlier = {"n": pa.int64(), "z": pa.date32(), "s": pa.int8(), "f": pa.float32()}
    corpus = planned(tmp_path, earlier)
    assert types(corpus) == {
        "text": pa.string(), "n": pa.int64(), "z": pa.date32(), "s": pa.string(), "f": pa.float64()
    }  # fmt: skip
    assert Found(corpus).column("n") == [1]


def test_a_column_that_only_earlier_results_have_is_null(tmp_path):
    write(tmp_path / "a.csv", [{"text": "one", "Label": "x"}])
    earlier = {
        "text": pa.string(), "input_Label": pa.string(), "when": pa.date32(), "label": pa.string(),
        "source": pa.string(), "position": pa.int64(),
    }  # fmt: skip
    corpus = planned(tmp_path, earlier, reserved=["label"])
    assert list(types(corpus)) == ["text", "input_Label", "when"]
    assert Found(corpus).column("when") == [None]


def test_a_column_that_is_left_out_is_not_filled_for_earlier_results(tmp_path):
    write(tmp_path / "a.csv", [{"text": "one", "n": "1"}])
    corpus = planned(tmp_path, {"text": pa.string(), "N": pa.string()}, columns=[])
    assert list(types(corpus)) == ["text"]


@pytest.mark.parametrize(
    ("row", "before", "expected"),
    [
        ({"v": 1}, pa.float64(), 1.0),
        ({"v": None}, pa.int64(), None),
        ({"v": [1]}, pa.string(), "[1]"),
        ({"v": [None]}, pa.list_(pa.int64()), [None]),
        (
            {"v": {"a": 1}},
            pa.struct([("b", pa.string()), ("a", pa.float64())]),
            {"b": None, "a": 1},
        ),
        ({}, pa.int64(), None),
    ],
    ids=str,
)
def test_json_is_read_as_earlier_results_have_it(tmp_path, row, before, expected):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "t", **row}))
    corpus = planned(tmp_path, {"v": before})
    assert types(corpus)["v"] == before
    assert Found(corpus).column("v") == [expected]


def test_what_cannot_be_read_as_earlier_results_have_it_stays_as_it_is(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "t", "v": 1, "w": "x"}')
    corpus = planned(tmp_path, {"v": pa.decimal128(20, 0), "w": pa.binary()})
    assert types(corpus) == {"text": pa.string(), "v": pa.int64(), "w": pa.string()}


@pytest.mark.parametrize(
    ("folder", "before", "expected"),
    [
        ("k=1", pa.string(), "1"),
        ("k=01", pa.int64(), 1),
        ("k=7", pa.int16(), 7),
        ("k=x", pa.int64(), "x"),
        ("k=300", pa.int8(), 300),
        ("k=2024-01-31", pa.date32(), date(2024, 1, 31)),
        ("k=2024-01-31", pa.string(), "2024-01-31"),
        ("k=__HIVE_DEFAULT_PARTITION__", pa.int64(), None),
    ],
)
def test_values_of_folders_are_read_as_earlier_results_have_them(
    tmp_path, folder, before, expected
):
    write(tmp_path / folder / "a.txt", [{"text": "x"}])
    corpus = planned(tmp_path / folder, {"text": pa.string(), "k": before})
    assert Found(corpus).column("k") == [expected]
