"""What every stage of the pipeline returns, and how it yields rejected rows and counts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from transforms.rejected import reject_rows

_ROWS, _REJECTED, _TALLIES = "rows", "rejected", "tallies"


class StageOutput(NamedTuple):
    """What a stage of the pipeline returns.

    Attributes:
        rows: Record batches with the columns of the input and those that the stage adds.
        rejected: Record batches of the schema `REJECTED`.
        tallies: Dicts of counts, which the manifest adds up; each stage documents its own.
    """

    rows: beam.PCollection[pa.RecordBatch]
    rejected: beam.PCollection[pa.RecordBatch]
    tallies: beam.PCollection[dict[str, Any]]


def run_stage(inputs: beam.PCollection, work: beam.DoFn, label: str = "Run") -> StageOutput:
    """Runs a stage.

    Args:
        inputs: What the stage works on.
        work: Yields record batches, and what `rejected` and `tally` return.
        label: Label of the stage's step.
    """
    outputs = inputs | label >> beam.ParDo(work).with_outputs(_REJECTED, _TALLIES, main=_ROWS)
    outputs[_ROWS].element_type = pa.RecordBatch
    outputs[_REJECTED].element_type = pa.RecordBatch
    outputs[_TALLIES].element_type = dict[str, Any]
    return StageOutput(outputs[_ROWS], outputs[_REJECTED], outputs[_TALLIES])


def tally(counts: dict[str, Any]) -> TaggedOutput:
    """Returns counts for a stage to yield."""
    return TaggedOutput(_TALLIES, counts)


def rejected(batch: pa.RecordBatch) -> TaggedOutput:
    """Counts rejected rows, in the schema `REJECTED`, and returns them for a stage to yield."""
    Metrics.counter("textbeam", "rows_rejected").inc(len(batch))
    return TaggedOutput(_REJECTED, batch)


def take_rejected(
    batch: pa.RecordBatch, errors: Mapping[int, str], columns: Sequence[str], stage: str
) -> tuple[TaggedOutput, pa.RecordBatch]:
    """Takes rows out of a record batch; returns them for a stage to yield, and the other rows.

    The arguments are those of `reject_rows`.
    """
    taken, kept = reject_rows(batch, errors, columns, stage)
    return rejected(taken), kept
