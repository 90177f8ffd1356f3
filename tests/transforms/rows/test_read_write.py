"""Files in, rows out, a result in a folder: whole, or not at all."""

import csv
import json
import typing

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import window

from models.errors import UserError
from pipelines import classify as classify_command
from tests.pipelines.command_runs import run as run_command
from tests.transforms.rows.running import PRESET, TEXTS, Kept, pipeline_of, rows_in
from transforms import ClassifyText, ReadCorpus, RejectedRow, WriteResults
from transforms.verification import verify
from transforms.writing import parts
from transforms.writing.manifest import read_manifest

LINES = ['{"id": 1, "body": "A fine day."}', '{"id": 2, "body": null}', '{"id": 3, "body": "Bad."}']
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])


class Numbered(typing.NamedTuple):
    id: int
    text: str
    tags: list[str]


@pytest.fixture
def reviews(tmp_path):
    """A file, one line of which has no text."""
    (tmp_path / "reviews.jsonl").write_text("\n".join(LINES))
    return str(tmp_path / "reviews.jsonl")


def write(folder, elements, element_type=None, **arguments) -> dict:
    """Writes elements; returns the manifest."""
    with pipeline_of() as pipeline:
        rows = pipeline | beam.Create(elements)
        if element_type is not None:
            rows.element_type = element_type
        _ = rows | WriteResults(str(folder), **arguments)
    assert not verify(str(folder)).problems
    manifest = read_manifest(str(folder))
    assert manifest is not None
    return manifest


def test_a_pipeline_of_ones_own_gives_what_the_command_gives(reviews, tmp_path):
    with pipeline_of() as pipeline:
        read = pipeline | ReadCorpus(reviews, text_column="body")
        labelled = read | ClassifyText(PRESET, "body", token_counts=True)
        _ = labelled | WriteResults(str(tmp_path / "own"))
    flags = (f"--input={reviews}", "--text_column=body", f"--output={tmp_path}/command")
    run_command(classify_command.main, tmp_path / "command", *flags)
    own, theirs = (read_manifest(str(tmp_path / each)) for each in ("own", "command"))
    assert own is not None
    assert theirs is not None
    assert own["rows"] == theirs["rows"] == {"read": 3, "written": 2, "rejected": 1, "truncated": 0}
    assert own["columns"] == theirs["columns"]
    for key in ("rejected", "inputs"):
        for each in (*own["inputs"], *theirs["inputs"]):
            each["fingerprint"] = each["version"] = ""
        assert own[key] == theirs[key]
    assert own["tokens"]["real"] == theirs["tokens"]["real"]
    for mine, other in zip(rows_in(tmp_path / "own"), rows_in(tmp_path / "command"), strict=True):
        assert mine.pop("score") == pytest.approx(other.pop("score"), abs=1e-6)
        assert mine == other
    assert rows_in(tmp_path / "own" / "rejected") == rows_in(tmp_path / "command" / "rejected")
    assert not verify(str(tmp_path / "own")).problems


def test_without_columns_for_it_the_manifest_counts_truncated_rows(tmp_path):
    (tmp_path / "a.txt").write_text("one two three four five six seven\nshort\n")
    with pipeline_of() as pipeline:
        read = pipeline | ReadCorpus(str(tmp_path / "a.txt"))
        labelled = read | ClassifyText(PRESET, sequence_length=6)
        _ = labelled | WriteResults(str(tmp_path / "out"))
    manifest = read_manifest(str(tmp_path / "out"))
    assert manifest is not None
    assert manifest["rows"]["truncated"] == 1
    assert manifest["tokens"]["real"] == 12


def test_a_step_of_ones_own_changes_rows_and_takes_some_out(tmp_path):
    (tmp_path / "a.txt").write_text("one\nTWO\nthree\n")

    def short_ones(batch):
        texts = batch.rows.column("text")
        changed = batch.rows.set_column(0, "text", pc.utf8_lower(texts))
        long = {i: "too long" for i, text in enumerate(texts.to_pylist()) if len(text) > 3}
        return batch.with_rows(changed).reject(long, ["text"], "shorten")

    with pipeline_of() as pipeline:
        read = pipeline | ReadCorpus(str(tmp_path / "*.txt"))
        _ = read | beam.Map(short_ones) | WriteResults(str(tmp_path / "out"))
    assert [row["text"] for row in rows_in(tmp_path / "out")] == ["one", "two"]
    (rejected,) = rows_in(tmp_path / "out" / "rejected")
    assert (rejected["raw"], rejected["stage"]) == (b"three", "shorten")


def test_rows_of_files_are_dicts_and_rejected_rows_say_where_they_are(reviews):
    rows, rejected = Kept(), Kept()
    with pipeline_of() as pipeline:
        corpus = ReadCorpus(reviews, text_column="body", columns=[], as_rows=True)
        good, bad = pipeline | corpus.with_exception_handling()
        _ = good | "good" >> rows
        _ = bad | "bad" >> rejected
    assert rows.elements == [
        {"body": "A fine day.", "source": reviews, "position": 0},
        {"body": "Bad.", "source": reviews, "position": len(LINES[0]) + len(LINES[1]) + 2},
    ]
    place = {"source": reviews, "position": len(LINES[0]) + 1, "raw": LINES[1].encode()}
    assert rejected.elements == [RejectedRow(place, "read", "'body' is not a string but null")]


def test_without_a_way_for_it_a_row_that_cannot_be_read_ends_the_pipeline(reviews):
    pipeline = pipeline_of()
    _ = pipeline | ReadCorpus(reviews, text_column="body", as_rows=True)
    with pytest.raises(Exception, match=r"a row cannot be read \('body' is not a string but null"):
        pipeline.run()


def test_a_file_whose_rows_are_all_rejected_gives_a_result_without_rows(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": null}\n'.replace('"a"', "1"))
    (tmp_path / "b.jsonl").write_text('{"text": null}\n')
    with pipeline_of() as pipeline:
        read = pipeline | ReadCorpus(str(tmp_path / "*.jsonl"))
        _ = read | ClassifyText(PRESET) | WriteResults(str(tmp_path / "out"))
    manifest = read_manifest(str(tmp_path / "out"))
    assert manifest is not None
    assert manifest["rows"] == {"read": 3, "written": 0, "rejected": 3, "truncated": 0}
    assert list(manifest["columns"]) == ["text", "source", "position", "label", "score"]
    assert not verify(str(tmp_path / "out")).problems


def test_the_arguments_of_reading_are_those_of_the_command(tmp_path):
    text = "x|Text|y\r\n1|'Grün|e'|2\r\n3|Blau|4\r\n5|Rot|6\r\n"
    (tmp_path / "a.dat").write_bytes(text.encode("cp1252"))
    kept = Kept()
    with pipeline_of() as pipeline:
        corpus = ReadCorpus(
            [str(tmp_path / "*.dat")], input_format="csv", text_column="text", columns=["y"],
            encoding="cp1252", delimiter="|", quote="'", limit=2, as_rows=True,
        )  # fmt: skip
        _ = pipeline | corpus | kept
    assert [(row["Text"], row["y"]) for row in kept.elements] == [("Grün|e", "2"), ("Blau", "4")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input": "nowhere.txt"}, "nowhere.txt"),
        ({"input_format": "xml"}, "name one with input_format: text"),
        ({"text_column": "boddy"}, "body"),
        ({"columns": "id"}, r"columns is a list of names, not 'id': give \['id'\]"),
        ({"delimiter": "||"}, "delimiter must be one character"),
        ({"delimiter": ";"}, "^delimiter is for CSV"),
        ({"encoding": "utf9"}, "encoding .*utf9"),
        ({"limit": 0}, "limit must be a positive integer, not 0"),
        ({"input": [3]}, "takes paths, globs and folders, not 3"),
    ],
    ids=range(9),
)
def test_what_cannot_be_read_is_refused_before_any_work(arguments, message, reviews):
    given = {"input": reviews, "text_column": "body", **arguments}
    with pytest.raises(UserError, match=message) as found:
        _ = beam.Pipeline(runner=FnApiRunner()) | ReadCorpus(**given)
    assert "--" not in str(found.value)


def test_read_corpus_begins_a_pipeline_and_its_batches_need_no_handling(reviews):
    with pytest.raises(UserError, match="carry their rejected rows with them"):
        ReadCorpus(reviews).with_exception_handling()
    pipeline = beam.Pipeline(runner=FnApiRunner())
    with pytest.raises(UserError, match="ReadCorpus begins a pipeline"):
        _ = pipeline | beam.Create([1]) | ReadCorpus(reviews)


@pytest.mark.parametrize("output_format", ["parquet", "csv", "jsonl"])
def test_dicts_are_written_in_the_columns_that_are_given(output_format, tmp_path):
    rows = [{"id": 1, "text": "a"}, {"text": "b"}]
    manifest = write(tmp_path, rows, schema=SCHEMA, output_format=output_format)
    assert manifest["rows"] == {"read": 2, "written": 2, "rejected": 0}
    assert manifest["output_format"] == output_format
    (part,) = tmp_path.glob("part-*")
    if output_format == "parquet":
        assert pq.read_table(part).to_pylist() == [
            {"id": 1, "text": "a"},
            {"id": None, "text": "b"},
        ]
    elif output_format == "csv":
        with part.open(newline="") as file:
            assert list(csv.reader(file)) == [["id", "text"], ["1", "a"], ["", "b"]]
    else:
        lines = [json.loads(line) for line in part.read_text().splitlines()]
        assert lines == [{"id": 1, "text": "a"}, {"id": None, "text": "b"}]


def test_rows_with_a_schema_tell_their_columns(tmp_path):
    manifest = write(tmp_path / "named", [Numbered(1, "a", ["x", "y"])], Numbered)
    assert list(manifest["columns"]) == ["id", "text", "tags"]
    assert rows_in(tmp_path / "named") == [{"id": 1, "text": "a", "tags": ["x", "y"]}]
    with pipeline_of() as pipeline:
        labelled = pipeline | beam.Create(TEXTS) | ClassifyText(PRESET, top_k=1, probabilities=True)
        _ = labelled | WriteResults(str(tmp_path / "labelled"))
    rows = rows_in(tmp_path / "labelled")
    assert {row["text"] for row in rows} == set(TEXTS)
    assert all(row["top"] == [{"label": row["label"], "score": row["score"]}] for row in rows)
    assert all(dict(row["probabilities"])[row["label"]] == row["score"] for row in rows)


def test_windows_do_not_part_a_result(tmp_path):
    with pipeline_of() as pipeline:
        rows = (
            pipeline
            | beam.Create(range(30))
            | beam.Map(lambda n: window.TimestampedValue(beam.Row(n=n), n))
            | beam.WindowInto(window.FixedWindows(10))
        )
        _ = rows | beam.Select(n=lambda row: int(row.n)) | WriteResults(str(tmp_path))
    assert sorted(row["n"] for row in rows_in(tmp_path)) == list(range(30))


def test_record_batches_of_many_workers_lose_nothing(tmp_path):
    flags = ("--direct_num_workers=2", "--direct_running_mode=multi_threading")
    with pipeline_of(*flags) as pipeline:
        batches = pipeline | beam.Create(range(40)) | beam.Reshuffle() | beam.Map(batch_of)
        _ = batches | WriteResults(str(tmp_path))
    assert sorted(row["id"] for row in rows_in(tmp_path)) == list(range(400))
    assert not verify(str(tmp_path)).problems


def test_a_full_part_is_followed_by_another_and_takes_nothing_along(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 1)
    elements = [{"id": -1, "text": "a"}, batch_of(0), {"id": -2, "text": "b"}, batch_of(1)]
    kept = Kept()
    with pipeline_of() as pipeline:
        one_bundle = pipeline | beam.Create([None]) | beam.FlatMap(lambda _: elements)
        one_bundle.element_type = typing.Any
        _ = one_bundle | WriteResults(str(tmp_path), schema=SCHEMA) | kept
    (manifest,) = kept.elements
    assert len(manifest["parts"]) == 2
    assert sorted(row["id"] for row in rows_in(tmp_path)) == list(range(-2, 20))


def batch_of(n: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": range(10 * n, 10 * n + 10), "text": ["a"] * 10})


def test_no_rows_are_a_result_if_their_columns_are_known(tmp_path):
    assert write(tmp_path / "given", [], dict[str, int], schema=SCHEMA)["rows"]["written"] == 0
    assert pq.read_schema(tmp_path / "given" / "part-00000-of-00001.parquet").names == SCHEMA.names
    with pytest.raises(Exception, match="no row came to be written, and nothing else tells"):
        write(tmp_path / "unknown", [], pa.RecordBatch)


def test_earlier_results_stay_are_replaced_or_added_to(tmp_path):
    write(tmp_path, [batch_of(0)])
    with pytest.raises(UserError, match=r"already .*if_exists='overwrite' or 'append'") as found:
        write(tmp_path, [batch_of(1)])
    assert "--" not in str(found.value)
    turned = batch_of(1).select(["text", "id"])
    manifest = write(tmp_path, [turned], if_exists="append")
    assert manifest["rows"]["written"] == 20
    assert sorted(row["id"] for row in rows_in(tmp_path)) == list(range(20))
    assert all(pq.read_schema(part).names == ["id", "text"] for part in tmp_path.glob("*.parquet"))
    write(tmp_path, [batch_of(5)], if_exists="overwrite")
    assert sorted(row["id"] for row in rows_in(tmp_path)) == list(range(50, 60))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "_MANIFEST.json") == [
        next(tmp_path.glob("*.parquet")).name
    ]


def test_a_pipeline_that_fails_leaves_results_as_they_were(tmp_path):
    write(tmp_path, [batch_of(0)])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(Exception, match="give all the same"):
        write(tmp_path, [batch_of(1), batch_of(2).select(["id"])], if_exists="overwrite")
    there = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert there == before
    write(tmp_path, [batch_of(3)], if_exists="append")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == []


def test_rows_are_not_added_to_those_of_a_command(reviews, tmp_path):
    flags = (f"--input={reviews}", "--text_column=body", f"--output={tmp_path}/out")
    run_command(classify_command.main, tmp_path / "out", *flags)
    with pytest.raises(UserError, match="its rows were made with written_by None"):
        write(tmp_path / "out", [batch_of(0)], if_exists="append")


@pytest.mark.parametrize(
    ("elements", "arguments", "message"),
    [
        ([{"id": 1}], {}, r"the rows are dicts, and nothing tells their columns: give schema="),
        (["a"], {}, "the rows are texts, and nothing tells their columns"),
        ([{"id": 1}], {"if_exists": "update"}, "is for the commands"),
        ([{"id": 1}], {"if_exists": "replace"}, "'replace' is not one of 'error', 'overwrite', 'a"),
        ([{"id": 1}], {"output_format": "xml"}, "'xml' is not one of 'parquet', 'csv', 'jsonl'"),
        ([{"id": 1}], {"schema": {"id": int}}, "schema is a pyarrow.Schema"),
        ([{"id": 1}], {"schema": pa.schema([("token_ids", pa.int64())])}, "are names of the stag"),
        ([{"id": "x"}], {"schema": SCHEMA}, "column 'id' is int64, and a value does not fit"),
        ([{"other": 1}], {"schema": SCHEMA}, "'other', which is not among the columns id, text"),
        ([pa.RecordBatch.from_pydict({"id": [1], "text": [2]}),
          pa.RecordBatch.from_pydict({"id": [1], "text": ["b"]})], {}, "give schema= with a type"),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_cannot_be_written_is_refused(elements, arguments, message, tmp_path):
    with pytest.raises(Exception, match=message):
        write(tmp_path, elements, **arguments)


def test_what_is_no_folder_is_refused():
    with pytest.raises(UserError, match="takes a folder first, not 3"):
        WriteResults(3)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("s3://user:secret@bucket/out", r"^output='?s3://"),
        ("out\udcff", r"^output=b'out\\xff' is not UTF-8: rename it"),
    ],
    ids=["secret", "UTF-8"],
)
def test_what_no_folder_may_be_called_is_refused_before_any_work(output, message):
    with pytest.raises(UserError, match=message) as found:
        _ = pipeline_of() | beam.Create([{"id": 1}]) | WriteResults(output, schema=SCHEMA)
    assert "secret@" not in str(found.value)
