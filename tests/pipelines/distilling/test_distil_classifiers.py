"""Students that give a teacher's classes or numbers."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models import BertClassifier
from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from pipelines import finetune as finetune_command
from pipelines import report as report_command
from pipelines.finetuning.progress import TrainingProgress
from tests.pipelines.command_runs import Run, run
from tests.pipelines.distilling.texts import texts_of
from tests.pipelines.finetuning.finetune_runs import (
    LEARNING,
    labelled,
    praise_and_blame,
    record_of,
    write_rows,
)

SIDES = {"name", "figures", "parameters", "megabytes", "rows_per_second"}


def test_texts_without_labels_are_enough(distil: Callable[..., Run], tiny_preset, tmp_path, cache):
    write_rows(tmp_path / "texts.jsonl", texts_of(40))
    flags = ("--epochs=1", "--learning_rate=1e-7", f"--preset={tiny_preset}")
    found = distil(tiny_preset, f"--input={tmp_path}/texts.jsonl", *flags)
    assert (found.code, found.err) == (0, "")
    assert open_preset(found.folder).labels == ["negative", "positive"]
    assert "about 40 texts\n0 of them have a label of their own\n" in found.out
    assert "rows to judge by without a label: the teacher's counts as right" in found.out
    card = (found.folder / "README.md").read_text("utf-8")
    assert "without a label: the teacher's counts as right" in card
    # It began as its teacher, and hardly moved.
    assert record_of(found.folder)["figures"]["accuracy"] == 1
    assert len(list((cache / "teachers").iterdir())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "student", "texts.jsonl"]


def test_a_table_that_cannot_be_made_costs_no_preset(
    distil: Callable[..., Run], tiny_preset, tmp_path, monkeypatch
):
    from pipelines.distilling import comparison

    def fail(*_):
        raise MemoryError("no room for two models")

    monkeypatch.setattr(comparison, "speeds", fail)
    write_rows(tmp_path / "texts.jsonl", texts_of(40))
    flags = ("--epochs=1", f"--preset={tiny_preset}", f"--input={tmp_path}/texts.jsonl")
    found = distil(tiny_preset, *flags)
    assert found.code == 0
    assert found.err == "error: student and teacher could not be timed: no room for two models\n"
    assert record_of(found.folder)["teacher"] is None
    page = tmp_path / "page.html"
    assert run(report_command.main, tmp_path, str(found.folder), f"--report={page}").code == 0


@pytest.mark.slow
def test_figures_are_those_of_the_rounded_weights(distil: Callable[..., Run], teacher, tmp_path):
    rows = praise_and_blame(80, seed=5)
    write_rows(tmp_path / "rows.jsonl", rows)
    write_rows(tmp_path / "texts.jsonl", praise_and_blame(60, seed=6))
    flags = (f"--validation={tmp_path}/rows.jsonl", f"--input={tmp_path}/texts.jsonl")
    rounded = ("--weights_dtype=bfloat16", "--epochs=2", "--learning_rate=1e-3")
    found = distil(teacher, *flags, *rounded)
    assert (found.code, found.err) == (0, "")
    texts = list(dict.fromkeys(row["text"] for row in rows))
    scores = Predictor.from_preset(found.folder, precision="float32")(texts)
    labels = {row["text"]: ["blame", "praise"].index(row["label"]) for row in rows}
    right = scores[np.arange(len(texts)), [labels[text] for text in texts]]
    figures = record_of(found.folder)["figures"]
    wrong = {each["position"]: each["score"] for each in figures["mistakes"]}
    assert len(wrong) == (right < 0.5).sum() > 0
    assert max(wrong.values()) == pytest.approx(1 - right.min(), abs=1e-5)


@pytest.mark.slow
def test_a_class_that_nobody_says_is_told(distil: Callable[..., Run], tiny_preset, tmp_path):
    two = BertClassifier.from_preset(tiny_preset)
    three = BertClassifier.from_preset(tiny_preset, num_classes=3, labels=["a", "b", "never"])
    three.logits.kernel.assign(np.pad(np.array(two.logits.kernel), ((0, 0), (0, 1))))
    three.logits.bias.assign([*np.array(two.logits.bias), -50.0])
    three.save_to_preset(tmp_path / "three")
    write_rows(tmp_path / "texts.jsonl", texts_of(60))
    flags = (f"--input={tmp_path}/texts.jsonl", "--epochs=1")
    found = distil(tmp_path / "three", *flags)
    assert (found.code, found.err) == (0, "")
    assert open_preset(found.folder).labels == ["a", "b", "never"]
    assert "never 0" in found.out


# A student of texts with labels, with some, and without


@pytest.fixture(scope="module")
def student(corpus: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A student of labels 0 and 1 on every other row, and of a file without labels."""
    folder = tmp_path_factory.mktemp("student")
    rows = praise_and_blame(200, seed=3)
    for number, row in enumerate(rows):
        row["label"] = None if number % 4 > 1 else int(row["label"] == "praise")
    write_rows(folder / "half.jsonl", [*rows, rows[0]])
    output = folder / "preset"
    flags = (
        *(f"--input={folder}/half.jsonl", f"--input={corpus}/texts.jsonl"),
        *(f"--teacher={teacher}", f"--config={corpus}/shape.json", f"--output={output}"),
        *("--label_names=blame,praise", "--epochs=8", "--temperature=2", *LEARNING),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTBEAM_CACHE", str(folder / "cache"))
        return run(finetune_command.main, output, *flags)


@pytest.mark.slow
def test_a_student_learns_and_stands_beside_its_teacher(student, teacher):
    assert (student.code, student.err) == (0, "")
    record = record_of(student.folder)
    assert record["figures"]["accuracy"] >= 0.9
    assert record["labels"] == open_preset(teacher).labels == ["blame", "praise"]
    assert record["arguments"]["teacher"] == str(teacher)
    assert record["arguments"]["temperature"] == 2
    assert record["data"]["left_out"] == {"the text is a duplicate": 1}
    taught = record["teacher"]
    assert taught.keys() == SIDES | {"student", "timed_rows", "unlabelled_rows"}
    assert taught["student"].keys() == SIDES
    assert taught["name"] == str(teacher)
    assert taught["figures"]["accuracy"] >= 0.9
    assert taught["student"]["figures"]["accuracy"] == record["figures"]["accuracy"]
    assert taught["parameters"] > taught["student"]["parameters"]
    assert taught["megabytes"] > taught["student"]["megabytes"]
    assert taught["rows_per_second"] > 0
    assert taught["timed_rows"] == record["data"]["validation"]


@pytest.mark.slow
def test_what_is_told_comes_in_the_order_of_the_work(student, teacher):
    parts = [
        f"asking the teacher, {teacher}, about 400 texts\n",
        "100 of them have a label of their own\n",
        "texts to learn from, 50 held out of it",
        "at most 8 epochs of batches of 8",
        "epoch 1/8",
        "this model",
        "teacher  student\n",
        "accuracy    ",
        "parameters  ",
        "rows/s  ",
        "times fewer parameters",
        "kept epoch ",
        f"wrote {student.folder}; to use it:\n  python -m pipelines.classify",
    ]
    places = [student.out.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.slow
def test_the_card_has_both_in_a_table(student, teacher):
    card = (student.folder / "README.md").read_text("utf-8")
    assert f"It learned what its teacher, `{teacher}`, says of the texts." in card
    rows = [line.split("|")[1].strip() for line in card.splitlines() if line.startswith("| ")]
    assert rows[:3] == ["", "teacher", "this model"]
    assert "and of its teacher" in card


@pytest.mark.slow
def test_classify_runs_with_the_student(student, corpus, tmp_path):
    rows = praise_and_blame(40, seed=1)
    write_rows(tmp_path / "validation.jsonl", rows)
    found = labelled(student.folder, tmp_path / "out", tmp_path)
    assert (found.code, found.err) == (0, "")
    pairs = zip(found.column("label"), found.column("input_label"), strict=True)
    assert sum(label == gold for label, gold in pairs) >= 36


@pytest.mark.slow
def test_a_student_has_a_page(student, teacher, tmp_path):
    file = tmp_path / "page.html"
    found = run(report_command.main, tmp_path, str(student.folder), f"--report={file}")
    assert (found.code, found.err) == (0, "")
    page = file.read_text()
    assert f"Trained from scratch by the teacher {teacher}: learned from" in page
    assert "Beside its teacher and simpler models" in page
    assert f"{record_of(student.folder)['teacher']['parameters']:,}" in page


# Learning again


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of rows that the teacher is asked about."""
    from pipelines.distilling import teacher as teacher_module

    rows: list[int] = []
    ask = teacher_module._Asking.ask

    def counted(self, segments):
        rows.append(len(segments[0]))
        return ask(self, segments)

    monkeypatch.setattr(teacher_module._Asking, "ask", counted)
    return rows


@pytest.mark.slow
def test_the_same_command_asks_nothing_and_learns_the_same(
    distil: Callable[..., Run], teacher, asked
):
    flags = ("--epochs=2", "--if_exists=overwrite", *LEARNING)
    first = distil(teacher, *flags)
    assert (first.code, first.err, sum(asked)) == (0, "", 200)
    asked.clear()
    losses = record_of(first.folder)["history"]["loss"]
    again = distil(teacher, *flags)
    assert (again.code, again.err, asked) == (0, "", [])
    assert record_of(again.folder)["history"]["loss"] == losses


def stopping(last: int) -> Callable[..., None]:
    """Returns what interrupts a training at the beginning of an epoch."""
    begin = TrainingProgress.on_epoch_begin

    def stop(self: TrainingProgress, epoch: int, logs: object = None) -> None:
        if epoch == last:
            raise KeyboardInterrupt
        begin(self, epoch, logs)

    return stop


@pytest.mark.slow
def test_a_stopped_training_goes_on(distil: Callable[..., Run], teacher, asked, monkeypatch):
    flags = ("--epochs=4", *LEARNING)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "on_epoch_begin", stopping(2))
        stopped = distil(teacher, *flags)
    assert stopped.code == 130
    assert stopped.err == "error: interrupted; the same command resumes from the last epoch\n"
    assert not stopped.folder.exists()
    asked.clear()
    found = distil(teacher, *flags)
    assert (found.code, found.err, asked) == (0, "", [])
    assert "resuming from epoch 3\n" in found.out
    assert "epoch 1/" not in found.out
    assert len(record_of(found.folder)["history"]["loss"]) == 4


@pytest.mark.slow
def test_labels_that_are_added_begin_another_training(
    distil: Callable[..., Run], teacher, tmp_path, monkeypatch
):
    rows = praise_and_blame(60, seed=4)
    flags = (f"--input={tmp_path}/rows.jsonl", "--epochs=2", *LEARNING)
    write_rows(tmp_path / "rows.jsonl", [{"text": row["text"], "label": None} for row in rows])
    validation = write_rows(tmp_path / "validation.jsonl", praise_and_blame(20, seed=5))
    flags = (*flags, f"--validation={validation}")
    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "on_epoch_begin", stopping(1))
        assert distil(teacher, *flags).code == 130
    write_rows(tmp_path / "rows.jsonl", rows)
    found = distil(teacher, *flags)
    assert (found.code, found.err) == (0, "")
    assert "the stopped training had other data or settings: starting over" in found.out


@pytest.mark.slow
def test_answers_that_cannot_be_kept_are_told_and_learned(
    distil: Callable[..., Run], tiny_preset, cache
):
    cache.mkdir()
    (cache / "teachers").write_text("in the way")
    found = distil(tiny_preset, f"--preset={tiny_preset}", "--epochs=1")
    assert found.code == 0
    assert found.err.startswith("error: the teacher's answers were not kept: ")
    assert found.err.count("\n") == 1
    assert open_preset(found.folder).has_classifier


@pytest.mark.slow
def test_texts_without_an_answer_are_left_out_and_counted(
    distil: Callable[..., Run], lame_teacher, tmp_path
):
    write_rows(tmp_path / "texts.jsonl", texts_of(100))
    found = distil(lame_teacher("soup"), f"--input={tmp_path}/texts.jsonl", "--epochs=1")
    assert (found.code, found.err) == (0, "")
    assert "left out  20 rows: the teacher's answer is not finite" in found.out
    data = record_of(found.folder)["data"]
    assert data["left_out"] == {"the teacher's answer is not finite": 20}
    assert data["train"] + data["validation"] == 80


@pytest.mark.slow
def test_a_label_is_found_whichever_row_of_a_text_has_it(
    distil: Callable[..., Run], teacher, tmp_path
):
    rows = praise_and_blame(60, seed=4)
    bare = [{"text": row["text"], "label": None} for row in rows]
    write_rows(tmp_path / "rows.jsonl", [*bare, *rows, *bare])
    found = distil(teacher, f"--input={tmp_path}/rows.jsonl", "--epochs=1", *LEARNING)
    assert (found.code, found.err) == (0, "")
    assert "60 of them have a label of their own\n" in found.out
    assert "different labels" not in found.out
    assert record_of(found.folder)["data"]["contradictions"] == 0


@pytest.mark.slow
def test_a_student_made_of_parts_keeps_the_head(distil: Callable[..., Run], teacher, tmp_path):
    parts = {"preset": str(teacher), "layers": "first:1", "intermediate_dim": 64}
    parts |= {"vocabulary_size": 120, "max_sequence_length": 24}
    (tmp_path / "parts.json").write_text(json.dumps(parts))
    found = distil(teacher, f"--config={tmp_path}/parts.json", "--epochs=3", *LEARNING)
    assert (found.code, found.err) == (0, "")
    config = open_preset(found.folder).backbone_config
    assert {name: config[name] for name in ("num_layers", "intermediate_dim", "hidden_dim")} == {
        "num_layers": 1,
        "intermediate_dim": 64,
        "hidden_dim": 32,
    }
    assert config["vocabulary_size"] <= 120
    assert open_preset(found.folder).sequence_length == 24
    assert record_of(found.folder)["figures"]["accuracy"] >= 0.9
    card = (found.folder / "README.md").read_text("utf-8")
    assert f"Trained from parts of the preset `{teacher}`" in card
    page = tmp_path / "page.html"
    assert run(report_command.main, tmp_path, str(found.folder), f"--report={page}").code == 0
    assert f"Trained from parts of {teacher} by the teacher {teacher}" in page.read_text()
