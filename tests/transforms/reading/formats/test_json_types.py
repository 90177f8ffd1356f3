import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.reading.formats.json_types import column_array, infer_type

BOOL, INT, DOUBLE, STRING = pa.bool_(), pa.int64(), pa.float64(), pa.string()


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([True, None, False], BOOL),
        ([1, -(1 << 63)], INT),
        ([1, 2.5], DOUBLE),
        ([1, 1 << 63], STRING),
        (["a", None], STRING),
        ([1, "a"], STRING),
        ([True, 1], STRING),
        ([None, None], STRING),
        ([], STRING),
        ([[1], [2.5], []], pa.list_(DOUBLE)),
        ([[], []], pa.list_(STRING)),
        ([[1], ["a"]], STRING),
        ([[1], 1], STRING),
        ([{"a": 1}, {"b": "x"}], pa.struct({"a": INT, "b": STRING})),
        ([{"a": 1}, {"a": "x"}], STRING),
        ([{"a": {"b": [1]}}], pa.struct({"a": pa.struct({"b": pa.list_(INT)})})),
        ([{}], STRING),
        ([{"a": {}}], STRING),
        ([[{}]], STRING),
    ],
)
def test_the_type_of_values(values, type_):
    assert infer_type(values) == type_


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_what_is_nested_too_deeply_becomes_text():
    assert pa.types.is_list(infer_type([nested(32)]))
    assert infer_type([nested(33)]) == STRING


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["a"], INT),
        ([1.5], INT),
        ([True], INT),
        ([1], BOOL),
        ([1 << 63], INT),
        ([[1, "a"]], pa.list_(INT)),
        ([{"b": 1}], pa.struct({"a": INT})),
        ([[1]], pa.struct({"a": INT})),
    ],
)
def test_a_value_of_another_type_is_refused(values, type_):
    with pytest.raises(ValueError, match=r".+"):
        column_array([None, *values], type_)


def test_a_column_of_strings_holds_other_values_as_json():
    values = ["a", None, 1, 2.5, True, [1, "é"], {"a": None}]
    found = column_array(values, STRING).to_pylist()
    assert found[:2] == ["a", None]
    assert [json.loads(text) for text in found[2:]] == values[2:]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=6))
def test_values_fit_the_type_that_was_found_in_them(values):
    type_ = infer_type(values)
    array = column_array(values, type_)
    assert array.type == type_
    assert [value is None for value in array.to_pylist()] == [value is None for value in values]
