"""The files that vocabularies are stored in."""

import json
from pathlib import Path
from typing import Any

MOST_LINES = 4_000_000
"""Most tokens or merges of a file: sixteen times those of the largest vocabulary."""

MOST_VALUES = 8_000_000
"""Most values of a JSON file: a tokenizer of 250,000 tokens has a million."""

MOST_LEVELS = 100
"""Most levels of a JSON file; presets have about ten."""

_VERSION = "#version"


def read_lines(path: Path) -> list[str]:
    """Reads a UTF-8 file with one token per line.

    Raises:
        ValueError: It has more than `MOST_LINES` lines.
    """
    content = path.read_bytes()
    if content.count(b"\n") > MOST_LINES:
        raise ValueError(f"has more than {MOST_LINES:,} lines")
    lines = content.decode().split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def parsed_json(content: bytes) -> Any:
    """Returns the value of JSON that someone else wrote.

    Raises:
        ValueError: It is not JSON, is nested too deeply, or has so many values that they would
            fill the memory.
    """
    if content.count(b",") > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES:,} values")
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _levels(value) > MOST_LEVELS:  # what is shown of it, or compared with it, would recurse too
        raise ValueError(f"nested more than {MOST_LEVELS} levels deep")
    return value


def _levels(value: Any) -> int:
    """Returns how many levels of objects and arrays a value has, or one more than is allowed."""
    depth, level = 0, [value] if isinstance(value, (dict, list)) else []
    while level and depth <= MOST_LEVELS:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
    return depth


def read_vocabulary(path: Path) -> dict[str, int]:
    """Reads a vocabulary file: a JSON object of ids by token.

    Raises:
        ValueError: The file does not hold such an object.
    """
    try:
        vocabulary = parsed_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"not valid JSON ({error})") from None
    if not isinstance(vocabulary, dict):
        raise ValueError("must be a JSON object of ids by token")
    return vocabulary


def read_merges(path: Path) -> list[str]:
    """Reads a file of merges: two tokens separated by a space on each line, the best first.

    A first line with the version of the format is skipped.
    """
    lines = read_lines(path)
    return lines[1:] if lines and lines[0].startswith(_VERSION) else lines
