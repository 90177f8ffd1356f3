"""A part of what `python -m tests.faults` does."""

import subprocess
import sys

import pytest

from tests.pipelines.command_runs import ENVIRONMENT, ROOT


@pytest.mark.parametrize("every", [37, pytest.param(7, marks=pytest.mark.slow)])
def test_no_fault_loses_doubles_or_leaves_anything(every):
    # In a process of its own, which has one thread when it forks.
    command = [sys.executable, "-m", "tests.faults", f"--every={every}", "--inputs=0"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ", 0 with a loss" in done.stdout
