"""Values as text: the forms of those that neither CSV nor JSON has a type for.

Every form can be turned back into the very value; `docs/formats.md` has the list. Dates and times
are in ISO 8601, bytes in base64 (RFC 4648).
"""

import base64
import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Digits after the point of seconds.
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}

# The lowest int64, which numpy takes for no time at all.
_LOWEST = -(2**63)
_LOWEST_TIMES = {
    "s": "-292277022657-01-27T08:29:52",
    "ms": "-292275055-05-16T16:47:04.192",
    "us": "-290308-12-21T19:59:05.224192",
    "ns": "1677-09-21T00:12:43.145224192",
}

_YEAR_BEFORE_0 = re.compile(r"^-(\d+)")


def texts(column: pa.Array) -> list[str | None] | None:
    """Returns values as text if their type has a form of its own, else None.

    Args:
        column: Times, dates, durations, bytes, UUIDs or JSON, in a column that is no dictionary.
    """
    type_ = column.type
    for has_form, form in _FORMS:
        if has_form(type_):
            return form(column)
    return None


def has_text(type_: pa.DataType) -> bool:
    """Returns whether `texts` has a form for values of a type."""
    return any(has_form(type_) for has_form, _ in _FORMS)


def from_half(column: pa.Array) -> pa.Array:
    """Returns half-precision numbers as float64 ones of as few digits: 0.1, not 0.09997559."""
    bits = column.view(pa.uint16())
    values = _halves()[pc.fill_null(bits, 0).to_numpy(zero_copy_only=False)]
    return pa.array(values, pa.float64(), mask=bits.is_null().to_numpy(zero_copy_only=False))


@functools.cache
def _halves() -> np.ndarray:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return np.array([float(str(value)) for value in every], np.float64)


def _dates(column: pa.Array) -> list[str | None]:
    return _iso(column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), "D", "")


def _timestamps(column: pa.Array) -> list[str | None]:
    unit = column.type.unit
    return _iso(column.cast(pa.int64()), unit, "" if column.type.tz is None else "Z")


def _iso(counts: pa.Array, unit: str, zone: str) -> list[str | None]:
    """Returns days or times since 1970 as dates, or as dates and times."""
    numbers = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False)
    found = np.datetime_as_string(numbers.view(f"datetime64[{unit}]")).tolist()
    for index in np.flatnonzero(numbers == _LOWEST):
        found[index] = _LOWEST_TIMES[unit]
    if (numbers < 0).any():
        found = [_YEAR_BEFORE_0.sub(_four_digits, text) for text in found]
    valid = counts.is_valid().to_pylist()
    return [text + zone if is_valid else None for text, is_valid in zip(found, valid, strict=True)]


def _four_digits(year: re.Match[str]) -> str:
    return f"-{year[1]:0>4}"


def _times(column: pa.Array) -> list[str | None]:
    return column.cast(pa.string()).to_pylist()


def _durations(column: pa.Array) -> list[str | None]:
    digits = _DIGITS[column.type.unit]
    return [_duration(count, digits) for count in column.cast(pa.int64()).to_pylist()]


def _duration(count: int | None, digits: int) -> str | None:
    if count is None:
        return None
    whole, part = divmod(abs(count), 10**digits)
    return f"{'-' if count < 0 else ''}PT{whole}{f'.{part:0{digits}}' if digits else ''}S"


def _base64(column: pa.Array) -> list[str | None]:
    return [
        None if value is None else base64.b64encode(value).decode() for value in column.to_pylist()
    ]


def _uuids(column: pa.Array) -> list[str | None]:
    return [None if value is None else str(value) for value in column.to_pylist()]


def _stored_texts(column: pa.Array) -> list[str | None]:
    return column.storage.to_pylist()


_Form = tuple[Callable[[pa.DataType], bool], Callable[[Any], list[str | None]]]
_FORMS: tuple[_Form, ...] = (
    (pa.types.is_timestamp, _timestamps),
    (pa.types.is_date, _dates),
    (pa.types.is_time, _times),
    (pa.types.is_duration, _durations),
    (pa.types.is_binary, _base64),
    (pa.types.is_large_binary, _base64),
    (pa.types.is_fixed_size_binary, _base64),
    (lambda type_: isinstance(type_, pa.UuidType), _uuids),
    (lambda type_: isinstance(type_, pa.JsonType), _stored_texts),
)
