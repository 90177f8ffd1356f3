"""The reference of the commands, made of their parsers: no flag of it is written by hand."""

import argparse
import copy
import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from pipelines.flags.options import Parser

ROOT = Path(__file__).parents[2]
# What stands for a flag's choices until they are put in, as code.
_CHOICES = "\0"


def commands() -> list[str]:
    """Returns the names of all modules that run as `python -m pipelines.NAME` with flags."""
    return [
        path.stem
        for path in sorted((ROOT / "pipelines").glob("[a-z]*.py"))
        if re.search(r"^if __name__ == ", text := path.read_text("utf-8"), re.MULTILINE)
        and "make_parser" in text
    ]


def parser_of(command: str) -> Parser:
    """Returns the parser of a command."""
    parser: Parser = importlib.import_module(f"pipelines.{command}").make_parser()
    return parser


def command_page(command: str) -> str:
    """Returns the page of a command, in Markdown."""
    return "\n".join([f"# {command}\n", *_parts(parser_of(command))])


def summary(command: str) -> str:
    """Returns the first sentence of what a command says of itself."""
    described = " ".join((parser_of(command).description or "").split())
    return re.split(r"(?<=\.)\s", described)[0]


def _parts(parser: argparse.ArgumentParser, prefix: str = "") -> Iterator[str]:
    described = textwrap.dedent(parser.description or "").strip()
    yield re.sub(r"docs/(\w+)\.md", r"[\1](../../\1.md)", f"{described}\n")
    if parser.prog not in described:
        yield f"```text\n{_usage(parser)}\n```\n"
    if parser.epilog:
        examples, *others = parser.epilog.strip().removeprefix("examples:\n").split("\n\n")
        yield f"```text\n{textwrap.dedent(examples)}\n```\n"
        for other in others:
            yield f"```text\n{other}\n```\n" if "{" in other else f"{_prose(other)}\n"
    nested = []
    for group in parser._action_groups:
        actions = []
        for action in group._group_actions:
            if isinstance(action, argparse._SubParsersAction):
                nested += list(action.choices.items())
            elif action.help is not argparse.SUPPRESS and not isinstance(
                action, argparse._HelpAction
            ):
                actions.append(action)
        if actions and group.title:
            title = {"options": "other flags", "positional arguments": "arguments"}.get(
                group.title, group.title
            )
            yield f"{'###' if prefix else '##'} {title[0].upper()}{title[1:]}\n"
        for action in actions:
            yield _flag(parser, action, prefix)
    for name, command in nested:
        yield f"## {name}\n"
        yield from _parts(command, f"{prefix}{name}-")


def _usage(parser: argparse.ArgumentParser) -> str:
    """Returns what a command cannot do without; its other flags have a section each."""
    needed = [parser.prog]
    for group in parser._mutually_exclusive_groups:
        if group.required:
            needed.append(f"({' | '.join(_shown(action) for action in group._group_actions)})")
    others = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            needed.append(str(action.metavar))
        elif action.required:
            needed.append(_shown(action))
        elif not action.option_strings:
            needed.append(f"[{_shown(action)}]")
        else:
            others = others or not isinstance(action, argparse._HelpAction)
    return " ".join([*needed, "[FLAGS]"] if others else needed)


def _shown(action: argparse.Action) -> str:
    """Returns an argument or a flag with the name of its value."""
    name = max(action.option_strings, key=len, default="")
    if not name:
        return str(action.metavar or action.dest)
    if action.nargs == 0:
        return name
    value = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
    return f"{name}={value}"


def _flag(parser: argparse.ArgumentParser, action: argparse.Action, prefix: str) -> str:
    """Returns the section of a flag, by whose name the search finds it."""
    name = max(action.option_strings, key=len, default=action.dest)
    choices = ", ".join(f"`{choice}`" for choice in action.choices or ())
    formatter = argparse.HelpFormatter(parser.prog)
    described = copy.copy(action)
    described.help = (action.help or "").replace("%(choices)s", _CHOICES)
    sentences = [_prose(formatter._expand_help(described)).replace(_CHOICES, choices)]
    if sentences[0].partition(":")[0].lower() in (action.choices or ()):
        first, _, rest = sentences[0].partition(":")
        sentences[0] = f"`{first.lower()}`:{rest}"
    if choices and action.metavar and choices not in sentences[0]:
        sentences.append(f"One of {choices}.")
    has_value = action.default not in (None, False, argparse.SUPPRESS)
    if has_value and "default" not in (action.help or ""):
        sentences.append(f"Default: `{action.default}`.")
    if action.required and action.option_strings:
        sentences.append("Required.")
    identity = f"{prefix}{name.lstrip('-')}"
    heading = f"`{_shown(action)}` {{ #{identity} data-toc-label='{name}' }}"
    return f"#### {heading}\n\n{' '.join(sentences)}\n"


def _prose(text: str) -> str:
    """Returns a help text as a sentence of Markdown in which nothing is markup but flags."""
    escaped = re.sub(r"([*_<>\[\]`|])", r"\\\1", text)
    flags = re.sub(
        r"--[a-z][\w\\]*(?:=[^\s,;:()]*[^\s,;:().])?",
        lambda found: f"`{found[0].replace(chr(92), '')}`",
        escaped,
    )
    flags = flags[0].upper() + flags[1:]
    return flags if flags.endswith(".") else f"{flags}."
