# PYTHON_ARGCOMPLETE_OK
"""The commands by their names: `textbeam classify …` is `python -m pipelines.classify …`."""

import ast
import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from models.backends import version_of
from models.errors import UserError, nearest, quoted
from pipelines import __version__
from pipelines.flags.options import SCRIPT
from pipelines.reporting.console import run_command, run_process

COMMANDS = (
    "classify",
    "embed",
    "search",
    "finetune",
    "report",
    "presets",
    "verify",
    "jobs",
)
"""The commands, each a module beside this one, in the order in which they are listed."""

# What other programs, or people, call them.
_ELSEWHERE = {
    **dict.fromkeys(("label", "predict", "infer", "inference", "score"), "classify"),
    **dict.fromkeys(("encode", "vectorize", "embeddings", "embedding"), "embed"),
    **dict.fromkeys(("train", "fit", "fine-tune", "fine_tune", "tune"), "finetune"),
    **dict.fromkeys(("preset", "models", "model", "download", "fetch", "pull"), "presets"),
    **dict.fromkeys(("check", "validate", "test", "repair"), "verify"),
    **dict.fromkeys(("job", "status", "watch", "cancel"), "jobs"),
}

# Packages whose versions say most about what went wrong.
_VERSIONED = ("apache-beam", "keras", "tensorflow", "jax")

_SHELL_ASKS = "_ARGCOMPLETE"  # set by a shell that wants the rest of a word


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that is named first; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0] in COMMANDS:
        return importlib.import_module(f"pipelines.{given[0]}").main(given[1:])
    return run_command(_no_command, given)


def _no_command(argv: Sequence[str]) -> int:
    first, *others = argv or ["--help"]
    if first == "help" and others:
        first = others[0]
        if first in COMMANDS:
            return main([first, "--help"])
    if first in ("-h", "--help", "help"):
        print(_help())
    elif first in ("-V", "--version", "version"):
        print(_version())
    elif first.startswith("-"):
        raise UserError(f"{first} needs a command before it; {_known()}")
    else:
        near = nearest(first, [*COMMANDS, *_ELSEWHERE])
        near = _ELSEWHERE.get(near or "", near)
        hint = f"did you mean {near!r}? " if near else ""
        raise UserError(f"there is no command {first!r}; {hint}{_known()}")
    return 0


def purpose(command: str) -> str:
    """Returns what a command is for: the first sentence of its module, which is not imported."""
    spec = importlib.util.find_spec(f"pipelines.{command}")
    source = Path(str(spec and spec.origin)).read_text(encoding="utf-8")
    sentence = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0]
    return " ".join(sentence.partition(": `python -m")[0].split()).rstrip(".")


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {command:<{width}}  {purpose(command)}" for command in COMMANDS]
    return "\n".join(
        [
            f"usage: {_started()} COMMAND …",
            "",
            "Batch text embedding and classification with Keras models on Apache Beam.",
            "",
            *lines,
            "",
            f"  {_started()} COMMAND --help   what a command takes",
            f"  {_started()} --version        what is installed",
        ]
    )


def _known() -> str:
    return f"the commands are {quoted(COMMANDS)}"


def _started() -> str:
    return SCRIPT if Path(sys.argv[0]).stem == SCRIPT else "python -m pipelines"


def _version() -> str:
    others = [f"Python {platform.python_version()}"]
    for package in _VERSIONED:
        if (found := version_of(package)) is not None:
            others.append(f"{package} {found}")
    return f"{SCRIPT} {__version__} ({', '.join(others)})"


def run() -> NoReturn:
    """Runs the command of this process; what the script `textbeam` calls."""
    if _SHELL_ASKS in os.environ:
        from pipelines.flags.completion import complete

        complete(COMMANDS, purpose)
    run_process(main)


if __name__ == "__main__":
    run()
