"""What texts become before they are shown: no secrets, nothing that controls a terminal, no flood.

Names of columns and labels, reasons of errors and whatever else comes from files may hold escape
sequences, which a terminal would obey.
"""

import contextlib
import io
import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from models.redaction import redacted

_NAME_CHARACTERS = 200
_MESSAGE_CHARACTERS = 2_000


def printable(text: str, most: int = _NAME_CHARACTERS) -> str:
    """Returns a name or a text on one line, without secrets and what controls a terminal.

    Args:
        text: It.
        most: Characters to keep of it.
    """
    beginning = redacted(text)[: 8 * most]  # many characters may become one space
    line = " ".join("".join(c if c.isprintable() else " " for c in beginning).split())
    return line if len(line) <= most else f"{line[:most]}…"


def visible(text: str, most: int = _MESSAGE_CHARACTERS) -> str:
    """Returns a message or a path on one line, with what controls a terminal spelled out.

    Args:
        text: It.
        most: Characters to show of it; of a longer one, those in the middle are left out, since an
            error says at its end what to do.
    """
    line = " ".join(redacted(text).splitlines())
    line = "".join(c if c.isprintable() else _spelled_out(c) for c in line)
    if len(line) > most:
        line = f"{line[: most * 2 // 3]} … {line[-most // 3 :]}"
    return line


def visible_lines(text: str) -> str:
    """Returns lines, such as a traceback, each as `visible` returns it."""
    return "\n".join(visible(line) for line in text.split("\n"))


def counted(number: int, noun: str) -> str:
    """Returns a number with what it counts: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def in_bytes(size: float) -> str:
    """Returns a number of bytes with its unit: `120 bytes`, `1.2 MB`."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _spelled_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class SafeNotices(io.TextIOBase):
    """A stream for what libraries print: it comes to standard error as `visible_lines`."""

    def write(self, text: str) -> int:
        """Writes a text; returns its length."""
        sys.stderr.write(visible_lines(text))
        return len(text)


@contextlib.contextmanager
def safe_logs() -> Iterator[None]:
    """Makes what is logged in the body safe to show, whichever handler of a library shows it.

    Clients of hubs log the URLs that they ask for, signatures included.
    """
    make = logging.getLogRecordFactory()

    def make_safe(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        with contextlib.suppress(Exception):  # what cannot be formatted, its handler reports
            message = record.getMessage()
            safe = visible_lines(message)
            if safe != message:
                record.msg, record.args = safe, None
            if record.exc_info and record.exc_info[0] is not None:
                # What is here already, a handler does not format again.
                record.exc_text = visible_lines(
                    logging.Formatter().formatException(record.exc_info)
                )
        return record

    logging.setLogRecordFactory(make_safe)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)


def show_bug(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Prints the traceback of an error that nobody expected; for `sys.excepthook`."""
    lines = "".join(traceback.format_exception(kind, error, where)).rstrip("\n")
    print(visible_lines(lines), file=sys.stderr)
