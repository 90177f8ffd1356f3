import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that

from transforms.coder import RecordBatchCoder

VECTOR = pa.list_(pa.float16(), 3)
SCHEMA = pa.schema(
    [pa.field("text", pa.string(), nullable=False), pa.field("embedding", VECTOR)],
    metadata={"preset": "tiny"},
)


def example() -> pa.RecordBatch:
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(np.arange(6, dtype=np.float16)), type=VECTOR
    )
    return pa.RecordBatch.from_arrays([pa.array(["a", "ß"]), vectors], schema=SCHEMA)


def test_a_record_batch_comes_back_with_its_types_and_metadata():
    coder = RecordBatchCoder()
    decoded = coder.decode(coder.encode(example()))
    assert decoded.equals(example(), check_metadata=True)


def test_an_empty_record_batch_comes_back():
    coder = RecordBatchCoder()
    assert coder.decode(coder.encode(example().slice(0, 0))).schema.equals(SCHEMA)


def test_a_slice_does_not_carry_its_whole_batch():
    batch = pa.RecordBatch.from_pydict({"n": pa.array(range(100_000))})
    assert len(RecordBatchCoder().encode(batch.slice(500, 10))) < 1_000


def test_beam_uses_the_coder_across_a_shuffle():
    assert isinstance(beam.coders.registry.get_coder(pa.RecordBatch), RecordBatchCoder)

    def check(batches):
        assert [b.to_pylist() for b in batches] == [example().to_pylist()]

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        batches = pipeline | beam.Create([example()]).with_output_types(pa.RecordBatch)
        assert_that(batches | beam.Reshuffle(), check)
