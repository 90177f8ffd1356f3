"""Writes a page to look at about a result, or about a preset that was trained.

    python -m pipelines.report OUTPUT [--report=FILE]

The page is one HTML file, which needs no network; see docs/reports.md.
"""

from collections.abc import Sequence

from pipelines.flags import flag_types, options
from pipelines.flags.message_flags import add_message_flags
from pipelines.reporting.console import report, run_command, run_process
from pipelines.reporting.messages import say_outcome

DEFAULT_FILE = "report.html"


def make_parser() -> options.Parser:
    """Returns the parser of the command's flags."""
    parser = options.Parser("python -m pipelines.report", __doc__ or "")
    parser.add_argument(
        "output", metavar="OUTPUT", type=flag_types.expand_home, help="the folder, or a preset"
    )
    parser.add_argument(
        "--report",
        type=flag_types.expand_home,
        default=DEFAULT_FILE,
        metavar="FILE",
        help=f"the page; default: {DEFAULT_FILE}",
    )
    add_message_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run_command(_report, argv, "no page was written")


def _report(argv: Sequence[str]) -> int:
    args = make_parser().parse_own(argv)
    from pipelines.reports.making import check_report, page_of, write_page

    check_report(args.report)
    write_page(page_of(args.output), args.report)
    written = f"{args.report} is written"
    with report(written):
        say_outcome(f"{written}: open it in a browser")
    return 0


if __name__ == "__main__":
    run_process(main)
