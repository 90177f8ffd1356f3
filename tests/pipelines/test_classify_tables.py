"""Tables as people have them: columns, folders and files that differ."""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import embed as embed_command
from tests.pipelines.command_runs import Run, run


def put(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def rows_of(found: Run, *columns: str) -> list[tuple[Any, ...]]:
    assert found.code == 0, found.err
    return sorted(zip(*(found.column(name) for name in columns), strict=True), key=repr)


CASES = "text,Label,Source,SCORE,Embedding\nA wonderful film,GOLD,feed,0.1,mine\n"


def test_duckdb_reads_the_labels_of_the_product(classify, tmp_path):
    (tmp_path / "a.csv").write_text(CASES)
    found = classify(f"--input={tmp_path}/a.csv")
    assert found.manifest["renamed"] == {
        "Label": "input_Label", "Source": "input_Source", "SCORE": "input_SCORE"
    }  # fmt: skip
    query = f"select label, input_label, source, score, embedding from '{found.parts[0]}'"
    ((label, given, source, score, embedding),) = duckdb.sql(query).fetchall()
    assert label in ("negative", "positive")
    assert (given, source, embedding) == ("GOLD", f"{tmp_path}/a.csv", "mine")
    assert 0 < score <= 1


def test_duckdb_reads_the_vectors_of_the_product(tiny_preset, tmp_path):
    (tmp_path / "a.csv").write_text(CASES)
    given = (f"--preset={tiny_preset}", f"--input={tmp_path}/a.csv", f"--output={tmp_path}/out")
    found = run(embed_command.main, tmp_path / "out", *given)
    assert found.manifest["renamed"] == {"Source": "input_Source", "Embedding": "input_Embedding"}
    ((vector, mine),) = duckdb.sql(
        f"select embedding, input_embedding from '{found.parts[0]}'"
    ).fetchall()
    assert len(vector) == 16
    assert mine == "mine"


def test_columns_that_differ_in_case_alone_are_refused_and_columns_keeps_one(classify, tmp_path):
    (tmp_path / "a.csv").write_text("text,Id,ID\nx,1,2\n")
    refused = classify(f"--input={tmp_path}/a.csv")
    assert refused.error == (
        f"the columns 'Id' and 'ID' of '{tmp_path}/a.csv' differ in case alone, and readers of "
        "tables take them for one: keep one of them with --columns, or rename one"
    )
    assert not refused.folder.exists()
    assert classify(f"--input={tmp_path}/a.csv", "--columns=ID").column("ID") == ["2"]


# Folders


def test_folders_are_columns_in_updates_and_appended_rows_too(classify, tmp_path):
    for number, lang in enumerate(["de", "en", "__HIVE_DEFAULT_PARTITION__"]):
        put(tmp_path / f"in/year=2024/lang={lang}/a.parquet", text=[f"text {number}"])
    flags = (f"--input={tmp_path}/in/**/*.parquet", "--if_exists=update")
    assert rows_of(classify(*flags), "text", "year", "lang") == [
        ("text 0", 2024, "de"), ("text 1", 2024, "en"), ("text 2", 2024, None)
    ]  # fmt: skip
    # Of the new files alone the languages would be integers, and the year is gone.
    put(tmp_path / "in/lang=007/b.parquet", text=["text 3"])
    assert rows_of(classify(*flags), "text", "year", "lang")[-1] == ("text 3", None, "007")
    put(tmp_path / "more/lang=8/year=9/c.parquet", text=["text 4"])
    found = classify(f"--input={tmp_path}/more/**/*.parquet", "--if_exists=append")
    assert rows_of(found, "text", "year", "lang")[-1] == ("text 4", 9, "8")
    put(tmp_path / "more/lang=8/year=new/d.parquet", text=["text 5"])
    refused = classify(f"--input={tmp_path}/more/**/d.parquet", "--if_exists=append")
    assert "column year is int64 in its results and string in this run" in refused.error


def test_a_column_of_folders_can_be_left_out_and_limited(classify, tmp_path):
    for lang in ("de", "en"):
        (tmp_path / f"lang={lang}").mkdir()
        (tmp_path / f"lang={lang}/a.txt").write_text(f"{lang} one\n{lang} two\n")
    pattern = f"--input={tmp_path}/lang=*/*.txt"
    found = classify(pattern, "--limit=3")
    assert rows_of(found, "text", "lang") == [
        ("de one", "de"), ("de two", "de"), ("en one", "en")
    ]  # fmt: skip
    found = classify(pattern, "--columns=", "--if_exists=overwrite")
    assert "lang" not in found.table.column_names
    found = classify(pattern, "--columns=Lang", "--if_exists=overwrite")
    assert found.column("lang") == ["de", "de", "en", "en"]


def test_files_that_spell_columns_in_another_case_join_the_results(classify, tmp_path):
    (tmp_path / "a.csv").write_text("text,Id\none,1\n")
    flags = (f"--input={tmp_path}/*.csv", "--if_exists=update")
    assert classify(*flags).code == 0
    (tmp_path / "b.csv").write_text("ID,TEXT\n2,two\n")
    found = classify(*flags)
    assert rows_of(found, "text", "Id") == [("one", "1"), ("two", "2")]
    assert found.manifest["renamed"] == {"ID": "Id", "TEXT": "text"}
    (tmp_path / "lang=en").mkdir()
    (tmp_path / "lang=en/c.csv").write_text("text,iD\nthree,3\n")
    refused = classify(f"--input={tmp_path}/lang=en/c.csv", "--if_exists=append")
    assert refused.error.endswith(
        "column lang (string) is in this run but not in its results; write the result anew with "
        "--if_exists=overwrite, or give another folder"
    )


# Files that differ


def test_files_that_differ_are_one_table_and_the_summary_says_what_is_filled(classify, tmp_path):
    put(tmp_path / "in/a.parquet", text=["a"], id=pa.array([1], pa.int32()), stars=[5])
    put(tmp_path / "in/b.parquet", text=["b"], id=pa.array([2**40]))
    put(tmp_path / "in/c.parquet", text=["c"], id=pa.nulls(1))
    flags = (f"--input={tmp_path}/in", "--if_exists=update")
    found = classify(*flags)
    assert rows_of(found, "text", "id", "stars") == [
        ("a", 1, 5), ("b", 2**40, None), ("c", None, None)
    ]  # fmt: skip
    assert found.table.schema.field("id").type == pa.int64()
    assert found.manifest["filled"] == {"stars": 2}
    assert "stars with null: 2 files lack it" in found.out
    # A new file is read as the results have it, though it is narrower and lacks a column.
    put(tmp_path / "in/d.parquet", text=["d"], id=pa.array([4], pa.int8()))
    assert rows_of(classify(*flags), "text", "id", "stars")[-1] == ("d", 4, None)
    put(tmp_path / "in/e.parquet", text=["e"], id=["five"])
    assert "column id is int64 in its results and string in this run" in classify(*flags).error


def test_a_column_that_the_model_gave_is_never_filled(classify, tmp_path):
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "b.txt").write_text("two\n")
    classify(f"--input={tmp_path}/a.txt", "--top_k=2")
    refused = classify(f"--input={tmp_path}/b.txt", "--if_exists=append")
    assert "is in its results but not in this run" in refused.error


def test_json_lines_with_other_keys_than_the_results_have_join_them(classify, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "n": 1.5, "x": "y"}\n{"text": "b", "n": 2}\n')
    flags = (f"--input={tmp_path}/*.jsonl", "--if_exists=update")
    classify(*flags)
    (tmp_path / "b.jsonl").write_text('{"text": "c", "n": 3}\n')
    (tmp_path / "c.jsonl").write_text('{"text": "d", "n": null, "x": 7}\n')
    assert rows_of(classify(*flags), "text", "n", "x") == [
        ("a", 1.5, "y"), ("b", 2.0, None), ("c", 3.0, None), ("d", None, "7")
    ]  # fmt: skip


def test_types_that_do_not_go_together_are_refused_with_the_way_out(classify, tmp_path):
    a = put(tmp_path / "a.parquet", text=["a"], id=[1])
    b = put(tmp_path / "b.parquet", text=["b"], id=["x"])
    assert classify(f"--input={a}", f"--input={b}").error == (
        f"column 'id' is string in '{b}' and int64 in '{a}'; one run needs one type: leave it out "
        "by naming the columns to keep with --columns, or give the files to runs of their own"
    )
    found = classify(f"--input={a}", f"--input={b}", "--columns=")
    assert found.manifest["rows"]["written"] == 2


def test_far_timestamps_of_96_bits_come_out(classify, tmp_path):
    far = [datetime(9999, 12, 31), datetime(2024, 1, 1), datetime(1, 1, 1)]
    table = pa.table({"text": ["a", "b", "c"], "ts": pa.array(far, pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    found = classify(f"--input={tmp_path}/a.parquet")
    assert found.column("ts") == far


@pytest.mark.parametrize("column", ["interval '1 day'", "timetz '12:34:56+02'"])
def test_what_the_output_would_forget_is_refused(classify, tmp_path, column):
    path = tmp_path / "a.parquet"
    duckdb.sql(f"copy (select 'a' as text, {column} as v) to '{path}'")
    assert classify(f"--input={path}").error.startswith(f"column 'v' of '{path}' holds ")
    assert classify(f"--input={path}", "--columns=").code == 0
