"""The flags that the commands share, and what becomes of the others."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from models import backends
from models.backends import BACKENDS
from models.errors import UserError
from pipelines.dataflow.accelerators import Accelerator
from pipelines.flags import flag_types
from pipelines.flags.beam_flags import HelpBeam, beam_flags, unknown_to_beam
from pipelines.flags.message_flags import add_message_flags, add_summary_flags
from pipelines.flags.suggestions import suggested
from transforms.reading.dialect import Dialect
from transforms.reading.formats.record import FORMATS
from transforms.writing.formats.record import DEFAULT_FORMAT, OUTPUT_FORMATS

SCRIPT = "textbeam"
"""The console script, which is there where the package is installed."""


class Parser(argparse.ArgumentParser):
    """Parses flags as Beam does, `--snake_case`, and raises `UserError` for wrong ones.

    The parsers of subcommands, which `add_subparsers()` makes, are of this class too.

    Args:
        prog: How the command is started, `python -m pipelines.NAME`; what it says of itself and of
            others becomes `textbeam NAME` if it was started by that script.
        description: What it does.
        epilog: What its help ends with.
    """

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=_as_started(prog),
            description=_as_started(description),
            epilog=epilog and _as_started(epilog),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raises `UserError`."""
        raise UserError(message)

    def flags(self) -> list[str]:
        """Returns the names of all flags, those of subcommands included."""
        parsers = [self, *self._parsers_of_words()]
        found = [flag for parser in parsers for flag in parser._option_string_actions]
        return list(dict.fromkeys(flag for flag in found if flag.startswith("--")))

    def _parsers_of_words(self) -> list["Parser"]:
        """Returns the parsers of the words that the command takes."""
        return [
            parser
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)
            for parser in action.choices.values()
        ]

    def spellings(self) -> list[str]:
        """Returns the names of all flags, and those with a few choices with each of them, too."""
        parsers = [self, *self._parsers_of_words()]
        flags = [flag for parser in parsers for flag in parser._option_string_actions.items()]
        chosen = [f"{flag}={value}" for flag, action in flags for value in action.choices or ()]
        return [*self.flags(), *dict.fromkeys(chosen)]

    def parse(self, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """Returns the values of the flags, and what is left for Beam.

        Raises:
            UserError: An unknown flag or a wrong value.
        """
        args, others = self.parse_known_args(argv)
        if others:
            _check_beam_flags(others, self.spellings())
        return args, others

    def parse_own(self, argv: Sequence[str]) -> argparse.Namespace:
        """Returns the values of the flags of a command that takes none of Beam's.

        Raises:
            UserError: An unknown flag or a wrong value.
        """
        takes_rest = any(action.nargs == "*" for action in self._get_positional_actions())
        # Those positional arguments may stand between and behind flags.
        parse = self.parse_known_intermixed_args if takes_rest else self.parse_known_args
        args, unknown = parse(argv)
        if unknown:
            where, flags = "--help lists the options", self.flags()
            if not unknown[0].startswith("-") and "--input" not in flags:
                raise UserError(f"{unknown[0]!r} is one argument too many; {where}")
            raise _unknown(unknown[0], self.spellings(), where)
        return args


def _as_started(text: str) -> str:
    """Returns a text with the commands in it spelled as this process was started."""
    if Path(sys.argv[0]).stem != SCRIPT:
        return text
    return text.replace("python -m pipelines.", f"{SCRIPT} ")


def _check_beam_flags(argv: Sequence[str], ours: Sequence[str]) -> None:
    """Raises `UserError` unless Beam knows every flag; imports Beam."""
    if unknown := unknown_to_beam(argv):
        where = "--help lists the options, --help_beam those of Beam"
        raise _unknown(unknown[0], ours, where, beam_flags())


def _unknown(
    argument: str, ours: Sequence[str], where: str, beams: Sequence[str] = ()
) -> UserError:
    """Returns the error for an argument that nothing takes."""
    if not argument.startswith("-"):
        return UserError(
            f"{argument!r} belongs to no option; several files are given as one glob in quotes, or "
            f"each with its own --input={argument}"
        )
    name = argument.partition("=")[0]
    near = suggested(name, ours, beams)
    hint = f"did you mean {near}? " if near else ""
    return UserError(f"unknown option {name}; {hint}{where}")


def value_of(flag: str, argv: Sequence[str]) -> str | None:
    """Returns the last value of a flag, if it is given; imports no Beam."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(flag, dest="value")
    value: str | None = parser.parse_known_args(argv)[0].value
    return value


def add_corpus_flags(parser: Parser) -> None:
    """Adds the flags about what is read."""
    group = parser.add_argument_group("input")
    group.add_argument(
        "--input",
        action="append",
        type=flag_types.expand_home,
        metavar="PATH",
        help="file, glob (** crosses folders) or folder, local or in gs://, s3://, az:// or "
        "hf://datasets/owner/name/, or a file at https://…; may be given more than once; "
        "default: the bundled sample reviews",
    )
    add_column_flags(group)
    group.add_argument(
        "--columns",
        type=flag_types.columns,
        metavar="A,B",
        help="input columns to keep besides the text, in quotes if they contain a comma; "
        "default: all",
    )
    group.add_argument(
        "--limit",
        type=flag_types.positive,
        metavar="N",
        help="read only the first N rows, as a trial",
    )


def add_column_flags(group: argparse._ArgumentGroup) -> None:
    """Adds the flags about the format and the columns with the texts."""
    group.add_argument(
        "--input_format",
        choices=FORMATS,
        help="default: by the files' extensions, ignoring .gz, .bz2 and .zst; arrow is Arrow IPC, "
        "files and streams, and Feather",
    )
    group.add_argument(
        "--encoding",
        type=flag_types.encoding,
        metavar="NAME",
        help="of text, JSONL, CSV and TSV, such as cp1252; default: found out for each file, UTF-8 "
        "unless it is clearly another",
    )
    group.add_argument(
        "--delimiter",
        type=flag_types.delimiter,
        metavar="CHARACTER",
        help="between the fields of CSV and TSV, or tab; default: of CSV found out for each file, "
        "of TSV a tab",
    )
    group.add_argument(
        "--quote",
        type=flag_types.quote,
        metavar="CHARACTER",
        help="around fields of CSV and TSV that hold delimiters or newlines, or none; default: of "
        "CSV found out for each file, of TSV none",
    )
    group.add_argument("--text_column", default="text", metavar="NAME", help="default: text")
    group.add_argument(
        "--text_pair_column", metavar="NAME", help="column of second texts, for sentence pairs"
    )


def asked_dialect(args: argparse.Namespace) -> Dialect:
    """Returns what the flags say about the characters of files."""
    return Dialect(args.encoding, args.delimiter, args.quote)


def add_output_flags(parser: Parser, sample_output: str) -> None:
    """Adds the flags about what is written."""
    parser.set_defaults(sample_output=sample_output)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output",
        type=flag_types.expand_home,
        metavar="FOLDER",
        help=f"local or in gs:// or s3://; required with --input; else {sample_output}",
    )
    group.add_argument(
        "--output_format",
        choices=tuple(OUTPUT_FORMATS),
        default=DEFAULT_FORMAT,
        help="what the result is written as; in csv and jsonl, vectors are lists in JSON; "
        f"default: {DEFAULT_FORMAT}",
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
        type=flag_types.Limit.parse,
        metavar="N|N%",
        help="exit with code 1 if more rows are rejected; default: no limit",
    )
    group.add_argument(
        "--report",
        type=flag_types.expand_home,
        metavar="FILE",
        help="also write a page to look at, one HTML file such as report.html; needs "
        "altair and vl-convert-python",
    )
    add_summary_flags(add_message_flags(parser))


def add_model_flags(parser: Parser, default_preset: str) -> None:
    """Adds the flags about the model."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--preset",
        type=flag_types.expand_home,
        default=default_preset,
        help=f"name or folder of a preset; default: {default_preset}",
    )
    group.add_argument(
        "--sequence_length",
        type=flag_types.positive,
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
        type=flag_types.positive,
        metavar="TOKENS",
        help="rows times longest row of a micro-batch (its token area); default: chosen for the "
        "device",
    )
    group.add_argument(
        "--precision",
        choices=("auto", "fast", "float32", "bfloat16", "float16", "int8"),
        default="auto",
        help="default: auto, float32 on a CPU and half precision on a GPU; fast takes what the "
        "processor computes fastest of what gives texts of many kinds vectors with a mean cosine "
        "of 0.999 to float32's, or probabilities with a mean difference of 0.005",
    )
    add_backend_flag(group)


def add_plan_flags(parser: Parser) -> None:
    """Adds the flags about what a run would take."""
    group = parser.add_argument_group("plan")
    group.add_argument(
        "--plan",
        action="store_true",
        help="do not run: read a sample of the input, write nothing, and print how many rows and "
        "tokens there are and how long machines would take",
    )
    group.add_argument(
        "--deadline",
        type=flag_types.duration,
        metavar="TIME",
        help="with --plan, how many workers are done in so much time, such as 90m, 8h or 2d",
    )
    group.add_argument(
        "--price",
        action="append",
        type=flag_types.price,
        metavar="MACHINE=PRICE",
        help="with --plan, what an hour of a machine costs, such as n2-standard-8=0.39; may be "
        "given for several",
    )


def check_job_flags(args: argparse.Namespace) -> None:
    """Raises `UserError` for flags of a job that are missing, or that do not go together."""
    if not args.preset:
        raise UserError(
            "--preset must not be empty: a folder with a model, or a URI such as "
            "hf://sentence-transformers/all-MiniLM-L6-v2 (python -m pipelines.presets list names "
            "others)"
        )
    for flag in ("deadline", "price"):
        if getattr(args, flag) is not None and not args.plan:
            raise UserError(f"--{flag} is for --plan, which says what a run would take")
    if args.input and not args.output and not args.plan:
        raise UserError("--output is required with --input: the folder to write to")
    if args.limit and args.if_exists == "update":
        raise UserError("--limit is for a trial, and --if_exists=update for all of the input")


def add_backend_flag(group: argparse._ArgumentGroup) -> None:
    """Adds the flag about what computes."""
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what Keras computes with; default: what KERAS_BACKEND says, else tensorflow",
    )


def choose_backend(args: argparse.Namespace) -> None:
    """Makes Keras use the backend that is asked for, or that the environment names.

    Raises:
        UserError: The commands do not run on it, or it is not installed.
    """
    backends.choose(args.backend or backends.name())


def add_beam_flags(parser: Parser) -> None:
    """Adds the flags about where the work is done, and the one that lists Beam's own flags."""
    group = parser.add_argument_group("Apache Beam")
    group.add_argument(
        "--accelerator",
        type=Accelerator.parse,
        metavar="TYPE",
        help="a GPU for every worker of Dataflow, such as nvidia-l4 or nvidia-tesla-t4; needs an "
        "--sdk_container_image with CUDA",
    )
    group.add_argument(
        "--detach",
        action="store_true",
        help="submit a job of --runner=DataflowRunner and leave it alone; python -m pipelines.jobs "
        "says how it is going",
    )
    group.add_argument(
        "--help_beam",
        nargs=0,
        action=HelpBeam,
        help="list the options of Apache Beam, all of which may be given too, such as "
        "--runner=DataflowRunner; without a runner the work is done on this machine",
    )
