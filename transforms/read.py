"""Reading a corpus into record batches."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.typehints.decorators import no_annotations

import transforms.coder  # noqa: F401  (registers the coder of record batches)
from transforms.files import CorpusFile
from transforms.progress import RunProgress
from transforms.reading.corpus import Corpus
from transforms.reading.layout import ReadBatch
from transforms.reading.units import ReadUnit, read_head, read_unit, split_file
from transforms.stage import StageOutput, rejected, run_stage, tally


class ReadCorpus(beam.PTransform):
    """Reads the files of a corpus.

    Every row that is found comes out either in `rows` or in `rejected`; the batches of a unit of
    work are in file order.

    >>> from transforms.reading.corpus import plan_corpus
    >>> corpus = plan_corpus(["pipelines/sample/reviews.jsonl"])
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     read = pipeline | ReadCorpus(corpus, limit=2)
    ...     _ = read.rows | beam.Map(lambda batch: print(batch.column("product").to_pylist()))
    ['Mountain lodge', "Film: Grandmother's Heist"]

    Args:
        corpus: What to read.
        limit: Read only this many rows, the first in the order of the files, rejected ones
            included; one worker reads them.
        progress: Counts the bytes that are read.
    """

    def __init__(
        self, corpus: Corpus, limit: int | None = None, progress: RunProgress | None = None
    ) -> None:
        super().__init__()
        self._corpus = corpus
        self._limit = limit
        self._progress = progress or RunProgress()

    @no_annotations
    def expand(self, begin: beam.pvalue.PBegin) -> StageOutput:
        """Returns the rows, in the schema of the corpus, and the rejected rows.

        A tally covers one unit of work: `rows_read`, the rows that were found, rejected ones
        included, and `files`, the same by path.
        """
        if self._limit is None:
            # The reader needs only the columns; the list of files may be long.
            columns = replace(self._corpus, files=())
            units = (
                begin
                | "Files" >> beam.Create(self._corpus.files)
                | "Split" >> beam.FlatMap(_split, columns).with_output_types(ReadUnit)
                | "Spread" >> beam.Reshuffle()
            )
            reader: beam.DoFn = _ReadUnit(columns, self._progress)
        else:
            units = begin | "Head" >> beam.Create([self._limit])
            reader = _ReadHead(self._corpus, self._progress)
        return run_stage(units, reader, "Read")


def _split(file: CorpusFile, corpus: Corpus) -> Iterator[ReadUnit]:
    return split_file(corpus, file)


class _Reader(beam.DoFn):
    """Yields and counts what is read."""

    def __init__(self, corpus: Corpus, progress: RunProgress) -> None:
        self._corpus = corpus
        self._progress = progress
        self._rows_read = Metrics.counter("textbeam", "rows_read")

    def _outputs(self, batches: Iterable[tuple[str, ReadBatch]], *paths: str) -> Iterator[Any]:
        files = Counter(dict.fromkeys(paths, 0))  # a file without rows is counted too
        for path, batch in batches:
            files[path] += batch.num_rows
            self._rows_read.inc(batch.num_rows)
            self._progress.bytes_read += batch.stored_bytes
            if batch.rows.num_rows:
                yield batch.rows
            if batch.rejected.num_rows:
                yield rejected(batch.rejected)
        yield tally({"rows_read": files.total(), "files": dict(files)})


class _ReadUnit(_Reader):
    def process(self, unit: ReadUnit) -> Iterator[Any]:
        files = ((unit.path, batch) for batch in read_unit(self._corpus, unit))
        return self._outputs(files, unit.path)


class _ReadHead(_Reader):
    def process(self, limit: int) -> Iterator[Any]:
        return self._outputs(read_head(self._corpus, limit))
