"""Parts of text, read a few megabytes at a time and cut where rows end."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa

BLOCK_BYTES = 4 << 20

RowEnds = Callable[[np.ndarray], np.ndarray]
"""Finds, in uint8 text that begins with a row, the offsets right behind each row's line ending."""


def line_ends(text: np.ndarray) -> np.ndarray:
    """Finds the ends of rows that have a line each."""
    return np.flatnonzero(text == ord("\n")) + 1


def csv_ends(text: np.ndarray) -> np.ndarray:
    """Finds the ends of rows of CSV: a line ending between two quotes is not one."""
    ends = line_ends(text)
    quotes_before = np.searchsorted(np.flatnonzero(text == ord('"')), ends)
    return ends[quotes_before % 2 == 0]


def read_records(part: BinaryIO, find_ends: RowEnds) -> Iterator[pa.Array]:
    """Reads a part.

    Args:
        part: The file.
        find_ends: Finds where rows end.

    Yields:
        Arrays, never empty, of the rows as they are in the file, line endings included.

    Raises:
        ValueError: The last row has no end.
        OSError: It cannot be read.
    """
    part.seek(0)
    rest = b""
    while block := part.read(BLOCK_BYTES):
        text = rest + block
        ends = find_ends(np.frombuffer(text, np.uint8))
        stop = int(ends[-1]) if len(ends) else 0
        if len(ends):
            offsets = pa.array(np.concatenate([[0], ends]), pa.int64()).buffers()[1]
            buffers = [None, offsets, pa.py_buffer(text)]
            yield pa.Array.from_buffers(pa.large_binary(), len(ends), buffers)
        rest = text[stop:]
    if rest:
        raise ValueError("it ends in the middle of a row")


def first_record(part: BinaryIO, find_ends: RowEnds) -> bytes | None:
    """Returns the first row as it is in the file, or None if there is none."""
    first = next(read_records(part, find_ends), None)
    return None if first is None else first[0].as_py()
