"""What is refused before a student learns."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models import BertClassifier
from models.training.recipe import Recipe
from pipelines import finetune as finetune_command
from pipelines.finetuning import training
from tests.pipelines.command_runs import Run, run
from tests.pipelines.finetuning.finetune_runs import SHAPE, assert_refused, write_rows

LABELS = [{"text": f"text {i}", "label": i % 2} for i in range(20)]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--teacher=nothing-here"], "'nothing-here' is not a folder, a URI"),
        (["--teacher={tiny}", "--task=regression"], "gives labels, which is not --task=regression"),
        (
            ["--teacher={tiny}", "--task=embedding", "--text_pair_column=b"],
            "--text_pair_column: a vector is of one text; leave it out",
        ),
        *(
            (
                ["--teacher={tiny}", "--task=embedding", flag],
                f"{flag.partition('=')[0]} belongs to classifiers, and --teacher=",
            )
            for flag in (
                *("--temperature=2", "--label_weight=0", "--label_names=a,b"),
                *("--label_separator=;", "--report={folder}/page.html"),
            )
        ),
        (["--teacher={tiny}", "--temperature=0"], "argument --temperature: must be"),
        (["--teacher={tiny}", "--label_weight=2"], "argument --label_weight: must be"),
        (["--teacher={tiny}", "--lora_rank=2"], "--lora_rank needs a --preset"),
        (["--temperature=2"], "--temperature says how a --teacher's answers are learned: name one"),
        (["--label_weight=0.5"], "--label_weight says how a --teacher's answers are learned"),
        (["--task=embedding"], "--task=embedding learns a --teacher's vectors: name one, such as"),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, list) else "",
)
def test_flags_that_do_not_fit_the_teacher_are_refused(
    corpus, tiny_preset, tmp_path, flags, message
):
    flags = [flag.format(tiny=tiny_preset, folder=tmp_path) for flag in flags]
    output = tmp_path / "student"
    given = (f"--input={corpus}/texts.jsonl", f"--config={corpus}/shape.json")
    found = run(finetune_command.main, output, *given, f"--output={output}", *flags)
    assert_refused(found, message)
    assert found.out == ""
    assert not output.exists()


def test_a_backbone_has_no_classes_to_teach(distil: Callable[..., Run], tiny_preset, tmp_path):
    BertClassifier.from_preset(tiny_preset).backbone.save_to_preset(tmp_path / "backbone")
    for name in ("tokenizer.json", "preprocessor.json", "assets"):
        if (tiny_preset / name).exists():
            (tmp_path / "backbone" / name).symlink_to(tiny_preset / name)
    found = distil(tmp_path / "backbone", "--task=classification")
    assert_refused(found, "is no classifier, which --task=classification needs; without it, or")


def test_an_embedder_that_could_not_be_saved_is_refused(
    distil: Callable[..., Run], tiny_preset, tmp_path
):
    (tmp_path / "shape.json").write_text(json.dumps(SHAPE | {"family": "distil_bert"}))
    found = distil(tiny_preset, "--task=embedding", f"--config={tmp_path}/shape.json")
    assert_refused(found, "saved as one of the families bert and xlm_roberta, and the student")


def test_a_teacher_is_not_replaced_by_its_student(distil: Callable[..., Run], teacher):
    found = distil(teacher, f"--output={teacher}", "--if_exists=overwrite")
    assert_refused(found, "is the teacher, which would be replaced")


def test_more_labels_than_classes_are_not_to_be_renamed(
    distil: Callable[..., Run], teacher, tmp_path
):
    write_rows(tmp_path / "stars.jsonl", [{"text": f"t{i}", "label": i % 5} for i in range(60)])
    found = distil(teacher, f"--input={tmp_path}/stars.jsonl")
    assert_refused(found, "the data has 0, 1, 2, 3, 4: --label_weight=0 learns from the teacher")


# The student's configuration


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"layers": "first:2"}, "layers='first:2': the preset has the layers 0 to 0"),
        ({"layers": "middle:1"}, "is not first:N, last:N, all or a list of layers, from 0"),
        ({"layers": []}, "layers=[]: a model needs at least one"),
        ({"layers": [0, -1]}, "layers=[0, -1]: the preset has"),
        ({"layers": [0.5]}, "layers=[0.5]: the preset has"),
        ({"layers": 1}, "layers must"),
        ({"intermediate_dim": 64}, "intermediate_dim=64 is more than the preset has, 32"),
        ({"max_sequence_length": 129}, "max_sequence_length=129 is more than the preset has, 128"),
        ({"vocabulary_size": 9999}, "vocabulary_size=9999 is more than the preset has"),
        ({"vocabulary_size": 0}, "vocabulary_size must be a positive integer, not 0"),
        ({"num_layers": 1}, "unknown field 'num_layers'"),
        ({"layer": "first:1"}, "unknown field 'layer'; did you mean 'layers'?"),
        ({"preset": "nothing-here"}, "'nothing-here' is not a folder, a URI"),
        ({"preset": 3}, "preset must"),
        ({"preset": ""}, "the preset to start from must not be an empty name"),
    ],
    ids=str,
)
def test_parts_that_a_preset_has_not_are_refused(
    distil: Callable[..., Run], tiny_preset, tmp_path, content, message
):
    (tmp_path / "parts.json").write_text(json.dumps({"preset": str(tiny_preset)} | content))
    assert_refused(distil(tiny_preset, f"--config={tmp_path}/parts.json"), message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"family": "bert"}, "family is that of word_embeddings; leave it out"),
        ({"lowercase": True}, "lowercase is that of word_embeddings; leave it out"),
        ({"word_embeddings": "nothing-here"}, "'nothing-here' is not a folder, a URI"),
        ({"layers": "first:1"}, "unknown field 'layers'"),
    ],
    ids=str,
)
def test_what_word_embeddings_bring_is_not_asked_for(
    distil: Callable[..., Run], tiny_preset, tmp_path, content, message
):
    shape = {name: SHAPE[name] for name in SHAPE if name not in ("family", "lowercase")}
    shape |= {"word_embeddings": str(tiny_preset)} | content
    (tmp_path / "shape.json").write_text(json.dumps(shape))
    assert_refused(distil(tiny_preset, f"--config={tmp_path}/shape.json"), message)


def test_a_vocabulary_too_small_for_single_characters_is_refused(
    distil: Callable[..., Run], tiny_preset, tmp_path
):
    parts = {"preset": str(tiny_preset), "vocabulary_size": 20}
    (tmp_path / "parts.json").write_text(json.dumps(parts))
    found = distil(tiny_preset, f"--config={tmp_path}/parts.json")
    assert_refused(found, "vocabulary_size=20 is too small: special tokens and single characters")


# The data


@pytest.mark.parametrize(
    ("rows", "flags", "message"),
    [
        (LABELS, [], "label '0' of column 'label' is no class of --teacher="),
        (LABELS, ["--label_names=bad,good"], "label 'bad' of column 'label' is no class of"),
        (LABELS, ["--label_names=positive"], "--label_names must be 2 different names, for"),
        (
            LABELS,
            ["--label_names=positive,positive"],
            "--label_names must be 2 different names, for the labels 0, 1",
        ),
        (
            [{"text": f"text {i}", "stars": i} for i in range(20)],
            ["--label_column=stars"],
            "label '0' of column 'stars' is no class",
        ),
        (LABELS, ["--label_column=lable"], "no column 'lable' for --label_column"),
        (LABELS, ["--text_column=body"], "no column 'body' for --text_column"),
        ([{"text": str(i)} for i in range(20)], [], "'text' for --text_column holds numbers"),
        ([{"text": "alone"}], [], "there is no row to judge the student by: give more rows"),
        ([{"text": None}], [], "there is no text to learn from, and 1 row was left out"),
        (LABELS, ["--validation={folder}/none.jsonl"], "none.jsonl"),
        (
            [{"text": f"text {i}"} for i in range(20)],
            ["--validation={folder}/blank.jsonl"],
            "there is no row to judge the student by",
        ),
        (
            [{"text": f"text {i}"} for i in range(20)],
            ["--validation={folder}/rows.jsonl"],
            "there is no text to learn from, and 20 rows were left out: the text is among",
        ),
    ],
)
def test_data_that_teaches_nothing_is_refused_before_the_teacher_is_asked(
    distil: Callable[..., Run], tiny_preset, tmp_path, rows, flags, message
):
    write_rows(tmp_path / "rows.jsonl", rows)
    write_rows(tmp_path / "blank.jsonl", [{"text": " "}])
    flags = [flag.format(folder=tmp_path) for flag in flags]
    found = distil(tiny_preset, f"--input={tmp_path}/rows.jsonl", *flags)
    assert_refused(found, message)
    assert "asking the teacher" not in found.out
    assert not found.folder.exists()


def test_an_empty_validation_file_is_refused(distil: Callable[..., Run], tiny_preset, tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    found = distil(tiny_preset, f"--validation={tmp_path}/empty.jsonl")
    assert_refused(found, "empty.jsonl")


def test_a_teacher_that_says_the_same_of_all_texts_teaches_nothing(
    distil: Callable[..., Run], tiny_preset, tmp_path
):
    partial = BertClassifier.from_preset(tiny_preset)
    partial.logits.bias.assign([-100.0, 100.0])
    partial.save_to_preset(tmp_path / "partial")
    found = distil(tmp_path / "partial")
    assert_refused(found, "texts have the same label, by the teacher and by the data: positive;")


def test_vectors_of_two_texts_judge_nobody(distil: Callable[..., Run], tiny_preset, corpus):
    write_rows(corpus / "two.jsonl", [{"text": "one"}, {"text": "two"}])
    found = distil(tiny_preset, "--task=embedding", f"--validation={corpus}/two.jsonl")
    assert_refused(found, "a student of vectors needs 3 to be judged by")


def test_a_temperature_is_not_for_numbers(distil: Callable[..., Run], tiny_preset, tmp_path):
    BertClassifier.from_preset(tiny_preset, num_classes=1).save_to_preset(tmp_path / "number")
    found = distil(tmp_path / "number", "--temperature=2")
    assert_refused(found, "--temperature belongs to classes, and --teacher=", "gives a number")
    found = distil(tmp_path / "number", "--task=classification")
    assert_refused(found, "gives a number, which is not --task=classification")


def test_scores_that_are_no_probabilities_are_refused(
    distil: Callable[..., Run], tiny_preset, tmp_path
):
    odd = BertClassifier.from_preset(tiny_preset, num_classes=3, activation="tanh")
    odd.save_to_preset(tmp_path / "odd")
    found = distil(tmp_path / "odd")
    assert_refused(found, "scores with the activation 'tanh' are not class probabilities")


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_told(distil: Callable[..., Run], tiny_preset, monkeypatch):
    monkeypatch.setattr(training, "choose_recipe", lambda *_, **__: Recipe(2, 8, 1e30))
    found = distil(tiny_preset)
    assert found.code == 1
    assert found.err.startswith("error: the loss is nan in step ")
    assert not Path(found.folder).exists()
