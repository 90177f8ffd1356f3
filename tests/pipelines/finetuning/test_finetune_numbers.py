"""Fine-tuning heads that give a number."""

import numpy as np
import pytest

from models import BertClassifier
from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from pipelines import classify as classify_command
from pipelines import finetune as finetune_command
from tests.pipelines.command_runs import run
from tests.pipelines.finetuning.finetune_runs import LEARNING, record_of, write_rows

WORDS = ["awful", "poor", "good", "superb"]


def rows_of(numbers, count=96):
    rows = [{"q": f"{i} days", "d": f"a {WORDS[i % 4]} day"} for i in range(count)]
    return [{**row, "label": numbers[i % 4]} for i, row in enumerate(rows)]


@pytest.fixture
def finetune(tmp_path):
    """Trains on pairs with one of four numbers each."""

    def run_finetune(preset, numbers, *flags):
        write_rows(tmp_path / "rows.jsonl", rows_of(numbers))
        output = tmp_path / "trained"
        given = (f"--input={tmp_path}/rows.jsonl", f"--preset={preset}", f"--output={output}")
        columns = ("--text_column=q", "--text_pair_column=d", "--task=regression")
        return run(finetune_command.main, output, *given, *columns, *flags)

    return run_finetune


@pytest.fixture
def cross_encoder(tiny_preset, tmp_path):
    """Saves a preset of one number, and returns its folder."""

    def make(activation):
        folder = tmp_path / "cross_encoder"
        new = BertClassifier.from_preset(tiny_preset, num_classes=1, activation=activation)
        new.logits.kernel.assign(new.logits.kernel * 20)
        new.save_to_preset(folder)
        return folder

    return make


def test_similarities_are_learned_by_cross_entropy_and_stay_in_bounds(
    finetune, tiny_preset, tmp_path
):
    found = finetune(tiny_preset, [0.0, 0.37, 0.62, 1.0], "--epochs=8", *LEARNING)
    assert (found.code, found.err) == (0, "")
    record = record_of(found.folder)
    figures = record["figures"]
    assert figures["rmse"] < figures["baselines"]["the mean"]["rmse"]
    assert figures["spearman"] > 0.5
    assert (record["activation"], record["kind"]) == ("sigmoid", "a number")
    assert open_preset(found.folder).head_config["activation"] == "sigmoid"
    assert "Spearman's ρ" in found.out
    card = (found.folder / "README.md").read_text("utf-8")
    assert "Gives each text a number from 0 to 1, its `label`." in card
    out = tmp_path / "out"
    flags = (f"--input={tmp_path}/rows.jsonl", f"--preset={found.folder}", f"--output={out}")
    scored = run(classify_command.main, out, *flags, "--text_column=q", "--text_pair_column=d")
    assert (scored.code, scored.err) == (0, "")
    scores = np.array(scored.column("score"))
    assert scores.min() >= 0
    assert scores.max() <= 1
    pairs = (scored.column("q"), scored.column("d"))
    np.testing.assert_allclose(scores, Predictor.from_preset(found.folder)(*pairs)[:, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("before", "numbers", "after"),
    [
        (None, [1.0, 2.0, 3.0, 4.0], "linear"),
        ("sigmoid", [1.0, 2.0, 3.0, 4.0], "linear"),
        (None, [0.0, 0.3, 0.6, 1.0], "sigmoid"),
        ("sigmoid", [0.0, 0.3, 0.6, 1.0], "sigmoid"),
        ("tanh", [0.1, 0.2, 0.3, 0.4], "linear"),
    ],
)
def test_a_head_of_one_number_is_kept_and_gives_what_the_labels_ask_for(
    finetune, cross_encoder, before, numbers, after
):
    start = cross_encoder(before)
    # With hardly any learning the head is about what it was, but for the scale of its numbers.
    found = finetune(start, numbers, "--epochs=1", "--learning_rate=0.0000001")
    assert (found.code, found.err) == (0, "")
    trained = BertClassifier.from_preset(found.folder)
    assert open_preset(found.folder).head_config["activation"] == after
    assert trained.labels == ["label"]
    was, now = (
        model.logits.kernel.numpy()[:, 0] for model in (BertClassifier.from_preset(start), trained)
    )
    assert np.corrcoef(was, now)[0, 1] > 0.999
    ratio = np.linalg.norm(now) / np.linalg.norm(was)
    is_same_unit = (before, after) in ((None, "linear"), ("sigmoid", "sigmoid"), (None, "sigmoid"))
    assert ratio == pytest.approx(1 if is_same_unit else np.std(numbers), rel=0.05)


def test_labels_for_a_preset_of_numbers_get_a_head_of_their_own(cross_encoder, tmp_path):
    write_rows(tmp_path / "rows.jsonl", rows_of(["bad", "bad", "good", "good"]))
    output = tmp_path / "trained"
    flags = (f"--input={tmp_path}/rows.jsonl", f"--preset={cross_encoder(None)}")
    columns = ("--text_column=q", "--text_pair_column=d", f"--output={output}", "--epochs=1")
    found = run(finetune_command.main, output, *flags, *columns)
    assert (found.code, found.err) == (0, "")
    assert open_preset(output).labels == ["bad", "good"]
    assert not open_preset(output).gives_numbers
