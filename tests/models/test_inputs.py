import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from models.inputs import as_segments, as_texts, holds_texts, labelled


@pytest.mark.parametrize("text", ["é", "é".encode(), np.array("é"), tf.constant("é")])
def test_one_text_is_known_as_one(text):
    assert as_texts(text) == (["é"], True)


@pytest.mark.parametrize(
    "batch",
    [
        ["é", ""],
        ("é", ""),
        ["é".encode(), b""],
        np.array(["é", ""]),
        np.array(["é", ""], object),
        tf.constant(["é", ""]),
        pa.array(["é", ""]),
        pa.chunked_array([["é"], [""]]),
    ],
    ids=["list", "tuple", "bytes", "numpy", "objects", "tensor", "arrow", "chunked"],
)
def test_every_kind_of_batch_becomes_a_list(batch):
    assert as_texts(batch) == (["é", ""], False)


@pytest.mark.parametrize("batch", [[], (), np.array([], str), tf.constant([], tf.string)])
def test_an_empty_batch_is_a_batch(batch):
    assert as_texts(batch) == ([], False)


def test_bytes_that_are_no_utf8_are_replaced():
    assert as_texts(b"a\xff") == (["a\ufffd"], True)


@pytest.mark.parametrize(
    "wrong", [3, None, ["a", None], [1.5], np.arange(2), tf.constant([1]), pa.array(["a", None])]
)
def test_what_is_no_string_is_refused_by_value(wrong):
    with pytest.raises(TypeError, match="must be a string, not"):
        as_texts(wrong)


@pytest.mark.parametrize("wrong", [[["a"], ["b"]], np.array([["a", "b"]]), tf.constant([["a"]])])
def test_a_table_of_texts_is_refused_by_its_shape(wrong):
    with pytest.raises(ValueError, match="flat batch, not of shape"):
        as_texts(wrong)


def test_a_tuple_is_a_pair_and_a_list_a_batch():
    assert as_segments(("a", "b")) == ([["a"], ["b"]], True)
    assert as_segments((["a", "c"], np.array(["b", "d"]))) == ([["a", "c"], ["b", "d"]], False)
    assert as_segments(["a", "b"]) == ([["a", "b"]], False)
    assert as_segments(("a",)) == ([["a"]], True)


def test_pairs_must_be_as_many_on_both_sides():
    with pytest.raises(ValueError, match="2 first texts for 1 second texts"):
        as_segments((["a", "b"], ["c"]))


@pytest.mark.parametrize("count", [0, 3])
def test_a_row_has_one_text_or_two(count):
    with pytest.raises(ValueError, match=f"not {count}"):
        as_segments(("a",) * count)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (("a", 1), ("a", 1, None)),
        ((["a", "b"], [1, 0], [0.5, 1]), (["a", "b"], [1, 0], [0.5, 1])),
        ((("a", "b"), 1), (("a", "b"), 1, None)),
        (("a", "b"), (("a", "b"), None, None)),
        ((["a"], ["b"]), ((["a"], ["b"]), None, None)),
        ((b"a", b"b"), ((b"a", b"b"), None, None)),
        (("a", "b", "c"), (("a", "b", "c"), None, None)),
        (["a", "b"], (["a", "b"], None, None)),
        ("ab", ("ab", None, None)),
    ],
    ids=str,
)
def test_labels_are_told_from_the_second_texts_of_pairs(inputs, expected):
    assert labelled(inputs) == expected


@pytest.mark.parametrize(
    "kind", [np.array, tf.constant, pa.array], ids=["numpy", "tensor", "arrow"]
)
def test_a_batch_of_any_kind_holds_texts_or_numbers(kind):
    assert holds_texts(kind(["a", "b"]))
    assert not holds_texts(kind([1, 2]))
