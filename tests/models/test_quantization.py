"""Vectors of bytes and bits: known values, and those of sentence-transformers."""

import json

import numpy as np
import pytest

from models.quantization import Ranges, from_int8, to_bits, to_int8

_RANGES = Ranges((-128.0, 0.0), (127.0, 510.0), rows=2)  # steps of 1 and of 2


def _vectors(rows: int, dimensions, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_a_number_is_its_step_in_the_range():
    vectors = np.array([[-128, 0], [127, 510], [0, 1.9], [-126.5, 2]], np.float32)
    expected = [[-128, -128], [127, 127], [0, -128], [-127, -127]]
    numbers = to_int8(vectors, _RANGES)
    assert numbers.dtype == np.int8
    assert numbers.tolist() == expected


def test_what_lies_outside_of_the_range_is_at_its_end():
    vectors = np.array([[-128.5, -1e30], [128, 1e30], [3e38, 511]], np.float32)
    assert to_int8(vectors, _RANGES).tolist() == [[-128, -128], [127, 127], [127, 127]]


def test_a_dimension_of_one_value_does_not_divide_by_zero():
    vectors = np.array([[0.25, 1], [0.25, 2]], np.float32)
    ranges = Ranges.of(vectors)
    with np.errstate(all="raise"):
        assert to_int8(vectors, ranges)[:, 0].tolist() == [-128, -128]
        back = from_int8(to_int8(vectors, ranges), ranges)
    assert back[:, 0].tolist() == [0.25, 0.25]


def test_numbers_come_back_to_half_a_step():
    vectors = _vectors(100, 16)
    ranges = Ranges.of(vectors)
    step = (np.array(ranges.high) - ranges.low) / 255
    back = from_int8(to_int8(vectors, ranges), ranges)
    assert back.dtype == np.float32
    assert (np.abs(back - vectors) <= step / 2 + 1e-6).all()


def test_the_input_is_not_changed():
    vectors = _vectors(3, 8)
    before = vectors.copy()
    to_int8(vectors, Ranges.of(vectors))
    to_bits(vectors)
    assert np.array_equal(vectors, before)


def test_ranges_of_parts_are_merged_to_those_of_the_whole():
    vectors = _vectors(10, 8)
    merged = Ranges()
    for part in (vectors[:0], vectors[:3], vectors[3:3], vectors[3:]):
        merged = merged.merged(Ranges.of(part))
    assert merged == Ranges.of(vectors)
    assert merged.rows == 10


@pytest.mark.parametrize("ranges", [Ranges(), Ranges.of(_vectors(50, 24))], ids=["none", "some"])
def test_ranges_come_back_from_json_exactly(ranges):
    assert Ranges.from_json(json.loads(json.dumps(ranges.as_json()))) == ranges


def test_json_has_no_more_digits_than_a_float32():
    assert Ranges((0.10000000149011612,), (0.5,), 1).as_json()["low"] == [0.1]


@pytest.mark.parametrize(
    "saved",
    [
        {"rows": 1, "low": [0.0], "high": [0.0, 1.0]},
        {"rows": 0, "low": [0.0], "high": [1.0]},
        {"rows": 5, "low": [], "high": []},
        {"rows": 5, "low": [1.0], "high": [0.0]},
        {"rows": 5, "low": [0.0], "high": [float("nan")]},
        {"rows": 5, "low": [0.0], "high": [1e39]},
        {"rows": 5, "low": ["x"], "high": [1.0]},
        {"rows": None, "low": [0.0], "high": [1.0]},
        {"rows": 5, "low": [0.0]},
        [],
    ],
    ids=[
        "shapes",
        "no-rows",
        "no-ranges",
        "order",
        "nan",
        "infinity",
        "text",
        "null",
        "key",
        "list",
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_what_is_no_ranges_is_refused(saved):
    with pytest.raises((ValueError, TypeError, LookupError)):
        Ranges.from_json(saved)


def test_bits_say_what_is_above_zero():
    vectors = np.array([[1, -1, 0, 2, -0.0, 1e-30, -3, 4], [-1] * 8, [1] * 8], np.float32)
    bits = to_bits(vectors)
    assert bits.dtype == np.int8
    assert bits.tolist() == [[0b10010101 - 128], [-128], [127]]
    plain = np.unpackbits(bits.view(np.uint8) ^ 128, axis=1)
    assert np.array_equal(plain, vectors > 0)


def test_bits_that_fill_no_byte_end_with_zeros():
    assert to_bits(np.ones((1, 9), np.float32)).tolist() == [[127, 0b10000000 - 128]]


@pytest.mark.parametrize("rows", [0, 1])
def test_few_vectors_have_the_same_shape(rows):
    vectors = _vectors(4, 16)
    assert to_int8(vectors[:rows], Ranges.of(vectors)).shape == (rows, 16)
    assert to_bits(vectors[:rows]).shape == (rows, 2)


@pytest.mark.parity
@pytest.mark.parametrize("dimensions", [8, 9, 384, 768])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_numbers_are_those_of_sentence_transformers(dimensions, scale):
    from sentence_transformers.util import quantize_embeddings

    calibration = _vectors(200, dimensions, seed=1) * np.float32(scale)
    calibration[:, 0] = calibration[0, 0]
    vectors = _vectors(2_000, dimensions, seed=2) * np.float32(scale)
    ranges = Ranges.of(calibration)
    ends = np.stack([calibration.min(axis=0), calibration.max(axis=0)])
    assert np.array_equal([ranges.low, ranges.high], ends)
    theirs = quantize_embeddings(vectors, "int8", calibration_embeddings=calibration)
    assert np.array_equal(to_int8(vectors, ranges), theirs)
    assert np.array_equal(to_int8(vectors, ranges), quantize_embeddings(vectors, "int8", ends))


@pytest.mark.parity
@pytest.mark.parametrize("dimensions", [8, 9, 384])
def test_bits_are_those_of_sentence_transformers(dimensions):
    from sentence_transformers.util import quantize_embeddings

    vectors = _vectors(500, dimensions)
    vectors[vectors < -0.1] = 0
    ours, theirs = to_bits(vectors), quantize_embeddings(vectors, "binary")
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs)
    plain = quantize_embeddings(vectors, "ubinary")
    assert np.array_equal(ours.view(np.uint8) ^ 128, plain)
