"""What a command says on standard error: lines for a person, or JSON for what collects logs.

A line of JSON has `time`, `severity` and `message`, as Google Cloud Logging reads them, and what
else is known, such as `rows`.
"""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any, Literal, TextIO

from models.redaction import redacted
from pipelines.reporting.json_lines import json_line
from pipelines.reporting.shown import visible

Severity = Literal["INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"]

LOG_FORMATS = ("text", "json")

_LEVELS: tuple[tuple[int, Severity], ...] = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
)

_BEFORE = {"NOTICE": "note: ", "WARNING": "warning: ", "ERROR": "error: ", "CRITICAL": "error: "}

# Characters of a message; more than any traceback has, and less than what collectors cut.
_MOST = 100_000


@dataclass(frozen=True)
class Manner:
    """How a command speaks.

    Attributes:
        is_json: Whether each line on standard error is an object of JSON.
        is_quiet: Whether progress and summaries are left out.
        stream: Where it speaks; `None` for the standard error of the moment.
    """

    is_json: bool = False
    is_quiet: bool = False
    stream: TextIO | None = None

    @classmethod
    def asked(cls, argv: Sequence[str]) -> "Manner":
        """Returns what flags ask for, before they are parsed: a mistake in them is said so, too."""
        formats = [
            after if flag == "--log_format" else flag.partition("=")[2]
            for flag, after in pairwise([*argv, ""])
            if flag.partition("=")[0] == "--log_format"
        ]
        return cls(formats[-1:] == ["json"], "--quiet" in argv)


# Of the commands that are at work in this process, the last one to begin comes last.
_manners = [Manner()]


def manner() -> Manner:
    """Returns how the command of this process speaks; of several, the one that began last."""
    return _manners[-1]


@contextlib.contextmanager
def speaking(chosen: Manner) -> Iterator[None]:
    """Lets the command in the body speak in a manner, and with it the libraries that it uses."""
    with ExitStack() as stack:
        own = stack.enter_context(_own_stderr())
        # Of JSON, what `sys.stderr` was: what stands for it comes here.
        mine = replace(chosen, stream=own or (sys.stderr if chosen.is_json else None))
        _manners.append(mine)
        stack.callback(_forget, mine)
        if chosen.is_json:
            stack.enter_context(_others_in_json())
        yield


def _forget(mine: Manner) -> None:
    """Removes a manner; commands in threads may end in any order."""
    del _manners[next(place for place, found in enumerate(_manners) if found is mine)]


@contextlib.contextmanager
def _own_stderr() -> Iterator[TextIO | None]:
    """Opens standard error anew: what goes to the other is held back while TensorFlow starts."""
    try:
        is_whole = sys.stderr.fileno() == 2 and isinstance(sys.stderr, io.TextIOWrapper)
    except (AttributeError, OSError, ValueError):  # a program put something else there
        is_whole = False
    if not is_whole:
        yield None
        return
    own = os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace")
    try:
        yield own
    finally:
        with contextlib.suppress(OSError):  # what could not be written, nobody reads
            own.close()


bars: list[Callable[[str], None]] = []
"""What writes a line above each bar that is on the terminal, the one that was shown last last."""


def say(severity: Severity, message: str, **facts: Any) -> None:
    """Writes a line to standard error, if anybody can read it; the work goes on in any case.

    Args:
        severity: `INFO` for progress, which `--quiet` leaves out.
        message: The line.
        facts: What a line of JSON has besides.
    """
    if severity == "INFO" and manner().is_quiet:
        return
    if manner().is_json:
        line = _as_json(severity, message, facts)
    else:
        line = _BEFORE.get(severity, "") + visible(message)
    with contextlib.suppress(OSError, SystemExit):  # rich turns a broken pipe into the latter
        sys.stderr.flush()
        if bars:
            bars[-1](line)
            return
        stream = manner().stream or sys.stderr
        stream.write(f"{line}\n")
        stream.flush()


def say_outcome(message: str, **facts: Any) -> None:
    """Writes what a command has done: to standard output, or where `say` writes JSON."""
    if manner().is_json:
        say("INFO", message, **facts)
    elif not manner().is_quiet:
        print(visible(message), flush=True)


def say_finding(message: str) -> None:
    """Writes what is wrong with what a command looks at, as `say_outcome` does, but never quiet."""
    if manner().is_json:
        say("ERROR", message)
    else:
        print(visible(message), flush=True)


def say_end(code: int, seconds: float) -> None:
    """Writes the exit code, in JSON: there are no lines after that one.

    Args:
        code: The exit code.
        seconds: How long the command took.
    """
    if isinstance(sys.stderr, _Lines):
        sys.stderr.say_begun()
    if manner().is_json:
        facts = {"exit_code": code, "seconds": round(seconds, 3)}
        say("ERROR" if code else "INFO", f"ended with exit code {code}", **facts)


def shows_outcome() -> bool:
    """Returns whether a person is shown what a command has done."""
    return not (manner().is_json or manner().is_quiet)


def _as_json(severity: str, message: str, facts: dict[str, Any]) -> str:
    now = datetime.now(timezone.utc)
    content = {
        "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "severity": severity,
        "message": redacted(message)[:_MOST],
        **{name: redacted(fact) if isinstance(fact, str) else fact for name, fact in facts.items()},
    }
    return json_line(content)


@contextlib.contextmanager
def _others_in_json() -> Iterator[None]:
    """Makes lines of JSON of what others log, and write to `sys.stderr`, in the body."""
    stderr = sys.stderr
    handler, lines = _Handler(), _Lines(stderr)
    logging.getLogger().addHandler(handler)
    sys.stderr = lines
    try:
        yield
    finally:
        lines.end()
        sys.stderr = stderr
        logging.getLogger().removeHandler(handler)


class _Handler(logging.Handler):
    """Writes what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        severity: Severity = next(
            (name for level, name in _LEVELS if record.levelno >= level), "INFO"
        )
        say(severity, self.format(record), logger=record.name)


class _Lines(io.TextIOBase):
    """Stands for `sys.stderr`: what is written there is said line by line."""

    def __init__(self, stderr: TextIO) -> None:
        self._stderr, self._begun, self._has_ended = stderr, "", False

    def write(self, text: str) -> int:
        if self._has_ended:  # a library has kept it
            return self._stderr.write(text)
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._say(line)
        return len(text)

    def _say(self, line: str) -> None:
        if line.strip():
            say("NOTICE", line)

    def say_begun(self) -> None:
        """Says a line that was begun."""
        begun, self._begun = self._begun, ""
        self._say(begun)

    def end(self) -> None:
        """Says what is left; from now on it is the stream that it stood for."""
        self.say_begun()
        self._has_ended = True

    def fileno(self) -> int:
        return self._stderr.fileno()

    def isatty(self) -> bool:
        return self._has_ended and self._stderr.isatty()

    def flush(self) -> None:
        self._stderr.flush()
