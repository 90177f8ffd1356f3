"""The command `finetune` on a small corpus."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import finetune as finetune_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.finetuning.finetune_runs import (
    LEARNING,
    SHAPE,
    praise_and_blame,
    write_rows,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows to train on, others to validate on, and the shape of a model."""
    folder = tmp_path_factory.mktemp("corpus")
    train = praise_and_blame(240, seed=0)
    validation = praise_and_blame(40, seed=1)
    for row in validation:
        row["text"] = row["text"].replace(" times ", " or more times ")
    write_rows(folder / "train.jsonl", [*train, train[0], train[1], validation[0]])
    write_rows(folder / "validation.jsonl", validation)
    (folder / "shape.json").write_text(json.dumps(SHAPE))
    return folder


@pytest.fixture(scope="module")
def from_scratch(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model of its own, chosen on rows that are held out."""
    output = tmp_path_factory.mktemp("from_scratch") / "preset"
    flags = (
        f"--input={corpus}/train.jsonl",
        f"--config={corpus}/shape.json",
        f"--output={output}",
        "--epochs=6",
        *LEARNING,
    )
    return run(finetune_command.main, output, *flags)


@pytest.fixture
def finetune(corpus: Path, tmp_path: Path) -> Callable[..., Run]:
    """Runs the command in this process on the corpus; the output is a folder of the test."""

    def run_finetune(*flags: str) -> Run:
        output = tmp_path / "preset"
        given = [f"--input={corpus}/train.jsonl", f"--output={output}"]
        return run(finetune_command.main, output, *given, *flags)

    return run_finetune
