"""Which rows of a batch hold the same sequence, and are computed once."""

import hashlib
import itertools
from collections.abc import Iterator

import numpy as np

from models.packing import Tokens


def distinct_rows(
    tokens: Tokens, num_skipped: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Finds the rows that hold the same sequence.

    Args:
        tokens: Packed rows.
        num_skipped: int64 `[rows]`: rows with different numbers are different.

    Returns:
        int64 `[distinct]`, the first row of each distinct sequence; int64 `[rows]`, the index of
        each row's sequence among them; and a key of 16 bytes for each distinct sequence.
    """
    flat = [ids.tobytes() for ids in (tokens.ids, tokens.segment_ids) if ids is not None]
    if num_skipped is None or not num_skipped.any():
        marks: Iterator[bytes] = itertools.repeat(b"")
    else:
        marks = (number.tobytes() for number in num_skipped)
    item = tokens.ids.itemsize
    seen: dict[bytes, int] = {}
    first: list[int] = []
    inverse = np.empty(len(tokens), np.int64)
    bounds = (tokens.splits * item).tolist()
    for row, (start, end) in enumerate(itertools.pairwise(bounds)):
        key = b"".join(part[start:end] for part in flat) + next(marks)
        index = seen.setdefault(key, len(first))
        if index == len(first):
            first.append(row)
        inverse[row] = index
    keys = [hashlib.blake2b(key, digest_size=16).digest() for key in seen]
    return np.array(first, np.int64), inverse, keys
