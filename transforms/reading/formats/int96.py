"""Timestamps in 96 bits, as Spark, Hive and Impala wrote them: a day, and nanoseconds of it.

No type of Arrow holds all of them: nanoseconds in 64 bits end in 1677 and 2262, beyond which
pyarrow goes on in another century, and microseconds have no place for nanoseconds. So a column
becomes one or the other, by what the heads of some row groups hold, and a value that does not fit
is told.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from transforms.reading.formats.typed_columns import compact

_MICROSECONDS, _NANOSECONDS = 10**6, 10**9  # of a second
_LAST_OF_US = (1 << 63) // _MICROSECONDS - 1  # second that 64 bits reach surely, on both sides
_FIRST_OF_NS, _LAST_OF_NS = divmod(-(1 << 63), _NANOSECONDS), divmod((1 << 63) - 1, _NANOSECONDS)

_Misfits = list[tuple[int, int, str]]
"""Values as seconds since 1970 and nanoseconds after, with the unit that cannot hold them."""


class Aligned:
    """The batches of one reading, cut to the lengths of those of another."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._held: list[pa.RecordBatch] = []

    def take(self, num_rows: int) -> pa.RecordBatch | None:
        """Returns the next rows, or None if there are not as many."""
        while sum(batch.num_rows for batch in self._held) < num_rows:
            batch = next(self._batches, None)
            if batch is None:
                return None
            self._held.append(batch)
        joined = pa.concat_batches(self._held)
        self._held = [joined.slice(num_rows)] if joined.num_rows > num_rows else []
        return joined.slice(0, num_rows)


def needs_nanoseconds(
    samples: Iterable[tuple[pa.Array, pa.Array]], in_ns: pa.DataType, in_us: pa.DataType
) -> bool:
    """Returns whether more values of a column fit nanoseconds than microseconds.

    Args:
        samples: Values as pyarrow reads them in nanoseconds, and the same in seconds.
        in_ns: The type of the column with nanoseconds.
        in_us: The same type with microseconds.
    """
    beyond_ns: _Misfits = []
    beyond_us: _Misfits = []
    for nanoseconds, seconds in samples:
        _converted(compact(nanoseconds), compact(seconds), in_ns, beyond_ns)
        _converted(compact(nanoseconds), compact(seconds), in_us, beyond_us)
    return len(beyond_ns) < len(beyond_us)


def exact_times(
    nanoseconds: pa.Array, seconds: pa.Array, type_: pa.DataType
) -> tuple[pa.Array, dict[int, str]]:
    """Returns a column with its timestamps as they are, and what is wrong with rows, by row.

    Args:
        nanoseconds: The column as pyarrow reads it in nanoseconds, which may have gone beyond.
        seconds: The same in seconds.
        type_: The same type with the unit that the timestamps get.
    """
    nanoseconds, seconds = compact(nanoseconds), compact(seconds)
    misfits: _Misfits = []
    column = _converted(nanoseconds, seconds, type_, misfits)
    faults: dict[int, str] = {}
    for row in range(len(column)) if misfits else ():
        of_row: _Misfits = []
        one, other = (compact(each.slice(row, 1)) for each in (nanoseconds, seconds))
        _converted(one, other, type_, of_row)
        if of_row:
            faults[row] = _described(*of_row[0])
    return column, faults


def _described(second: int, nanosecond: int, unit: str) -> str:
    shown = f"{np.datetime64(second, 's')}.{nanosecond:09}"
    if unit == "ns":
        return f"the timestamp {shown} is beyond the years 1678 to 2261 that nanoseconds reach"
    return f"the timestamp {shown} does not fit microseconds, as which the file's are read"


def _converted(
    nanoseconds: pa.Array, seconds: pa.Array, type_: pa.DataType, misfits: _Misfits
) -> pa.Array:
    """Returns a compact array with the timestamps of its type, and collects those that do not fit.

    What does not fit is null.
    """
    if nanoseconds.type == seconds.type:  # no such timestamps in it
        return nanoseconds
    if pa.types.is_timestamp(type_):
        return _timestamps(nanoseconds, seconds, type_, misfits)
    is_struct = pa.types.is_struct(type_)
    pairs = (
        [(nanoseconds.field(i), seconds.field(i)) for i in range(type_.num_fields)]
        if is_struct
        else [(nanoseconds.values, seconds.values)]
    )
    children = [_converted(*pair, type_.field(i).type, misfits) for i, pair in enumerate(pairs)]
    own = nanoseconds.buffers()[: 1 if is_struct or pa.types.is_fixed_size_list(type_) else 2]
    return pa.Array.from_buffers(
        type_, len(nanoseconds), own, nanoseconds.null_count, children=children
    )


def _timestamps(
    nanoseconds: pa.Array, seconds: pa.Array, type_: pa.DataType, misfits: _Misfits
) -> pa.Array:
    is_null = nanoseconds.is_null().to_numpy(zero_copy_only=False)
    wrapped, second = (
        each.cast(pa.int64()).fill_null(0).to_numpy() for each in (nanoseconds, seconds)
    )
    # What wrapped in both is exact in their difference.
    after = (wrapped.view(np.uint64) - second.view(np.uint64) * np.uint64(_NANOSECONDS)).view(
        np.int64
    )
    if type_.unit == "ns":
        first, last = _FIRST_OF_NS, _LAST_OF_NS
        fits = (second > first[0]) & (second < last[0])
        fits |= (second == first[0]) & (after >= first[1])
        fits |= (second == last[0]) & (after <= last[1])
        values = wrapped
    else:
        fits = (np.abs(second) <= _LAST_OF_US) & (after % 1000 == 0)
        values = second * _MICROSECONDS + after // 1000
    for place in np.flatnonzero(~fits & ~is_null).tolist():
        misfits.append((int(second[place]), int(after[place]), type_.unit))
    return pa.array(values, mask=is_null | ~fits).cast(type_)
