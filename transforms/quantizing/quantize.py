"""Vectors of bytes or of bits, in place of those that a model gives."""

from collections.abc import Iterator

import apache_beam as beam
import pyarrow as pa
from apache_beam.typehints.decorators import no_annotations

from models.errors import RunError
from models.quantization import Quantized, Ranges, num_outside, to_bits, to_int8
from transforms.errors import WriteError
from transforms.quantizing.stored import load_ranges
from transforms.schemas import vector_field
from transforms.unit_batch import UnitBatch
from transforms.writing.folder import open_folder, storage_errors
from transforms.writing.output import OutputPlan

_COLUMN = "embedding"


class Quantize(beam.PTransform):
    """Replaces the vectors that `Embed` adds by smaller ones.

    The counts of the batches have `quantized` of `int8`: how many `numbers`, and how many of them
    were `clipped` since they are outside of their range.

    Args:
        dtype: `int8` or `binary`.
        plan: Where the ranges are stored, for `int8`.
    """

    def __init__(self, dtype: Quantized, plan: OutputPlan) -> None:
        super().__init__()
        self._quantize = _Quantize(dtype, plan)

    @no_annotations
    def expand(self, batches: beam.PCollection[UnitBatch]) -> beam.PCollection[UnitBatch]:
        """Returns the batches with the column of `vector_field` for the dtype."""
        return batches | beam.ParDo(self._quantize).with_output_types(UnitBatch)


class _Quantize(beam.DoFn):
    def __init__(self, dtype: Quantized, plan: OutputPlan) -> None:
        self._dtype = dtype
        self._plan = plan
        self._ranges: Ranges | None = None

    def process(self, batch: UnitBatch) -> Iterator[UnitBatch]:
        rows = batch.rows
        if not rows.num_rows:
            yield batch
            return
        column = rows.column(_COLUMN)
        vectors = column.flatten().to_numpy().reshape(rows.num_rows, -1)
        if self._dtype == "binary":
            numbers = to_bits(vectors)
        else:
            if self._ranges is None:
                self._ranges = self._load_ranges()
            numbers = to_int8(vectors, self._ranges)
            clipped = num_outside(vectors, self._ranges)
            batch = batch.count({"quantized": {"numbers": vectors.size, "clipped": clipped}})
        field = vector_field(vectors.shape[1], self._dtype)
        smaller = pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), numbers.shape[1])
        index = rows.schema.get_field_index(_COLUMN)
        yield batch.with_rows(rows.set_column(index, field, smaller))

    def _load_ranges(self) -> Ranges:
        plan = self._plan
        with storage_errors(f"read {plan.folder}", WriteError):
            ranges = load_ranges(open_folder(plan.folder), plan.run_id)
        if ranges is None:
            raise WriteError(f"the ranges of run {plan.run_id} are gone: was the folder cleaned?")
        if not ranges.rows:
            raise RunError(
                "a row has a vector, and none had one when the ranges were taken: start again"
            )
        return ranges
