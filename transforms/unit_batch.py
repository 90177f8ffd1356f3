"""What goes from stage to stage: a batch of rows of a unit, and what became of the others."""

import pickle
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics

from transforms.counters import Counters
from transforms.progress import BYTES_READ, ROWS_DONE
from transforms.reading.units import Unit
from transforms.rejected import REJECTED, rejected_rows


def _none_rejected() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], REJECTED)


_OWN = Unit(())


@dataclass(frozen=True)
class Reading:
    """What all batches of one reading of a corpus have in common.

    Attributes:
        id: Tells it from another in the same pipeline.
        num_units: How many units are read.
    """

    id: str = ""
    num_units: int = 0


_OF_ONE = Reading()


@dataclass(frozen=True)
class UnitBatch:
    """Rows of a unit on their way through the stages.

    Rows, rejected rows, counts and the end of a unit travel together, so that no runner can keep
    some and lose others.

    Attributes:
        rows: A record batch with the columns of the input and those of the stages so far.
        rejected: A record batch of the schema `REJECTED`: the rows that were taken out.
        counts: What the stages counted.
        unit: The unit.
        reading: What it is a unit of.
        start: How many rows of the unit come before those that were read for this batch.
        num_read: How many were read for it.
        stored_bytes: Bytes of the file, as stored, that were read for it.
        source: The file that they are from.
        model_seconds: About how long the model took for them.
        is_last: Whether the unit ends here. Such a batch has no rows.
    """

    rows: pa.RecordBatch
    rejected: pa.RecordBatch = field(default_factory=_none_rejected)
    counts: Counters = field(default_factory=dict)
    unit: Unit = _OWN
    reading: Reading = _OF_ONE
    start: int = 0
    num_read: int = 0
    stored_bytes: float = 0
    source: str = ""
    model_seconds: float = 0
    is_last: bool = False

    def __len__(self) -> int:
        """Returns the number of rows, which RunInference counts."""
        return self.rows.num_rows

    def with_rows(self, rows: pa.RecordBatch) -> "UnitBatch":
        """Returns the batch with other columns, or fewer rows."""
        return replace(self, rows=rows)

    def count(self, counts: Counters) -> "UnitBatch":
        """Returns the batch with more counts."""
        return replace(self, counts={**self.counts, **counts})

    def reject(self, errors: Mapping[int, str], columns: Sequence[str], stage: str) -> "UnitBatch":
        """Returns the batch without some of its rows, which are rejected.

        Args:
            errors: What is wrong with each rejected row, by its index.
            columns: Names of the text columns, whose values a rejected row keeps, if none is null.
            stage: The stage that rejects them.

        Raises:
            UserError: The rows lack one of these columns, `source` or `position`.
        """
        batch = self.with_rejected({row: (stage, error) for row, error in errors.items()}, columns)
        count_rejected(len(errors))
        return replace(batch, rows=without_rows(self.rows, errors))

    def with_rejected(
        self, errors: Mapping[int, tuple[str, str]], columns: Sequence[str]
    ) -> "UnitBatch":
        """Returns the batch with more rejected rows; they are among its rows still.

        Args:
            errors: The stage that a row failed in and what is wrong with it, by its index.
            columns: Names of the text columns, whose values a rejected row keeps, if none is null.

        Raises:
            UserError: The rows lack one of these columns, `source` or `position`.
        """
        if not errors:
            return self
        taken = rejected_rows(self.rows, errors, columns)
        both = pa.Table.from_batches([self.rejected, taken]).sort_by("position").combine_chunks()
        return replace(self, rejected=both.to_batches()[0])


def without_rows(batch: pa.RecordBatch, rows: Collection[int]) -> pa.RecordBatch:
    """Returns a record batch without some of its rows."""
    if not rows:
        return batch
    kept = np.ones(len(batch), bool)
    kept[list(rows)] = False
    return batch.filter(pa.array(kept))


def count_rejected(rows: int) -> None:
    """Counts rejected rows for the runner's monitoring."""
    if rows:
        Metrics.counter("textbeam", "rows_rejected").inc(rows)


def count_read(size: float) -> None:
    """Counts bytes of input for the runner's monitoring."""
    Metrics.counter("textbeam", BYTES_READ).inc(round(size))


def count_done(rows: int) -> None:
    """Counts rows that have been through the model for the runner's monitoring.

    It knows the thread that a step is called in, and none that the model has.
    """
    Metrics.counter("textbeam", ROWS_DONE).inc(rows)


class UnitBatchCoder(beam.coders.Coder):
    """Writes a `UnitBatch` for a runner that does not keep its steps together.

    Beam would pickle it, and a pickled slice carries the whole batch that it was cut from.
    """

    def encode(self, value: UnitBatch) -> bytes:
        """Returns the record batches as Arrow IPC streams, pickled with the rest."""
        fields = {
            **vars(value),
            "rows": batch_as_ipc(value.rows),
            "rejected": batch_as_ipc(value.rejected),
        }
        return pickle.dumps(fields)

    def decode(self, encoded: bytes) -> UnitBatch:
        """Returns the batch that `encode` was given."""
        fields = pickle.loads(encoded)
        batches = {name: batch_from_ipc(fields[name]) for name in ("rows", "rejected")}
        return UnitBatch(**{**fields, **batches})

    def is_deterministic(self) -> bool:
        """Returns False: batches are never keys."""
        return False

    def to_type_hint(self) -> type:
        """Returns the type that this coder is for."""
        return UnitBatch


def batch_as_ipc(batch: pa.RecordBatch) -> bytes:
    """Returns a record batch as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def batch_from_ipc(encoded: bytes) -> pa.RecordBatch:
    """Returns the record batch of an Arrow IPC stream."""
    with pa.ipc.open_stream(encoded) as reader:
        return reader.read_next_batch()


beam.coders.registry.register_coder(UnitBatch, UnitBatchCoder)
