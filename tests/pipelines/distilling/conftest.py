"""`finetune --teacher` on a small corpus."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models import BertClassifier
from pipelines import finetune as finetune_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.finetuning.finetune_runs import LEARNING, SHAPE, praise_and_blame, write_rows


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with labelled texts, others without labels, and the shape of a student."""
    folder = tmp_path_factory.mktemp("corpus")
    write_rows(folder / "labelled.jsonl", praise_and_blame(160, seed=0))
    texts = [{"text": row["text"]} for row in praise_and_blame(200, seed=2)]
    write_rows(folder / "texts.jsonl", texts)
    (folder / "shape.json").write_text(json.dumps(SHAPE))
    return folder


@pytest.fixture(scope="session")
def teacher(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of two layers that tells praise and blame apart."""
    output = tmp_path_factory.mktemp("teacher") / "preset"
    shape = output.parent / "shape.json"
    shape.write_text(json.dumps(SHAPE | {"num_layers": 2, "hidden_dim": 32}))
    flags = (f"--input={corpus}/labelled.jsonl", f"--config={shape}", f"--output={output}")
    found = run(finetune_command.main, output, *flags, "--epochs=6", *LEARNING)
    assert (found.code, found.err) == (0, "")
    return output


@pytest.fixture
def distil(corpus: Path, tmp_path: Path) -> Callable[..., Run]:
    """Runs the command in this process; the output is a folder of the test.

    Unless flags say otherwise, its student has random weights.
    """

    def run_distil(teacher: Path | str, *flags: str) -> Run:
        output = tmp_path / "student"
        given = [f"--teacher={teacher}", f"--output={output}"]
        if not any(flag.startswith(("--config=", "--preset=")) for flag in flags):
            given.append(f"--config={corpus}/shape.json")
        if not any(flag.startswith("--input=") for flag in flags):
            given.append(f"--input={corpus}/texts.jsonl")
        return run(finetune_command.main, output, *given, *flags)

    return run_distil


@pytest.fixture
def lame_teacher(tiny_preset: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Saves a classifier that has no answer to texts with a certain word."""

    def make(word: str) -> Path:
        lame = BertClassifier.from_preset(tiny_preset)
        assert lame.preprocessor is not None
        index = lame.preprocessor.tokenizer.token_to_id(word)
        table = lame.backbone.token_embedding.embeddings
        vectors = np.array(table)
        vectors[index] = 3e38  # whose sum is not finite
        table.assign(vectors)
        folder = tmp_path / "lame"
        lame.save_to_preset(folder)
        return folder

    return make
