import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import UserError
from pipelines.labelled import LabelledTexts, TrainingData, read_training_data


def row(text: Any, label: Any, **more: Any) -> dict[str, Any]:
    return {"text": text, "label": label, **more}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., TrainingData]:
    """Reads rows, which it writes as JSON Lines or takes as files that are there."""

    def read_rows(
        train: list[dict] | str, validation: list[dict] | None = None, seed: int = 0, **columns: Any
    ) -> TrainingData:
        names = {}
        for name, rows in (("train", train), ("validation", validation)):
            if isinstance(rows, str):
                names[name] = [rows]
            elif rows is not None:
                path = tmp_path / f"{name}.jsonl"
                path.write_text("".join(f"{json.dumps(entry)}\n" for entry in rows))
                names[name] = [str(path)]
        given = {
            "text_column": "text",
            "text_pair_column": None,
            "label_column": "label",
            "input_format": None,
        }
        validated = names.get("validation")
        return read_training_data(names["train"], validated, 0.1, seed, **(given | columns))

    return read_rows


def some(label: str, count: int) -> list[dict]:
    return [row(f"{label} text {i}", label) for i in range(count)]


def texts_of(data: LabelledTexts) -> set[tuple[str, ...]]:
    return set(data.rows())


VALIDATION = [row("x", "a"), row("y", "b")]


# Labels


def test_labels_are_sorted_and_become_classes(read):
    data = read([row("1", "b"), row("2", "a"), row("3", "b")], VALIDATION)
    assert data.labels == ["a", "b"]
    assert data.train.classes(data.labels).tolist() == [1, 0, 1]
    assert data.train.classes(data.labels).dtype == np.int64
    assert data.validation.classes(data.labels).tolist() == [0, 1]


def test_numbers_are_sorted_by_value_and_come_before_words(read):
    labels = ["10", "9", "nan", "-1", "word", "inf", "0.5"]
    data = read([row(f"text {i}", label) for i, label in enumerate(labels)], [row("x", "9")])
    assert data.labels == ["-1", "0.5", "9", "10", "inf", "nan", "word"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [([1, 0], ["0", "1"]), ([True, False], ["false", "true"]), (["é", "b c"], ["b c", "é"])],
    ids=str,
)
def test_labels_are_spelled_as_the_data_spells_them(read, values, labels):
    rows = [row(f"text {i}", values[i % 2]) for i in range(4)]
    assert read(rows, [row("x", values[0])]).labels == labels


def test_rows_without_a_label_are_left_out_and_counted(read):
    rows = [row("1", "a"), row("2", None), row("3", ""), row("4", " "), row("5", "b")]
    data = read(rows, [*VALIDATION, row("z", None)])
    assert data.train.labels == ["a", "b"]
    assert data.dropped == {"there is no label": 4}


def test_a_label_column_whose_name_the_reader_needs_is_read_all_the_same(read):
    rows = [{"text": f"text {i}", "source": "ab"[i % 2]} for i in range(4)]
    assert read(rows, rows[:1], label_column="source").labels == ["a", "b"]


def test_parquet_and_delimited_files_have_labels_too(read, tmp_path):
    table = pa.table({"n": [1, 2, 2], "t": ["x", "y", "z"]})
    pq.write_table(table, tmp_path / "a.parquet")
    columns = {"text_column": "t", "label_column": "n"}
    assert read(str(tmp_path / "a.parquet"), **columns).labels == ["1", "2"]
    (tmp_path / "a.tsv").write_text("t\tn\nx\t1\ny\t2\nz\t2\n")
    assert read(str(tmp_path / "a.tsv"), **columns).labels == ["1", "2"]


# Rows


def test_the_same_text_counts_once_with_its_first_label(read):
    rows = [row("1", "a"), row("1", "a"), row("1", "b"), row("2", "b"), row("1", "a")]
    data = read(rows, VALIDATION)
    assert list(zip(*data.train.segments, data.train.labels, strict=True)) == [
        ("1", "a"),
        ("2", "b"),
    ]
    assert data.dropped == {"the text stands in the input before": 3}


def test_texts_of_the_validation_data_are_not_trained_on(read):
    data = read([row("x", "a"), row("y", "a"), row("1", "a"), row("2", "b")], VALIDATION)
    assert texts_of(data.train) == {("1",), ("2",)}
    assert data.dropped == {"the text is among the validation texts": 2}


def test_rows_that_cannot_be_read_are_left_out_and_counted(read):
    data = read([row("1", "a"), row(None, "a"), row(7, "a"), row("2", "b")], VALIDATION)
    assert data.train.segments == (["1", "2"],)
    assert sum(data.dropped.values()) == 2
    assert "'text' is not a string but null" in data.dropped


def test_pairs_are_read_and_compared_as_pairs(read):
    rows = [row(first, label, b=second) for first, second, label in ("xya", "yxa", "xyb", "xxb")]
    data = read(rows, [row("x", "a", b="y")], text_pair_column="b")
    assert data.train.segments == (["y", "x"], ["x", "x"])
    assert data.train.x is data.train.segments
    assert data.dropped == {
        "the text stands in the input before": 1,
        "the text is among the validation texts": 1,
    }


# Held-out rows


def test_a_tenth_is_held_out_where_no_validation_data_is_given(read):
    rows = some("a", 30) + some("b", 70)
    data = read(rows)
    assert (len(data.train), len(data.validation)) == (90, 10)
    assert texts_of(data.train) | texts_of(data.validation) == {(r["text"],) for r in rows}
    assert not texts_of(data.train) & texts_of(data.validation)
    assert data.dropped == {}


def test_the_seed_chooses_the_rows(read):
    rows = some("a", 50) + some("b", 50)
    first, again, other = (texts_of(read(rows, seed=seed).validation) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_label_is_never_held_out_whole(read, seed):
    data = read(some("a", 1) + some("b", 2) + some("c", 8), seed=seed)
    assert data.labels == ["a", "b", "c"]
    assert len(data.validation) == 1


def test_a_text_with_two_labels_is_not_on_both_sides(read):
    rows = [row(f"text {i % 20}", "ab"[i % 3 == 0]) for i in range(40)]
    data = read(rows)
    assert not texts_of(data.train) & texts_of(data.validation)
    assert (len(data.train), len(data.validation)) == (18, 2)
    assert data.dropped == {"the text stands in the input before": 20}


# What cannot be trained on


@pytest.mark.parametrize(
    ("rows", "validation", "message"),
    [
        ([row("1", "a"), row("2", "a")], VALIDATION, "at least two labels; there is only 'a'"),
        (
            [row("x", "a"), row("y", "b")],
            VALIDATION,
            "there is none, and 2 rows .*: the text is among",
        ),
        ([row("1", "a"), row("2", "b")], None, "there is no row to validate on; give some with"),
        (
            [row("1", "a"), row("2", "b")],
            [row("x", "a"), row("y", "c")],
            "label 'c' is in the validation data but not in the input",
        ),
    ],
    ids=["one label", "none left", "none to hold out", "unknown label"],
)
def test_too_little_data_is_the_users_mistake(read, rows, validation, message):
    with pytest.raises(UserError, match=message):
        read(rows, validation)


def test_a_missing_label_column_is_refused_with_the_columns_there_are(read):
    with pytest.raises(UserError, match=r"no column 'stars' for --label_column .* 'text', 'label'"):
        read(VALIDATION, label_column="stars")


# In words


def test_the_data_is_described_with_what_was_left_out(read):
    data = read([*some("a", 1500), *some("b", 2), row("x", "a"), row("9", None)], VALIDATION)
    assert data.describe().splitlines() == [
        "training on 1,502 texts (a 1,500, b 2), validating on 2",
        "left out 1 row: there is no label",
        "left out 1 row: the text is among the validation texts",
    ]


def test_a_label_of_several_lines_is_described_on_one(read):
    data = read([row("x", "a\nb\x1b[31m"), row("y", "c"), row("z", "c")], None)
    assert "(a b [31m 1, c 1)" in data.describe()


def test_many_labels_are_not_all_described():
    labels = [f"label{i:02}" for i in range(25)]
    data = LabelledTexts((labels,), labels)
    described = TrainingData(data, data, labels, Counter()).describe()
    assert "label19 1 and 5 more)" in described
    assert "label20" not in described
