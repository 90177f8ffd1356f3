"""Where others have packages and folders by the names of this project's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def folder(tmp_path):
    """A folder of somebody who has a package `models`, and keeps data in `transforms`."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise RuntimeError('not to be run')")
    (tmp_path / "transforms").mkdir()
    return tmp_path


def test_commands_run_where_others_have_packages_of_the_names(folder):
    done = run("-m", "pipelines.classify", "--help", cwd=folder, PYTHONPATH=str(ROOT))
    assert done.stdout.startswith("usage: python -m pipelines.classify"), done.stderr


def test_commands_run_where_others_have_folders_of_the_names(folder):
    (folder / "models" / "__init__.py").unlink()
    # As pip installed it: in a clone, by a finder that comes after all folders.
    done = run("-m", "pipelines.presets", "list", cwd=folder)
    assert "sentiment_tiny_en" in done.stdout, done.stderr


def test_a_program_with_packages_of_the_names_is_told(folder):
    done = run("-c", "import pipelines", cwd=folder, PYTHONPATH=str(ROOT))
    assert "models/__init__.py stands for Textbeam's package 'models'" in done.stderr
    assert "rename it" in done.stderr
