import hashlib
import json
import signal
import subprocess
import sys

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

import transforms.coder  # noqa: F401  (registers the coder of record batches)
from pipelines.failures import root_cause
from tests.transforms.writing.results import (
    SCHEMA,
    names_in,
    positions_in,
    rejected_of,
    rows_of,
)
from transforms.errors import OutputError
from transforms.write import WriteResults, _WriteParts
from transforms.writing import parts
from transforms.writing.folder import open_folder
from transforms.writing.manifest import read_manifest
from transforms.writing.output import prepare_output, written_schema
from transforms.writing.publish import publish

TWO_WORKERS = ("--direct_num_workers=2", "--direct_running_mode=multi_threading")


def tally(batch: pa.RecordBatch) -> dict:
    sources = batch["source"].to_pylist()
    files = {source: sources.count(source) for source in set(sources)}
    return {"rows_read": batch.num_rows, "files": files, "padded_tokens": 3}


def stream(pipeline, name: str, batches) -> beam.PCollection:
    created = pipeline | f"Create{name}" >> beam.Create(batches).with_output_types(pa.RecordBatch)
    return created | f"Shuffle{name}" >> beam.Reshuffle()


def write(
    output,
    batches,
    rejected=(),
    *,
    if_exists="error",
    metadata=None,
    facts=None,
    workers=(),
    lost_rows=0,
) -> dict:
    """Runs a pipeline that reads, rejects and writes these; returns the manifest."""
    plan = prepare_output(str(output), if_exists=if_exists, schema=SCHEMA)
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(workers)) as pipeline:
        rows = stream(pipeline, "Rows", batches)
        stages = [stream(pipeline, f"Rejected{i}", [b]) for i, b in enumerate(rejected)]
        tallies = [
            s | f"Tally{i}" >> beam.Map(tally).with_output_types(dict)
            for i, s in enumerate([rows, *stages])
        ]
        lost = pipeline | beam.Create([{"rows_read": lost_rows}])
        streams = {"rows": rows, "rejected": stages, "tallies": [*tallies, lost]}
        _ = streams | WriteResults(plan, SCHEMA, metadata or {}, facts or {}, label_column="label")
    written = read_manifest(str(output))
    assert written is not None
    return written


@pytest.fixture
def small_parts(monkeypatch):
    """Begins a new part after every second row or more."""
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 2)
    monkeypatch.setattr(parts, "PART_BYTES", 1)


def test_rows_and_rejected_rows_are_written_and_accounted_for(tmp_path):
    manifest = write(
        tmp_path,
        [rows_of("a.txt", 0, 5)],
        [
            rejected_of("a.txt", [5], "read", "not UTF-8"),
            rejected_of("a.txt", [6, 7], "infer", "x"),
        ],
        facts={"preset": "tiny", "inputs": [{"source": "a.txt", "bytes": 99}]},
        metadata={"preset": "tiny"},
    )
    assert names_in(tmp_path) == [
        "_MANIFEST.json",
        "part-00000-of-00001.parquet",
        "rejected/part-00000-of-00002.parquet",
        "rejected/part-00001-of-00002.parquet",
    ]
    assert manifest["preset"] == "tiny"
    assert manifest["inputs"] == [{"source": "a.txt", "bytes": 99, "rows": 8}]
    assert manifest["rows"] == {"read": 8, "written": 5, "rejected": 3, "truncated": 1}
    assert manifest["rejected"] == {
        "stages": {"read": 1, "infer": 2},
        "errors": {"x": 2, "not UTF-8": 1},
    }
    assert manifest["tokens"] == {"real": 10, "padded": 9}
    assert manifest["labels"] == {"positive": 3, "negative": 2}
    assert manifest["columns"]["num_tokens"] == "int32"
    assert "token_ids" not in manifest["columns"]
    assert manifest["metadata"] == {"preset": "tiny"}
    assert manifest["started"] < manifest["finished"]
    assert positions_in(tmp_path) == [0, 1, 2, 3, 4]
    assert positions_in(tmp_path / "rejected") == [5, 6, 7]


def test_the_manifest_gives_rows_bytes_and_digest_of_each_part(tmp_path):
    manifest = write(tmp_path, [rows_of("a.txt", 0, 5)], [rejected_of("a.txt", [5], "read", "x")])
    for entry, rows in (manifest["parts"][0], 5), (manifest["rejected_parts"][0], 1):
        content = (tmp_path / entry["path"]).read_bytes()
        assert entry["rows"] == rows
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()


def test_several_bundles_lose_and_double_nothing(tmp_path):
    batches = [rows_of("a", start, 10) for start in range(0, 1000, 10)]
    manifest = write(tmp_path, batches, workers=TWO_WORKERS)
    assert sorted(positions_in(tmp_path)) == list(range(1000))
    assert manifest["rows"]["written"] == 1000
    assert len(manifest["parts"]) > 1


def test_no_rows_give_an_empty_part_with_the_columns(tmp_path):
    manifest = write(tmp_path, [], metadata={"preset": "tiny"})
    assert manifest["rows"] == {"read": 0, "written": 0, "rejected": 0, "truncated": 0}
    assert names_in(tmp_path) == ["_MANIFEST.json", "part-00000-of-00001.parquet"]
    part = pq.ParquetFile(tmp_path / "part-00000-of-00001.parquet")
    assert part.metadata.num_rows == 0
    assert part.schema_arrow.names == [n for n in SCHEMA.names if n != "token_ids"]
    assert part.schema_arrow.metadata == {b"preset": b"tiny"}


def test_empty_batches_and_lists_of_streams_are_accepted(tmp_path):
    manifest = write(tmp_path, [rows_of("a", 0, 0), rows_of("a", 0, 1)])
    assert manifest["rows"]["written"] == 1


def test_overwrite_keeps_the_old_result_when_the_new_run_fails(tmp_path):
    write(tmp_path, [rows_of("a", 0, 2)])
    before = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    with pytest.raises(Exception, match="other columns"):
        write(
            tmp_path,
            [rows_of("a", 50, 2), rows_of("a", 52, 2).drop_columns(["label"])],
            if_exists="overwrite",
        )
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert len(list(tmp_path.glob("*.parquet"))) == 1


def test_overwrite_refuses_to_remove_an_input(tmp_path):
    write(tmp_path, [rows_of("a", 0, 2)])
    source = str(tmp_path / "part-00000-of-00001.parquet")
    with pytest.raises(OutputError, match="would remove the input"):
        write(
            tmp_path,
            [rows_of(source, 0, 2)],
            if_exists="overwrite",
            facts={"inputs": [{"source": source}]},
        )


def test_lost_rows_publish_nothing(tmp_path):
    with pytest.raises(Exception, match="3 rows were read, but 2 written and 0 rejected"):
        write(tmp_path, [rows_of("a", 0, 2)], lost_rows=1)
    assert not (tmp_path / "_MANIFEST.json").exists()
    assert list(tmp_path.glob("*.parquet")) == []


def test_another_column_is_named(tmp_path):
    batch = rows_of("a", 0, 2)
    batch = batch.set_column(4, "num_tokens", batch["num_tokens"].cast(pa.int64()))
    with pytest.raises(Exception, match="other columns") as error:
        write(tmp_path, [batch])
    assert str(root_cause(error.value)) == (
        "TypeError: a record batch has other columns than the output: num_tokens: int64, not int32"
    )


def test_facts_cannot_hide_what_the_manifest_says_itself(tmp_path):
    plan = prepare_output(str(tmp_path), schema=SCHEMA)
    with pytest.raises(ValueError, match="its own parts"):
        WriteResults(plan, SCHEMA, {}, {"parts": []})


def bundle(plan, batches, finish=True) -> list:
    """Does with a writer what a runner does with a bundle, and maybe breaks off."""
    writer = _WriteParts(plan, written_schema(SCHEMA), False, lambda table: {})
    written = [part for batch in batches for part in writer.process(batch)]
    if finish:
        written += [windowed.value for windowed in writer.finish_bundle()]
    writer.teardown()
    return written


def test_a_bundle_that_failed_midway_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 1)
    plan = prepare_output(str(tmp_path), schema=SCHEMA)
    bundle(plan, [rows_of("a", 0, 2)], finish=False)
    assert [p.name for p in (tmp_path / plan.temporary).iterdir()] == ["_owner.json"]


def test_parts_of_a_bundle_that_was_tried_again_are_not_published(tmp_path, small_parts):
    plan = prepare_output(str(tmp_path), schema=SCHEMA)
    batches = [rows_of("a", 0, 2), rows_of("a", 2, 2)]
    bundle(plan, batches, finish=False)  # its parts are whole, and never reported
    publish(plan, written_schema(SCHEMA), {}, bundle(plan, batches), {"rows_read": 4})
    assert names_in(tmp_path) == [
        "_MANIFEST.json",
        "part-00000-of-00002.parquet",
        "part-00001-of-00002.parquet",
    ]
    assert positions_in(tmp_path) == [0, 1, 2, 3]


SUBMITTER = """
import resource, sys, time
import apache_beam as beam
import pyarrow as pa
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from transforms.writing import parts
from pipelines.failures import root_cause
from transforms.writing.output import prepare_output
from transforms.schemas import POSITION, SOURCE
from transforms.write import WriteResults

parts.ROW_GROUP_ROWS = 1
schema = pa.schema([SOURCE, POSITION, pa.field("noise", pa.binary())])

def batches(_):
    for i in range(100):
        noise = open("/dev/urandom", "rb").read(10_000)
        columns = [["a"], [i], [noise]]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, schema)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        if i == 50 and sys.argv[2] == "hang":
            print("writing", flush=True)
            time.sleep(60)

plan = prepare_output(sys.argv[1], schema=schema)
if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        rows = pipeline | beam.Create([0]) | beam.FlatMap(batches)
        {"rows": rows, "rejected": [], "tallies": []} | WriteResults(plan, schema, {}, {})
except Exception as error:
    print(root_cause(error))
"""


def test_a_killed_run_leaves_nothing_once_it_is_run_again(tmp_path):
    command = [sys.executable, "-c", SUBMITTER, str(tmp_path), "hang"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "writing\n"
        run.send_signal(signal.SIGKILL)
    assert [p.name[:10] for p in tmp_path.iterdir()] == ["_temporary"]
    assert len(list(tmp_path.rglob("*.parquet"))) == 1

    write(tmp_path, [rows_of("a", 0, 2)])
    assert names_in(tmp_path) == ["_MANIFEST.json", "part-00000-of-00001.parquet"]
    assert positions_in(tmp_path) == [0, 1]


def test_a_full_disk_is_one_clear_line(tmp_path):
    command = [sys.executable, "-c", SUBMITTER, str(tmp_path), "limit"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"cannot write to {tmp_path}: File too large\n"
    assert list(tmp_path.rglob("*.parquet")) == []


def test_results_in_a_bucket(gcs_bucket):
    output = f"{gcs_bucket}/run"
    batches = [rows_of("a", 0, 2), rows_of("a", 2, 2)]
    write(output, batches, [rejected_of("a", [4], "read", "x")], metadata={"preset": "tiny"})
    write(output, [rows_of("b", 5, 3)], if_exists="append")
    manifest = write(output, [rows_of("b", 5, 3)], if_exists="overwrite")
    folder = open_folder(output)
    (entry,) = manifest["parts"]
    assert sorted(folder.files()) == ["_MANIFEST.json", entry["path"]]
    assert folder.files("rejected") == {}
    assert folder.temporaries() == {}
    content = folder.read(entry["path"])
    assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert pq.read_table(pa.BufferReader(content)).column("position").to_pylist() == [5, 6, 7]
    assert json.loads(folder.read("_MANIFEST.json")) == manifest
