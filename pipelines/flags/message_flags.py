"""The flags about what a command says, which all commands that take time share."""

import argparse

from pipelines.flags.flag_types import expand_home
from pipelines.reporting.messages import LOG_FORMATS


def add_message_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the flags, which `run_command` heeds; returns their group."""
    group = parser.add_argument_group("messages")
    group.add_argument(
        "--quiet",
        action="store_true",
        help="say nothing of progress and success, only what is wrong",
    )
    group.add_argument(
        "--log_format",
        choices=LOG_FORMATS,
        default="text",
        help="json: each line on standard error is an object with time, severity, message and "
        "numbers, and the last one has the exit code; the summary is there, too; default: text",
    )
    return group


def add_summary_flags(group: argparse._ArgumentGroup) -> None:
    """Adds the flags about the summary as JSON."""
    group.add_argument(
        "--json", action="store_true", help="print the summary as JSON, for programs"
    )
    group.add_argument(
        "--summary_json",
        type=expand_home,
        metavar="FILE",
        help="write the same JSON to a file as well, local or in gs:// or s3://, once all is done",
    )
