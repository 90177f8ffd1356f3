import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that

from models.errors import RunError
from models.quantization import Ranges, to_bits, to_int8
from tests.transforms.writing.runs import SmallRun
from transforms.errors import WriteError
from transforms.infer import add_vectors
from transforms.quantizing.quantize import Quantize, _Quantize
from transforms.quantizing.stored import settle_ranges
from transforms.schemas import vector_field
from transforms.unit_batch import UnitBatch
from transforms.writing.folder import open_folder

RANGES = Ranges((-1.0,) * 8, (1.0,) * 8, rows=3)
VECTORS = np.random.default_rng(0).normal(0, 0.6, (5, 8)).astype(np.float32)


@pytest.fixture
def plan(tmp_path):
    return SmallRun(tmp_path / "out").plan


def store(plan, ranges: Ranges) -> None:
    assert settle_ranges(open_folder(plan.folder), plan.run_id, ranges)


def batch_of(vectors: np.ndarray) -> UnitBatch:
    """A batch with vectors between two other columns, cut out of a longer one."""
    longer = np.concatenate([vectors[:1], vectors])
    rows = add_vectors(pa.RecordBatch.from_pydict({"text": ["x"] * len(longer)}), longer)
    return UnitBatch(rows.append_column("after", pa.array(range(len(longer)))).slice(1))


@pytest.mark.parametrize("dtype", ["int8", "binary"])
def test_vectors_become_smaller_where_they_are(plan, dtype):
    store(plan, RANGES)
    expected = to_bits(VECTORS) if dtype == "binary" else to_int8(VECTORS, RANGES)

    def check(batches):
        (batch,) = batches
        assert batch.rows.schema.names == ["text", "embedding", "after"]
        assert batch.rows.schema.field("embedding") == vector_field(8, dtype)
        assert batch.rows["embedding"].to_pylist() == expected.tolist()
        assert batch.rows["after"].to_pylist() == [1, 2, 3, 4, 5]
        outside = int((np.abs(VECTORS) > 1).sum())
        counts = {"quantized": {"numbers": 40, "clipped": outside}}
        assert batch.counts == ({} if dtype == "binary" else counts)
        assert outside

    with Pipeline() as pipeline:
        batches = pipeline | beam.Create([batch_of(VECTORS)])
        assert_that(batches | Quantize(dtype, plan), check)


def test_bits_need_no_ranges_and_no_rows_need_nothing(plan):
    assert list(_Quantize("binary", plan).process(batch_of(VECTORS)))
    empty = UnitBatch(pa.RecordBatch.from_pydict({"text": []}))
    for dtype in ("int8", "binary"):
        assert list(_Quantize(dtype, plan).process(empty)) == [empty]


def test_ranges_that_are_gone_end_the_run(plan):
    with pytest.raises(WriteError, match=r"the ranges of run .* are gone: was the folder cleaned"):
        list(_Quantize("int8", plan).process(batch_of(VECTORS)))


def test_a_vector_where_there_was_none_ends_the_run(plan):
    store(plan, Ranges())
    with pytest.raises(RunError, match="none had one when the ranges were taken: start again"):
        list(_Quantize("int8", plan).process(batch_of(VECTORS)))
