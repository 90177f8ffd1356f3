import math
from collections import Counter

import numpy as np
import pytest

from pipelines.finetuning.labels import OneLabel, OneNumber, SeveralLabels, class_weights


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("a", "a"),
        (" a ", "a"),
        (3, "3"),
        (True, "true"),
        (0, "0"),
        ("", None),
        (" ", None),
        ("\x1b", None),
        (float("nan"), None),
        (b"a", "a"),
        (None, None),
    ],
)
def test_a_label_is_spelled_as_the_data_spells_it(value, label):
    assert OneLabel().read(value) == label


@pytest.mark.parametrize(
    ("value", "labels"),
    [("a|b", ("a", "b")), ("b | a|b", ("a", "b")), ("", ()), ("|", ()), (7, ("7",)), (None, None)],
)
def test_several_labels_are_separated_and_sorted(value, labels):
    assert SeveralLabels("|").read(value) == labels


def test_a_list_has_several_labels_without_a_separator():
    assert SeveralLabels().read(["b", "a", None, "a"]) == ("a", "b")
    assert SeveralLabels().read([]) == ()


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (OneLabel(), ["a"], "a list or an object"),
        (OneLabel(), b"\xff", "not UTF-8"),
        (SeveralLabels(), "a", "not a list"),
        (OneNumber("stars"), "many", "not a number"),
        (OneNumber("stars"), [1], "not a number"),
        (OneNumber("stars"), "nan", "not finite"),
    ],
)
def test_what_is_no_label_of_the_kind_is_refused(kind, value, message):
    with pytest.raises(ValueError, match=message):
        kind.read(value)


def test_numbers_are_read_from_text_too():
    assert [OneNumber("n").read(value) for value in ("4.5", 2, True, "", None, math.nan)] == [
        4.5,
        2.0,
        1.0,
        None,
        None,
        None,
    ]


def test_targets_say_which_labels_a_row_has():
    kind = SeveralLabels()
    rows = [("a",), (), ("a", "b")]
    assert kind.targets(rows, kind.names(rows)).tolist() == [[1, 0], [0, 0], [1, 1]]
    assert kind.counts(rows) == {"a": 2, "b": 1}
    assert kind.strata(rows) == ["a", (), "b"]


def test_the_most_common_answer_needs_no_text():
    assert OneLabel().majority(np.array([0, 1, 1])) == 1
    assert SeveralLabels().majority(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]])).tolist() == [
        1,
        0,
        0,
    ]
    assert SeveralLabels().majority(np.array([[0, 1], [0, 0], [0, 0]])).tolist() == [0, 1]
    assert OneNumber("n").majority(np.array([1.0, 3.0])) == 2.0


def test_classes_have_weights_where_they_are_skewed():
    assert class_weights(Counter(a=20, b=10), ["a", "b"]) is None
    weights = class_weights(Counter(a=80, b=20), ["a", "b"])
    assert weights[1] / weights[0] == pytest.approx(2)
    assert (weights * [80, 20]).sum() == pytest.approx(100)
