"""The notebook of `examples/`, run anew.

    python -m tests.test_notebook

stores in it what a run gives.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples/textbeam.ipynb"

# What would differ from machine to machine, or is nobody's business.
_PATH = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|usr|opt|var)/|[A-Z]:\\")
_NOISE = re.compile(r"warning(?!: (?:the model|only))|traceback|cuda|onednn|\x1b|\r", re.IGNORECASE)


def executed(folder: Path) -> Any:
    """Returns the notebook, run in a copy of its folder."""
    for name in ("textbeam.ipynb", "mails.csv", "mails.py"):
        shutil.copy(ROOT / "examples" / name, folder)
    notebook = nbformat.read(folder / "textbeam.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=400,
        kernel_name="python3",
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute(env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"})


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: Any) -> list[str]:
    """Returns all that the outputs of a cell have to read."""
    return [
        text
        for output in cell.outputs
        for text in [output.get("text", ""), *output.get("data", {}).values()]
    ]


def kinds(cell: Any) -> list[Any]:
    """Returns what kinds of output a cell has."""
    return [
        (output.output_type, output.get("name"), sorted(output.get("data", {})))
        for output in cell.outputs
    ]


def assert_is_clean(notebook: Any) -> None:
    for cell in code_cells(notebook):
        for text in texts(cell):
            assert not _PATH.search(text), text
            assert not _NOISE.search(text), text
        assert not any(kind == "error" or name == "stderr" for kind, name, _ in kinds(cell))


@pytest.fixture(scope="module")
def stored() -> Any:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    return notebook


def test_the_stored_outputs_are_those_of_one_run_without_noise(stored):
    assert_is_clean(stored)
    counts = [cell.execution_count for cell in code_cells(stored)]
    assert counts == list(range(1, len(counts) + 1))
    assert NOTEBOOK.stat().st_size < 60_000


def test_links_of_the_notebook_lead_somewhere(stored):
    links = [
        link
        for cell in stored.cells
        if cell.cell_type == "markdown"
        for link in re.findall(r"\]\(([^)]+)\)", cell.source)
    ]
    assert links
    assert [link for link in links if not (NOTEBOOK.parent / link).exists()] == []


@pytest.mark.slow
def test_a_run_gives_what_is_stored_in_kind(stored, tmp_path):
    notebook = executed(tmp_path)
    assert_is_clean(notebook)
    for cell, known in zip(code_cells(notebook), code_cells(stored), strict=True):
        assert kinds(cell) == kinds(known), cell.source
    said = "\n".join(text for cell in code_cells(notebook) for text in texts(cell))
    assert "200 rows labelled" in said
    assert float(re.search(r"([\d.]+)% of 500 new mails are right", said)[1]) > 50
    before, after = re.findall(r"(?:sentiment_tiny_en|mail_queues): (\d+)%", said)
    assert int(after) > int(before)
    right, wrong = re.search(r"\{True: (\d+), False: (\d+)\}", said).groups()
    assert int(right) + int(wrong) == 600
    assert (tmp_path / "results/mail_queues.html").stat().st_size > 100_000


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        made = executed(Path(scratch))
    assert_is_clean(made)
    nbformat.write(made, NOTEBOOK)
