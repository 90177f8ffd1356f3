import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that

from tests.transforms.writing.results import rejected_of
from transforms.files import CorpusFile
from transforms.reading.units import Unit
from transforms.unit_batch import UnitBatch, UnitBatchCoder

VECTOR = pa.list_(pa.float16(), 3)
SCHEMA = pa.schema(
    [pa.field("text", pa.string(), nullable=False), pa.field("embedding", VECTOR)],
    metadata={"preset": "tiny"},
)
UNIT = Unit((CorpusFile("a.txt", 10, "version", "fingerprint"),), 5, 10, size=5)


def example() -> UnitBatch:
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(np.arange(6, dtype=np.float16)), type=VECTOR
    )
    rows = pa.RecordBatch.from_arrays([pa.array(["a", "ß"]), vectors], schema=SCHEMA)
    rejected = rejected_of("a.txt", [7], "read", "not UTF-8")
    return UnitBatch(rows, rejected, {"precision": {"float32": 2}}, UNIT, 4, 3, 5.5, "a.txt")


def test_a_batch_comes_back_with_its_types_and_metadata():
    coder = UnitBatchCoder()
    decoded = coder.decode(coder.encode(example()))
    assert decoded.rows.equals(example().rows, check_metadata=True)
    assert decoded.rejected.equals(example().rejected)
    rest = {name: value for name, value in vars(example()).items() if name[0] != "r"}
    assert {name: getattr(decoded, name) for name in rest} == rest


def test_an_empty_batch_comes_back():
    coder = UnitBatchCoder()
    batch = example()
    empty = batch.with_rows(batch.rows.slice(0, 0))
    assert coder.decode(coder.encode(empty)).rows.schema.equals(SCHEMA)


def test_a_slice_does_not_carry_its_whole_batch():
    batch = pa.RecordBatch.from_pydict({"n": pa.array(range(100_000))})
    assert len(UnitBatchCoder().encode(UnitBatch(batch.slice(500, 10)))) < 3_000


def test_beam_uses_the_coder_across_a_shuffle():
    assert isinstance(beam.coders.registry.get_coder(UnitBatch), UnitBatchCoder)

    def check(batches):
        assert [batch.rows.to_pylist() for batch in batches] == [example().rows.to_pylist()]

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        batches = pipeline | beam.Create([example()]).with_output_types(UnitBatch)
        assert_that(batches | beam.Reshuffle(), check)


def test_rejected_rows_of_several_stages_are_in_file_order():
    rows = pa.RecordBatch.from_pydict(
        {"text": ["x", "y", "z"], "source": ["a.txt"] * 3, "position": [5, 6, 8]}
    )
    batch = UnitBatch(rows, rejected_of("a.txt", [7], "read", "not UTF-8"), unit=UNIT, num_read=4)
    batch = batch.reject({2: "long", 0: "odd"}, ["text"], "infer").reject({}, ["text"], "infer")
    assert batch.rows.column("text").to_pylist() == ["y"]
    assert batch.rejected.column("position").to_pylist() == [5, 7, 8]
    assert batch.rejected.column("error").to_pylist() == ["odd", "not UTF-8", "long"]
