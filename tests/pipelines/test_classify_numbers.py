"""What `classify` writes for presets that give numbers, and for labels that are alike."""

import numpy as np
import pytest

from models import BertClassifier
from models.inference.predictor import Predictor
from pipelines import classify as classify_command
from tests.pipelines.command_runs import run
from tests.pipelines.conftest import TEXTS
from tests.pipelines.labelling import json_lines

NAMES = ["valence", "arousal"]


@pytest.fixture(scope="module")
def save(tiny_preset, tmp_path_factory):
    """Saves a preset with the tiny one's two outputs."""

    def make(**head):
        folder = tmp_path_factory.mktemp("presets") / "preset"
        BertClassifier.from_preset(tiny_preset, **head).save_to_preset(folder)
        return folder

    return make


@pytest.fixture
def classify(tmp_path):
    def run_classify(preset, *flags):
        (tmp_path / "a.jsonl").write_bytes(json_lines([{"text": text} for text in TEXTS]))
        output = tmp_path / "out"
        given = (f"--input={tmp_path}/a.jsonl", f"--preset={preset}", f"--output={output}")
        return run(classify_command.main, output, *given, *flags)

    return run_classify


def test_several_numbers_are_a_column_of_scores_without_a_label(save, classify):
    preset = save(is_regression=True, labels=NAMES)
    found = classify(preset)
    assert (found.code, found.err) == (0, "")
    assert found.table.schema.names[-1] == "scores"
    assert "label" not in found.table.schema.names
    rows = [[row[name] for name in NAMES] for row in found.column("scores")]
    np.testing.assert_allclose(rows, Predictor.from_preset(preset)(TEXTS), atol=1e-6)
    assert f"{len(TEXTS)} rows scored" in found.out
    assert f"{rows[0][0]:.2f}  {rows[0][1]:.2f}  " in found.out
    assert found.manifest["model"]["gives_numbers"] is True


@pytest.mark.parametrize("flag", ["--probabilities", "--top_k=2", "--threshold=0.5"])
def test_what_is_of_labels_is_refused_where_there_are_numbers(save, classify, flag):
    found = classify(save(is_regression=True, labels=NAMES), flag)
    assert found.code == 2
    assert f"{flag.split('=')[0]} is for presets with labels; preset" in found.error
    assert found.error.endswith("gives texts numbers")


def test_labels_that_are_alike_are_written_and_listed(save, classify):
    preset = save(labels=["same", "same"])
    found = classify(preset, "--top_k=2")
    assert (found.code, found.err) == (0, "")
    assert set(found.column("label")) == {"same"}
    assert found.manifest["labels"] == {"same": len(TEXTS)}
    scores = [[entry["score"] for entry in top] for top in found.column("top")]
    expected = np.sort(Predictor.from_preset(preset)(TEXTS))[:, ::-1]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


@pytest.mark.parametrize("head", [{}, {"is_regression": True}], ids=["labels", "numbers"])
def test_columns_that_would_be_alike_are_refused(save, classify, head):
    found = classify(save(labels=["same", "same"], **head), *([] if head else ["--probabilities"]))
    assert found.code == 2
    assert "calls 2 of its outputs 'same', and each needs a column of its own" in found.error
    assert "name them apart in its labels.json" in found.error
    assert ("take --top_k instead of --probabilities" in found.error) == (not head)
