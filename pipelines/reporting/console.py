"""What a person sees: errors in one line, progress as a bar or in lines, a summary at the end."""

import contextlib
import io
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from models.errors import Advice, MistakesError, RunError, UserError
from models.inference import runtime
from pipelines.reporting.messages import Manner, manner, say, say_end, speaking
from pipelines.reporting.pace import Pace
from pipelines.reporting.shown import in_bytes, printable, safe_logs, show_bug

if TYPE_CHECKING:
    from rich.console import Console

# Width assumed for a file or a pipe: more columns than any line has.
_UNBROKEN = 10_000

LINE_SECONDS = 60.0
"""Between two lines of progress without a terminal, and until the first of them."""


def run_command(
    command: Callable[[Sequence[str]], int],
    argv: Sequence[str] | None,
    left: str = "nothing was added to the output",
) -> int:
    """Runs a command and turns what stops it into one line and an exit code.

    Args:
        command: Takes the arguments, returns the exit code.
        argv: The arguments; those of the process if `None`.
        left: What to say of an interrupt that does not say itself what it left.

    Returns:
        What the command returned; 2 for a mistake of the user's, 1 for work that failed or output
        that nobody reads, 128 plus the number of the signal (SIGINT: 130) for an interrupt.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    began = time.monotonic()
    with speaking(Manner.asked(given)):
        code = _run(command, given, left)
        say_end(code, time.monotonic() - began)
    return code


def _run(command: Callable[[Sequence[str]], int], argv: Sequence[str], left: str) -> int:
    """Runs a command; returns its exit code, and has said what stopped it."""
    try:
        with safe_logs(), warnings.catch_warnings():
            if not sys.warnoptions:  # python -W … shows what libraries warn programmers about
                warnings.simplefilter("ignore")
                warnings.simplefilter("once", Advice)
                warnings.showwarning = _show_advice
            return command(argv)
    except MistakesError as error:
        for mistake in error.mistakes:
            print_error(mistake)
        return 2
    except UserError as error:
        print_error(str(error))
        return 2
    except RunError as error:
        print_error(str(error))
        return 1
    except KeyboardInterrupt as interrupt:
        print_error(f"interrupted; {str(interrupt) or left}")
        return 128 + _interrupts[-1]
    except BrokenPipeError:
        print_error(f"standard output was closed; {left}")
        return 1
    except Exception:
        if not manner().is_json:
            raise
        say("CRITICAL", traceback.format_exc())
        return 1


def _show_advice(message: Warning | str, *_: Any, **__: Any) -> None:
    say("NOTICE", str(message))


def print_error(message: str) -> None:
    """Writes one line to standard error, whatever is in the message."""
    say("ERROR", message)


def report_console() -> "Console":
    """Returns a console for what a command reports; it breaks lines only on a terminal."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNBROKEN
    return console


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Lets the body print progress; the work goes on whether or not anybody can read it."""
    with contextlib.suppress(OSError, SystemExit):  # rich turns a broken pipe into the latter
        yield


@contextlib.contextmanager
def report(done: str) -> Iterator[None]:
    """Lets the body print what a command has done, whether or not anybody can read it.

    Args:
        done: What is done by now, for who interrupts it, and where nothing can be printed.
    """
    with leaving(done):
        try:
            yield
        except (BrokenPipeError, SystemExit):  # rich turns the former into the latter
            pass
        except OSError as error:
            print_error(f"{done}, and cannot be told of: {error.strerror or error}")


@contextlib.contextmanager
def leaving(done: str) -> Iterator[None]:
    """Lets an interrupt of the body say what is done by now, unless it says that itself."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(str(interrupt) or done) from None


@contextlib.contextmanager
def findings() -> Iterator[None]:
    """Lets the body print what the command was started for, which must not be lost in silence.

    Raises:
        BrokenPipeError: Nobody reads it.
        RunError: It cannot be written.
    """
    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich turns the former into the latter
        raise BrokenPipeError from None
    except OSError as error:
        raise RunError(f"cannot write to standard output: {error.strerror or error}") from None


def run_process(main: Callable[[], int]) -> NoReturn:
    """Runs a command as the whole work of its process, from the first import to the exit code.

    The process ends without waiting for the threads and modules that Python would tear down.
    """
    runtime.pause_collection()
    _prepare_streams()
    sys.excepthook = show_bug
    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them
            signal.signal(number, _interrupt)
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


# The signals that end a process no longer wanted: from a scheduler, or from a closed terminal.
_ENDINGS = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]

_interrupts: list[int] = [signal.SIGINT]  # the signals that stopped the command, the latest last


def _interrupt(number: int, _: object) -> None:
    """Stops the command as Ctrl-C does, so that it cleans up; the same signal again ends it."""
    signal.signal(number, signal.SIG_DFL)
    _interrupts.append(number)
    raise KeyboardInterrupt


def _prepare_streams() -> None:
    """Prepares the standard streams so that Python can always print to them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Takes the closed descriptor: otherwise the next file to be opened would get it, and
            # with it what native code prints.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # its encoding may lack characters of a text


def tell(line: str, **facts: Any) -> None:
    """Writes a line about work that goes on to standard error, if anybody can read it.

    Args:
        line: The line.
        facts: What a line of JSON has besides.
    """
    say("INFO", line, **facts)


def has_bar() -> bool:
    """Returns whether there is a terminal to show a bar on, and somebody who looks."""
    return sys.stderr.isatty() and not manner().is_quiet


Tell = Callable[..., None]
"""Writes a line about work that goes on, as `tell` does."""


@contextlib.contextmanager
def progress_bar(
    total: float,
    read: Callable[[], tuple[float, int]],
    seconds: float = 0.2,
    every: float | None = LINE_SECONDS,
) -> Iterator[Tell]:
    """Shows rows, rows a second and the time left while the body runs.

    On a terminal that is a bar; elsewhere a line now and then, on standard error.

    Args:
        total: The work, in any unit.
        read: Returns how much of the work is done, and how many rows.
        seconds: Seconds between two updates.
        every: Without a terminal, seconds between two lines; `None` for none.

    Yields:
        What writes a line.
    """
    if has_bar():
        with _bar(Pace(total), read, seconds):
            yield tell
    elif every is None or manner().is_quiet:
        yield tell
    else:
        with _repeated(progress_lines(total, read, every), min(seconds * 5, every)):
            yield tell


def progress_lines(
    total: float, read: Callable[[], tuple[float, int]], every: float
) -> Callable[[], None]:
    """Returns what looks how far the work is, and writes a line if one is due.

    Args:
        total: The work, in any unit.
        read: Returns how much of the work is done, and how many rows.
        every: Seconds between two lines, and until the first of them.
    """
    pace, due = Pace(total), time.monotonic() + every

    def look() -> None:
        nonlocal due
        now = pace.now(*read())
        if time.monotonic() >= due:
            due = time.monotonic() + every
            tell(now.line(), **now.facts())

    return look


@contextlib.contextmanager
def _repeated(action: Callable[[], None], seconds: float) -> Iterator[None]:
    """Does something again and again while the body runs, so many seconds apart."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(seconds):
            action()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def _bar(pace: Pace, read: Callable[[], tuple[float, int]], seconds: float) -> Iterator[None]:
    """Shows a bar on the terminal while the body runs."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn

    from pipelines.reporting.late_bar import LateBar

    terminal = own_terminal()
    bar = LateBar(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[left]}"),
        console=Console(file=terminal),
        transient=True,
    )
    task = bar.add_task("", total=pace.total or 1, rows=0, speed="starting", left="")

    def show() -> None:
        now = pace.now(*read())
        if now.rows:
            bar.update(task, completed=now.done, rows=now.rows, speed=now.speed, left=now.left)

    with terminal, bar, _repeated(show, seconds):
        yield


def own_terminal() -> TextIO:
    """Opens standard error anew: what goes to the other is held back while TensorFlow starts."""
    encoding = getattr(sys.stderr, "encoding", None)
    return os.fdopen(os.dup(2), "w", encoding=encoding, errors="backslashreplace")


@contextlib.contextmanager
def transfer_bar(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Shows the bytes that have been transferred while the body runs, as a bar or in lines.

    Args:
        title: What is transferred.

    Yields:
        A function of the bytes transferred so far and in all; `None` if nobody looks.
    """
    if not has_bar():
        yield None if manner().is_quiet else _transfer_lines(title)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from pipelines.reporting.late_bar import LateBar

    bar = LateBar(
        TextColumn(escape(printable(title))),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", total=None)
    with bar:
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _transfer_lines(title: str) -> Callable[[int, int], None]:
    """Returns what writes a line now and then, of the bytes transferred so far and in all."""
    pace, due = Pace(1), time.monotonic() + LINE_SECONDS

    def show(done: int, total: int) -> None:
        nonlocal due
        now = pace.now(done / max(total, 1), done)
        if time.monotonic() >= due:
            due = time.monotonic() + LINE_SECONDS
            left = f", {now.left}" if now.left else ""
            size = f"{in_bytes(done)} of {in_bytes(total)}"
            facts = {"bytes": done, "total_bytes": total, "seconds_left": now.seconds_left}
            tell(f"{printable(title)}: {size}, {now.share:.0%}{left}", **facts)

    return show
