"""What a command makes of faults of the model or of the machine: no row is rejected for them."""

import errno
import os
from collections.abc import Callable

import numpy as np
import pytest

from models import faults
from models.inference.computation import Computation
from models.preprocessors.preprocessor import Preprocessor
from tests.pipelines.conftest import TEXTS

TOO_MANY_FILES = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.fixture
def corpus(tmp_path) -> str:
    (tmp_path / "a.txt").write_text("\n".join(f"{text} {row}" for row, text in enumerate(TEXTS)))
    return f"--input={tmp_path}/a.txt"


def broken(error: Exception | None) -> Callable[..., np.ndarray]:
    """A computation, or a tokenizer, that fails, or gives no numbers."""

    def compute(self, features, *others):
        if error is not None:
            raise error
        return np.full((len(features["token_ids"]), self.width), np.nan, np.float32)

    return compute


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "different ones in succession, which is no fault"),
        (ValueError("no such shape"), "the model failed on every row, "),
        (TOO_MANY_FILES, "the computation failed 4 times on this machine, which is no fault"),
    ],
)
def test_a_broken_model_or_machine_ends_the_run_in_one_line(
    classify, corpus, monkeypatch, error, reason
):
    monkeypatch.setattr(faults, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Computation, "__call__", broken(error))
    found = classify(corpus)
    assert found.code == 1
    assert reason in found.error_line
    assert str(error or "not a finite number") in found.error_line
    assert not list(found.folder.glob("**/*.parquet"))


def test_a_tokenizer_that_runs_out_of_files_ends_the_run_in_one_line(classify, corpus, monkeypatch):
    monkeypatch.setattr(faults, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Preprocessor, "encode", broken(TOO_MANY_FILES))
    found = classify(corpus)
    assert found.code == 1
    assert found.error_line.startswith("tokenizing failed 4 times on this machine")
    assert "Too many open files" in found.error_line
