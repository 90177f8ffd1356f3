import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that

from models.errors import UserError
from tests.transforms.writing.results import rejected_of
from transforms.files import CorpusFile
from transforms.reading.units import Unit
from transforms.rejected import REJECTED
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


def not_utf_8(*values: bytes | None) -> pa.Array:
    """Strings that Arrow has not looked at."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


@pytest.mark.parametrize(
    ("texts", "raws"),
    [
        ({"text": ["a", "b"], "other": ["c", "d"]}, [b"a\tc", b"b\td"]),
        ({"text": [None, "b"], "other": ["c", None]}, [None, None]),
        ({"text": not_utf_8(b"\xff\xfe", None), "other": ["c", "d"]}, [b"\xff\xfe\tc", None]),
        ({"text": pa.array(["a", None]).dictionary_encode()}, [b"a", None]),
        ({"text": pa.array(["a", None], pa.large_string())}, [b"a", None]),
        ({"text": pa.array([b"\xff", None])}, [b"\xff", None]),
        ({"text": ["a", "b"], "number": [1.5, None]}, [b"a\t1.5", None]),
        ({"list": [["a"], None]}, [b"['a']", None]),
        ({"text": pa.nulls(2)}, [None, None]),
        ({}, [None, None]),
    ],
)
def test_a_rejected_row_keeps_its_texts_whatever_they_are(texts, raws):
    rows = pa.RecordBatch.from_pydict({**texts, "source": ["a.txt"] * 2, "position": [5, 6]})
    batch = UnitBatch(rows, num_read=2).reject({1: "odd", 0: "long"}, list(texts), "infer")
    assert len(batch) == 0
    assert batch.rejected.schema.equals(REJECTED)
    assert batch.rejected.column("raw").to_pylist() == raws
    assert batch.rejected.column("error").to_pylist() == ["long", "odd"]


def test_rows_of_several_stages_are_rejected_together_and_stay():
    rows = pa.RecordBatch.from_pydict({"text": ["x", "y"], "source": ["a"] * 2, "position": [5, 6]})
    batch = UnitBatch(rows).with_rejected({1: ("read", "odd"), 0: ("infer", "long")}, ["text"])
    assert batch.rows.equals(rows)
    assert batch.rejected.column("stage").to_pylist() == ["infer", "read"]


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (
            "source",
            r"\(odd\), and its batch has no 'source' that would name it: keep these columns",
        ),
        ("text", r"no 'text' to keep of it, but 'source', 'position': name its columns of texts"),
    ],
)
def test_a_row_is_not_rejected_without_its_columns(gone, message):
    rows = pa.RecordBatch.from_pydict({"text": ["x"], "source": ["a.txt"], "position": [5]})
    with pytest.raises(UserError, match=message):
        UnitBatch(rows.drop_columns([gone])).reject({0: "odd"}, ["text"], "my step")
