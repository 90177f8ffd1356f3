"""Which texts a student learns from, and which judge it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import UserError
from models.presets.lookup import open_preset
from pipelines.distilling.teacher import Teacher
from pipelines.distilling.texts import read_texts
from pipelines.finetuning.flags import make_parser
from pipelines.finetuning.labelled import LabelledTexts, TrainingData
from tests.pipelines.finetuning.finetune_runs import write_rows

NAMES = ["negative", "positive"]


def row(text: Any, label: Any) -> dict[str, Any]:
    return {"text": text, "label": label}


@pytest.fixture
def read(tiny_preset: Path, tmp_path: Path) -> Callable[..., TrainingData]:
    """Reads rows for a student of a classifier of `NAMES`, or of its vectors."""

    def read_rows(
        rows: list[Any], *flags: str, validation: list[Any] | None = None, task: Any = "classify"
    ) -> TrainingData:
        given = [f"--input={write_rows(tmp_path / 'rows.jsonl', rows)}"]
        if validation is not None:
            file = write_rows(tmp_path / "validation.jsonl", validation)
            given.append(f"--validation={file}")
        others = (f"--teacher={tiny_preset}", f"--preset={tiny_preset}", "--output=student")
        args = make_parser().parse_own([*given, *others, *flags])
        return read_texts(args, Teacher(open_preset(tiny_preset), task))

    return read_rows


def labels_of(rows: LabelledTexts) -> Counter[Any]:
    return Counter(rows.labels)


def test_all_texts_are_read_whether_they_have_a_label_or_not(read):
    data = read([row(f"text {i}", [None, *NAMES][i % 3]) for i in range(300)])
    assert (len(data.train), len(data.validation)) == (250, 50)
    assert data.labels == NAMES
    assert (data.dropped, data.contradictions) == ({}, 0)
    # Rows with a label judge where there are enough, as many of each; others fill them up to 50.
    assert labels_of(data.validation) == {"negative": 20, "positive": 20, None: 10}
    assert labels_of(data.train)[None] == 90


def test_many_labels_judge_alone(read):
    data = read([row(f"text {i}", [None, *NAMES][i % 3]) for i in range(900)])
    assert labels_of(data.validation) == {"negative": 50, "positive": 50}


def test_few_labels_leave_the_choice_to_chance(read):
    data = read([row(f"text {i}", "positive" if i < 10 else None) for i in range(300)])
    assert (len(data.train), len(data.validation)) == (240, 60)


def test_the_label_of_a_text_is_that_of_any_of_its_rows(read):
    rows = [row(f"text {i}", label) for label in (None, "positive", None) for i in range(4)]
    data = read(rows, validation=[row("other", None)])
    assert data.train.segments[0] == [f"text {i}" for i in range(4)]
    assert labels_of(data.train) == {"positive": 4}
    assert data.dropped == {"the text is a duplicate": 8}
    assert data.contradictions == 0
    data = read([*rows, row("text 0", "negative")], validation=[row("other", None)])
    assert (data.train.labels[0], data.contradictions) == ("positive", 1)


def test_texts_of_the_validation_data_are_not_learned(read):
    rows = [row(f"text {i}", None) for i in range(10)]
    data = read(rows, validation=[*rows[:3], rows[0], row("", None)])
    assert (len(data.train), len(data.validation)) == (7, 3)
    assert data.dropped["the text is among the validation texts"] == 3
    assert not data.is_held_out


def test_labels_get_the_names_of_the_teachers_classes(read):
    rows = [row(f"text {i}", i % 2) for i in range(100)]
    data = read(rows, "--label_names=positive,negative", validation=[row("other", 1)])
    assert labels_of(data.train) == {"positive": 50, "negative": 50}
    assert data.train.labels[:2] == ["positive", "negative"]
    assert data.validation.labels == ["negative"]


def test_names_are_for_the_labels_that_are_there(read):
    rows = [row(f"text {i}", 1) for i in range(9)]
    assert labels_of(read(rows, "--label_names=positive").train) == {"positive": 7}


@pytest.mark.parametrize(
    ("label", "flags"),
    [("0", []), ("neither", []), ("positive", ["--label_names=good"]), (3.5, [])],
)
def test_labels_that_the_teacher_does_not_know_are_told_with_its_own(read, label, flags):
    rows = [row(f"text {i}", label) for i in range(9)]
    unknown = "good" if flags else str(label)
    message = (
        f"label '{unknown}' of column 'label' is no class of --teacher=.*, whose classes are "
        f"negative, positive; the data has {label}: --label_names gives them"
    )
    with pytest.raises(UserError, match=message):
        read(rows, *flags)


def test_any_labels_do_for_vectors(read):
    data = read([row(f"text {i}", f"label {i}") for i in range(100)], task="embed")
    assert (len(data.train), len(data.validation)) == (80, 20)
    assert data.labels == []


def test_a_column_without_the_usual_name_is_read_if_it_is_named(read):
    rows = [{"text": f"text {i}", "mood": NAMES[i % 2]} for i in range(10)]
    assert set(read(rows).train.labels) == {None}
    assert set(read(rows, "--label_column=mood").train.labels) == set(NAMES)
