"""The lines of docs/vectors.md do what the page says, over a result of the tiny preset."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.inference.predictor import Predictor
from tests.pipelines.command_runs import ROOT
from tests.pipelines.searching.conftest import LINES
from transforms.vectors.nearest import unit

PAGE = (ROOT / "docs" / "vectors.md").read_text()
PRESET, WIDTH = "hf://sentence-transformers/all-MiniLM-L6-v2", "384"
QUERY = "late trains"


def lines_of(title: str) -> list[str]:
    """The blocks of Python beneath a heading."""
    (section,) = (part for part in PAGE.split("\n## ") if part.startswith(f"{title}\n"))
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def run_lines(embed, tiny_preset: Path, tmp_path: Path, monkeypatch):
    """Runs the lines beneath a heading; returns the names that they made."""
    embed(name="vectors")
    monkeypatch.chdir(tmp_path)

    def run_of(title: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for lines in lines_of(title):
            exec(lines.replace(PRESET, str(tiny_preset)).replace(WIDTH, "16"), found)
        return found

    return run_of


@pytest.fixture
def order(tiny_preset: Path) -> list[str]:
    """The ten texts that are nearest to the page's query; two differ in a space at the end."""
    predictor = Predictor.from_preset(tiny_preset, "embed")
    scores = unit(predictor(LINES)) @ unit(predictor([QUERY]))[0]
    return [LINES[row].strip() for row in np.argsort(-scores, kind="stable")[:10]]


def test_duckdb_finds_the_nearest(run_lines, order):
    assert [text.strip() for text, _ in run_lines("DuckDB")["nearest"]] == order


@pytest.mark.parametrize("title", ["polars", "NumPy"])
def test_vectors_become_an_array(run_lines, tiny_preset, title):
    found = run_lines(title)
    expected = Predictor.from_preset(tiny_preset, "embed")(LINES)
    np.testing.assert_allclose(found["vectors"], expected, atol=1e-5)
    if title == "NumPy":
        assert found["block"].columns.column("text").to_pylist() == LINES
        np.testing.assert_array_equal(found["block"].vectors, found["vectors"])


@pytest.mark.parity
def test_faiss_finds_the_nearest(run_lines, order):
    pytest.importorskip("faiss")
    texts = run_lines("faiss")["rows"].column("text").to_pylist()
    assert [text.strip() for text in texts] == order


@pytest.mark.parity
def test_lancedb_finds_the_nearest(run_lines, order):
    pytest.importorskip("lancedb")
    assert [row["text"].strip() for row in run_lines("LanceDB")["nearest"]] == order
