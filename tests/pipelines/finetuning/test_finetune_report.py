"""`finetune --report`: a page with texts, of a preset without any."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import finetune as finetune_command
from pipelines import report as report_command
from pipelines.reports.trained.sections import TEXTLESS
from tests.pipelines.command_runs import Run, run
from tests.pipelines.finetuning.finetune_runs import assert_refused, record_of


@pytest.fixture(scope="module")
def barely_trained(
    corpus: Path, tiny_preset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """A preset that has learned nothing, and is wrong about many rows; its page is beside it."""
    output = tmp_path_factory.mktemp("barely_trained") / "preset"
    flags = (
        *(f"--input={corpus}/train.jsonl", f"--validation={corpus}/validation.jsonl"),
        *(f"--preset={tiny_preset}", f"--output={output}", "--epochs=2", "--learning_rate=1e-9"),
        f"--report={output.parent}/pages/trained.html",
    )
    return run(finetune_command.main, output, *flags)


def test_the_page_has_the_texts_of_mistakes_and_the_preset_has_none(barely_trained):
    assert (barely_trained.code, barely_trained.err) == (0, "")
    folder = barely_trained.folder
    page = (folder.parent / "pages/trained.html").read_text()
    mistakes = record_of(folder)["figures"]["mistakes"]
    assert 0 < len(mistakes) <= 50
    known = {"label", "predicted", "score", "file", "position"}
    assert all(mistake.keys() == known for mistake in mistakes)
    assert page.count(" or more times a ") == len(mistakes)
    assert TEXTLESS not in page
    assert f"--preset={folder}" in page
    for file in ("training.json", "README.md"):
        assert " or more times " not in (folder / file).read_text()
    assert barely_trained.out.endswith(
        f"{folder.parent}/pages/trained.html is written: open it in a browser\n"
    )


def test_a_page_made_of_the_preset_later_says_why_it_has_no_texts(barely_trained, tmp_path):
    file = tmp_path / "later.html"
    found = run(report_command.main, tmp_path, str(barely_trained.folder), f"--report={file}")
    assert (found.code, found.err) == (0, "")
    page = file.read_text()
    assert TEXTLESS in page
    assert " or more times " not in page
    assert "given with --validation" in page


def test_whoever_has_the_data_finds_the_rows_of_mistakes(barely_trained, corpus):
    stored = (corpus / "validation.jsonl").read_bytes()
    page = (barely_trained.folder.parent / "pages/trained.html").read_text()
    for mistake in record_of(barely_trained.folder)["figures"]["mistakes"]:
        assert mistake["file"] == "validation.jsonl"
        row = json.loads(stored[mistake["position"] :].splitlines()[0])
        assert row["label"] == mistake["label"]
        assert row["text"] in page


def test_what_is_recorded_is_enough_for_the_page(barely_trained):
    record = record_of(barely_trained.folder)
    assert len(record["history"]["seconds"]) == len(record["history"]["loss"]) == 2
    figures = record["figures"]
    assert sum(pair["rows"] for pair in figures["confused"]) == round(
        40 * (1 - figures["accuracy"])
    )
    assert sum(of["predicted"] for of in figures["labels"].values()) == 40


def test_the_card_names_what_is_confused(barely_trained):
    card = (barely_trained.folder / "README.md").read_text()
    pair = record_of(barely_trained.folder)["figures"]["confused"][0]
    assert f"- {pair['label']}, taken for {pair['predicted']}: {pair['rows']} rows" in card


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("preset/report.html", "would be in the preset, which is copied and published"),
        ("preset", "would be in the preset, which is copied and published"),
        (".", "is a folder: name a file"),
        ("gs://bucket/x.html", "a report is written to a file on this machine"),
    ],
    ids=["inside", "itself", "folder", "remote"],
)
def test_places_for_no_page_are_refused_before_any_work(
    finetune: Callable[..., Run], tiny_preset, tmp_path, file, message
):
    place = file if "://" in file else tmp_path / file
    found = finetune(f"--preset={tiny_preset}", f"--report={place}")
    assert_refused(found, message)


def test_a_page_that_cannot_be_written_leaves_the_preset(
    finetune: Callable[..., Run], tiny_preset, tmp_path, monkeypatch
):
    from pipelines.reports import making

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(making, "write_page", full)
    found = finetune(f"--preset={tiny_preset}", "--epochs=1", f"--report={tmp_path}/page.html")
    assert found.code == 1
    assert found.err == (
        "error: the preset is written, but not the report: No space left on device; "
        "python -m pipelines.report makes one of the preset, without texts\n"
    )
    assert record_of(found.folder)["best_epoch"] == 1


def test_of_a_page_nothing_is_said_in_quiet(finetune: Callable[..., Run], tiny_preset, tmp_path):
    file = tmp_path / "page.html"
    found = finetune(f"--preset={tiny_preset}", "--epochs=1", f"--report={file}", "--quiet")
    assert (found.code, found.out, file.exists()) == (0, "", True)
