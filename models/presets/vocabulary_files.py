"""The files that vocabularies are stored in."""

import json
from pathlib import Path

_VERSION = "#version"


def read_lines(path: Path) -> list[str]:
    """Reads a UTF-8 file with one token per line."""
    lines = path.read_bytes().decode().split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_vocabulary(path: Path) -> dict[str, int]:
    """Reads a vocabulary file: a JSON object of ids by token.

    Raises:
        ValueError: The file does not hold such an object.
    """
    try:
        vocabulary = json.loads(path.read_bytes())
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
