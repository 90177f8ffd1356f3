"""Running inputs through workers, and saying what came of them."""

import json
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]

SECONDS = 20
"""An input that takes longer, on a busy machine too, hangs."""

PEAK_KIB = 3 << 20
"""Memory that a worker may have taken at its peak, TensorFlow's included."""

_START_SECONDS = 120


@dataclass
class Tally:
    """What came of the inputs of a case.

    Attributes:
        counts: Of inputs, rows, rejected rows and refusals.
        failures: What went wrong, by the number of the input.
        slowest: The seconds of the slowest input.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    slowest: float = 0


class _Worker:
    """A process that reads inputs one after another; begun anew after a death."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._process: subprocess.Popen[str] | None = None

    def read(self, case: str, number: int) -> dict[str, Any]:
        fresh = self._process is None
        process = self._process or self._start()
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{case} {number}\n")
        process.stdin.flush()
        line = self._line(process.stdout, SECONDS + (_START_SECONDS if fresh else 0))
        if line:
            answer = json.loads(line)
            if not answer["failure"] and answer["peak"] > PEAK_KIB:
                answer["failure"] = f"the memory grew to {answer['peak'] >> 10:,} MiB"
            if answer["failure"]:
                self.close()
            return answer
        hangs = process.poll() is None and line is None
        self.close()
        if hangs:
            return {"failure": f"nothing came for {SECONDS} seconds"}
        self._log.seek(0)
        return {"failure": f"the process died: {process.returncode}\n{self._log.read()[-3000:]}"}

    def _start(self) -> "subprocess.Popen[str]":
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - kept open
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", str(self._seed)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        return self._process

    def _line(self, stream: IO[str], seconds: float) -> str | None:
        """Returns a line, an empty one at the end, or None if none came in time."""
        ready, _, _ = select.select([stream], [], [], seconds)
        return stream.readline() if ready else None

    def close(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


def run(cases: Sequence[str], inputs: int, seed: int) -> dict[str, Tally]:
    """Reads inputs, about as many of each case.

    Args:
        cases: Names of the cases.
        inputs: How many inputs in all.
        seed: What decides how they are damaged.
    """
    tallies = {case: Tally() for case in cases}
    worker = _Worker(seed)
    try:
        for place, case in enumerate(cases):
            tally = tallies[case]
            for number in range(place, inputs, len(cases)):
                answer = worker.read(case, number)
                tally.counts["inputs"] += 1
                if answer["failure"]:
                    tally.failures[number] = answer["failure"]
                    continue
                tally.counts["rows"] += answer["rows"]
                tally.counts["rejected"] += answer["rejected"]
                tally.counts["refused"] += bool(answer["refused"])
                tally.slowest = max(tally.slowest, answer["seconds"])
    finally:
        worker.close()
    return tallies
