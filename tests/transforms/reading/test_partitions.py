import csv
import json
from datetime import date
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.reading.reading import Found, read
from transforms.errors import InputError
from transforms.reading.corpus import plan_corpus
from transforms.reading.partitions import folder_type, folder_values
from transforms.reading.units import plan_units


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("a.txt", {}),
        ("x=1.txt", {}),
        ("lang=en/a.txt", {"lang": "en"}),
        ("/data/year=2024/month=01/a.txt", {"year": "2024", "month": "01"}),
        ("gs://b/t/lang=en/x/day=2024-01-31/a.parquet", {"lang": "en", "day": "2024-01-31"}),
        ("k=a%20b%2Fc%3D/a.txt", {"k": "a b/c="}),
        ("a%20b=1+1/a.txt", {"a b": "1+1"}),
        ("k=%FF/a.txt", {"k": "%FF"}),
        ("k=a=b/a.txt", {"k": "a=b"}),
        ("k=/a.txt", {"k": ""}),
        ("=v/a.txt", {}),
        ("k=__HIVE_DEFAULT_PARTITION__/a.txt", {"k": None}),
        ("k=1/x/k=2/a.txt", {"k": "2"}),
        ("K=1/k=2/a.txt", {"K": "2"}),
    ],
)
def test_folders_give_values(path, values):
    assert folder_values(path) == values


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["1", "02", "-3", None], pa.int64()),
        ([str(2**63 - 1), str(-(2**63))], pa.int64()),
        (["1", str(2**63)], pa.string()),
        (["1", "x"], pa.string()),
        (["1", ""], pa.string()),
        (["1.5"], pa.string()),
        (["+1"], pa.string()),
        (["1_0"], pa.string()),
        (["٣"], pa.string()),
        (["true"], pa.string()),
        ([None], pa.string()),
        (["2024-01-31", "0001-01-01", None], pa.date32()),
        (["2024-02-30"], pa.string()),
        (["2024-01-31", "2024"], pa.string()),
    ],
    ids=repr,
)
def test_values_of_folders_are_integers_dates_or_texts(values, type_):
    assert folder_type(values) == type_


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """Writes rows of texts in the format of the extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    match path.suffix:
        case ".txt":
            path.write_text("".join(row["text"] + "\n" for row in rows))
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case ".csv" | ".tsv":
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(
                    file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ","
                )
                writer.writeheader()
                writer.writerows(rows)
        case ".parquet":
            pq.write_table(table, path)
        case ".arrow":
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
        case ".avro":
            fields = [{"name": name, "type": ["null", "string"]} for name in rows[0]]
            with path.open("wb") as file:
                fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, rows)


FORMATS = ["txt", "jsonl", "csv", "tsv", "parquet", "arrow", "avro"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gets_the_columns_of_its_folders(tmp_path, suffix):
    for folder, text in {
        "year=2024/lang=en": "one",
        "year=2024/lang=a%20b": "two",
        "year=__HIVE_DEFAULT_PARTITION__/lang=de": "three",
    }.items():
        write(tmp_path / folder / f"a.{suffix}", [{"text": text}, {"text": f"{text} more"}])
    found = Found(plan_corpus([f"{tmp_path}/*/*/*.{suffix}"]))
    assert {(row["text"], row["year"], row["lang"]) for row in found.rows} == {
        ("one", 2024, "en"), ("one more", 2024, "en"), ("two", 2024, "a b"),
        ("two more", 2024, "a b"), ("three", None, "de"), ("three more", None, "de"),
    }  # fmt: skip
    assert list(found.rows[0]) == ["text", "year", "lang", "source", "position"]
    assert found.batches[0].rows.schema.field("year").type == pa.int64()
    only = Found(plan_corpus([f"{tmp_path}/**"], input_format=_named(suffix), columns=["lang"]))
    assert list(only.rows[0]) == ["text", "lang", "source", "position"]


def _named(suffix: str) -> str:
    return {"txt": "text"}.get(suffix, suffix)


@pytest.mark.parametrize(
    "pattern", ["day=*/a.csv", "**", "**/*.csv", "day=2024-01-31/", "day=2024-01-31/a.csv"]
)
def test_folders_count_however_files_are_named(tmp_path, pattern):
    write(tmp_path / "day=2024-01-31" / "a.csv", [{"text": "x"}])
    assert read(tmp_path / pattern).column("day") == [date(2024, 1, 31)]


def test_files_of_one_unit_have_values_of_their_own(tmp_path):
    for number in range(20):
        write(tmp_path / f"n={number}" / "a.jsonl", [{"text": str(number)}])
    corpus = plan_corpus([f"{tmp_path}/**/*.jsonl"])
    assert len(plan_units(corpus)) == 1
    found = Found(corpus)
    assert found.texts == [str(n) for n in found.column("n")]


@pytest.mark.parametrize("suffix", [suffix for suffix in FORMATS if suffix != "txt"])
def test_the_folder_counts_where_the_file_has_the_column_too(tmp_path, suffix):
    write(tmp_path / "lang=en" / f"a.{suffix}", [{"text": "one", "Lang": "file", "n": "1"}])
    write(tmp_path / f"b.{suffix}", [{"text": "two", "Lang": "kept", "n": "2"}])
    found = read(tmp_path / "lang=en")
    assert found.rows[0]["Lang"] == "en"
    assert list(found.rows[0])[:3] == ["text", "Lang", "n"]
    assert not found.rejected
    both = Found(plan_corpus([str(tmp_path / "lang=en"), f"{tmp_path}/*"]))
    assert both.column("Lang") == ["en", "kept"]


def test_a_file_without_the_folder_has_null(tmp_path):
    write(tmp_path / "n=7" / "a.txt", [{"text": "one"}])
    write(tmp_path / "b.txt", [{"text": "two"}])
    assert Found(plan_corpus([f"{tmp_path}/**/*.txt"])).column("n") == [None, 7]


def test_folders_beside_a_column_of_another_type_are_refused(tmp_path):
    (tmp_path / "n=7").mkdir()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "n=7" / "a.parquet")
    pq.write_table(pa.table({"text": ["a"], "n": [True]}), tmp_path / "b.parquet")
    message = r"column 'n' is int64 in the folders of '.*a\.parquet' and bool in '.*b\.parquet'"
    with pytest.raises(InputError, match=message + ".*--columns"):
        plan_corpus([f"{tmp_path}/**/*.parquet"])
    pq.write_table(pa.table({"text": ["a"], "n": ["7"]}), tmp_path / "b.parquet")
    assert Found(plan_corpus([f"{tmp_path}/**/*.parquet"])).column("n") == ["7", "7"]
    pq.write_table(pa.table({"text": ["a"], "n": pa.array([2], pa.int8())}), tmp_path / "b.parquet")
    assert Found(plan_corpus([f"{tmp_path}/**/*.parquet"])).column("n") == [2, 7]


def test_the_text_is_always_that_of_the_file(tmp_path):
    write(tmp_path / "text=folder" / "a.csv", [{"text": "file"}])
    assert read(tmp_path / "text=folder").texts == ["file"]
    write(tmp_path / "body=folder" / "a.csv", [{"text": "file"}])
    with pytest.raises(InputError, match=r"no column 'body' for --text_column in .* has 'text'"):
        read(tmp_path / "body=folder", text_column="body")


def test_a_column_of_folders_gives_way_to_one_of_the_output(tmp_path):
    write(tmp_path / "Label=pos" / "a.txt", [{"text": "x"}])
    found = read(tmp_path / "Label=pos", reserved=["label"])
    assert found.column("input_Label") == ["pos"]


def test_rows_that_are_rejected_are_counted_beside_folders(tmp_path):
    (tmp_path / "n=1").mkdir()
    found = read(tmp_path / "n=1" / "a.txt", b"good\n\xff\n")
    assert found.column("n") == [1]
    assert len(found.rejected) == 1
