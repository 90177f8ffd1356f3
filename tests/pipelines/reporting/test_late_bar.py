"""What a terminal shows of work that takes its time, and of work that does not."""

import re
import sys
from types import SimpleNamespace

import pytest
from rich.progress import TextColumn

from pipelines.reporting import late_bar
from pipelines.reporting.late_bar import LateBar
from tests.pipelines.command_runs import TerminalProcess, screen

# Whatever shows something on a terminal while its body runs.
BARS = {
    "progress": "progress_bar(10, lambda: (5, 5))",
    "transfer": "transfer_bar('weights')",
    "wait": "waiting('drawing a map')",
}


def shown_by(work: str, seconds: float) -> str:
    """What a terminal was sent by a process, but for what moves and hides its cursor."""
    code = f"""
from pipelines.reporting import late_bar, waits
from pipelines.reporting.console import progress_bar, transfer_bar
from pipelines.reporting.waits import waiting
late_bar.SECONDS = {seconds}
{work}
"""
    terminal = TerminalProcess(sys.executable, "-c", code)
    assert terminal.finish() == (0, "")
    assert screen(terminal.written) == []
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.written)


def test_nothing_is_shown_until_half_a_second_has_passed(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(late_bar, "time", SimpleNamespace(monotonic=lambda: now[0]))
    bar = LateBar(TextColumn("{task.description}"))
    bar.add_task("work")
    now[0] = 100.49
    assert list(bar.get_renderables()) == []
    now[0] = 100.5
    assert len(list(bar.get_renderables())) == 1


@pytest.mark.parametrize("bar", BARS)
def test_work_that_is_over_at_once_shows_nothing(bar):
    assert shown_by(f"with {BARS[bar]}: pass", seconds=1e9).strip() == ""


@pytest.mark.parametrize("bar", BARS)
def test_other_work_has_a_bar(bar):
    assert shown_by(f"with {BARS[bar]}: pass", seconds=0.0).strip() != ""


@pytest.mark.parametrize("bar", BARS)
def test_what_is_said_meanwhile_stands_above_the_bar(bar):
    code = f"""
from pipelines.reporting import late_bar
from pipelines.reporting.console import progress_bar, run_command, tell, transfer_bar
from pipelines.reporting.messages import bars, say
from pipelines.reporting.waits import waiting
late_bar.SECONDS = 0.0
def work(argv):
    with {BARS[bar]}:
        tell("[b]on the way[/b]")
        say("NOTICE", "a hint\\x1b[31m")
        assert bars
    say("WARNING", "after it")
    return 0
run_command(work, [])
"""
    terminal = TerminalProcess(sys.executable, "-c", code)
    assert terminal.finish() == (0, "")
    assert screen(terminal.written) == [
        "[b]on the way[/b]",
        "note: a hint\\x1b[31m",
        "warning: after it",
    ]


def test_what_is_done_within_a_wait_is_said_in_its_place():
    work = """
with waiting("making [a] page"):
    with waiting("drawing a map"):
        waits._waits[-1].refresh()
"""
    shown = shown_by(work, seconds=0.0)
    assert re.findall(r"making \[a\] page|drawing a map", shown)[-2:] == [
        "drawing a map",
        "making [a] page",
    ]
