"""Reads a result again and says whether it is whole.

    python -m pipelines.verify OUTPUT [--input=…] [--repair]

Every part must be as the manifest says (bytes, digest, rows, columns), every row there once, and
nothing there that the manifest does not list; with --input, every row of the input must be there.
"""

from collections.abc import Sequence

from pipelines.flags import flag_types, options
from pipelines.flags.message_flags import add_message_flags
from pipelines.reporting.console import progress_bar, run_command, run_process
from pipelines.reporting.messages import say_finding, say_outcome
from pipelines.reporting.shown import counted


def make_parser() -> options.Parser:
    """Returns the parser of the command's flags."""
    parser = options.Parser("python -m pipelines.verify", __doc__ or "")
    parser.add_argument("output", metavar="OUTPUT", type=flag_types.expand_home, help="the folder")
    parser.add_argument(
        "--input",
        action="append",
        type=flag_types.expand_home,
        metavar="PATH",
        help="file, glob or folder whose rows must all be there; may be given more than once",
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="before, finish the publishing of a run that died, and remove what nothing lists",
    )
    add_message_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0 if the result is whole, else 1."""
    return run_command(_verify, argv, "begin again to know whether the output is whole")


def _verify(argv: Sequence[str]) -> int:
    args = make_parser().parse_own(argv)
    from pipelines.dataflow.asking import asks
    from transforms.progress import RunProgress
    from transforms.verification import repair, verify
    from transforms.writing.manifest import read_manifest

    if args.repair and (done := repair(args.output, asks([]))):
        say_outcome(f"{args.output}: {done}")
    progress, manifest = RunProgress(), read_manifest(args.output) or {}
    parts = [*manifest.get("parts", ()), *manifest.get("rejected_parts", ())]
    size = sum(part.get("bytes", 0) for part in parts if isinstance(part, dict))
    with progress_bar(size, lambda: (progress.bytes_read, progress.rows_done)):
        found = verify(args.output, args.input, progress)
    for note in found.notes:
        say_outcome(note)
    if found.problems or found.manifest is None:
        whole = f"{args.output} is not whole: {counted(len(found.problems), 'problem')}"
        for line in (*found.problems, whole):
            say_finding(line)
        return 1
    rows = found.manifest["rows"]
    counts = (
        counted(rows["written"], "row") + " in " + counted(len(found.manifest["parts"]), "part"),
        counted(rows["rejected"], "rejected row"),
        counted(len(found.manifest["inputs"]), "input file"),
    )
    say_outcome(f"{args.output} is whole: {', '.join(counts)}")
    return 0


if __name__ == "__main__":
    run_process(main)
