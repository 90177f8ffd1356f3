import errno
import gzip
import io
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from models.errors import RunError
from tests.transforms.reading.reading import Found, read
from transforms.files import CorpusFile
from transforms.progress import RunProgress
from transforms.read import ReadUnits, _All, _ReadUnit
from transforms.reading.corpus import Corpus, plan_corpus
from transforms.reading.layout import InputColumn
from transforms.reading.units import Unit, plan_units, read_unit
from transforms.unit_batch import Reading, UnitBatch


def test_a_column_whose_name_is_taken_is_renamed(tmp_path):
    found = read(tmp_path / "a.csv", "label,source\na,b\n", text_column="label",
                 reserved=["label"])  # fmt: skip
    assert found.rows == [
        {"input_label": "a", "input_source": "b", "source": f"{tmp_path}/a.csv", "position": 0}
    ]


def arrow(make: Callable[..., pa.ipc.RecordBatchStreamWriter], *texts: str) -> bytes:
    sink = io.BytesIO()
    with make(sink, pa.schema([("text", pa.string())])) as writer:
        writer.write_table(pa.table({"text": texts}), max_chunksize=100)
    return sink.getvalue()


def avro(*texts: str) -> bytes:
    sink = io.BytesIO()
    schema = {"type": "record", "name": "Row", "fields": [{"name": "text", "type": "string"}]}
    fastavro.writer(sink, schema, [{"text": text} for text in texts], sync_interval=1000)
    return sink.getvalue()


@pytest.mark.parametrize(
    "name", ["a.txt", "a.txt.gz", "a.jsonl", "a.csv", "a.parquet", "a.avro", "a.arrow", "a.arrows"]
)
def test_progress_counts_about_the_bytes_of_the_file(tmp_path, name):
    generator = random.Random(0)
    texts = [f"{generator.getrandbits(400):x}" for _ in range(20_000)]
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.table({"text": texts}), path)
    elif "arrow" in name:
        path.write_bytes(
            arrow(pa.ipc.new_stream if name == "a.arrows" else pa.ipc.new_file, *texts)
        )
    elif name == "a.avro":
        path.write_bytes(avro(*texts))
    else:
        rows = [json.dumps({"text": t}) for t in texts] if name == "a.jsonl" else texts
        content = "\n".join(["text", *rows] if name == "a.csv" else rows).encode()
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    corpus = plan_corpus([str(path)])
    found = Found(corpus, corpus.size // 3)
    read = sum(batch.stored_bytes for batch in found.batches)
    assert read == pytest.approx(corpus.size, rel=0.01)


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        for _ in range(100):
            file.write((b"x" * 99 + b"\n") * 10_000)
    corpus = plan_corpus([str(path)])
    before, most = pa.total_allocated_bytes(), 0
    for _, batch in read_unit(corpus, Unit(corpus.files)):
        most = max(most, pa.total_allocated_bytes() - before, batch.rows.nbytes)
    assert most < 20 << 20


def corpus_of(files: tuple[CorpusFile, ...], file_format: str) -> Corpus:
    return Corpus(
        fields=(InputColumn("text", "text", pa.string()),), text_column="text",
        text_pair_column=None, all_columns=True, files=files, format=file_format,
    )  # fmt: skip


def test_a_file_that_went_away_stops_the_run(tmp_path):
    corpus = corpus_of((CorpusFile(f"{tmp_path}/gone.txt", 1),), "text")
    with pytest.raises(FileNotFoundError):
        Found(corpus)


@pytest.fixture
def mixed_folder(tmp_path) -> Path:
    for number in range(3):
        texts = [b"%d-%d" % (number, i) for i in range(3000)]
        (tmp_path / f"{number}.txt").write_bytes(b"\n".join([*texts, b"\xff"]))
    return tmp_path


def counters_of_a_run(
    corpus: Corpus, rows: int, rejected: int, limit: int | None = None
) -> dict[str, int]:
    """Checks how many rows come out of a pipeline, and returns Beam's counters."""

    def check(batches: list[UnitBatch]) -> None:
        assert sum(batch.rows.num_rows for batch in batches) == rows
        assert sum(batch.rejected.num_rows for batch in batches) == rejected

    pipeline = beam.Pipeline(runner=FnApiRunner())
    batches = pipeline | ReadUnits(corpus, limit)
    assert batches.element_type is UnitBatch
    assert_that(batches, check)
    result = pipeline.run()
    result.wait_until_finish()
    return {
        counter.key.metric.name: counter.committed
        for counter in result.metrics().query()["counters"]
        if counter.key.metric.namespace == "textbeam"
    }


def test_a_pipeline_reads_every_row_and_counts_them(mixed_folder):
    corpus = plan_corpus([str(mixed_folder)])
    counters = counters_of_a_run(corpus, rows=9000, rejected=3)
    assert counters.pop("bytes_read") == pytest.approx(corpus.size, rel=0.01)
    assert counters == {"rows_read": 9003, "rows_rejected": 3}


def test_a_limit_takes_the_first_rows(mixed_folder):
    corpus = plan_corpus([str(mixed_folder)])
    counters = counters_of_a_run(corpus, rows=3001, rejected=1, limit=3002)
    assert 0 < counters.pop("bytes_read") < corpus.size
    assert counters == {"rows_read": 3002, "rows_rejected": 1}


@pytest.mark.parametrize("limit", [None, 10_000])
def test_batches_of_a_unit_follow_one_another_to_its_end(mixed_folder, limit):
    def check(batches: list[UnitBatch]) -> None:
        start, files = 0, Counter[str]()
        for batch in batches:
            assert batch.start == start
            assert batch.num_read == batch.rows.num_rows + batch.rejected.num_rows
            start += batch.num_read
            files[batch.source] += batch.num_read
        assert [batch.is_last for batch in batches] == [False] * (len(batches) - 1) + [True]
        assert files == {f"{mixed_folder}/{number}.txt": 3001 for number in range(3)} | {"": 0}

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        assert_that(pipeline | ReadUnits(plan_corpus([str(mixed_folder)]), limit), check)


class SomeDone:
    """A run of which the first rows are there."""

    def __init__(self, corpus: Corpus, done: int) -> None:
        self._units = plan_units(corpus)
        self._done = done

    def pending(self) -> tuple[Unit, ...]:
        return self._units

    def rows_done(self, unit: Unit) -> int:
        return self._done


def test_what_is_done_is_not_read_out_again(mixed_folder):
    def check(batches: list[UnitBatch]) -> None:
        assert batches[0].start == 2048
        assert batches[-1].start == 9003
        assert sum(batch.num_read for batch in batches) == 9003 - 2048

    corpus = plan_corpus([str(mixed_folder)])
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        assert_that(pipeline | ReadUnits(corpus, work=SomeDone(corpus, 2048)), check)


def read_with_faults(corpus: Corpus, monkeypatch, faults: int) -> list[UnitBatch]:
    """Reads a corpus from a disk that fails for some reads, each in the middle of a file."""
    monkeypatch.setattr("transforms.read.PAUSES", (0.0, 0.0))
    left, plain = iter(range(faults)), read_unit

    def fail_midway(corpus: Corpus, unit: Unit, on_file):
        for number, found in enumerate(plain(corpus, unit, on_file)):
            if number == 2 and next(left, None) is not None:
                raise OSError(errno.EIO, "Input/output error")
            yield found

    monkeypatch.setattr("transforms.read.read_unit", fail_midway)
    reader = _ReadUnit(corpus, _All(corpus, None), RunProgress())
    return [batch for unit in plan_units(corpus) for batch in reader.process((unit, Reading()))]


def test_a_disk_that_fails_for_a_moment_loses_and_doubles_nothing(mixed_folder, monkeypatch):
    corpus = plan_corpus([str(mixed_folder)])
    batches = read_with_faults(corpus, monkeypatch, 2)
    starts = [batch.start for batch in batches]
    assert starts == [0, *np.cumsum([batch.num_read for batch in batches])[:-1]]
    assert sum(batch.num_read for batch in batches) == 9003


def test_a_disk_that_fails_again_and_again_ends_the_run(mixed_folder, monkeypatch):
    corpus = plan_corpus([str(mixed_folder)])
    with pytest.raises(RunError, match=r"0.txt' failed 3 times on this machine: OSError"):
        read_with_faults(corpus, monkeypatch, 3)


@pytest.mark.parametrize("how", ["append", "cut", "rewrite", "replace", "remove"])
def test_a_file_that_changes_after_planning_ends_the_run(mixed_folder, how):
    path = mixed_folder / "1.txt"
    corpus = plan_corpus([str(mixed_folder)])
    if how == "append":
        path.write_bytes(path.read_bytes() + b"x")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "rewrite":
        path.write_bytes(path.read_bytes()[::-1])
    elif how == "replace":
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    else:
        path.unlink()
    said = "was removed" if how == "remove" else "changed after the run was planned"
    with pytest.raises(Exception, match=f"1.txt' {said}"), beam.Pipeline("FnApiRunner") as pipeline:
        _ = pipeline | ReadUnits(corpus)


def test_a_pipeline_reads_from_cloud_storage(gcs_bucket):
    from apache_beam.io.filesystems import FileSystems

    table = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b", None]}), table)
    contents = {
        "a.parquet": table.getvalue(),
        "b.txt": b"one\ntwo\n",
        "c.csv": b"text,n\nx,1\n",
        "d.avro": avro(*"xyz" * 1000),
        "e.arrow": arrow(pa.ipc.new_file, *"xyz" * 1000),
        "f.arrow": arrow(pa.ipc.new_file, *"xyz" * 1000)[:-1],
        "g.arrow": arrow(pa.ipc.new_stream, *"xyz" * 1000),
    }
    for name, content in contents.items():
        with FileSystems.create(f"{gcs_bucket}/{name}", compression_type="uncompressed") as file:
            file.write(content)
    for name, expected in {
        "a.parquet": ["a", "b"],
        "b.txt": ["one", "two"],
        "c.csv": ["x"],
        "d.avro": list("xyz" * 1000),
        "e.arrow": list("xyz" * 1000),
        "f.arrow": list("xyz" * 1000),
        "g.arrow": list("xyz" * 1000),
    }.items():
        corpus = plan_corpus([f"{gcs_bucket}/{name}"])
        assert Found(corpus, unit_bytes=5).texts == expected
        assert corpus.size == len(contents[name])
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        batches = pipeline | ReadUnits(plan_corpus([f"{gcs_bucket}/*.txt"]))
        texts = batches | beam.FlatMap(lambda batch: batch.rows.column("text").to_pylist())
        assert_that(texts, equal_to(["one", "two"]))
