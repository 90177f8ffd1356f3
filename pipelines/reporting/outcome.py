"""Telling what a run has done, in each of the ways that were asked for."""

import argparse
import json
from collections.abc import Callable

from pipelines.reporting.console import findings, leaving, report
from pipelines.reporting.messages import manner, say, shows_outcome
from pipelines.reporting.summary_file import SummaryFile


def tell_outcome(
    args: argparse.Namespace,
    summary: str,
    sentence: str,
    show: Callable[[], None],
    done: str | None,
) -> None:
    """Tells what was done: to a person, on standard output; to programs as JSON, wherever they are.

    Args:
        args: The flags of `pipelines.flags.message_flags`.
        summary: The summary as a line of JSON.
        sentence: The summary in a few words.
        show: Prints it for a person.
        done: What is done by now, as a message begins; `None` if the command was started for
            nothing but the summary, so that `--quiet` lets it be.

    Raises:
        BrokenPipeError: Nobody reads what the command was started for.
        RunError: That, or the file for the summary, cannot be written.
    """
    if manner().is_json:
        say("INFO", sentence, summary=json.loads(summary))
    with report(done) if done else findings():
        if args.json:
            print(summary, flush=True)
        elif shows_outcome() or (not done and not manner().is_json):
            show()
    if args.summary_json:
        with leaving(done or ""):
            SummaryFile(args.summary_json).write(summary, done)
