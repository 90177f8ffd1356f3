"""What is refused before any training."""

import json

import pytest

from pipelines import finetune as finetune_command
from pipelines.finetuning.new_preset import put_in_place
from tests.pipelines.command_runs import run
from tests.pipelines.finetuning.finetune_runs import (
    SHAPE,
    assert_refused,
    write_rows,
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[1]", "must hold a JSON object"),
        ("{}", "lacks hidden_dim, num_heads, num_layers, vocabulary_size"),
        ({"family": "gpt"}, "family 'gpt' is not one of bert"),
        ({"family": 1}, "family 1 is not one of bert"),
        ({"num_layer": 1}, "unknown field 'num_layer'; did you mean 'num_layers'?"),
        ({"num_heads": 0}, "num_heads must be a positive integer, not 0"),
        ({"hidden_dim": "16"}, "hidden_dim must be a positive integer, not '16'"),
        ({"lowercase": 1}, "lowercase must not be 1"),
        ({"num_heads": 3}, "num_heads=3"),
        ({"activation": "swish7"}, "swish7"),
        ({"dropout": 2}, "dropout"),
        ({"dropout": -0.5}, "dropout"),
        ({"max_sequence_length": 2}, "leaves no room for text"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wrong_configuration_is_refused_with_what_would_be_right(
    finetune, tmp_path, content, message
):
    if isinstance(content, dict):
        content = json.dumps(SHAPE | content)
    (tmp_path / "wrong.json").write_text(content)
    found = finetune(f"--config={tmp_path}/wrong.json")
    assert_refused(found, "--config" if "room" not in message else "", message)
    assert not found.folder.exists()


def test_a_configuration_that_is_not_there_is_refused(finetune, tmp_path):
    assert_refused(finetune(f"--config={tmp_path}/x.json"), "x.json: No such file or directory")
    assert_refused(finetune(f"--config={tmp_path}"), "Is a directory")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": str(i), "label": "a"} for i in range(20)], "there is only 'a'"),
        ([{"text": "x", "stars": 3}], "no column 'label' for --label_column"),
        ([{"body": "x", "label": 3}], "no column 'text' for --text_column"),
        ([{"text": None, "label": None}], "there is none, and"),
    ],
    ids=["one label", "no label column", "no text column", "no rows"],
)
def test_data_without_two_labels_is_refused(tiny_preset, tmp_path, rows, message):
    write_rows(tmp_path / "rows.jsonl", rows)
    flags = (f"--input={tmp_path}/rows.jsonl", f"--output={tmp_path}/preset")
    found = run(finetune_command.main, tmp_path / "preset", *flags, f"--preset={tiny_preset}")
    assert_refused(found, message)
    assert not found.folder.exists()


def test_a_label_that_only_the_validation_data_has_is_refused(finetune, tiny_preset, tmp_path):
    write_rows(tmp_path / "validation.jsonl", [{"text": "x", "label": "neither"}])
    found = finetune(f"--preset={tiny_preset}", f"--validation={tmp_path}/validation.jsonl")
    assert_refused(found, "label 'neither' is in the validation data but not in the input")


@pytest.mark.parametrize("names", ["one", "one,one", "one,two,three"])
def test_label_names_must_fit_the_labels(finetune, tiny_preset, names):
    found = finetune(f"--preset={tiny_preset}", f"--label_names={names}")
    assert_refused(found, "--label_names must be 2 different names, for the labels blame, praise")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "one of the arguments --preset --config is required"),
        (["--preset=a", "--config=b"], "not allowed with argument"),
        (["--preset=nothing-here"], "is not a folder, a URI"),
        (["--preset={tiny}", "--sequence_length=500"], "takes at most 128 tokens"),
        (["--preset={tiny}", "--sequence_length=2"], "at least 3 is needed"),
        (["--config={shape}", "--sequence_length=33"], "over the max_sequence_length of --config"),
        (["--preset={tiny}", "--seed=-1"], "argument --seed: must be an integer from 0"),
        (["--preset={tiny}", "--lable_column=x"], "did you mean --label_column?"),
        (["--preset={tiny}", "--freeze_layers=1"], "leaves none of 1 layers to learn"),
        (["--config={shape}", "--lora_rank=2"], "--lora_rank needs a --preset"),
        (
            ["--preset={tiny}", "--label_separator=\udce9"],
            "argument --label_separator: is not UTF-8",
        ),
        (["--preset={tiny}", "--tensorboard={shape}"], "shape.json: File exists"),
        (["--preset={tiny}", "--minutes=0"], "argument --minutes: must be a number above 0"),
        (["--preset={tiny}", "more.csv"], "'more.csv' belongs to no option"),
    ],
)
def test_wrong_flags_are_refused(finetune, corpus, tiny_preset, flags, message):
    flags = [flag.format(tiny=tiny_preset, shape=corpus / "shape.json") for flag in flags]
    found = finetune(*flags)
    assert_refused(found, message)
    assert found.out == ""
    assert not found.folder.exists()


# Outputs


def test_an_output_that_exists_is_kept_unless_it_is_a_preset_to_overwrite(
    finetune, tiny_preset, tmp_path
):
    folder = tmp_path / "preset"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    flags = (f"--preset={tiny_preset}",)
    assert_refused(finetune(*flags), f"{folder} exists; --if_exists=overwrite replaces it")
    found = finetune(*flags, "--if_exists=overwrite")
    assert_refused(found, f"{folder} holds 'diary.txt', which is not part of a preset")
    (folder / "config.json").write_text("{}")
    assert_refused(finetune(*flags, "--if_exists=overwrite"), "holds 'diary.txt', which is not")
    assert (folder / "diary.txt").read_text() == "mine"


def test_an_output_that_is_no_folder_or_cannot_be_made_is_refused(finetune, tiny_preset, tmp_path):
    (tmp_path / "file").write_text("x")
    flags = (f"--preset={tiny_preset}", "--if_exists=overwrite")
    assert_refused(finetune(*flags, f"--output={tmp_path}/file"), "is a file, and must be a folder")
    assert_refused(finetune(*flags, f"--output={tmp_path}/file/preset"), "cannot write")
    assert_refused(finetune(*flags, "--output=/proc/textbeam"), "cannot write /proc/textbeam")
    assert_refused(finetune(*flags, "--output=."), "not part of a preset, and is not overwritten")
    assert_refused(finetune(*flags, "--output=/proc"), "is a mount point, which cannot be replaced")
    assert_refused(finetune(*flags, "--output="), "--output is empty: give a folder")
    assert_refused(finetune(*flags, f"--output={tmp_path}/{300 * 'x'}"), "File name too long")
    found = finetune(*flags, "--output=gs://bucket/preset")
    assert_refused(found, "is not a folder on this machine: write to one, and copy it with")


def test_what_appears_while_a_preset_is_made_is_kept(tmp_path):
    output, new = tmp_path / "preset", tmp_path / "new"
    for folder in (output, new):
        folder.mkdir()
        (folder / "config.json").write_text(folder.name)
    assert put_in_place(new, output, "error") == tmp_path / "preset-2"
    assert (output / "config.json").read_text() == "preset"
    assert (tmp_path / "preset-2" / "config.json").read_text() == "new"


def test_a_preset_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    output, new = tmp_path / "preset", tmp_path / "new"
    output.mkdir()
    (output / "config.json").write_text("old")
    with pytest.raises(FileNotFoundError):
        put_in_place(new, output, "overwrite")
    assert (output / "config.json").read_text() == "old"
    new.mkdir()
    assert put_in_place(new, output, "overwrite") == output
    assert list(tmp_path.iterdir()) == [output]
    assert list(output.iterdir()) == []


@pytest.mark.slow
def test_an_output_may_lie_in_the_home_folder(finetune, corpus, tiny_preset, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = finetune(f"--preset={tiny_preset}", "--epochs=1", "--output=~/mine")
    assert found.code == 0, found.err
    assert (tmp_path / "mine" / "config.json").is_file()
