"""Students of several labels, of numbers and of pairs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models import BertClassifier
from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from pipelines import classify as classify_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.conftest import TEXTS
from tests.pipelines.distilling.texts import texts_of
from tests.pipelines.finetuning.finetune_runs import (
    LEARNING,
    praise_and_blame,
    record_of,
    write_rows,
)


@pytest.fixture
def several(tiny_preset: Path, tmp_path: Path) -> Path:
    """A preset of labels of which a text has any number."""
    new = BertClassifier.from_preset(tiny_preset, activation="sigmoid", labels=["bad", "good"])
    new.save_to_preset(tmp_path / "several")
    return tmp_path / "several"


@pytest.fixture
def number(tiny_preset: Path, tmp_path: Path) -> Callable[..., Path]:
    """Saves a preset of one number, which goes up and down by 1 before its activation."""

    def make(activation: str | None) -> Path:
        tiny = BertClassifier.from_preset(tiny_preset)
        steps = tiny.predict(TEXTS, verbose=0) @ [-1.0, 1.0]
        kernel, bias = (
            np.array(each) @ [-1.0, 1.0] for each in (tiny.logits.kernel, tiny.logits.bias)
        )
        new = BertClassifier.from_preset(tiny_preset, num_classes=1, activation=activation)
        new.logits.kernel.assign(kernel[:, None] / steps.std())
        new.logits.bias.assign([(bias - steps.mean()) / steps.std()])
        new.save_to_preset(tmp_path / "number")
        return tmp_path / "number"

    return make


@pytest.mark.slow
def test_several_labels_are_learned(distil: Callable[..., Run], several, tmp_path):
    rows = texts_of(100)
    for number, row in enumerate(rows):
        row["label"] = [["good"], ["bad", "good"], [], None][number % 4]
    write_rows(tmp_path / "rows.jsonl", rows)
    flags = (f"--input={tmp_path}/rows.jsonl", "--epochs=4", *LEARNING)
    found = distil(several, *flags)
    assert (found.code, found.err) == (0, "")
    assert "75 of them have a label of their own\n" in found.out
    preset = open_preset(found.folder)
    assert preset.is_multi_label
    assert preset.labels == ["bad", "good"]
    record = record_of(found.folder)
    assert record["kind"] == "several labels"
    assert record["teacher"]["figures"].keys() >= {"micro_f1", "macro_f1", "exact"}
    assert "val_f1" in record["history"]


@pytest.mark.slow
def test_an_empty_cell_of_labels_says_nothing(distil: Callable[..., Run], several, tmp_path):
    lines = [f"{row['text']}\t{['good;bad', ''][i % 2]}" for i, row in enumerate(texts_of(60))]
    (tmp_path / "rows.tsv").write_text("\n".join(["text\tlabel", *lines]))
    flags = (f"--input={tmp_path}/rows.tsv", "--label_separator=;", "--epochs=1")
    found = distil(several, *flags)
    assert (found.code, found.err) == (0, "")
    assert "30 of them have a label of their own\n" in found.out


@pytest.mark.slow
def test_a_teacher_that_gives_no_label_is_learned(distil: Callable[..., Run], several, tmp_path):
    shy = BertClassifier.from_preset(several)
    shy.logits.bias.assign([-50.0, -50.0])
    shy.save_to_preset(tmp_path / "shy")
    write_rows(tmp_path / "rows.jsonl", texts_of(60))
    found = distil(tmp_path / "shy", f"--input={tmp_path}/rows.jsonl", "--epochs=1")
    assert (found.code, found.err) == (0, "")
    assert "bad 0, good 0" in found.out


def test_stars_are_no_answers_of_a_teacher_of_shares(distil: Callable[..., Run], number, tmp_path):
    rows = praise_and_blame(40, seed=3)
    for row in rows:
        row["label"] = 5.0 if row["label"] == "praise" else 1.0
    write_rows(tmp_path / "stars.jsonl", rows)
    found = distil(number("sigmoid"), f"--input={tmp_path}/stars.jsonl")
    assert found.code == 2
    assert "gives numbers from 0 to 1, and the labels are from 1 to 5: bring them" in found.error
    assert "asking the teacher" not in found.out


def test_a_teacher_of_several_numbers_is_refused(distil: Callable[..., Run], tiny_preset, tmp_path):
    new = BertClassifier.from_preset(tiny_preset, is_regression=True)
    new.save_to_preset(tmp_path / "numbers")
    found = distil(tmp_path / "numbers")
    assert found.code == 2
    assert "gives 2 numbers a text; a student learns one" in found.error


def test_numbers_are_not_rounded(distil: Callable[..., Run], number):
    found = distil(number(None), "--weights_dtype=bfloat16")
    assert found.code == 2
    assert "--weights_dtype=bfloat16 would round the numbers that --teacher=" in found.error


@pytest.mark.slow
@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_numbers_are_learned(distil: Callable[..., Run], number, tmp_path, activation):
    teacher = number(activation)
    write_rows(tmp_path / "rows.jsonl", texts_of(120))
    flags = (f"--input={tmp_path}/rows.jsonl", "--epochs=8", *LEARNING)
    found = distil(teacher, *flags, "--task=regression")
    assert (found.code, found.err) == (0, "")
    record = record_of(found.folder)
    assert (record["kind"], record["activation"]) == ("a number", activation)
    assert record["teacher"]["figures"]["rmse"] < 1e-5
    figures = record["figures"]
    assert figures["rmse"] < figures["baselines"]["the mean"]["rmse"]
    # Numbers, not what the training scaled them to.
    texts = [row["text"] for row in texts_of(120)]
    wanted, got = (Predictor.from_preset(each)(texts)[:, 0] for each in (teacher, found.folder))
    assert np.corrcoef(wanted, got)[0, 1] > 0.8


@pytest.mark.slow
def test_pairs_are_learned(distil: Callable[..., Run], tiny_preset, tmp_path):
    rows = [{"a": f"{i}", "b": TEXTS[i % 10]} for i in range(60)]
    write_rows(tmp_path / "pairs.jsonl", rows)
    columns = ("--text_column=a", "--text_pair_column=b")
    flags = (f"--input={tmp_path}/pairs.jsonl", *columns, "--epochs=2", *LEARNING)
    found = distil(tiny_preset, *flags)
    assert (found.code, found.err) == (0, "")
    out = tmp_path / "out"
    given = (f"--input={tmp_path}/pairs.jsonl", f"--preset={found.folder}", f"--output={out}")
    scored = run(classify_command.main, out, *given, *columns)
    assert (scored.code, scored.err) == (0, "")
    assert set(scored.column("label")) <= {"negative", "positive"}
