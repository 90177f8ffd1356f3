import bz2
import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipelines import classify as classify_command
from tests.pipelines.command_runs import run
from tests.pipelines.conftest import TEXTS
from tests.pipelines.labelling import json_lines, predicted
from transforms.reading import units


def delimited(separator: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(["id", "text"])
    writer.writerows(enumerate(TEXTS))
    return text.getvalue().encode()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": range(len(TEXTS)), "text": TEXTS}), sink, row_group_size=3)
    return sink.getvalue()


def avro() -> bytes:
    fields = [{"name": "id", "type": "long"}, {"name": "text", "type": ["null", "string"]}]
    rows = [{"id": i, "text": text} for i, text in enumerate(TEXTS)]
    sink = io.BytesIO()
    fastavro.writer(sink, {"type": "record", "name": "Row", "fields": fields}, rows, "deflate")
    return sink.getvalue()


def arrow(make: Callable[..., pa.ipc.RecordBatchStreamWriter]) -> bytes:
    table = pa.table({"id": range(len(TEXTS)), "text": TEXTS})
    sink = io.BytesIO()
    with make(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return sink.getvalue()


FILES = {
    "a.txt.bz2": lambda: bz2.compress("\n".join(TEXTS).encode()),
    "a.jsonl": lambda: json_lines([{"id": i, "text": text} for i, text in enumerate(TEXTS)]),
    "a.csv.gz": lambda: gzip.compress(delimited(",")),
    "a.tsv.zst": lambda: zstandard.compress(delimited("\t")),
    "a.parquet": parquet,
    "a.avro": avro,
    "a.feather": lambda: arrow(pa.ipc.new_file),
    "a.arrows": lambda: arrow(pa.ipc.new_stream),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_labels_in_file_order(name, classify, predictor, tmp_path):
    (tmp_path / name).write_bytes(FILES[name]())
    found = classify(f"--input={tmp_path / name}")
    assert (found.code, found.err) == (0, "")
    assert found.column("text") == TEXTS
    assert found.column("label") == predicted(predictor, TEXTS)[0]
    assert set(found.column("source")) == {str(tmp_path / name)}
    positions = found.column("position")
    assert positions == sorted(set(positions))
    assert found.manifest["rows"]["read"] == len(TEXTS)


def test_parquet_columns_keep_their_types(classify, tmp_path):
    types = {
        "day": pa.date32(),
        "text": pa.string(),
        "stars": pa.int8(),
        "price": pa.decimal128(7, 2),
        "label": pa.int64(),
        "seen": pa.timestamp("ms", "UTC"),
        "parts": pa.list_(pa.struct([("name", pa.string()), ("weight", pa.float32())])),
        "nothing": pa.null(),
    }
    rows = [
        {
            "day": date(2024, 2, i + 1),
            "text": text,
            "stars": i,
            "price": Decimal("10.50"),
            "label": 7,
            "seen": 1_700_000_000_000 + i,
            "parts": [{"name": "x", "weight": 0.5}],
        }
        for i, text in enumerate(TEXTS)
    ]
    table = pa.Table.from_pylist(rows, pa.schema(types.items()))
    pq.write_table(table, tmp_path / "a.parquet")
    found = classify(f"--input={tmp_path / 'a.parquet'}").table
    kept = found.select(range(len(types))).replace_schema_metadata()
    assert kept.rename_columns({"input_label": "label"}) == table


def test_several_inputs_a_folder_and_a_glob_make_one_corpus(classify, tmp_path):
    names = ["one.csv", "folder/two.csv", "folder/three.csv", "globbed/four.csv", "globbed/no.tsv"]
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        lines = [f"{number},{text!r}".replace("'", '"') for text in TEXTS]
        (tmp_path / name).write_text("\n".join(["id,text", *lines]))
    found = classify(
        f"--input={tmp_path}/one.csv", f"--input={tmp_path}/folder", f"--input={tmp_path}/g*/*.csv"
    )
    assert found.code == 0
    wanted = {f"{tmp_path}/{name}": str(i) for i, name in enumerate(names[:4])}
    assert {entry["source"]: entry["rows"] for entry in found.manifest["inputs"]} == dict.fromkeys(
        wanted, len(TEXTS)
    )
    rows = found.table.select(["source", "id", "text", "position"]).to_pylist()
    for source, number in wanted.items():
        of_file = [row for row in rows if row["source"] == source]
        assert [row["text"] for row in of_file] == TEXTS
        assert [row["position"] for row in of_file] == list(range(len(TEXTS)))
        assert {row["id"] for row in of_file} == {number}


def test_rows_of_a_file_that_is_read_in_many_units_come_out_in_file_order(
    classify, tmp_path, monkeypatch
):
    monkeypatch.setattr(units, "_LEAST_BYTES", 200)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS * 5))
    positions = classify(f"--input={tmp_path}/a.txt").column("position")
    assert len(positions) == 5 * len(TEXTS)
    assert positions == sorted(positions)


def test_columns_and_limit_keep_a_part_of_the_corpus(classify, tmp_path):
    rows = [{"id": i, "text": text, "more": {"x": i}} for i, text in enumerate(TEXTS)]
    (tmp_path / "a.jsonl").write_bytes(json_lines(rows))
    found = classify(f"--input={tmp_path}/a.jsonl", "--columns=id", "--limit=3")
    assert found.table.column_names[:4] == ["id", "text", "source", "position"]
    assert found.column("id") == [0, 1, 2]
    assert found.manifest["rows"]["read"] == 3


def test_pairs_are_labelled_as_the_predictor_labels_pairs(classify, predictor, tmp_path):
    seconds = TEXTS[::-1]
    pairs = [{"a": a, "b": b} for a, b in zip(TEXTS, seconds, strict=True)]
    (tmp_path / "a.jsonl").write_bytes(json_lines([*pairs, {"a": "alone"}]))
    flags = (f"--input={tmp_path}/a.jsonl", "--text_column=a", "--text_pair_column=b")
    found = classify(*flags)
    labels, probabilities = predicted(predictor, TEXTS, seconds)
    assert found.column("label") == labels
    np.testing.assert_allclose(found.column("score"), probabilities.max(axis=1), atol=1e-6)
    assert [row["error"] for row in found.rejected] == ["no 'b' in the object, which has 'a'"]


def test_results_are_kept_appended_to_or_overwritten(classify, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    (tmp_path / "b.txt").write_text("\n".join(TEXTS[:2]))
    first = classify(f"--input={tmp_path}/a.txt")
    content = first.parts[0].read_bytes()

    refused = classify(f"--input={tmp_path}/b.txt")
    assert "holds results already (10 rows" in refused.error
    assert "give --if_exists=update, append or overwrite" in refused.error
    assert first.parts[0].read_bytes() == content

    appended = classify(f"--input={tmp_path}/b.txt", "--if_exists=append")
    assert appended.column("text") == [*TEXTS, *TEXTS[:2]]
    manifest = appended.manifest
    assert manifest["rows"]["written"] == 12
    assert [run["rows"]["written"] for run in manifest["runs"]] == [10, 2]
    assert [entry["rows"] for entry in manifest["inputs"]] == [10, 2]
    assert manifest["labels"] == Counter(appended.column("label"))
    assert appended.out.startswith("2 rows labelled")  # of this run, not of the folder
    assert first.parts[0].read_bytes() == content

    shorter = classify(f"--input={tmp_path}/b.txt", "--if_exists=append", "--sequence_length=9")
    assert "sequence_length 128, this run has 9" in shorter.error

    replaced = classify(f"--input={tmp_path}/b.txt", "--if_exists=overwrite")
    assert replaced.column("text") == TEXTS[:2]
    assert len(replaced.parts) == 1
    assert len(replaced.manifest["runs"]) == 1


@pytest.mark.parametrize(("limit", "code"), [("1", 1), ("2", 0), ("19%", 1), ("20%", 0)], ids=str)
def test_more_rejected_rows_than_allowed_are_exit_code_1(classify, tmp_path, limit, code):
    lines = [*(text.encode() for text in TEXTS[:8]), b"\xff", b"\xfe\xff"]
    (tmp_path / "a.txt").write_bytes(b"\n".join(lines))
    found = classify(f"--input={tmp_path}/a.txt", f"--max_rejected={limit}")
    assert found.code == code
    assert found.manifest["rows"] == {"read": 10, "written": 8, "rejected": 2, "truncated": 0}
    if code:
        assert found.error_line == (
            f"2 of 10 rows were rejected, more than --max_rejected={limit} allows"
        )


def test_output_is_required_with_input(tmp_path):
    found = run(classify_command.main, tmp_path, "--input=a.txt")
    assert found.error == "--output is required with --input: the folder to write to"


@pytest.mark.parametrize(
    ("flags", "least"), [(["--sequence_length=2"], 3), (["--text_pair_column=b"], 4)], ids=str
)
def test_a_length_without_room_for_text_is_refused(classify, tmp_path, flags, least):
    (tmp_path / "a.jsonl").write_bytes(json_lines([{"text": "x", "b": "y"}]))
    found = classify(f"--input={tmp_path}/a.jsonl", "--sequence_length=3", *flags)
    assert f"at least {least} is needed" in found.error
    assert not found.folder.exists()


def test_a_length_beyond_the_positions_of_the_model_is_refused(classify, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    found = classify(f"--input={tmp_path}/a.txt", "--sequence_length=129")
    assert "takes at most 128 tokens" in found.error
