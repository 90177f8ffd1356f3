"""The ranges of a run's vectors, from a sample of its rows, once and for all its workers."""

from collections.abc import Iterator, Sequence
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

    Where several workers do so, the first counts: all get its ranges. Where they are stored
    already, nothing is embedded.

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
    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Ranges]:
        """Returns a PCollection whose one element is the ranges; of no rows if none is valid."""
        return (
            begin
            | "BeginSample" >> beam.Create([None])
            | "FindRanges" >> beam.ParDo(self._calibrate).with_output_types(Ranges)
        )


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

    def setup(self) -> None:
        self._tokenize.setup()

    def teardown(self) -> None:
        self._tokenize.teardown()
        self._model = None

    def process(self, _: None) -> Iterator[Ranges]:
        plan = self._plan
        folder = open_folder(plan.folder)
        with storage_errors(f"read {plan.folder}", WriteError):
            ranges = load_ranges(folder, plan.run_id)
        if ranges is None:
            with kept_fresh(plan.folder, plan.lock):
                found = self._find()
            with storage_errors(f"write to {plan.folder}", WriteError):
                ranges = settle_ranges(folder, plan.run_id, found)
        if ranges is None:
            raise WriteError(
                f"the ranges of run {plan.run_id} in {plan.folder} cannot be read: was the folder "
                "cleaned?"
            )
        yield ranges

    def _find(self) -> Ranges:
        units = list(self._work.pending())
        # Kept until the end: the stage that embeds all rows runs the same one.
        self._model = self._handler.load_model()
        ranges = self._ranges_of(sampled_rows(self._corpus, units, self._text_columns))
        if not ranges.rows:  # all of the sample was rejected, and other rows may not be
            ranges = self._ranges_of(all_rows(self._corpus, units, self._text_columns))
        return ranges

    def _ranges_of(self, batches: Iterator[pa.RecordBatch]) -> Ranges:
        ranges = Ranges()
        for rows in batches:
            for batch in self._tokenize.process(UnitBatch(rows)):
                if batch.rows.num_rows:
                    found = self._model.predict(tokens_of(batch.rows))
                    vectors = np.delete(found.outputs, list(found.errors), axis=0)
                    ranges = ranges.merged(Ranges.of(vectors))
        return ranges


def ranges_of_run(
    pipeline: beam.Pipeline, plan: OutputPlan, calibrate: Calibrate
) -> Ranges | beam.pvalue.AsSingleton:
    """Returns the ranges of a run for `Quantize`, by a step of its pipeline if they are not known.

    Args:
        pipeline: The pipeline of the run.
        plan: Where the ranges are stored.
        calibrate: Finds them.
    """
    with storage_errors(f"read {plan.folder}"):
        known = load_ranges(open_folder(plan.folder), plan.run_id)
    return known or beam.pvalue.AsSingleton(pipeline | calibrate)
