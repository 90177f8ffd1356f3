"""Commands run in this process or in one of their own, and what they left behind."""

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Run:
    """What a command said, and the output folder that it was given."""

    code: Any
    out: str
    err: str
    folder: Path

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads((self.folder / "_MANIFEST.json").read_bytes())

    @property
    def parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    @property
    def rejected_parts(self) -> list[Path]:
        return sorted(self.folder.glob("rejected/part-*.parquet"))

    @property
    def table(self) -> pa.Table:
        return pa.concat_tables([pq.ParquetFile(part).read() for part in self.parts])

    @property
    def rejected(self) -> list[dict[str, Any]]:
        return [
            row for part in self.rejected_parts for row in pq.ParquetFile(part).read().to_pylist()
        ]

    def column(self, name: str) -> list[Any]:
        return self.table.column(name).to_pylist()

    @property
    def error(self) -> str:
        """The one line on standard error of a command that refused to work."""
        assert self.code == 2, (self.code, self.err)
        return self.error_line

    @property
    def error_line(self) -> str:
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1, self.err
        assert "while running" not in self.err  # Beam's words
        assert self.err.endswith("\n")
        return self.err.removeprefix("error: ").removesuffix("\n")


def run(main: Callable[[Sequence[str]], int], folder: Path, *flags: str) -> Run:
    """Runs a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: Any = main(flags)
        except SystemExit as stop:
            code = stop.code
    return Run(code, out.getvalue(), err.getvalue(), folder)


def run_process(
    module: str, folder: Path, *flags: str, cwd: Path = ROOT, **environment: str
) -> Run:
    """Runs a command as a user does: `python -m pipelines.NAME`."""
    command = [sys.executable, "-m", f"pipelines.{module}", *flags]
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Run(done.returncode, done.stdout, done.stderr, folder)


class TerminalProcess:
    """A process whose standard error is a terminal, of which all that was written is kept."""

    def __init__(self, *command: str, **environment: str) -> None:
        self._controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**ENVIRONMENT, **environment, "TERM": "xterm-256color"},
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
        )
        os.close(terminal)
        self.written = ""

    def wait_for(self, pattern: str, seconds: float = 90) -> None:
        """Waits until what a pattern describes was written."""
        deadline = time.monotonic() + seconds
        for _ in self._reads():
            if re.search(pattern, self.written):
                return
            assert time.monotonic() < deadline, self.written
        raise AssertionError(f"ended without {pattern!r}: {self.written!r}")

    def finish(self) -> tuple[int, str]:
        """Waits for the end; returns the exit code and standard output."""
        for _ in self._reads():
            pass
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        self.process.stdout.close()
        os.close(self._controller)
        return self.process.wait(timeout=30), out

    def _reads(self) -> Iterator[None]:
        while True:
            try:
                data = os.read(self._controller, 65536)
            except OSError:  # what Linux says when the other end is closed
                return
            if not data:
                return
            self.written += data.decode()
            yield


def screen(written: str) -> list[str]:
    """Returns the lines that a terminal shows in the end."""
    lines, row, column = [""], 0, 0
    for control, parameter, kind, character in re.findall(
        r"(\x1b\[([0-9;?]*)([A-Za-z]))|([\s\S])", written
    ):
        if control:
            if kind == "A":
                row = max(0, row - int(parameter or 1))
            elif kind == "K":
                lines[row] = "" if parameter == "2" else lines[row][:column]
            else:
                assert kind in "mhl", control  # colours, and the cursor shown or not
        elif character == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif character == "\r":
            column = 0
        else:
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines if line.strip()]
