"""JSON values read and written exactly: orjson turns an integer beyond 64 bits into a float."""

import json
import re
from typing import Any

import orjson

# The shortest integer that 64 bits cannot hold has this many digits; some that fit have as many.
_LONG_INTEGER = re.compile(rb"[0-9]{20}")


def has_long_integer(data: bytes) -> bool:
    """Returns whether JSON may hold an integer that orjson does not read exactly."""
    return _LONG_INTEGER.search(data) is not None


def parse_json(data: bytes) -> Any:
    """Returns the value of JSON data, with integers of any length exact.

    Raises:
        orjson.JSONDecodeError: It is not JSON.
        ValueError: It is JSON that Python cannot hold.
    """
    value = orjson.loads(data)
    if not has_long_integer(data):
        return value
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:  # an integer of thousands of digits
        raise ValueError("an integer has too many digits") from error


def json_text(value: Any) -> str:
    """Returns parsed JSON as text.

    Raises:
        ValueError: It is nested deeper than the 254 levels that orjson writes.
    """
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        if not str(error).startswith("Integer"):
            raise ValueError("nested too deeply") from error
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
