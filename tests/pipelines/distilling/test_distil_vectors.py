"""Students that make a teacher's vectors."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from pipelines import embed as embed_command
from pipelines import finetune as finetune_command
from pipelines import report as report_command
from pipelines.distilling.vector_figures import TF_IDF, WORDS
from tests.pipelines.command_runs import Run, run
from tests.pipelines.distilling.texts import texts_of
from tests.pipelines.finetuning.finetune_runs import (
    LEARNING,
    SHAPE,
    praise_and_blame,
    record_of,
    write_rows,
)


@pytest.fixture(scope="module")
def student(corpus: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A student of 16 numbers of a teacher of 32, of texts with labels and without."""
    output = tmp_path_factory.mktemp("student") / "preset"
    flags = (
        *(f"--input={corpus}/labelled.jsonl", f"--input={corpus}/texts.jsonl"),
        *(f"--teacher={teacher}", f"--config={corpus}/shape.json", f"--output={output}"),
        *("--task=embedding", "--epochs=8", *LEARNING),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTBEAM_CACHE", str(output.parent / "cache"))
        return run(finetune_command.main, output, *flags)


@pytest.mark.slow
def test_a_narrower_student_learns_the_order_of_the_vectors(student, teacher):
    assert (student.code, student.err) == (0, "")
    record = record_of(student.folder)
    assert (record["kind"], record["labels"], record["dimensions"]) == ("a vector", [], 16)
    history, figures = record["history"], record["figures"]
    assert history["val_loss"][-1] < history["val_loss"][0] / 2
    assert figures["spearman"] > 0.5
    assert figures["metric"] == "spearman"
    shown = {"spearman", "neighbours", "retrieval"}
    assert set(figures["baselines"]) <= {WORDS, TF_IDF}
    assert figures["baselines"][WORDS].keys() == shown
    assert "teacher" not in figures
    taught = record["teacher"]
    assert taught["name"] == str(teacher)
    assert taught["figures"].keys() == shown
    assert taught["figures"]["spearman"] == taught["figures"]["neighbours"] == 1
    assert taught["student"]["figures"] == {name: figures[name] for name in shown}
    assert taught["parameters"] > taught["student"]["parameters"]


@pytest.mark.slow
def test_the_baselines_stand_beside_teacher_and_student(student):
    figures = record_of(student.folder)["figures"]
    lines = student.out.splitlines()
    told = next(line.split() for line in lines if line.startswith("same neighbours "))
    models = [{"neighbours": 1}, figures, *figures["baselines"].values()]
    assert told[2:] == [f"{model['neighbours']:.1%}" for model in models]
    head = next(i for i, line in enumerate(lines) if " teacher  student " in line)
    said = " ".join(" ".join(lines[head - 3 : head + 1]).split())
    assert "the mean of the" in said
    assert lines[head + 1].startswith("Spearman's ρ  ")
    assert "python -m pipelines.embed --preset=" in student.out
    card = (student.folder / "README.md").read_text("utf-8")
    assert "Makes a vector of 16 numbers of each text" in card
    assert f"| {WORDS} |" in card
    assert "python -m pipelines.embed --preset=FOLDER" in card


@pytest.mark.slow
def test_embed_runs_with_the_student(student, corpus, tmp_path):
    out = tmp_path / "out"
    flags = (f"--input={corpus}/texts.jsonl", f"--preset={student.folder}", f"--output={out}")
    found = run(embed_command.main, out, *flags)
    assert (found.code, found.err) == (0, "")
    vectors = np.array(found.column("embedding"))
    assert vectors.shape == (200, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


@pytest.mark.slow
def test_of_an_embedder_there_is_no_page(student, tmp_path):
    file = tmp_path / "page.html"
    found = run(report_command.main, tmp_path, str(student.folder), f"--report={file}")
    assert found.error == (
        f"{student.folder} makes vectors, and only classifiers have a page of their training: its "
        "README.md has the figures"
    )
    assert not file.exists()


# Where a student starts


@pytest.mark.slow
def test_a_student_of_the_same_width_comes_near_to_the_vectors_themselves(
    distil: Callable[..., Run], tiny_preset, tmp_path
):
    parts = {"preset": str(tiny_preset), "layers": [0], "intermediate_dim": 16}
    parts["vocabulary_size"] = 150
    (tmp_path / "parts.json").write_text(json.dumps(parts))
    write_rows(tmp_path / "texts.jsonl", texts_of(100))
    flags = (f"--input={tmp_path}/texts.jsonl", f"--config={tmp_path}/parts.json", "--epochs=4")
    found = distil(tiny_preset, "--task=embedding", *flags, *LEARNING)
    assert (found.code, found.err) == (0, "")
    # Without labels nothing is found by them.
    assert record_of(found.folder)["figures"].keys() == {
        *("metric", "spearman", "neighbours", "baselines")
    }
    config = open_preset(found.folder).backbone_config
    assert config["intermediate_dim"] == 16
    whole = open_preset(tiny_preset).backbone_config["vocabulary_size"]
    assert config["vocabulary_size"] <= 150 < whole
    texts = [row["text"] for row in texts_of(100)]
    ours, theirs = (
        Predictor.from_preset(each, "embed")(texts) for each in (found.folder, tiny_preset)
    )
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    assert (ours * theirs).sum(axis=1).mean() > 0.9


@pytest.mark.slow
def test_a_student_begins_with_the_words_of_a_preset(
    distil: Callable[..., Run], tiny_preset, tmp_path
):
    shape = {name: SHAPE[name] for name in SHAPE if name not in ("family", "lowercase")}
    shape |= {"word_embeddings": str(tiny_preset), "vocabulary_size": 120, "hidden_dim": 8}
    (tmp_path / "shape.json").write_text(json.dumps(shape))
    flags = (f"--config={tmp_path}/shape.json", "--epochs=1", "--task=embedding")
    found = distil(tiny_preset, *flags)
    assert (found.code, found.err) == (0, "")
    known = open_preset(tiny_preset).tokenizer_arguments
    assert open_preset(found.folder).tokenizer_arguments.keys() == known.keys()
    assert record_of(found.folder)["dimensions"] == 8


@pytest.mark.slow
def test_a_student_may_be_wider_than_its_teacher(distil: Callable[..., Run], tiny_preset, tmp_path):
    (tmp_path / "shape.json").write_text(json.dumps(SHAPE | {"hidden_dim": 24}))
    flags = (f"--config={tmp_path}/shape.json", "--epochs=1", "--task=embedding")
    found = distil(tiny_preset, *flags)
    assert (found.code, found.err) == (0, "")
    assert record_of(found.folder)["dimensions"] == 24


# Labels


@pytest.mark.slow
@pytest.mark.parametrize(
    "label",
    [lambda i: f"row {i}", lambda i: "ab"[i % 2] if i < 5 else None, lambda i: "a"],
    ids=["all different", "few", "one"],
)
def test_whatever_the_labels_are_enough_rows_judge(
    distil: Callable[..., Run], tiny_preset, tmp_path, label
):
    rows = [{**row, "label": label(i)} for i, row in enumerate(texts_of(60))]
    write_rows(tmp_path / "rows.jsonl", rows)
    flags = (f"--input={tmp_path}/rows.jsonl", f"--preset={tiny_preset}", "--epochs=1")
    found = distil(tiny_preset, "--task=embedding", *flags)
    assert (found.code, found.err) == (0, "")
    assert record_of(found.folder)["data"]["validation"] == 12


@pytest.mark.slow
def test_validation_without_labels_looks_for_none(
    distil: Callable[..., Run], teacher, corpus, tmp_path
):
    texts = [{"text": row["text"]} for row in praise_and_blame(40, seed=9)]
    write_rows(tmp_path / "validation.jsonl", texts)
    flags = (f"--input={corpus}/labelled.jsonl", f"--validation={tmp_path}/validation.jsonl")
    found = distil(teacher, "--task=embedding", *flags, "--epochs=1")
    assert (found.code, found.err) == (0, "")
    assert "retrieval" not in record_of(found.folder)["figures"]
    assert "neighbours of its label" not in found.out


@pytest.mark.slow
def test_texts_without_a_vector_are_left_out_and_counted(
    distil: Callable[..., Run], lame_teacher, tmp_path
):
    write_rows(tmp_path / "texts.jsonl", texts_of(100))
    flags = (f"--input={tmp_path}/texts.jsonl", "--task=embedding", "--epochs=1")
    found = distil(lame_teacher("soup"), *flags)
    assert (found.code, found.err) == (0, "")
    assert "left out  20 rows: the teacher's answer is not finite" in found.out


@pytest.mark.slow
def test_the_same_command_learns_the_same(distil: Callable[..., Run], teacher):
    flags = ("--task=embedding", "--epochs=2", "--if_exists=overwrite", *LEARNING)
    losses = [record_of(distil(teacher, *flags).folder)["history"]["loss"] for _ in range(2)]
    assert losses[0] == losses[1]
