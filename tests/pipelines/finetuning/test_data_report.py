from collections import Counter

import numpy as np
import pytest

from pipelines.finetuning.data_report import DataReport, look_at
from pipelines.finetuning.labelled import LabelledTexts, TrainingData
from pipelines.finetuning.labels import LabelKind, OneLabel, OneNumber, SeveralLabels


def texts(labels: list) -> LabelledTexts:
    return LabelledTexts(([f"text {row}" for row in range(len(labels))],), labels)


def report(
    train: list,
    validation: list,
    kind: LabelKind | None = None,
    lengths: list[int] | None = None,
    is_weighted: bool = False,
    **others,
) -> DataReport:
    kind = kind or OneLabel()
    data = TrainingData(kind, texts(train), texts(validation), kind.names(train), **others)
    return look_at(data, np.array(lengths or [5] * len(train)), 128, is_weighted)


def fact(found: DataReport, name: str) -> str:
    return next(said for title, said in found.facts if title == name)


MANY = ["a", "b"] * 50


def test_rows_labels_and_lengths_are_told():
    found = report(["a"] * 30 + ["b"] * 20, MANY, lengths=[7] * 49 + [200])
    assert fact(found, "data") == "50 texts to learn from, 100 of --validation"
    assert fact(found, "labels") == "a 30, b 20; the most common one has 60.0% of the rows"
    assert fact(found, "lengths") == (
        "half have up to 7 tokens, 95% up to 7, the longest 200; 2.0% are cut at 128"
    )
    assert found.warnings == []


def test_what_was_left_out_is_told_with_its_reason():
    found = report(MANY, MANY, dropped=Counter({"a \x1b[31mreason": 1, "another": 2}))
    assert [said for title, said in found.facts if title == "left out"] == [
        "1 row: a [31mreason",
        "2 rows: another",
    ]


def test_a_label_is_told_on_one_line_and_many_are_not_all_told():
    labels = [f"label{i:02}\n" for i in range(25)]
    said = fact(report(labels, MANY), "labels")
    assert said.startswith("label00 1, label01 1, ")
    assert "label19 1 and 5 more; the most common one has 4.0%" in said


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [
        ({"contradictions": 1}, "1 text has different labels in different rows; the first one"),
        ({"contradictions": 2}, "2 texts have different labels"),
        (
            {"dropped": Counter({"the text is among the validation texts": 3})},
            "3 validation texts were in the input too, and not learned from",
        ),
        ({"train": [*MANY, "c"], "validation": MANY}, "label c has one row to learn from"),
        ({"train": [*MANY, "c", "d"]}, "labels c, d have one row each to learn from"),
        ({"train": [*MANY, "c", "c"]}, "label c has no row to be judged by"),
        (
            {"train": ["a"] * 90 + ["b"] * 10},
            "skewed: a has 90 rows, at least 3 times the rarest; all",
        ),
        ({"train": ["a"] * 90 + ["b"] * 10, "is_weighted": True}, "rare labels count more"),
        (
            {"lengths": [200] * 50 + [5] * 50},
            "50.0% of the texts are longer than 128 tokens and cut",
        ),
        ({"validation": ["a"] * 16}, "only 16 rows judge the model"),
    ],
    ids=str,
)
def test_what_is_odd_is_a_warning(arguments, warning):
    found = report(**{"train": MANY, "validation": MANY} | arguments)
    assert any(warning in said for said in found.warnings), found.warnings


def test_several_labels_and_numbers_are_told_too():
    found = report([("a",), ("a", "b"), ()] * 20, [("a",)] * 60, SeveralLabels())
    assert fact(found, "labels").startswith("a 40, b 20; the most common one has 66.7%")
    found = report([1.0, 2.5, 4.0] * 20, [1.0] * 60, OneNumber("stars"))
    assert fact(found, "labels") == "numbers from 1 to 4, half of them up to 2.5"
    assert found.warnings == []
