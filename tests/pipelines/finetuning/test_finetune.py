import importlib.util
import shutil
from pathlib import Path

import pytest

from models import BertBackbone
from models.presets.lookup import open_preset
from models.training.recipe import Recipe
from pipelines import classify as classify_command
from pipelines import finetune as finetune_command
from pipelines.finetuning import training
from tests.pipelines.command_runs import run
from tests.pipelines.conftest import TEXTS
from tests.pipelines.finetuning.finetune_runs import (
    LEARNING,
    SHAPE,
    accuracy_of,
    assert_refused,
    labelled,
    praise_and_blame,
    record_of,
    write_rows,
)

# From scratch


def test_a_model_from_scratch_learns_to_tell_labels_apart(from_scratch):
    assert (from_scratch.code, from_scratch.err) == (0, "")
    assert accuracy_of(from_scratch.folder) >= 0.95
    assert f"wrote {from_scratch.folder}" in from_scratch.out


def test_the_data_and_every_epoch_are_told(from_scratch):
    said = [line.rstrip() for line in from_scratch.out.splitlines()]
    assert said[0] == "data      193 texts to learn from, 48 held out of it"
    assert said[1].startswith("labels    blame ")
    assert said[1].endswith("% of the rows")
    assert said[2].startswith("lengths   half have up to ")
    assert said[3] == "left out  2 rows: the text is a duplicate"
    assert said[4].startswith("warning: only 48 rows judge the model")
    assert said[6] == "at most 6 epochs of batches of 8, learning rate 0.005"
    # The first weights are another backend's own, and so is the epoch after which nothing improves.
    trained = len(record_of(from_scratch.folder)["history"]["loss"])
    assert 4 <= trained <= 6
    told = said[7 : said.index("", 7)]
    assert [line[:9] for line in told] == [f"epoch {i}/6" for i in range(1, trained + 1)]
    assert "validation accuracy" in told[-1]


def test_the_model_is_set_beside_simpler_ones(from_scratch):
    out = from_scratch.out
    assert "the most common label" in out
    assert "TF-IDF and logistic regression" in out
    figures = record_of(from_scratch.folder)["figures"]
    assert figures["baselines"]["the most common label"]["accuracy"] == 0.5
    assert figures["baselines"]["TF-IDF and logistic regression"]["accuracy"] > 0.9
    assert figures["labels"].keys() == {"blame", "praise"}
    assert sum(map(sum, figures["confusion"])) == 48
    assert "is not clearly better than TF-IDF and logistic regression" in out


def test_the_preset_has_a_card(from_scratch):
    card = (from_scratch.folder / "README.md").read_text()
    for part in ("one of 2 labels: `blame`, `praise`", "| this model |", "## Limits", "193 texts"):
        assert part in card
    assert "--text_column=text" in card


def test_the_preset_classifies_with_the_labels_of_the_data(from_scratch, corpus, tmp_path):
    found = labelled(from_scratch.folder, tmp_path / "out", corpus)
    assert (found.code, found.err) == (0, "")
    assert found.manifest["model"]["labels"] == ["blame", "praise"]
    assert found.manifest["model"]["sequence_length"] == 32
    pairs = zip(found.column("label"), found.column("input_label"), strict=True)
    assert sum(label == gold for label, gold in pairs) >= 38


def test_the_record_of_the_training_says_how_to_do_it_again(from_scratch, corpus):
    record = record_of(from_scratch.folder)
    assert (record["data"]["train"], record["data"]["validation"]) == (193, 48)
    assert record["data"]["labels"].keys() == {"blame", "praise"}
    assert record["start"] == SHAPE | {"intermediate_dim": 64}
    assert record["arguments"]["input"] == [f"{corpus}/train.jsonl"]
    assert record["arguments"]["seed"] == 0
    assert record["sequence_length"] == 32
    recipe = record["recipe"]
    assert (recipe["epochs"], recipe["batch_size"], recipe["learning_rate"]) == (6, 8, 0.005)
    accuracies = record["history"]["val_accuracy"]
    assert len(accuracies) == len(record["history"]["loss"])
    assert accuracies[record["best_epoch"] - 1] == max(accuracies)
    assert max(accuracies) == pytest.approx(accuracy_of(from_scratch.folder), abs=1e-4)


def test_nothing_but_the_preset_is_left(from_scratch):
    assert [path.name for path in from_scratch.folder.parent.iterdir()] == ["preset"]
    assert open_preset(from_scratch.folder).has_classifier


# From a preset


@pytest.mark.slow
def test_a_classifier_gets_a_new_head_for_new_labels(finetune, corpus, tiny_preset, tmp_path):
    found = finetune(
        f"--preset={tiny_preset}",
        f"--validation={corpus}/validation.jsonl",
        "--label_names=bad,good",
        "--weights_dtype=float16",
        "--sequence_length=24",
        "--epochs=1",
        *LEARNING,
    )
    assert (found.code, found.err) == (0, "")
    preset = open_preset(found.folder)
    assert preset.labels == ["bad", "good"]
    assert preset.sequence_length == 24
    assert preset.tokenizer_arguments == open_preset(tiny_preset).tokenizer_arguments
    weights = "model.weights.h5"
    assert preset.path(weights).stat().st_size < (tiny_preset / weights).stat().st_size
    # A validation text among the training texts is left out of these, and so are doubles.
    assert found.out.startswith("data      240 texts to learn from, 40 of --validation")
    assert "labels    blame 120, praise 120" in found.out
    assert "left out  2 rows: the text is a duplicate" in found.out
    assert "left out  1 row: the text is among the validation texts" in found.out
    assert "warning: 1 validation text was in the input too" in found.out
    assert record_of(found.folder)["figures"]["labels"].keys() == {"bad", "good"}
    out = labelled(found.folder, tmp_path / "out", corpus)
    assert out.code == 0
    assert set() < set(out.column("label")) <= {"bad", "good"}


@pytest.mark.slow
def test_training_goes_on_where_the_labels_are_the_same(from_scratch, finetune, corpus, tmp_path):
    shutil.copytree(from_scratch.folder, tmp_path / "preset")
    flags = (f"--preset={tmp_path}/preset", "--epochs=1", "--learning_rate=1e-6")
    found = finetune(*flags, "--if_exists=overwrite")
    assert (found.code, found.err) == (0, "")
    assert accuracy_of(found.folder) >= 0.95  # the head was kept
    assert record_of(found.folder)["arguments"]["epochs"] == 1


@pytest.mark.slow
def test_a_head_for_several_labels_is_replaced(corpus, tiny_preset, tmp_path):
    from models import BertClassifier

    several = BertClassifier.from_preset(tiny_preset, activation="sigmoid")
    several.save_to_preset(tmp_path / "several")
    rows = [{"text": TEXTS[i % 10], "label": ("negative", "positive")[i % 2]} for i in range(30)]
    write_rows(tmp_path / "rows.jsonl", rows)
    output = tmp_path / "preset"
    flags = (f"--input={tmp_path}/rows.jsonl", f"--preset={tmp_path}/several", "--epochs=1")
    found = run(finetune_command.main, output, *flags, f"--output={output}")
    assert (found.code, found.err) == (0, "")
    assert open_preset(output).labels == ["negative", "positive"]
    assert not open_preset(output).is_multi_label


@pytest.mark.slow
def test_pairs_are_learned(corpus, tiny_preset, tmp_path):
    rows = [{"a": f"{i}", "b": TEXTS[i % 10], "label": i % 2} for i in range(30)]
    write_rows(tmp_path / "pairs.jsonl", rows)
    output = tmp_path / "preset"
    found = run(
        finetune_command.main,
        output,
        *(f"--input={tmp_path}/pairs.jsonl", f"--preset={tiny_preset}", f"--output={output}"),
        *("--text_column=a", "--text_pair_column=b", "--epochs=1"),
    )
    assert (found.code, found.err) == (0, "")
    assert open_preset(output).labels == ["0", "1"]


def skewed(count: int) -> list[dict[str, str]]:
    """Rows of which a tenth is praise."""
    rows = praise_and_blame(10 * count, seed=3)
    praise = [row for row in rows if row["label"] == "praise"][: count // 10]
    return [row for row in rows if row["label"] == "blame"][: count - len(praise)] + praise


@pytest.mark.slow
@pytest.mark.parametrize(("flag", "metric"), [("auto", "macro_f1"), ("none", "accuracy")])
def test_rare_labels_count_more_unless_told_otherwise(tiny_preset, tmp_path, flag, metric):
    write_rows(tmp_path / "rows.jsonl", skewed(100))
    output = tmp_path / "preset"
    flags = (f"--input={tmp_path}/rows.jsonl", f"--preset={tiny_preset}", f"--output={output}")
    found = run(finetune_command.main, output, *flags, "--epochs=1", f"--class_weights={flag}")
    assert (found.code, found.err) == (0, "")
    assert "the labels are skewed: blame has 7" in found.out
    record = record_of(output)
    assert record["figures"]["metric"] == metric
    assert ("val_mean_recall" in record["history"]) == (flag == "auto")


def test_several_labels_are_learned_from_lists_and_classify_gives_them(tiny_preset, tmp_path):
    rows = [
        {"text": f"{i} {' '.join(labels)} it", "labels": labels}
        for i in range(80)
        for labels in ([["good"], ["bad"], ["bad", "good"], []][i % 4],)
    ]
    write_rows(tmp_path / "rows.jsonl", rows)
    output = tmp_path / "preset"
    flags = (f"--input={tmp_path}/rows.jsonl", f"--preset={tiny_preset}", f"--output={output}")
    found = run(finetune_command.main, output, *flags, "--label_column=labels", "--epochs=2")
    assert (found.code, found.err) == (0, "")
    assert open_preset(output).is_multi_label
    assert record_of(output)["figures"].keys() >= {"micro_f1", "macro_f1", "exact", "mistakes"}
    out = tmp_path / "out"
    flags = (f"--input={tmp_path}/rows.jsonl", f"--preset={output}", f"--output={out}")
    labels = run(classify_command.main, out, *flags).column("labels")
    assert len(labels) == len(rows)
    assert set() < {entry["label"] for row in labels for entry in row} <= {"bad", "good"}


@pytest.fixture(scope="module")
def stars(tiny_preset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset that gives numbers of thousands."""
    folder = tmp_path_factory.mktemp("stars")
    words = ["awful", "poor", "good", "superb"]
    rows = [{"text": f"{i} {words[i % 4]}", "worth": 1000 * (i % 4)} for i in range(120)]
    write_rows(folder / "rows.jsonl", rows)
    output = folder / "preset"
    flags = (f"--input={folder}/rows.jsonl", f"--preset={tiny_preset}", f"--output={output}")
    options = ("--label_column=worth", "--task=regression", "--epochs=8", *LEARNING)
    found = run(finetune_command.main, output, *flags, *options)
    assert (found.code, found.err) == (0, "")
    return output


@pytest.mark.slow
def test_a_number_is_learned_and_classify_gives_it_as_a_score(stars, tmp_path):
    figures = record_of(stars)["figures"]
    assert figures["rmse"] < figures["baselines"]["the mean"]["rmse"]
    assert 500 < figures["baselines"]["the mean"]["rmse"] < 2000
    flags = (f"--input={stars.parent}/rows.jsonl", f"--preset={stars}", f"--output={tmp_path}/out")
    found = run(classify_command.main, tmp_path / "out", *flags)
    assert (found.code, found.err) == (0, "")
    assert "120 rows scored" in found.out
    assert "label" not in found.table.column_names
    errors = [s - w for s, w in zip(found.column("score"), found.column("worth"), strict=True)]
    assert sum(error**2 for error in errors) / 120 < 2 * figures["rmse"] ** 2 + 1e4


@pytest.mark.parametrize(
    ("numbers", "flags", "message"),
    [
        (
            [1e9 + i for i in range(30)],
            [],
            "from 1000000000 to 1000000029, are too large, too small",
        ),
        ([1e300 * i for i in range(30)], [], "subtract a constant or divide by one"),
        (list(range(30)), ["--weights_dtype=float16"], "would round the numbers of"),
    ],
    ids=["close", "large", "float16"],
)
def test_numbers_that_a_model_cannot_tell_apart_are_refused(
    tiny_preset, tmp_path, numbers, flags, message
):
    rows = [{"text": f"text {number}", "label": number} for number in numbers]
    write_rows(tmp_path / "rows.jsonl", rows)
    output = tmp_path / "preset"
    given = (f"--input={tmp_path}/rows.jsonl", f"--preset={tiny_preset}", f"--output={output}")
    found = run(finetune_command.main, output, *given, "--task=regression", *flags)
    assert_refused(found, message)


@pytest.mark.slow
def test_small_numbers_have_figures(tiny_preset, tmp_path):
    rows = [{"text": f"text {i}", "label": 1e-7 * i} for i in range(60)]
    write_rows(tmp_path / "rows.jsonl", rows)
    output = tmp_path / "preset"
    given = (f"--input={tmp_path}/rows.jsonl", f"--preset={tiny_preset}", f"--output={output}")
    found = run(finetune_command.main, output, *given, "--task=regression", "--epochs=1")
    assert (found.code, found.err) == (0, "")
    assert 1e-7 < record_of(output)["figures"]["rmse"] < 1e-5


@pytest.mark.parametrize("flag", ["--probabilities", "--top_k=2", "--threshold=0.5"])
def test_what_is_of_labels_is_refused_where_there_is_a_number(stars, tmp_path, flag):
    flags = (f"--input={stars.parent}/rows.jsonl", f"--preset={stars}", f"--output={tmp_path}/out")
    found = run(classify_command.main, tmp_path / "out", *flags, flag)
    assert found.code == 2
    assert f"{flag.split('=')[0]} is for presets with labels; preset" in found.error


def test_thin_matrices_are_learned_beside_what_stays(finetune, tiny_preset):
    found = finetune(f"--preset={tiny_preset}", "--lora_rank=2", "--epochs=1")
    assert (found.code, found.err) == (0, "")
    assert record_of(found.folder)["arguments"]["lora_rank"] == 2
    before, after = (open_preset(each) for each in (tiny_preset, found.folder))
    weights = [
        dict(preset.backbone_weights(BertBackbone.from_preset(preset).architecture()))
        for preset in (before, after)
    ]
    changed = {name for name in weights[0] if (weights[0][name] != weights[1][name]).any()}
    kernels = {f"encoder/0/{name}/kernel" for name in ("qkv", "attention_output")}
    assert kernels <= changed
    assert not changed & {"embeddings/token", "encoder/0/intermediate/kernel"}


def test_a_loss_that_is_no_number_is_told_and_leaves_nothing(finetune, tiny_preset, monkeypatch):
    monkeypatch.setattr(training, "choose_recipe", lambda *_, **__: Recipe(2, 8, 1e30))
    found = finetune(f"--preset={tiny_preset}")
    assert found.code == 1
    assert found.err.startswith("error: the loss is nan in step ")
    assert not found.folder.exists()


@pytest.mark.slow
def test_logs_for_tensorboard_are_written(finetune, tiny_preset, tmp_path):
    flags = (f"--preset={tiny_preset}", "--epochs=1", f"--tensorboard={tmp_path}/logs")
    found = finetune(*flags)
    if importlib.util.find_spec("tensorboard"):
        assert (found.code, found.err) == (0, "")
        assert list((tmp_path / "logs").rglob("events.out.tfevents.*"))
    else:
        assert_refused(found, "--tensorboard needs another package: pip install tensorboard")
