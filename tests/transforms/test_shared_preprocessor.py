import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LOAD = """
import gc
from transforms.shared_preprocessor import SharedPreprocessor
{before}
SharedPreprocessor("sentiment_tiny_en").acquire()
print(gc.isenabled(), gc.get_freeze_count() > 100_000)
"""


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", "True True"),
        ("from models.inference import runtime; runtime.start()", "True True"),
        ("gc.disable()", "False False"),
    ],
    ids=["worker", "started", "disabled"],
)
def test_garbage_is_not_searched_for_while_a_worker_starts(before, expected):
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(before=before)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{expected}\n", done.stderr
