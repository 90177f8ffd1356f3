"""Runs the tests in a process of their own, and reads what became of them."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.keras_hub import plugin
from tests.keras_hub.checkout import lay_out

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What became of a test.

    Attributes:
        test: Its module and name.
        word: `passed`, `failed` or `skipped`.
        reason: The line that says why, where it did not pass.
    """

    test: str
    word: str
    reason: str


def run(source: Path, chosen: str = "", is_loud: bool = False) -> list[Outcome]:
    """Runs the tests of a checkout that need no network over our classes.

    Args:
        source: A checkout of Keras Hub, or its git directory.
        chosen: What pytest's `-k` takes; all tests if empty.
        is_loud: Whether pytest prints what it does.

    Raises:
        ValueError: The checkout has no tests, or pytest ended without a result.
    """
    with tempfile.TemporaryDirectory(prefix="keras-hub-") as place:
        folder, results = Path(place) / "tests", Path(place) / "results.json"
        folder.mkdir()
        lay_out(source, folder)
        (folder / "pytest.ini").write_text("[pytest]\npython_files = *_test.py\n")
        command = [sys.executable, "-m", "pytest", "-p", plugin.__name__, "--import-mode=importlib"]
        command += ["-q", "-p", "no:cacheprovider", *(["-k", chosen] if chosen else []), "."]
        variables = {plugin.FOLDER: str(folder), plugin.RESULTS: str(results)}
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **variables, "PYTHONPATH": path},
            capture_output=not is_loud,
            text=True,
        )
        if not results.is_file():
            raise ValueError(f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}")
        found = json.loads(results.read_text("utf-8"))
    return [Outcome(test, *outcome) for test, outcome in found.items()]
