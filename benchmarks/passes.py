"""Timing passes, in turn, inside processes that are loaded and warm.

A process loads its model, then runs one pass for each line it reads and answers with its seconds.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from typing_extensions import Self


def serve(run: Callable[[], object]) -> None:
    """Runs a pass for each line of standard input and answers with its seconds."""
    for _ in sys.stdin:
        began = time.perf_counter()
        run()
        print(time.perf_counter() - began, flush=True)


def alternate_passes(commands: Mapping[str, Sequence[str]], repeats: int) -> dict[str, list[float]]:
    """Starts processes that `serve` and times their passes in turn, A B A B ….

    The first pass of each is not counted. A process that waits for its turn sleeps.

    Returns:
        Seconds of each pass.
    """
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(_Server(line)) for name, line in commands.items()}
        for server in servers.values():
            server.run_pass()
        seconds: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(repeats):
            for name, server in servers.items():
                seconds[name].append(server.run_pass())
    return seconds


class _Server:
    """A process that runs passes until this context is left."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def run_pass(self) -> float:
        """Returns the seconds of one pass; exits if the process failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            self._errors.seek(0)
            sys.exit(f"{' '.join(self._command)} failed:\n{self._errors.read()[-3000:]}")
        return float(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Standard input closes, and so the process ends.
        self._process.__exit__(kind, error, trace)
        self._errors.close()
