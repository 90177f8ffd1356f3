"""What a person is told on a terminal while something takes its time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelines.reporting.console import has_bar, own_terminal

if TYPE_CHECKING:
    from pipelines.reporting.late_bar import LateBar

_waits: list["LateBar"] = []  # what says what is waited for


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Says on a terminal what takes a while as long as the body runs.

    Args:
        what: What is done, such as `drawing a map`; within the body of another wait, it is said in
            the place of that one.
    """
    if not has_bar():
        yield
        return
    if _waits:
        (task,) = _waits[-1].tasks
        before = task.description
        task.description = what
        try:
            yield
        finally:
            task.description = before
        return
    from rich.console import Console
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    from pipelines.reporting.late_bar import LateBar

    terminal = own_terminal()
    bar = LateBar(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=Console(file=terminal),
        transient=True,
    )
    bar.add_task(what, total=None)
    with terminal, bar:
        _waits.append(bar)
        try:
            yield
        finally:
            _waits.remove(bar)
