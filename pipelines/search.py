"""Finds the rows of a result whose vectors are nearest to a query's, or near duplicates.

    python -m pipelines.search VECTORS 'a query' ['another' …] [--top_k=10]
    python -m pipelines.search VECTORS --duplicates=0.95

Every vector is looked at, and memory stays the same however many there are. The query goes through
the preset that made them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.errors import UserError
from pipelines.flags import flag_types, options
from pipelines.flags.message_flags import add_message_flags
from pipelines.reporting.console import run_command, run_process

if TYPE_CHECKING:
    import argparse

_EXAMPLES = """examples:
  python -m pipelines.search vectors/ 'trains that are late' --top_k=5
  python -m pipelines.search gs://bucket/vectors/ 'late trains' --prefix='query: ' --json
  python -m pipelines.search vectors/ --duplicates=0.95 --top_k=50
"""


def make_parser() -> options.Parser:
    """Returns the parser of the command's flags."""
    parser = options.Parser("python -m pipelines.search", __doc__ or "", _EXAMPLES)
    parser.add_argument(
        "vectors",
        metavar="VECTORS",
        type=flag_types.expand_home,
        help="the folder that embed has written, local or in gs:// or s3://",
    )
    parser.add_argument(
        "queries", metavar="QUERY", nargs="*", type=flag_types.text, help="a text to look for"
    )
    parser.add_argument(
        "--top_k",
        type=flag_types.positive,
        default=10,
        metavar="K",
        help="how many rows to show for a query, or pairs of duplicates; default: 10",
    )
    parser.add_argument(
        "--duplicates",
        type=flag_types.cosine,
        metavar="COSINE",
        help="instead of a query: look for pairs of rows with at least this cosine, such as 0.95",
    )
    parser.add_argument(
        "--preset",
        type=flag_types.expand_home,
        help="where the preset that made the vectors is now; default: where it was",
    )
    before = parser.add_mutually_exclusive_group()
    before.add_argument(
        "--prompt",
        metavar="NAME",
        help="which of the preset's prompts the model reads before a query; default: query, if it "
        "has that",
    )
    before.add_argument(
        "--prefix",
        type=flag_types.text,
        metavar="TEXT",
        help="a text for the model to read there instead, such as 'query: '; '' for none",
    )
    parser.add_argument(
        "--json", action="store_true", help="print what is found as JSON, with all columns"
    )
    add_message_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run_command(_search, argv, "nothing was changed")


def _search(argv: Sequence[str]) -> int:
    args = make_parser().parse_own(argv)
    _check(args)
    from transforms.vectors.stored import open_vectors
    from transforms.writing.manifest import manifest_errors

    stored = open_vectors(args.vectors)
    if args.duplicates is not None:
        from pipelines.searching.duplicates import show_duplicates

        show_duplicates(stored, args.duplicates, args.top_k, as_json=args.json)
        return 0
    from pipelines.searching.nearest import show_nearest
    from pipelines.searching.queries import ask_queries

    with manifest_errors(args.vectors):
        asked = ask_queries(stored, args.preset, args.prompt, args.prefix)
    show_nearest(stored, asked, args.queries, args.top_k, as_json=args.json)
    return 0


def _check(args: "argparse.Namespace") -> None:
    """Raises `UserError` for flags that do not go together."""
    if args.duplicates is None:
        if not args.queries:
            raise UserError(
                "give a query to look for, in quotes, or --duplicates=0.95 for near duplicates"
            )
        if any(not query.strip() for query in args.queries):
            raise UserError("a query is empty: give the text to look for")
        return
    for flag, value in (
        ("query", args.queries or None),
        *((f"--{name}", getattr(args, name)) for name in ("preset", "prompt", "prefix")),
    ):
        if value is not None:
            raise UserError(f"--duplicates compares rows with each other, and takes no {flag}")


if __name__ == "__main__":
    run_process(main)
