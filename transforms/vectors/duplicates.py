"""Rows whose vectors are nearly the same: every pair of rows is looked at, a block with a block."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from transforms.vectors.nearest import unit
from transforms.vectors.stored import StoredVectors, VectorBlock

# Vectors, as float32, that are compared with all that come after them: the more, the less often
# these are read.
_HELD_BYTES = 64 << 20
_PRODUCT_BYTES = 16 << 20  # cosines that are computed at a time

_DIGEST_BYTES = 16  # two texts of a trillion have the same by chance once in 10^14 times

OnPairs = Callable[[int], None]
"""Called from time to time with the number of pairs that have been looked at."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of near duplicates.

    Attributes:
        num_pairs: How many there are.
        scores: float32 `[shown]`: cosines of the nearest ones, the nearest first.
        rows: int64 `[shown, 2]`: the numbers of their rows, the lower first.
        groups: The numbers of rows that pairs connect, each int64 and sorted; the largest first.
    """

    num_pairs: int
    scores: np.ndarray
    rows: np.ndarray
    groups: list[np.ndarray]


def distinct_texts(stored: StoredVectors) -> np.ndarray:
    """Returns for each row whether no row before it has the same text, bool `[rows]`.

    Needs some 40 bytes of memory a row.
    """
    digests = np.empty(stored.num_rows, f"S{_DIGEST_BYTES}")
    row = 0
    for batch in stored.batches(stored.text_columns):
        for texts in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            digests[row] = _digest(texts)
            row += 1
    is_first = np.zeros(stored.num_rows, bool)
    is_first[np.unique(digests, return_index=True)[1]] = True
    return is_first


def _digest(texts: tuple[str | None, ...]) -> bytes:
    """Returns a digest of the texts of a row without a NUL, which arrays of bytes end with."""
    total = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for text in texts:
        content = (text or "").encode()
        total.update(len(content).to_bytes(8, "big") + content)
    return total.digest().replace(b"\0", b"\1")


def near_duplicates(
    stored: StoredVectors,
    is_looked_at: np.ndarray,
    threshold: float,
    most: int,
    on_pairs: OnPairs = lambda _: None,
) -> Pairs:
    """Looks for pairs of rows whose vectors have a high cosine.

    Memory is that of some blocks, eight bytes a row, and what is found. The vectors are read anew
    for each `_HELD_BYTES` of them.

    Args:
        stored: The vectors.
        is_looked_at: bool `[rows]`: which rows to look at.
        threshold: The least cosine of a pair, above 0.
        most: How many pairs to return.
        on_pairs: Told of the progress.

    Raises:
        OutputError: A part cannot be read.
    """
    found = _Found(stored.num_rows, threshold, most)
    for numbers, vectors, end in _held(stored, is_looked_at):
        _add_inside(found, numbers, vectors)
        on_pairs(len(vectors) * (len(vectors) - 1) // 2)
        for block in stored.blocks(first=end):
            others, theirs = _chosen(block, is_looked_at)
            for start, tile in _tiles(vectors, len(theirs)):
                found.add(numbers[start : start + len(tile)], tile, others, theirs)
            on_pairs(len(vectors) * len(theirs))
    return found.pairs()


def near_duplicates_among(vectors: np.ndarray, threshold: float, most: int) -> Pairs:
    """Looks for pairs as `near_duplicates` does, among vectors that are in memory.

    Args:
        vectors: float32 `[rows, dimensions]`, of length 1 each and finite.
        threshold: The least cosine of a pair, above 0.
        most: How many pairs to return.
    """
    found = _Found(len(vectors), threshold, most)
    _add_inside(found, np.arange(len(vectors)), vectors)
    return found.pairs()


def seconds_for(rows: int, dimensions: int) -> float:
    """Returns about how long this machine takes to look at every pair of so many rows."""
    sample = np.ones((2048, dimensions), np.float32)
    (sample @ sample.T >= 2).any()  # the first product starts threads
    began = time.perf_counter()
    np.count_nonzero(sample @ sample.T >= 2)
    return (time.perf_counter() - began) * (rows / len(sample)) ** 2 / 2


def _held(
    stored: StoredVectors, is_looked_at: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yields rows' numbers, their vectors, and the number of the row after them."""
    numbers: list[np.ndarray] = []
    vectors: list[np.ndarray] = []
    end = 0
    for block in stored.blocks():
        rows, chosen = _chosen(block, is_looked_at)
        end = block.first + len(block.vectors)
        numbers.append(rows)
        vectors.append(chosen)
        if sum(each.nbytes for each in vectors) >= _HELD_BYTES:
            yield np.concatenate(numbers), np.concatenate(vectors), end
            numbers, vectors = [], []
    if numbers:
        yield np.concatenate(numbers), np.concatenate(vectors), end


def _chosen(block: VectorBlock, is_looked_at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers and the vectors, of length 1, of the rows of a block to look at."""
    inside = np.flatnonzero(is_looked_at[block.first : block.first + len(block.vectors)])
    vectors = block.vectors[inside]
    with np.errstate(all="ignore"):
        vectors = unit(np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, 0))
    return block.first + inside, vectors


def _add_inside(found: "_Found", numbers: np.ndarray, vectors: np.ndarray) -> None:
    """Looks at all pairs of some rows."""
    for start, tile in _tiles(vectors, len(vectors)):
        # Rows before the tile have met it already.
        found.add(numbers[start : start + len(tile)], tile, numbers[start:], vectors[start:])


def _tiles(vectors: np.ndarray, others: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields vectors whose products with so many others are at most `_PRODUCT_BYTES`."""
    step = max(1, _PRODUCT_BYTES // (4 * max(1, others)))
    for start in range(0, len(vectors), step):
        yield start, vectors[start : start + step]


class _Found:
    """The pairs that were found so far."""

    def __init__(self, rows: int, threshold: float, most: int) -> None:
        # Cosines of the same vectors differ in their last digits, to either side of 1.
        self._threshold = np.float32(min(threshold, 1 - 1e-6))
        self._most = most
        self._num_pairs = 0
        self._scores = np.empty(0, np.float32)
        self._rows = np.empty((0, 2), np.int64)
        self._group = np.arange(rows)  # an earlier row of the same group, or the row itself

    def add(
        self, ours: np.ndarray, vectors: np.ndarray, theirs: np.ndarray, others: np.ndarray
    ) -> None:
        """Looks at all pairs of rows in which ours comes first."""
        cosines = vectors @ others.T
        at, with_ = np.nonzero(cosines >= self._threshold)
        is_pair = ours[at] < theirs[with_]
        at, with_ = at[is_pair], with_[is_pair]
        if not len(at):
            return
        pairs = np.stack([ours[at], theirs[with_]], axis=1)
        self._num_pairs += len(pairs)
        self._connect(*pairs.T)
        scores = np.concatenate([self._scores, np.minimum(cosines[at, with_], 1)])
        rows = np.concatenate([self._rows, pairs])
        best = np.lexsort((rows[:, 1], rows[:, 0], -scores))[: self._most]
        self._scores, self._rows = scores[best], rows[best]

    def _connect(self, first: np.ndarray, second: np.ndarray) -> None:
        while True:
            first, second = self._roots(first), self._roots(second)
            is_apart = first != second
            if not is_apart.any():
                return
            first, second = first[is_apart], second[is_apart]
            np.minimum.at(self._group, np.maximum(first, second), np.minimum(first, second))

    def _roots(self, rows: np.ndarray) -> np.ndarray:
        """Returns the first row of the group of each row."""
        while True:
            above = self._group[rows]
            top = self._group[above]
            if (above == top).all():
                return above
            self._group[rows] = top  # half of the way next time

    def pairs(self) -> Pairs:
        """Returns what was found."""
        roots = self._roots(np.arange(len(self._group)))
        order = np.argsort(roots, kind="stable")
        starts = np.flatnonzero(np.diff(roots[order], prepend=-1))
        groups = [each for each in np.split(order, starts[1:]) if len(each) > 1]
        groups.sort(key=lambda rows: -len(rows))
        return Pairs(self._num_pairs, self._scores, self._rows, groups)


def pairs_among(rows: int) -> int:
    """Returns how many pairs so many rows make."""
    return rows * (rows - 1) // 2
