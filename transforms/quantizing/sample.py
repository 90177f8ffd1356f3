"""A sample of a corpus: rows from all over it, the same each time, without reading it all."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from models.faults import try_again
from transforms.files import is_remote
from transforms.reading.corpus import Corpus
from transforms.reading.units import Unit, read_unit
from transforms.schemas import POSITION, SOURCE
from transforms.storage.ahead import in_order
from transforms.versions import check_before_reading

SAMPLE_ROWS = 4096
"""Rows of a sample: of later numbers about two in as many lie outside of the range of theirs."""

_PLACES = 64  # that a sample is spread over, if there are as many; more if they have few rows
_PLACES_AT_ONCE = 8  # that are read, if they are not on this machine
_READ_BYTES = 64 << 20  # in memory, to be read in all these places together

# What is yielded at a time: enough to keep cores busy, little enough to hold.
_BATCH_ROWS = 1024
_BATCH_BYTES = 16 << 20

# 2**64 over the golden ratio: its multiples, as they overflow, lie evenly however many are taken.
_STRIDE = np.uint64(0x9E3779B97F4A7C15)


def sampled_rows(
    corpus: Corpus, units: Sequence[Unit], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yields about `SAMPLE_ROWS` rows from all over some units.

    Of each place that is looked at, a file or a range of one, only the beginning may be read; rows
    come from all of what is read.

    Args:
        corpus: The corpus.
        units: The units.
        columns: Names of the columns to take, beside `source` and `position`.

    Yields:
        Rows that were not rejected when they were read.

    Raises:
        ChangedInputError: A file is not what it was.
        RunError: Reading failed again and again.
    """
    places = _places(units)
    at_once = max(1, min(len(places), _PLACES))
    share, most_bytes = -(-SAMPLE_ROWS // at_once), _READ_BYTES // at_once
    taken = 0
    waiting: list[pa.RecordBatch] = []

    def look_at(place: Unit) -> pa.RecordBatch:
        read = partial(_rows_of, corpus, place, columns, share, most_bytes)
        return try_again(read, "reading a sample of the input", _is_of_storage)

    scattered = [places[index] for index in _scattered(np.arange(len(places)))]
    threads = _PLACES_AT_ONCE if any(is_remote(place.files[0].path) for place in places) else 1
    for rows in in_order(scattered, look_at, threads):
        taken += rows.num_rows
        waiting.append(rows)
        if sum(batch.num_rows for batch in waiting) >= _BATCH_ROWS or (
            sum(batch.nbytes for batch in waiting) >= _BATCH_BYTES
        ):
            yield from _whole(waiting)
            waiting = []
        if taken >= SAMPLE_ROWS:
            break
    yield from _whole(waiting)


def all_rows(
    corpus: Corpus, units: Iterable[Unit], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yields all rows of some units, those apart that are rejected when they are read.

    Args:
        corpus: The corpus.
        units: The units.
        columns: Names of the columns to take, beside `source` and `position`.
    """
    for unit in units:
        check_before_reading(unit.files)
        for _, batch in read_unit(corpus, unit):
            if batch.rows.num_rows:
                yield batch.rows.select(_with_place(columns))


def _places(units: Iterable[Unit]) -> list[Unit]:
    """Returns the files of units as units of their own; those with a limit stay whole."""
    return [
        place
        for unit in units
        for place in (
            [unit]
            if unit.limit is not None
            else [replace(unit, files=(file,)) for file in unit.files if file.size]
        )
    ]


def _rows_of(
    corpus: Corpus, place: Unit, columns: Sequence[str], count: int, most_bytes: int
) -> pa.RecordBatch:
    """Returns at most `count` rows from the first `most_bytes` of a place."""
    check_before_reading(place.files)
    names = _with_place(columns)
    chosen = pa.RecordBatch.from_pylist([], corpus.schema).select(names)
    read = 0
    for _, batch in read_unit(corpus, place):
        rows = _thinned(batch.rows.select(names), count)
        chosen = _thinned(pa.concat_batches([chosen, rows]), count)
        read += batch.rows.nbytes
        if read >= most_bytes:
            break
    return chosen


def _with_place(columns: Sequence[str]) -> list[str]:
    return [*dict.fromkeys([*columns, SOURCE.name, POSITION.name])]


def _thinned(rows: pa.RecordBatch, count: int) -> pa.RecordBatch:
    """Returns at most `count` rows, from all over; thinning what was thinned changes nothing."""
    if rows.num_rows <= count:
        return rows
    order = _scattered(rows.column(POSITION.name).to_numpy())
    return rows.take(pa.array(np.sort(order[:count])))


def _scattered(numbers: np.ndarray) -> np.ndarray:
    """Returns the indices of numbers in an order whose every beginning is spread over them all."""
    return np.argsort(numbers.astype(np.uint64) * _STRIDE, kind="stable")


def _whole(batches: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yields batches as one, if there are rows in them."""
    if any(batch.num_rows for batch in batches):
        yield pa.concat_batches(batches)


def _is_of_storage(error: Exception) -> bool:
    return isinstance(error, OSError) and not isinstance(
        error, (FileNotFoundError, PermissionError)
    )
