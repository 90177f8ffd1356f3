"""Writes what the Flex Templates say about their parameters: `python -m deploy.make_metadata`.

Google's console and service read it: names, helps and groups are those of the commands' flags. A
pattern refuses what the flag would refuse before a machine is started; it is a POSIX extended
regular expression, and the command looks again.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.launch import opposite, switches
from pipelines import classify, embed
from pipelines.dataflow.accelerators import MACHINES, Accelerator
from pipelines.flags import flag_types
from pipelines.flags.options import Parser

HERE = Path(__file__).parent
TEMPLATES = {
    "classify": (classify, "Labels every text of a corpus."),
    "embed": (embed, "Turns every text of a corpus into a vector."),
}

# Flags that say nothing to a job for which nobody waits, or that print something else instead.
LEFT_OUT = frozenset(
    {
        *("help", "help_beam", "json", "summary_json", "quiet", "log_format"),
        *("max_rejected", "detach", "plan", "deadline", "price"),
        "report",  # is written by who waits for the job, to a disk of theirs
    }
)
REQUIRED = frozenset({"input", "output"})

_TEXT = "TEXT"
_NUMBER = "NUMBER"

# By what reads the value of a flag: its pattern, and how it is asked for. Where any text is right
# there is no pattern.
_BY_READER: dict[Any, tuple[str | None, str]] = {
    None: (None, _TEXT),
    flag_types.columns: (None, _TEXT),
    flag_types.positive: (r"^(0_?)*[1-9](_?[0-9]){0,18}$", _NUMBER),
    flag_types.probability: (
        r"^(0+(\.[0-9]*)?|0*\.[0-9]+|0*1(\.0*)?|[0-9](\.[0-9]*)?[eE]-0*[1-9][0-9]*)$",
        _NUMBER,
    ),
    Accelerator.parse: (rf"^({'|'.join(MACHINES)})(:1)?$", _TEXT),
    flag_types.delimiter: (r'^(tab|\\t|[^"])$', _TEXT),
    flag_types.quote: (r"^(none|[!-/:-@^_`{|}~]|\[|\]|\\)$", _TEXT),
    flag_types.encoding: (r"^[A-Za-z0-9][A-Za-z0-9_. :-]*$", _TEXT),
}

# Whoever launches is on another machine than who reads and writes: no path is a local one.
_BY_NAME = {
    "input": (
        "Files, globs (** crosses folders) or folders in gs://, s3://, az:// or "
        "hf://datasets/owner/name/, or files at https://…; spaces between several.",
        r"^ *(gs|s3|az|abfss?|hf|https?)://[^ ].*$",
    ),
    "output": ("A folder in gs:// or s3://.", r"^(gs|s3)://[^/ ].*$"),
    "preset": (
        "Name of a preset that the image brings along, or a URI, such as gs://bucket/presets/name",
        r"^([A-Za-z0-9][A-Za-z0-9_.-]*|(gs|hf|kaggle)://.+)$",
    ),
}


def metadata(command: str) -> dict[str, Any]:
    """Returns what the template of a command says.

    Args:
        command: A key of `TEMPLATES`.
    """
    module, description = TEMPLATES[command]
    return {
        "name": f"Textbeam: {command}",
        "description": f"{description} Writes Parquet, CSV or JSONL; nothing else is changed.",
        "parameters": list(_parameters(module.make_parser())),
    }


def _parameters(parser: Parser) -> Iterator[dict[str, Any]]:
    for group in parser._action_groups:
        for action in group._group_actions:
            if action.dest not in LEFT_OUT and not _is_opposite(action, parser):
                yield _parameter(action, str(group.title), parser)


def _is_opposite(action: argparse.Action, parser: Parser) -> bool:
    """Returns whether a flag is said by `false` for another one."""
    return action.option_strings[0] in map(opposite, switches(parser))


def _parameter(action: argparse.Action, group: str, parser: Parser) -> dict[str, Any]:
    name = action.option_strings[0].removeprefix("--")
    is_required = name in REQUIRED or (name == "preset" and action.default is None)
    if name in _BY_NAME:
        told, pattern = _BY_NAME[name]
        kind = _TEXT
        if name == "preset":
            told += f"; default: {action.default}." if action.default else "."
    else:
        told = _help_of(action, parser)
        pattern, kind = _pattern_of(action, parser)
    words = name.replace("_", " ")
    parameter: dict[str, Any] = {
        "name": name,
        "label": words[0].upper() + words[1:],
        "helpText": told,
        "isOptional": not is_required,
        "groupName": group,
        "paramType": kind,
    }
    if pattern is not None:
        parameter["regexes"] = [pattern]
    if action.choices:
        parameter["enumOptions"] = [{"value": value, "label": value} for value in action.choices]
    if isinstance(action.default, str):
        parameter["defaultValue"] = action.default
    return parameter


def _pattern_of(action: argparse.Action, parser: Parser) -> tuple[str | None, str]:
    if action.option_strings[0] in switches(parser):
        return "^([Tt]rue|[Ff]alse)$", "BOOLEAN"
    if action.choices:
        return f"^({'|'.join(action.choices)})$", "ENUM"
    return _BY_READER[action.type]


def _help_of(action: argparse.Action, parser: Parser) -> str:
    text = parser._get_formatter()._expand_help(action)
    return text[0].upper() + text[1:] + "."


def path_of(command: str) -> Path:
    """Returns where the file of a command is."""
    return HERE / f"{command}.metadata.json"


def text_of(command: str) -> str:
    """Returns what is in the file of a command."""
    return json.dumps(metadata(command), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for command in TEMPLATES:
        path_of(command).write_text(text_of(command))
