import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.failures import root_cause
from tests.transforms.writing.results import SCHEMA, names_in, positions_in, rejected_of, rows_of
from tests.transforms.writing.runs import SmallRun, batches_of
from transforms.reading.units import Unit
from transforms.unit_batch import UnitBatch
from transforms.write import WriteUnits
from transforms.writing import parts
from transforms.writing.manifest import read_manifest
from transforms.writing.schemas import OutputSchemas

TWO_WORKERS = ("--direct_num_workers=2", "--direct_running_mode=multi_threading")


def write(output, rows=(), rejected=(), *, workers=(), **options) -> dict:
    """Runs a pipeline that comes to write these; returns the manifest."""
    run = SmallRun(output, rows, rejected, **options)
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(workers)) as pipeline:
        units = pipeline | beam.Create(run.units) | beam.Reshuffle()
        batches = units | beam.FlatMap(batches_of, rows, rejected).with_output_types(UnitBatch)
        _ = batches | WriteUnits(run.plan, run.schemas, run.facts)
    run.reservation.close(finished=True)
    written = read_manifest(str(output))
    assert written is not None
    return written


def test_a_pipeline_writes_what_it_is_given(tmp_path):
    rejected = [rejected_of("a.txt", [5, 6, 7], "read", "not UTF-8")]
    manifest = write(tmp_path, [rows_of("a.txt", 0, 5)], rejected)
    assert manifest["rows"] == {"read": 8, "written": 5, "rejected": 3, "truncated": 1}
    assert manifest["tokens"] == {"real": 10, "padded": 3}
    assert positions_in(tmp_path) == [0, 1, 2, 3, 4]
    assert positions_in(tmp_path / "rejected") == [5, 6, 7]


def test_the_manifest_gives_rows_bytes_and_digest_of_each_part(tmp_path):
    manifest = write(tmp_path, [rows_of("a.txt", 0, 5)], [rejected_of("a.txt", [5], "read", "x")])
    for entry, rows in (manifest["parts"][0], 5), (manifest["rejected_parts"][0], 1):
        content = (tmp_path / entry["path"]).read_bytes()
        assert entry["rows"] == rows
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()


def test_several_workers_lose_and_double_nothing(tmp_path):
    batches = [rows_of(f"{start}.txt", start, 10) for start in range(0, 1000, 10)]
    manifest = write(tmp_path, batches, workers=TWO_WORKERS)
    assert positions_in(tmp_path) == list(range(1000))
    assert manifest["rows"]["written"] == 1000
    assert len(manifest["parts"]) == 100


def test_no_rows_give_an_empty_part_with_the_columns(tmp_path):
    manifest = write(tmp_path)
    assert manifest["rows"] == {"read": 0, "written": 0, "rejected": 0, "truncated": 0}
    assert names_in(tmp_path) == ["_MANIFEST.json", "part-00000-of-00001.parquet"]
    part = pa.parquet.ParquetFile(tmp_path / "part-00000-of-00001.parquet")
    assert part.metadata.num_rows == 0
    assert part.schema_arrow.names == [n for n in SCHEMA.names if n != "token_ids"]
    assert part.schema_arrow.metadata == {b"preset": b"tiny"}


def test_overwrite_keeps_the_old_result_when_the_new_run_fails(tmp_path):
    write(tmp_path, [rows_of("a", 0, 2)])
    before = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    bad = [rows_of("a", 50, 2), rows_of("a", 52, 2).drop_columns(["label"])]
    with pytest.raises(Exception, match="other columns"):
        write(tmp_path, bad, if_exists="overwrite")
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert len(list(tmp_path.glob("*.parquet"))) == 1


def test_another_column_is_named(tmp_path):
    batch = rows_of("a", 0, 2)
    batch = batch.set_column(4, "num_tokens", batch["num_tokens"].cast(pa.int64()))
    with pytest.raises(Exception, match="other columns") as error:
        write(tmp_path, [batch])
    assert str(root_cause(error.value)) == (
        "TypeError: a record batch has other columns than the output: num_tokens: int64, not int32"
    )


def test_facts_cannot_hide_what_the_manifest_says_itself(tmp_path):
    run = SmallRun(tmp_path)
    with pytest.raises(ValueError, match="its own parts"):
        WriteUnits(run.plan, OutputSchemas(SCHEMA, {}), {"parts": []})


def write_batches(run: SmallRun, batches: list[UnitBatch]) -> None:
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        one_by_one = pipeline | beam.Create([0]) | beam.FlatMap(lambda _: iter(batches))
        _ = one_by_one | WriteUnits(run.plan, run.schemas, {})


@pytest.mark.parametrize("lost", [0, 1])
def test_batches_that_a_runner_lost_or_mixed_are_an_error(tmp_path, lost):
    rows = [rows_of("a", i, 2) for i in range(0, 6, 2)]
    run = SmallRun(tmp_path, rows)
    batches = list(batches_of(run.units[0], rows))
    del batches[lost]
    said = "came apart" if lost else "1 of 1 units of input are not done"
    with pytest.raises(Exception, match=said):
        write_batches(run, batches)
    assert list(tmp_path.glob("*.parquet")) == []


@pytest.mark.parametrize("num_read", [1, 3])
def test_rows_that_a_stage_lost_or_made_are_an_error(tmp_path, num_read):
    rows = [rows_of("a", 0, 2)]
    run = SmallRun(tmp_path, rows)
    batch = UnitBatch(rows[0], unit=run.units[0], num_read=num_read, source="a")
    with pytest.raises(Exception, match=f"{num_read} rows were read, but 2 came to be written"):
        write_batches(run, [batch])
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_worker_that_fails_midway_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 1)
    run = SmallRun(tmp_path, [rows_of("a", 0, 2)])

    def fail_after_rows(unit: Unit):
        yield next(batches_of(unit, run.rows))
        raise RuntimeError("the worker fails")

    pipeline = beam.Pipeline(runner=FnApiRunner())
    batches = pipeline | beam.Create(run.units) | beam.FlatMap(fail_after_rows)
    _ = batches | WriteUnits(run.plan, run.schemas, {})
    with pytest.raises(Exception, match="the worker fails"):
        pipeline.run()
    run.reservation.close(finished=False)
    assert list(tmp_path.iterdir()) == []


SUBMITTER = """
import resource, sys, time
import apache_beam as beam
import pyarrow as pa
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from transforms.files import CorpusFile
from transforms.reading.units import Unit
from transforms.unit_batch import UnitBatch
from transforms.writing import parts
from pipelines.failures import root_cause
from transforms.writing.output import Todo, reserve_output
from transforms.writing.schemas import OutputSchemas
from transforms.schemas import POSITION, SOURCE
from transforms.write import WriteUnits

parts.ROW_GROUP_ROWS = 1
schema = pa.schema([SOURCE, POSITION, pa.field("noise", pa.binary())])

def batches(unit):
    for i in range(100):
        noise = open("/dev/urandom", "rb").read(10_000)
        columns = [["a"], [i], [noise]]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, schema)]
        rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
        yield UnitBatch(rows, unit=unit, start=i, num_read=1, stored_bytes=1000, source="a")
        if i == 50 and sys.argv[2] == "hang":
            print("writing", flush=True)
            time.sleep(60)

reservation = reserve_output(sys.argv[1])
unit = Unit((CorpusFile("a", 1, "", "x"),))
reservation.start(schema, Todo(unit.files), [unit], int(sys.argv[3]))
if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        rows = pipeline | beam.Create([unit]) | beam.FlatMap(batches)
        rows | WriteUnits(reservation.plan, OutputSchemas(schema, {}), {})
except Exception as error:
    reservation.close(finished=False)
    print(root_cause(error))
"""


@pytest.mark.parametrize(("unit_bytes", "chunks"), [(10_000, 3), (1_000_000, 0)])
def test_a_killed_run_keeps_the_chunks_that_are_done(tmp_path, unit_bytes, chunks):
    command = [sys.executable, "-c", SUBMITTER, str(tmp_path), "hang", str(unit_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "writing\n"
        run.send_signal(signal.SIGKILL)
    assert [path.name for path in tmp_path.iterdir()] == ["_runs"]
    assert len(list(tmp_path.rglob("records/*.json"))) == chunks
    assert len(list(tmp_path.rglob("*.parquet"))) == chunks + 1

    write(tmp_path, [rows_of("a", 0, 2)], if_exists="overwrite")
    assert names_in(tmp_path) == ["_MANIFEST.json", "part-00000-of-00001.parquet"]
    assert positions_in(tmp_path) == [0, 1]


def test_a_full_disk_is_one_clear_line(tmp_path):
    command = [sys.executable, "-c", SUBMITTER, str(tmp_path), "limit", "1000000"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"cannot write to {tmp_path}: File too large\n"
    assert list(Path(tmp_path).rglob("*.parquet")) == []


@pytest.mark.parametrize("bucket", ["gcs_bucket", "s3_bucket"])
def test_a_pipeline_writes_to_a_bucket(request, bucket):
    output = f"{request.getfixturevalue(bucket)}/run"
    batches = [rows_of("a", 0, 2), rows_of("a", 2, 2)]
    write(output, batches, [rejected_of("a", [4], "read", "x")])
    manifest = write(output, [rows_of("b", 5, 3)], if_exists="append")
    assert manifest["rows"] == {"read": 8, "written": 7, "rejected": 1, "truncated": 1}
    assert len(manifest["parts"]) == 2
