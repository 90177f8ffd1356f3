"""What a shell completes after `textbeam`: commands, flags, choices, presets, files and folders."""

import argparse
import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import argcomplete
from argcomplete.completers import BaseCompleter, DirectoriesCompleter, FilesCompleter

from pipelines.flags.flag_types import expand_home
from pipelines.flags.options import SCRIPT, Parser

_PRESETS, _FOLDER = ("preset",), "FOLDER"  # arguments by their names, and by what they take


def complete(commands: Sequence[str], purpose: Callable[[str], str]) -> None:
    """Answers the shell that asks by argcomplete's protocol, and ends the process.

    Only the command that is named in the line is imported, and neither Beam nor TensorFlow.

    Args:
        commands: Names of all commands.
        purpose: Says what one is for.
    """
    words = os.environ.get("COMP_LINE", "").split()
    argcomplete.autocomplete(
        parser_of(words, commands, purpose),
        always_complete_options="long" if {*words} & {*commands} else False,
        default_completer=_Values(),
    )


def parser_of(
    words: Sequence[str], commands: Sequence[str], purpose: Callable[[str], str]
) -> Parser:
    """Returns a parser that knows all commands, and the flags of the one that is in the line."""
    parser = Parser(SCRIPT, "")
    parser.add_argument("--version", action="store_true", help="say what is installed")
    choices = parser.add_subparsers()
    for command in commands:
        choices.add_parser(command, help=purpose(command), prog=command, description="")
        if command in words[1:2]:
            module = importlib.import_module(f"pipelines.{command}")
            choices.choices[command] = module.make_parser()
    return parser


class _Values(BaseCompleter):
    """Knows the values of arguments that are no choice of a few."""

    def __call__(self, *, prefix: str, action: argparse.Action, **others: Any) -> Iterable[str]:
        """Returns the values, of which argcomplete takes those that begin with the prefix."""
        if action.dest in _PRESETS:
            return [*_presets(), *DirectoriesCompleter()(prefix, **others)]
        if action.type is not expand_home:
            return []
        is_folder = action.metavar == _FOLDER
        return (DirectoriesCompleter if is_folder else FilesCompleter)()(prefix, **others)


def _presets() -> list[str]:
    """Returns the names of presets, and the URIs of those in the cache."""
    from models.hubs.store import all_cached
    from models.presets import registry

    handles = {found.handle for name in registry.names() if (found := registry.find(name))}
    return [*registry.all_names(), *(uri for uri in all_cached() if uri not in handles)]
