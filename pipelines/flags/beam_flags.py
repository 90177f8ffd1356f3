"""Beam's own flags, which a command takes beside ours; whatever asks for them imports Beam."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from models.errors import UserError


def beam_flags() -> list[str]:
    """Returns the names of all flags."""
    return list(_beam_parser()._option_string_actions)


def unknown_to_beam(argv: Sequence[str]) -> list[str]:
    """Returns the arguments that are no options of Beam's.

    Raises:
        UserError: One of Beam's options has a wrong value.
    """
    return _beam_parser().parse_known_args(argv)[1]


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


def beam_options(argv: Sequence[str]) -> argparse.Namespace:
    """Returns the values of Beam's options, those that are not given with their defaults.

    Raises:
        UserError: A wrong value.
    """
    return _beam_parser().parse_known_args(argv)[0]


class HelpBeam(argparse.Action):
    """Prints the options of Apache Beam."""

    def __call__(self, *_: object) -> NoReturn:
        """Prints and exits."""
        parser = _beam_parser()
        parser.print_help()
        parser.exit()
