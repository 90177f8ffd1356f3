"""The flags that the commands share, and what becomes of the others."""

import argparse
import csv
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from models.errors import UserError, nearest
from transforms.reading.formats.record import FORMATS


class Parser(argparse.ArgumentParser):
    """Parses flags as Beam does, `--snake_case`, and raises `UserError` for wrong ones.

    The parsers of subcommands, which `add_subparsers()` makes, are of this class too.
    """

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raises `UserError`."""
        raise UserError(message)

    def flags(self) -> list[str]:
        """Returns the names of all flags, those of subcommands included."""
        found = [flag for flag in self._option_string_actions if flag.startswith("--")]
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                found += [flag for parser in action.choices.values() for flag in parser.flags()]
        return list(dict.fromkeys(found))

    def parse(self, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """Returns the values of the flags, and what is left for Beam.

        Raises:
            UserError: An unknown flag or a wrong value.
        """
        args, others = self.parse_known_args(argv)
        if others:
            _check_beam_flags(others, self.flags())
        return args, others

    def parse_own(self, argv: Sequence[str]) -> argparse.Namespace:
        """Returns the values of the flags of a command that takes none of Beam's.

        Raises:
            UserError: An unknown flag or a wrong value.
        """
        args, unknown = self.parse_known_args(argv)
        if unknown:
            where, flags = "--help lists the options", self.flags()
            if not unknown[0].startswith("-") and "--input" not in flags:
                raise UserError(f"{unknown[0]!r} is one argument too many; {where}")
            raise _unknown(unknown[0], flags, where)
        return args


def _check_beam_flags(argv: Sequence[str], ours: Sequence[str]) -> None:
    """Raises `UserError` unless Beam knows every flag; imports Beam."""
    parser = _beam_parser()
    _, unknown = parser.parse_known_args(argv)
    if unknown:
        where = "--help lists the options, --help_beam those of Beam"
        raise _unknown(unknown[0], [*ours, *parser._option_string_actions], where)


def _unknown(argument: str, flags: Sequence[str], where: str) -> UserError:
    """Returns the error for an argument that nothing takes."""
    if not argument.startswith("-"):
        return UserError(
            f"{argument!r} belongs to no option; several files are given as one glob in quotes, or "
            f"each with its own --input={argument}"
        )
    name = argument.partition("=")[0]
    near = nearest(name, flags)
    hint = f"did you mean {near}? " if near else ""
    return UserError(f"unknown option {name}; {hint}{where}")


def _beam_parser() -> argparse.ArgumentParser:
    """Returns a parser of all options of Beam."""
    from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

    def error(message: str) -> NoReturn:
        raise UserError(f"{message}; --help_beam lists the options of Apache Beam")

    parser = _BeamArgumentParser(usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False)
    # Beam has a parser class of its own, in which an error would print and exit.
    parser.error = error  # type: ignore[method-assign]
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    return parser


class HelpBeam(argparse.Action):
    """Prints the options of Apache Beam."""

    def __call__(self, *_: object) -> NoReturn:
        """Prints and exits."""
        parser = _beam_parser()
        parser.print_help()
        parser.exit()


def positive(value: str) -> int:
    """Returns a positive integer; for `type=` of a flag."""
    number = int(value) if re.fullmatch(r"[0-9_]+", value) else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, not {value!r}")
    if number >= 2**63:
        raise argparse.ArgumentTypeError(f"must be below {2**63}, not {value!r}")
    return number


def check_sequence_length(
    length: int, num_special: int, num_texts: int, long_text: str = "truncate"
) -> None:
    """Raises `UserError` if a length leaves no room for text.

    Args:
        length: Tokens of a row.
        num_special: Special tokens around the texts of a row.
        num_texts: Texts of a row: 1, or 2 for pairs.
        long_text: What becomes of longer texts; a window needs room for each text.
    """
    needed = num_special + (num_texts if long_text == "windows" else 1)
    if length < needed:
        raise UserError(
            f"--sequence_length={length} leaves no room for text beside {num_special} special "
            f"tokens; at least {needed} is needed"
        )


def seed(value: str) -> int:
    """Returns the seed of a random generator; for `type=` of a flag."""
    if not re.fullmatch(r"[0-9]+", value) or int(value) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be an integer from 0 to {2**32 - 1}, not {value!r}")
    return int(value)


def fraction(value: str) -> float:
    """Returns a number above 0 and below 1; for `type=` of a flag."""
    number = _number(value)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {value!r}")
    return number


def share(value: str) -> float:
    """Returns a number from 0 to below 1; for `type=` of a flag."""
    number = _number(value)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to below 1, not {value!r}")
    return number


def above_zero(value: str) -> float:
    """Returns a number above 0; for `type=` of a flag."""
    number = _number(value)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {value!r}")
    return number


def probability(value: str) -> float:
    """Returns a number from 0 to 1; for `type=` of a flag."""
    number = _number(value)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, not {value!r}")
    return number


def _number(value: str) -> float:
    """Returns a number; anything else becomes NaN, which lies in no range."""
    try:
        return float(value)
    except ValueError:
        return math.nan


def text(value: str) -> str:
    """Returns a text that can be written in UTF-8; for `type=` of a flag."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"is not UTF-8: {value!r}") from None
    return value


def expand_home(value: str) -> str:
    """Returns a path with `~` expanded, which shells do not do after a `=`; for `type=`."""
    return os.path.expanduser(value)


def names(value: str) -> list[str]:
    """Returns the names in a comma-separated list; for `type=` of a flag."""
    return [name.strip() for name in value.split(",") if name.strip()]


def columns(value: str) -> list[str]:
    """Returns the names in a list that is written as a CSV record; for `type=` of a flag.

    White space around a name is kept: there may be a column with that exact name.
    """
    try:
        found = next(csv.reader([value]), [])
    except csv.Error as error:
        raise argparse.ArgumentTypeError(f"cannot be read as a list of names: {error}") from None
    return [name for name in found if name.strip()]


@dataclass(frozen=True)
class Limit:
    """How many rows may be rejected: a number of rows, or a share of them."""

    rows: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, value: str) -> "Limit":
        """Reads `N` or `N%`; for `type=` of a flag."""
        if re.fullmatch(r"\d+", value):
            return cls(rows=int(value))
        if re.fullmatch(r"\d+(\.\d+)?%", value):
            return cls(share=float(value[:-1]) / 100)
        raise argparse.ArgumentTypeError(
            f"must be a number of rows or a share such as 1%, not {value!r}"
        )

    def __str__(self) -> str:
        return f"{self.rows}" if self.share is None else f"{100 * self.share:g}%"

    def allows(self, rejected: int, read: int) -> bool:
        """Returns whether this many rejected rows, of those read, are within the limit."""
        most = self.rows if self.rows is not None else (self.share or 0.0) * read
        return rejected <= most


def add_corpus_flags(parser: Parser) -> None:
    """Adds the flags about what is read."""
    group = parser.add_argument_group("input")
    group.add_argument(
        "--input",
        action="append",
        type=expand_home,
        metavar="PATH",
        help="file, glob or folder, local or remote (gs://…); may be given more than once; "
        "default: the bundled sample reviews",
    )
    add_column_flags(group)
    group.add_argument(
        "--columns",
        type=columns,
        metavar="A,B",
        help="input columns to keep besides the text, in quotes if they contain a comma; "
        "default: all",
    )
    group.add_argument(
        "--limit", type=positive, metavar="N", help="read only the first N rows, as a trial"
    )


def add_column_flags(group: argparse._ArgumentGroup) -> None:
    """Adds the flags about the format and the columns with the texts."""
    group.add_argument(
        "--input_format",
        choices=FORMATS,
        help="default: by the files' extensions, ignoring .gz, .bz2 and .zst; arrow is Arrow IPC, "
        "files and streams, and Feather",
    )
    group.add_argument("--text_column", default="text", metavar="NAME", help="default: text")
    group.add_argument(
        "--text_pair_column", metavar="NAME", help="column of second texts, for sentence pairs"
    )


def add_output_flags(parser: Parser) -> None:
    """Adds the flags about what is written."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output", type=expand_home, metavar="FOLDER", help="required with --input; else output/"
    )
    group.add_argument(
        "--if_exists",
        choices=("error", "overwrite", "append", "update"),
        default="error",
        help="what to do if the output folder holds results: replace them, add to them, or bring "
        "them up to date with the input, which also finishes a run that died; default: error",
    )
    group.add_argument(
        "--max_rejected",
        type=Limit.parse,
        metavar="N|N%",
        help="exit with code 1 if more rows are rejected; default: no limit",
    )
    group.add_argument(
        "--json", action="store_true", help="print the summary as JSON, for programs"
    )


def add_model_flags(parser: Parser, default_preset: str | None) -> None:
    """Adds the flags about the model."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--preset",
        type=expand_home,
        default=default_preset,
        help="name or folder of a preset; "
        + (f"default: {default_preset}" if default_preset else "required"),
    )
    group.add_argument(
        "--sequence_length",
        type=positive,
        metavar="TOKENS",
        help="how many tokens of a text the model reads at a time; default: the preset's",
    )
    group.add_argument(
        "--long_text",
        choices=("truncate", "windows"),
        default="truncate",
        help="cut longer texts, and count them, or split them into overlapping windows whose "
        "results are averaged; default: truncate",
    )
    group.add_argument(
        "--batch_tokens",
        type=positive,
        metavar="TOKENS",
        help="rows times longest row of a micro-batch (its token area); default: chosen for the "
        "device",
    )
    group.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16", "float16"),
        default="auto",
        help="default: auto, float32 on a CPU and half precision on a GPU",
    )


def add_beam_flags(parser: Parser) -> None:
    """Adds the flag that lists Beam's own flags."""
    group = parser.add_argument_group("Apache Beam")
    group.add_argument(
        "--help_beam",
        nargs=0,
        action=HelpBeam,
        help="list the options of Apache Beam, all of which may be given too, such as "
        "--runner=DataflowRunner; without a runner the work is done on this machine",
    )
