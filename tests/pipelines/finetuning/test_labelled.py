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
from pipelines.finetuning.labelled import LabelledTexts, TrainingData, read_training_data


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
        return read_training_data(names["train"], validated, seed, **(given | columns))

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
    targets = data.kind.targets(data.train.labels, data.labels)
    assert (targets.tolist(), targets.dtype) == ([1, 0, 1], np.int64)
    assert data.kind.targets(data.validation.labels, data.labels).tolist() == [0, 1]


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


def test_empty_texts_are_left_out_and_counted(read):
    rows = [row("1", "a"), row("", "a"), row(" \n", "b"), row("", None), row("2", "b")]
    data = read(rows, [*VALIDATION, row("", "a")])
    assert texts_of(data.train) == {("1",), ("2",)}
    assert data.dropped == {"the text is empty": 3, "there is no label": 1}
    pairs = [row("", "a", b="x"), row("", "b", b=""), row("1", "b", b="y")]
    data = read(pairs, [row("x", "a", b="y")], text_pair_column="b")
    assert texts_of(data.train) == {("", "x"), ("1", "y")}


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
    assert data.dropped == {"the text is a duplicate": 3}


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
        "the text is a duplicate": 1,
        "the text is among the validation texts": 1,
    }


# Held-out rows


@pytest.mark.parametrize(("scale", "held_out"), [(1, 20), (10, 100), (20, 200)])
def test_rows_are_held_out_where_no_validation_data_is_given(read, scale, held_out):
    rows = some("a", 30 * scale) + some("b", 70 * scale)
    data = read(rows)
    assert (len(data.train), len(data.validation)) == (100 * scale - held_out, held_out)
    assert Counter(data.validation.labels)["a"] == 0.3 * held_out
    assert data.is_held_out
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
    assert len(data.validation) == 2


def test_a_text_with_two_labels_is_not_on_both_sides(read):
    rows = [row(f"text {i % 20}", "ab"[i % 3 == 0]) for i in range(40)]
    data = read(rows)
    assert not texts_of(data.train) & texts_of(data.validation)
    assert (len(data.train), len(data.validation)) == (16, 4)
    assert data.dropped == {"the text is a duplicate": 20}
    assert data.contradictions == sum((i % 3 == 0) != ((i + 20) % 3 == 0) for i in range(20))


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
        (
            [row("1", "a"), row("2", "b")],
            None,
            "there is no row to validate on: no label of 'label' has two rows",
        ),
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


def test_labels_may_be_in_the_names_of_folders_and_columns_in_another_case(read, tmp_path):
    for label in ("good", "bad"):
        (tmp_path / f"Label={label}").mkdir()
        rows = "".join(f"{label} {i},x,y\n" for i in range(5))
        (tmp_path / f"Label={label}/a.csv").write_text(f"Text,other,Other\n{rows}")
    data = read(f"{tmp_path}/*/*.csv")
    assert data.labels == ["bad", "good"]
    assert all(text.split()[0] == label for (text,), label in zip(
        data.train.rows(), data.train.labels, strict=True
    ))  # fmt: skip
    with pytest.raises(UserError, match=r"no column 'lable' for --label_column .*mean 'Label'"):
        read(f"{tmp_path}/*/*.csv", label_column="lable")


@pytest.mark.parametrize("numbers", [[1.5, 2, -3], ["4.5", "1e3", "7"]], ids=str)
def test_a_text_column_of_numbers_is_refused(read, tmp_path, numbers):
    rows = "".join(f"{numbers[i % 3]}{i},{'ab'[i % 2]}\n" for i in range(20))
    (tmp_path / "numbers.csv").write_text(f"stars,label\n{rows}")
    with pytest.raises(
        UserError, match=r"'stars' for --text_column holds numbers, such as '.*, and"
    ):
        read(str(tmp_path / "numbers.csv"), text_column="stars")


# Several labels, and numbers


def test_lists_are_several_labels(read):
    rows = [row(f"text {i}", [["a"], ["b", "a"], []][i % 3]) for i in range(9)]
    data = read(rows, [row("x", ["b"])])
    assert data.labels == ["a", "b"]
    assert data.train.labels[:3] == [("a",), ("a", "b"), ()]


def test_a_separator_makes_several_labels_of_a_text(read):
    rows = [row(f"text {i}", ["a", "b; a", ""][i % 3]) for i in range(9)]
    data = read(rows, [row("x", "b")], label_separator=";")
    assert data.train.labels[:3] == [("a",), ("a", "b"), ()]


def test_numbers_to_come_near_to_are_read(read):
    rows = [row("1", 4), row("2", 2.5), row("3", None)]
    data = read(rows, [row("x", 9)], task="regression")
    assert (data.train.labels, data.labels) == ([4.0, 2.5], ["label"])
    assert data.dropped == {"there is no label": 1}


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([row("1", ["a"]), row("2", ["a"])], {}, "at least two labels; there is only"),
        ([row("1", 2), row("2", 2)], {"task": "regression"}, "that differ; there is only '2.0'"),
        (
            [row("1", "a")],
            {"task": "regression"},
            "no row to validate on, and 1 row was left out: the label is not a number",
        ),
        ([row("1", ["a"])], {"task": "regression"}, "takes one number a text, not several"),
    ],
)
def test_labels_that_do_not_fit_are_refused(read, rows, options, message):
    with pytest.raises(UserError, match=message):
        read(rows, rows[:1], **options)


@pytest.mark.parametrize("count", [8, 100])
def test_measurements_ask_for_a_task_and_are_labels_if_that_is_said(read, count):
    rows = [row(f"text {i}", round(i / 37, 2)) for i in range(count)]
    message = r"'label' for --label_column holds numbers, such as 0.03: --task=regression predicts"
    with pytest.raises(UserError, match=message):
        read(rows, rows[:1])
    assert len(read(rows, [row("x", "0.0")], task="classification").labels) == count


@pytest.mark.parametrize(
    "label",
    [lambda i: i, lambda i: i % 9 / 2, lambda i: f"{i / 7} m"],
    ids=["whole", "few", "words"],
)
def test_labels_that_may_be_classes_are(read, label):
    rows = [row(f"text {i}", label(i)) for i in range(60)]
    assert read(rows, [row("x", label(1))]).labels


# Where rows are


def test_rows_keep_their_places_whatever_is_left_out(tmp_path, read):
    (tmp_path / "rows.csv").write_text(
        "text,label\n"
        + "one,a\none,a\n,a\ntwo,\n"
        + "".join(f"t{i},{'ab'[i % 2]}\n" for i in range(20))
    )
    data = read(str(tmp_path / "rows.csv"))
    lines = (tmp_path / "rows.csv").read_text().splitlines()[1:]
    for part in (data.train, data.validation):
        assert len(part.places) == len(part)
        for text, label, (file, position) in zip(
            part.segments[0], part.labels, part.places, strict=True
        ):
            assert (file, lines[position]) == ("rows.csv", f"{text},{label}")
