"""The command `embed` with vectors of bytes and bits, over a folder of the test."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from models.inference.predictor import Predictor
from pipelines import embed as embed_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.conftest import TEXTS
from transforms.quantizing import calibrate
from transforms.reading import units

Embed = Callable[..., Run]


@pytest.fixture
def embed(tiny_preset: Path, tmp_path: Path) -> Embed:
    """Runs the command over the folder `in` of the test."""
    (tmp_path / "in").mkdir()

    def run_embed(*flags: str, dtype: str = "int8", output: str = "out") -> Run:
        given = (f"--input={tmp_path}/in", f"--output={tmp_path}/{output}")
        preset, dtype = f"--preset={tiny_preset}", f"--embedding_dtype={dtype}"
        return run(embed_command.main, tmp_path / output, preset, dtype, *given, *flags)

    return run_embed


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Writes an input file."""

    def write_file(name: str, texts: Sequence[str]) -> None:
        (tmp_path / "in" / name).write_text("\n".join(texts))

    return write_file


@pytest.fixture
def write_units(write, monkeypatch) -> Callable[[str], None]:
    """Writes ten rows for each letter, in a file and a unit of their own."""

    def write_files(names: str) -> None:
        monkeypatch.setattr(units, "_LEAST_BYTES", len("\n".join(TEXTS)) + 2 * len(TEXTS))
        for name in names:
            write(f"{name}.txt", [f"{name} {text}" for text in TEXTS])

    return write_files


@pytest.fixture
def no_sample(monkeypatch) -> None:
    """No sample may be taken."""
    monkeypatch.setattr(calibrate, "sampled_rows", lambda *_: pytest.fail("a sample was taken"))


@pytest.fixture
def vectors(tiny_preset: Path) -> Callable[..., np.ndarray]:
    """The vectors that the predictor gives without Beam."""
    return lambda texts, **arguments: Predictor.from_preset(tiny_preset, "embed", **arguments)(
        texts
    )
