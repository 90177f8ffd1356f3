"""What the values of flags may be: each reads one, for `type=`."""

import argparse
import csv
import math
import os
import re
from dataclasses import dataclass

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def positive(value: str) -> int:
    """Returns a positive integer; for `type=` of a flag."""
    number = int(value) if re.fullmatch(r"[0-9_]+", value) else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, not {value!r}")
    if number >= 2**63:
        raise argparse.ArgumentTypeError(f"must be below {2**63}, not {value!r}")
    return number


def seed(value: str) -> int:
    """Returns the seed of a random generator; for `type=` of a flag."""
    if not re.fullmatch(r"[0-9]+", value) or int(value) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be an integer from 0 to {2**32 - 1}, not {value!r}")
    return int(value)


def fraction(value: str) -> float:
    """Returns a number above 0 and below 1; for `type=` of a flag."""
    number = _number(value)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {value!r}")
    return number


def share(value: str) -> float:
    """Returns a number from 0 to below 1; for `type=` of a flag."""
    number = _number(value)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to below 1, not {value!r}")
    return number


def above_zero(value: str) -> float:
    """Returns a number above 0; for `type=` of a flag."""
    number = _number(value)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {value!r}")
    return number


def duration(value: str) -> float:
    """Returns the seconds of a duration such as `90m` or `8h`; for `type=` of a flag."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not seconds:
        raise argparse.ArgumentTypeError(
            f"must be a number above 0 and s, m, h or d, such as 90m or 8h, not {value!r}"
        )
    return seconds


def price(value: str) -> tuple[str, float]:
    """Returns a machine and what an hour of it costs, of `NAME=PRICE`; for `type=` of a flag."""
    name, _, number = value.rpartition("=")
    cost = _number(number)
    if not name or not 0 <= cost < math.inf:
        raise argparse.ArgumentTypeError(
            "must be a machine and its price for an hour, such as n2-standard-8=0.39, not "
            f"{value!r}"
        )
    return name, cost


def probability(value: str) -> float:
    """Returns a number from 0 to 1; for `type=` of a flag."""
    number = _number(value)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, not {value!r}")
    return number


def cosine(value: str) -> float:
    """Returns a number above 0 and at most 1; for `type=` of a flag."""
    number = _number(value)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, not {value!r}")
    return number


def _number(value: str) -> float:
    """Returns a number; anything else becomes NaN, which lies in no range."""
    try:
        return float(value)
    except ValueError:
        return math.nan


def text(value: str) -> str:
    """Returns a text that can be written in UTF-8; for `type=` of a flag."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"is not UTF-8: {value!r}") from None
    return value


def expand_home(value: str) -> str:
    """Returns a path with `~` expanded, which shells do not do after a `=`; for `type=`."""
    return os.path.expanduser(value)


def names(value: str) -> list[str]:
    """Returns the names in a comma-separated list; for `type=` of a flag."""
    return [name.strip() for name in value.split(",") if name.strip()]


def columns(value: str) -> list[str]:
    """Returns the names in a list that is written as a CSV record; for `type=` of a flag.

    White space around a name is kept: there may be a column with that exact name.
    """
    try:
        found = next(csv.reader([value]), [])
    except csv.Error as error:
        raise argparse.ArgumentTypeError(f"cannot be read as a list of names: {error}") from None
    return [name for name in found if name.strip()]


def delimiter(value: str) -> str:
    r"""Returns the character between fields, of `tab` and `\t` a tab; for `type=` of a flag."""
    if value in ("tab", "\\t"):
        return "\t"
    if len(value) != 1 or value in '\r\n"\0':
        raise argparse.ArgumentTypeError(f"must be one character, or tab, not {value!r}")
    return value


def quote(value: str) -> str:
    """Returns the character around fields, nothing for `none`; for `type=` of a flag."""
    if value == "none":
        return ""
    if len(value) != 1 or not value.isascii() or value.isalnum() or value.isspace():
        raise argparse.ArgumentTypeError(
            f"must be one character, such as \" or ', or none, not {value!r}"
        )
    return value


def encoding(value: str) -> str:
    """Returns the one name of an encoding; for `type=` of a flag."""
    from transforms.reading.encoding import named_encoding

    try:
        return named_encoding(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


@dataclass(frozen=True)
class Limit:
    """How many rows may be rejected: a number of rows, or a share of them."""

    rows: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, value: str) -> "Limit":
        """Reads `N` or `N%`; for `type=` of a flag."""
        if re.fullmatch(r"\d+", value):
            return cls(rows=int(value))
        if re.fullmatch(r"\d+(\.\d+)?%", value) and float(value[:-1]) <= 100:
            return cls(share=float(value[:-1]) / 100)
        raise argparse.ArgumentTypeError(
            f"must be a number of rows or a share such as 1%, of 100% at most, not {value!r}"
        )

    def __str__(self) -> str:
        return f"{self.rows}" if self.share is None else f"{100 * self.share:g}%"

    def allows(self, rejected: int, read: int) -> bool:
        """Returns whether this many rejected rows, of those read, are within the limit."""
        most = self.rows if self.rows is not None else (self.share or 0.0) * read
        return rejected <= most

    def problem(self, rejected: int, read: int) -> str:
        """Returns what to say if more rows were rejected; nothing if they are within the limit."""
        if self.allows(rejected, read):
            return ""
        return (
            f"{rejected:,} of {read:,} rows were rejected, more than --max_rejected={self} allows"
        )
