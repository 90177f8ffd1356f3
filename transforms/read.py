"""Reading a corpus into batches."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

import apache_beam as beam
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.typehints.decorators import no_annotations

from models.errors import RunError
from models.faults import PAUSES, reason_of
from transforms.files import is_remote
from transforms.progress import RunProgress
from transforms.reading.corpus import Corpus
from transforms.reading.units import Unit, plan_units, read_unit
from transforms.unit_batch import Reading, UnitBatch, count_read, count_rejected
from transforms.versions import ChangedInputError, check_before_reading, check_unchanged


class Work(Protocol):
    """Which units are to be read; asked on workers."""

    def pending(self) -> Iterable[Unit]:
        """Returns the units, in the order of their rows."""

    def rows_done(self, unit: Unit) -> int:
        """Returns how many rows at the beginning of a unit need not be read again."""


class ReadUnits(beam.PTransform):
    """Reads the files of a corpus, unit by unit.

    The batches of a unit come out one after another, in file order, with every row that is found in
    their rows or rejected; the last one says that it is the last. A file that changes after the
    corpus was planned ends the pipeline.

    >>> from transforms.reading.corpus import plan_corpus
    >>> corpus = plan_corpus(["pipelines/sample/reviews.jsonl"])
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     batches = pipeline | ReadUnits(corpus, limit=2)
    ...     _ = batches | beam.Map(lambda batch: print(batch.rows.column("product").to_pylist()))
    ['Mountain lodge', "Film: Grandmother's Heist"]
    []

    Args:
        corpus: What to read.
        limit: Read only this many rows, the first in the order of the files, rejected ones
            included; one worker reads them.
        work: The units to read; all of the corpus if None.
        progress: Counts the bytes that are read.
        before: What is to be done once, before anything is read: a transform that hands on the
            one element that it is given.
    """

    def __init__(
        self,
        corpus: Corpus,
        limit: int | None = None,
        work: Work | None = None,
        progress: RunProgress | None = None,
        before: beam.PTransform | None = None,
    ) -> None:
        super().__init__()
        self._before = before
        self._work = work or _All(corpus, limit)
        # The reader needs only the columns; the list of files may be long.
        self._reader = _ReadUnit(replace(corpus, files=()), self._work, progress or RunProgress())

    @no_annotations
    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[UnitBatch]:
        """Returns the batches, whose rows have the schema of the corpus."""
        work, reading_id = self._work, uuid.uuid4().hex

        def units(_: None) -> Iterator[tuple[Unit, Reading]]:
            pending = list(work.pending())
            reading = Reading(reading_id, len(pending))
            return ((unit, reading) for unit in pending)

        begun = begin | "Begin" >> beam.Create([None])
        if self._before is not None:
            begun |= self._before
        return (
            begun
            | "Units" >> beam.FlatMap(units).with_output_types(tuple[Unit, Reading])
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(self._reader).with_output_types(UnitBatch)
        )


class _All:
    """All units of a corpus, from the beginning."""

    def __init__(self, corpus: Corpus, limit: int | None) -> None:
        self._corpus = corpus
        self._limit = limit

    def pending(self) -> tuple[Unit, ...]:
        return plan_units(self._corpus, self._limit)

    def rows_done(self, unit: Unit) -> int:
        return 0


class _ReadUnit(beam.DoFn):
    def __init__(self, corpus: Corpus, work: Work, progress: RunProgress) -> None:
        self._corpus = corpus
        self._work = work
        self._progress = progress
        self._rows_read = Metrics.counter("textbeam", "rows_read")

    def process(self, element: tuple[Unit, Reading]) -> Iterator[UnitBatch]:
        unit, reading = element
        check_before_reading(unit.files)
        start = done = self._work.rows_done(unit)
        opened: list[str] = []
        for pause in (*PAUSES, None):
            try:
                for batch in self._read(unit, start, opened.append):
                    start = batch.start + batch.num_read
                    yield replace(batch, reading=reading)
                break
            except (FileNotFoundError, ChangedInputError):
                check_unchanged(unit.files)  # which tells more of what has changed
                raise
            except PermissionError:
                raise
            except OSError as error:
                if pause is None:
                    raise RunError(
                        f"reading {opened[-1]!r} failed {len(PAUSES) + 1} times on this "
                        f"machine: {reason_of(error)}"
                    ) from error
            time.sleep(pause)
        nothing = pa.RecordBatch.from_pylist([], self._corpus.schema)
        yield UnitBatch(nothing, unit=unit, reading=reading, start=max(start, done), is_last=True)

    def _read(self, unit: Unit, done: int, on_file: Callable[[str], None]) -> Iterator[UnitBatch]:
        """Yields the batches after some rows: they are the same each time that a unit is read."""
        # A look at a local file costs nothing; one that grows would else be read for ever.
        local = {file.path: file for file in unit.files if not is_remote(file.path)}
        start = 0
        for path, batch in read_unit(self._corpus, unit, on_file):
            if path in local:
                check_unchanged([local[path]])
            if start >= done:
                self._progress.bytes_read += batch.stored_bytes
                count_read(batch.stored_bytes)
                self._rows_read.inc(batch.num_rows)
                count_rejected(batch.rejected.num_rows)
                yield UnitBatch(
                    batch.rows,
                    batch.rejected,
                    unit=unit,
                    start=start,
                    num_read=batch.num_rows,
                    stored_bytes=batch.stored_bytes,
                    source=path,
                )
            start += batch.num_rows
        if start < done:
            check_unchanged(unit.files)
            raise RuntimeError(f"{unit.files[0].path!r} gave {done} rows before, and {start} now")
