"""Trainings that are stopped."""

import signal
import subprocess
import sys

import pytest
from filelock import FileLock

from tests.pipelines.finetuning.finetune_runs import (
    LEARNING,
    ROOT,
    record_of,
)


@pytest.mark.slow
def test_a_limit_of_time_ends_the_training(finetune, tiny_preset):
    found = finetune(f"--preset={tiny_preset}", "--epochs=100000", "--minutes=0.05")
    assert (found.code, found.err) == (0, "")
    assert "when time ran out" in found.out
    assert record_of(found.folder)["arguments"]["minutes"] == 0.05


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_one_that_was_not(corpus, tiny_preset, tmp_path):
    def command(output):
        module = [sys.executable, "-m", "pipelines.finetune", f"--preset={tiny_preset}"]
        flags = [f"--input={corpus}/train.jsonl", f"--output={output}", "--epochs=12", *LEARNING]
        return [*module, *flags]

    def start(output):
        return subprocess.Popen(command(output), cwd=ROOT, stdout=subprocess.PIPE, text=True)

    killed = start(tmp_path / "killed")
    for line in killed.stdout:
        if line.startswith("epoch 3/"):
            killed.kill()
    killed.wait()
    assert not (tmp_path / "killed").exists()
    assert (tmp_path / ".killed.unfinished").is_dir()
    runs = [start(tmp_path / name) for name in ("killed", "whole")]
    again, whole = (process.communicate()[0] for process in runs)
    assert "resuming from epoch" in again
    assert "epoch 1/" not in again
    assert "epoch 1/" in whole
    for weights in ("model.weights.h5", "task.weights.h5"):
        found, expected = ((tmp_path / name / weights).read_bytes() for name in ("killed", "whole"))
        assert found == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "whole"]


@pytest.mark.slow
def test_an_interrupted_training_says_how_to_go_on(corpus, tiny_preset, tmp_path):
    module = [sys.executable, "-m", "pipelines.finetune", f"--preset={tiny_preset}"]
    flags = [f"--input={corpus}/train.jsonl", f"--output={tmp_path}/preset", "--epochs=5000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*module, *flags], cwd=ROOT, **pipes)
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate()
    assert process.returncode == 130
    assert err == "error: interrupted; the same command resumes from the last epoch\n"
    others = [*module, *flags[:-1], "--epochs=1"]
    done = subprocess.run(others, cwd=ROOT, capture_output=True, text=True)
    assert "the stopped training had other data or settings: starting over" in done.stdout


@pytest.mark.slow
def test_a_second_training_into_one_output_is_refused(finetune, tiny_preset, tmp_path):
    folder = tmp_path / ".preset.unfinished"
    folder.mkdir()
    with FileLock(folder / "lock"):
        found = finetune(f"--preset={tiny_preset}", "--epochs=1")
    assert "another training is writing" in found.error
    assert found.code == 2
    assert finetune(f"--preset={tiny_preset}", "--epochs=1").code == 0
