"""JSON for other programs that each of them can read, and for terminals that obey none of it."""

import json
import re
from typing import Any

# Half a character: what Python makes of a byte of a file's name that is no text.
_HALF = re.compile("[\ud800-\udfff]")


def json_line(content: Any) -> str:
    """Returns a line of JSON in ASCII, which is UTF-8, too.

    What JSON lacks is written so that no reader refuses the line: numbers that are not finite as
    null, half a character as its escape in Python, and objects as what `str` makes of them.

    Args:
        content: Dicts, lists, strings, numbers, booleans and `None`.
    """
    try:
        line = json.dumps(content, default=str, allow_nan=False)
    except ValueError:  # of a number
        pass
    else:
        if "\\ud" not in line:  # neither half a character nor a pair of halves
            return line
    whole = _HALF.sub(_escape, json.dumps(content, default=str, ensure_ascii=False))
    return json.dumps(json.loads(whole, parse_constant=lambda _: None))


def sound(text: str) -> str:
    """Returns a text with half characters as `json_line` writes them, for other writers of JSON."""
    return str(json.loads(json_line(text)))


def _escape(half: re.Match[str]) -> str:
    return f"\\\\u{ord(half[0]):x}"


def shown_json(content: Any) -> str:
    """Returns what `json_line` does, in lines and with letters, for people to read."""
    return unobeyed(json.dumps(json.loads(json_line(content)), indent=2, ensure_ascii=False))


def unobeyed(text: str) -> str:
    """Returns JSON with escapes in place of characters that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
