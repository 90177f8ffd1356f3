"""JSON values read and written exactly, where orjson and a 64-bit float would round.

A number that 64 bits do not hold is an `orjson.Fragment`, which is written as it was read.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

Digits = orjson.Fragment
"""A number that no number of Arrow's holds: its digits as they stand in the file."""

# A 64-bit float keeps 17 significant digits; an integer of 19 is one of 64 bits, or is told.
_MOST_DIGITS = 17
_LONG_NUMBER = re.compile(rb"[1-9][0-9.]{19}|[1-9](?=[0-9.]{18})[0-9]{0,17}[.]|[.0][1-9][0-9.]{17}")
_STRIDE = 6  # three characters of a run of 18 are this far from each other, wherever it begins
_POINT = np.uint8(ord("."))
_ZERO = np.uint8(ord("0"))
_TINY_NUMBER = re.compile(rb"[0-9][eE]-[0-9]{3}")
_INT64 = range(-(1 << 63), 1 << 63)


def has_inexact_number(data: bytes) -> bool:
    """Returns whether JSON may hold a number that orjson does not read exactly.

    It costs a tenth of the parsing: a look at every sixth byte, and at every minus sign.
    """
    octets = np.frombuffer(data, np.uint8)
    return _has_long_number(octets) or _has_tiny_number(octets)


def _has_long_number(octets: np.ndarray) -> bool:
    """Returns whether there is what `_LONG_NUMBER` finds."""
    if not _runs(_is_numeric(octets[::_STRIDE]), 3).any():
        return False
    begins = np.flatnonzero(_runs(_is_numeric(octets), _MOST_DIGITS + 1))
    begins = begins[octets[begins] > _ZERO]
    after = octets[np.minimum(begins[:, None] + np.arange(20), len(octets) - 1)]
    is_long = _is_numeric(after[:, -2])
    has_point = (after[:, :-1] == _POINT).any(axis=1)
    is_fraction = np.isin(octets[begins - 1], (_POINT, _ZERO)) & (begins > 0)
    return bool((is_fraction | (is_long & (has_point | _is_numeric(after[:, -1])))).any())


def _is_numeric(octets: np.ndarray) -> np.ndarray:
    """Returns which bytes are digits, a point or, for the sake of speed, a slash."""
    return (octets - _POINT) < 12


def _runs(flags: np.ndarray, length: int) -> np.ndarray:
    """Returns where so many flags in a row begin."""
    if len(flags) < length:
        return flags[:0]
    known = 1
    while known < length:
        step = min(known, length - known)
        flags = flags[:-step] & flags[step:]
        known += step
    return flags


def _has_tiny_number(octets: np.ndarray) -> bool:
    """Returns whether there is an exponent of three digits below zero."""
    minus = np.flatnonzero(octets == ord("-"))
    minus = minus[(minus > 1) & (minus < len(octets) - 3)]
    minus = minus[(octets[minus - 1] | 32) == ord("e")]
    around = [octets[minus + place] - _ZERO < 10 for place in (-2, 1, 2, 3)]
    return bool(np.logical_and.reduce(around).any())


def parse_json(data: bytes) -> Any:
    """Returns the value of JSON data; numbers that would be rounded are `Digits`.

    Of a key that an object has twice, the last value counts.

    Raises:
        orjson.JSONDecodeError: It is not JSON.
        ValueError: It is JSON that Python cannot hold.
    """
    value = orjson.loads(data)
    if _LONG_NUMBER.search(data) is None and _TINY_NUMBER.search(data) is None:
        return value
    return _parsed(data, _float, _integer)


def parse_digits(data: bytes) -> Any:
    """Returns the value of JSON data that orjson reads, with all numbers as `Digits`.

    Raises:
        ValueError: It is nested too deeply.
    """
    return _parsed(data, Digits, Digits)


def json_text(value: Any) -> str:
    """Returns parsed JSON as text, without white space between its parts.

    Raises:
        ValueError: It is nested deeper than the 254 levels that orjson writes.
    """
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise ValueError("nested too deeply") from error


def _parsed(data: bytes, parse_float: Callable[[str], Any], parse_int: Callable[[str], Any]) -> Any:
    try:
        return json.loads(data.decode(), parse_float=parse_float, parse_int=parse_int)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _float(digits: str) -> Any:
    """Returns a number as a float, unless that would leave out digits of it."""
    value = float(digits)
    coefficient = re.split("[eE]", digits)[0].replace(".", "").lstrip("-0").rstrip("0")
    is_kept = len(coefficient) <= _MOST_DIGITS and (value != 0 or not coefficient)
    return value if is_kept or Decimal(digits) == Decimal(value) else Digits(digits)


def _integer(digits: str) -> Any:
    value = int(digits) if len(digits) <= 20 else None
    return value if value is not None and value in _INT64 else Digits(digits)
