"""Results of `embed` over a small corpus, and the command that searches them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipelines import embed as embed_command
from pipelines import search as search_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.conftest import TEXTS

LINES = [*TEXTS, TEXTS[0], f"{TEXTS[1]} ", "Trains are late."]
"""Texts of which one is a copy, and one nearly so."""

Search = Callable[..., Run]
Embed = Callable[..., Path]


@pytest.fixture
def embed(tiny_preset: Path, tmp_path: Path) -> Embed:
    """Embeds texts with the tiny preset; returns the folder of the result."""

    def run_embed(
        *flags: str,
        texts: Sequence[str | None] = LINES,
        preset: Path = tiny_preset,
        name: str = "out",
    ) -> Path:
        rows = [{"id": i, "text": text, "tags": ["a", None]} for i, text in enumerate(texts)]
        (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
        folder = tmp_path / name
        given = (f"--preset={preset}", f"--input={tmp_path}/texts.jsonl", f"--output={folder}")
        found = run(embed_command.main, folder, *given, *flags)
        assert found.code == 0, found.err
        return folder

    return run_embed


@pytest.fixture
def search(tmp_path: Path) -> Search:
    """Runs the command in this process."""
    return lambda *argv: run(search_command.main, tmp_path, *map(str, argv))
