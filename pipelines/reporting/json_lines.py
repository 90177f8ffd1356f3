"""JSON for other programs, on one line that each of them can read."""

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
    whole = json.dumps(content, default=str, ensure_ascii=False)
    sound = _HALF.sub(lambda half: f"\\\\u{ord(half[0]):x}", whole)
    return json.dumps(json.loads(sound, parse_constant=lambda _: None))
