"""How a batch becomes micro-batches: each sequence once, those of like length together."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.embedder import NUM_SKIPPED
from models.packing import Tokens

LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Lengths that XLA compiles for, in tokens; a shorter row is padded to the next of them.

Apart from 16 and 32, each is at most half as long again as the one before, so that little of a row
is padding; more lengths would cost more compilations.
"""


def length_ladder(sequence_length: int, max_sequence_length: int) -> tuple[int, ...]:
    """Returns the lengths to pad rows to when every shape is compiled, shortest first.

    Args:
        sequence_length: The length that texts are truncated to, which is the most common one.
        max_sequence_length: The longest row that the backbone has positions for.
    """
    ends = {sequence_length, max_sequence_length}
    return tuple(sorted(ends | {length for length in LENGTHS if length < max_sequence_length}))


@dataclass(frozen=True)
class Work:
    """A batch that is being computed.

    Attributes:
        tokens: Its rows.
        first: int64 `[distinct]`: the row to compute for each distinct sequence.
        outputs: float32 `[distinct, width]`: receives the results.
        num_skipped: int64 `[rows]`: how many tokens at a row's beginning are not pooled.
        errors: Receives what went wrong with a distinct row, by its index.
    """

    tokens: Tokens
    first: np.ndarray
    outputs: np.ndarray
    num_skipped: np.ndarray
    errors: dict[int, str] = field(default_factory=dict)

    def features(
        self, rows: np.ndarray, length: int, pad_id: int, num_rows: int
    ) -> dict[str, np.ndarray]:
        """Returns rows as the inputs of a model; arguments as of `Tokens.pad`."""
        features = self.tokens.pad(rows, length, pad_id, num_rows)
        if self.num_skipped.any():
            skipped = self.num_skipped[rows].astype(np.int32)
            features[NUM_SKIPPED] = np.resize(skipped, (num_rows, 1))
        return features


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


def micro_batches(
    lengths: np.ndarray, batch_tokens: int, ladder: Sequence[int] = ()
) -> Iterator[np.ndarray]:
    """Groups rows into micro-batches of similar length, the longest first.

    Args:
        lengths: int64 `[rows]`: tokens in each row.
        batch_tokens: Maximum token area of a micro-batch, unless one row alone is longer.
        ladder: Lengths that rows are padded to; if empty, to the longest of their micro-batch.

    Yields:
        Indices of the rows of a micro-batch.
    """
    order = np.argsort(-lengths, kind="stable")
    at = 0
    while at < len(order):
        longest = padded_length(max(1, int(lengths[order[at]])), ladder)
        rows = max(1, batch_tokens // longest)
        yield order[at : at + rows]
        at += rows


def padded_length(length: int, ladder: Sequence[int]) -> int:
    """Returns the length that a row is padded to: the next one of a ladder, if there is one."""
    return next((step for step in ladder if step >= length), length)
