"""The ranges of a run's vectors, from a sample of its rows, once and for all its workers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.typehints.decorators import no_annotations

from models.quantization import Ranges
from transforms.errors import WriteError
from transforms.infer import PredictorHandler
from transforms.quantizing.sample import all_rows, sampled_rows
from transforms.quantizing.stored import load_ranges, settle_ranges
from transforms.read import Work
from transforms.reading.corpus import Corpus
from transforms.tokenize import Tokenize, tokens_of
from transforms.unit_batch import UnitBatch
from transforms.writing.folder import open_folder, storage_errors
from transforms.writing.lock import kept_fresh
from transforms.writing.output import OutputPlan


class Calibrate(beam.PTransform):
    """Embeds a sample of the rows of a run, and stores the ranges of its vectors.

    It is what `ReadUnits` does first. Where several workers do so, the ranges of the first are
    stored; where they are stored already, nothing is embedded.

    Args:
        corpus: What the run reads.
        work: The units that it reads.
        tokenize: Tokenizes its rows.
        handler: Embeds them.
        text_columns: Names of the text columns.
        plan: Where the ranges are stored.
    """

    def __init__(
        self,
        corpus: Corpus,
        work: Work,
        tokenize: Tokenize,
        handler: PredictorHandler,
        text_columns: Sequence[str],
        plan: OutputPlan,
    ) -> None:
        super().__init__()
        # The files are those of the units; their list may be long.
        self._calibrate = _Calibrate(
            replace(corpus, files=()), work, tokenize, handler, list(text_columns), plan
        )

    @no_annotations
    def expand(self, begin: beam.PCollection[None]) -> beam.PCollection[None]:
        """Returns the one element that it is given, when the ranges are stored."""
        return begin | "FindRanges" >> beam.ParDo(self._calibrate)


class _Calibrate(beam.DoFn):
    def __init__(
        self,
        corpus: Corpus,
        work: Work,
        tokenize: Tokenize,
        handler: PredictorHandler,
        text_columns: list[str],
        plan: OutputPlan,
    ) -> None:
        self._corpus = corpus
        self._work = work
        self._tokenize = tokenize.batches
        self._handler = handler
        self._text_columns = text_columns
        self._plan = plan
        self._model: Any = None

    def process(self, element: None) -> Iterator[None]:
        plan = self._plan
        folder = open_folder(plan.folder)
        with storage_errors(f"read {plan.folder}", WriteError):
            is_known = load_ranges(folder, plan.run_id) is not None
        if not is_known:
            with kept_fresh(plan.folder, plan.lock):
                found = self._find()
            with storage_errors(f"write to {plan.folder}", WriteError):
                settle_ranges(folder, plan.run_id, found)
        yield element

    def teardown(self) -> None:
        self._model = None

    def _find(self) -> Ranges:
        units = list(self._work.pending())
        # Kept until the end, for the stage that embeds all rows runs the same one.
        self._model = self._handler.load_model()
        self._tokenize.setup()
        try:
            ranges = self._ranges_of(sampled_rows(self._corpus, units, self._text_columns))
            if not ranges.rows:  # all of the sample was rejected, and other rows may not be
                ranges = self._ranges_of(all_rows(self._corpus, units, self._text_columns))
        finally:
            self._tokenize.teardown()
        return ranges

    def _ranges_of(self, batches: Iterable[pa.RecordBatch]) -> Ranges:
        ranges = Ranges()
        for rows in batches:
            for batch in self._tokenize.process(UnitBatch(rows)):
                if batch.rows.num_rows:
                    found = self._model.predict(tokens_of(batch.rows))
                    vectors = np.delete(found.outputs, list(found.errors), axis=0)
                    ranges = ranges.merged(Ranges.of(vectors))
        return ranges
