"""Micro-batches of the few shapes that XLA compiles: rows side by side in lines of one length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models import backends
from models.inference.micro_batches import Work
from models.places import ROW_LENGTHS
from models.tasks.embedder import NUM_SKIPPED

SHORTEST = 256
"""Tokens in the shortest line.

A token's attention costs in proportion to its line, and short lines leave room that no row fits. In
lines of 256 attention is an eighteenth of the products of BERT base and a ninth of MiniLM's. Lines
of 128 would halve that, and leave 5% empty with record batches of AG News instead of 3.5%; but
texts of 129 to 256 tokens, of which there are many elsewhere, would need lines of 512, where
attention costs twice as much. Tensor cores take matrices by the multiple of 8 to 128.
"""

_STEP = 4
"""How many times as long the next longer lines are: each length compiles anew."""

_LEAST_TOKENS = 8
"""Tokens of a row that fill a line if it has as many rows as there is room for."""

_PARTS = 4
"""How many small micro-batches make a large one: the last rows fill no large one."""


def line_lengths(longest: Sequence[int]) -> tuple[int, ...]:
    """Returns the lengths of lines, shortest first, each a multiple of `SHORTEST`.

    Args:
        longest: Lengths of rows that the longest lines must hold: what texts are truncated to,
            and the longest row of all.
    """
    ends = {-(-length // SHORTEST) * SHORTEST for length in longest}
    lengths = set(ends)
    step = SHORTEST
    while step < max(ends):
        lengths.add(step)
        step *= _STEP
    return tuple(sorted(lengths))


@dataclass(frozen=True)
class SharedLines:
    """Rows that share lines; see `models.places` and `MicroBatch`.

    Attributes:
        chosen: int64 `[rows]`: their indices among the distinct rows, line after line.
        lengths: int64 `[rows]`: tokens in each of them.
        counts: int64 `[lines]`: how many of the rows each line has.
        length: Tokens in a line.
    """

    chosen: np.ndarray
    lengths: np.ndarray
    counts: np.ndarray
    length: int

    @property
    def area(self) -> int:
        """How many positions it has, tokens and padding."""
        return len(self.counts) * self.length

    @property
    def num_results(self) -> int:
        """How many results the model gives."""
        return len(self.counts) * self._room

    @property
    def _room(self) -> int:
        return self.length // _LEAST_TOKENS

    @property
    def _lines(self) -> np.ndarray:
        """int64 `[rows]`: the line of each row."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def _results(self) -> np.ndarray:
        """int64 `[rows]`: which result is each row's."""
        before = np.cumsum(self.counts) - self.counts
        within = np.arange(len(self.chosen)) - np.repeat(before, self.counts)
        return self._lines * self._room + within

    def features(self, work: Work) -> dict[str, np.ndarray]:
        """Returns the inputs of the model, int32 `[lines, length]` and `[lines, rows]`."""
        rows = work.first[self.chosen]
        shape = (len(self.counts), self._room)
        row_lengths = np.zeros(shape, np.int32)
        row_lengths.reshape(-1)[self._results] = self.lengths
        # Where each row's tokens come from, and where the gaps before its line end.
        filled = row_lengths.sum(axis=1)
        gaps = np.arange(len(filled)) * self.length - (np.cumsum(filled) - filled)
        ends = np.cumsum(self.lengths)
        starts = ends - self.lengths
        tokens = np.arange(ends[-1])
        source = tokens + np.repeat(work.tokens.splits[rows] - starts, self.lengths)
        target = tokens + np.repeat(gaps, filled)
        features = {ROW_LENGTHS: row_lengths}
        for name, flat, empty in (
            ("token_ids", work.tokens.ids, work.pad_id),
            ("segment_ids", work.tokens.segment_ids, 0),
        ):
            if flat is not None:
                features[name] = np.full((len(filled), self.length), empty, np.int32)
                features[name].reshape(-1)[target] = flat[source]
        if work.has_skipped:
            features[NUM_SKIPPED] = np.zeros(shape, np.int32)
            features[NUM_SKIPPED].reshape(-1)[self._results] = work.num_skipped[rows]
        return features

    def own(self, results: Any) -> np.ndarray:
        """Returns the results of its rows, `[rows, width]`."""
        if isinstance(results, np.ndarray):
            return results[self._results]
        return backends.current().rows_of(results, self._results)

    def halves(self) -> "list[SharedLines]":
        """Returns two with half of its rows each, in the same shape; none of one row."""
        middle = len(self.chosen) // 2
        if not middle:
            return []
        ends = np.cumsum(self.counts)
        first = np.diff(np.minimum(ends, middle), prepend=0)
        return [
            SharedLines(self.chosen[:middle], self.lengths[:middle], first, self.length),
            SharedLines(
                self.chosen[middle:], self.lengths[middle:], self.counts - first, self.length
            ),
        ]

    def smaller(self) -> "list[SharedLines]":
        """Returns two with half of its lines each, without those that are empty."""
        middle = len(self.counts) // 2
        if not middle:
            return []
        parts = (slice(middle), slice(middle, None))
        rows = int(self.counts[:middle].sum())
        return [
            SharedLines(self.chosen[own], self.lengths[own], self.counts[part], self.length)
            for own, part in zip((slice(rows), slice(rows, None)), parts, strict=True)
            if self.counts[part].any()
        ]

    def apart(self, rows: np.ndarray) -> "list[SharedLines]":
        """Returns rows with a line for each, in the same shape.

        What is not a finite number spoils a whole line, through products with weights of 0.

        Args:
            rows: int64: which of its rows; those that had a line for themselves are left out.
        """
        rows = rows[self.counts[self._lines[rows]] > 1]
        batches = []
        for at in range(0, len(rows), len(self.counts)):
            some = rows[at : at + len(self.counts)]
            counts = (np.arange(len(self.counts)) < len(some)).astype(np.int64)
            batches.append(SharedLines(self.chosen[some], self.lengths[some], counts, self.length))
        return batches


def shared_lines(
    rows: np.ndarray, lengths: np.ndarray, batch_tokens: int, line_lengths: Sequence[int]
) -> Iterator[SharedLines]:
    """Groups rows into micro-batches of few shapes, the longest lines first.

    A line takes the longest row that fits into what is left of it, again and again, so that short
    rows fill the gaps of long ones. The last lines of each length become small micro-batches.

    Args:
        rows: int64 `[rows]`: their indices among the distinct rows.
        lengths: int64 `[rows]`: tokens in each of them; none is longer than the longest line.
        batch_tokens: Maximum token area of a micro-batch, unless one line alone is longer.
        line_lengths: Lengths of lines, shortest first.
    """
    unplaced = _Unplaced(lengths)
    for shorter, length in reversed(list(zip((-1, *line_lengths), line_lengths, strict=False))):
        most = max(1, batch_tokens // length)
        few = max(1, most // _PARTS)
        while unplaced.has_longer(shorter):
            chosen: list[int] = []
            counts: list[int] = []
            while len(counts) < most:
                is_whole = len(counts) % few == 0 and 0 < len(counts) < _PARTS * few
                if is_whole and not unplaced.has_longer(shorter):
                    break
                line = unplaced.line(length, length // _LEAST_TOKENS)
                chosen += line
                counts.append(len(line))
            lines = most if len(counts) == most else few
            placed, at = np.array(chosen, np.int64), 0
            for some in np.array(counts, np.int64).reshape(-1, lines):
                own = placed[at : at + some.sum()]
                yield SharedLines(rows[own], lengths[own], some, length)
                at += len(own)


class _Unplaced:
    """Rows that have no line yet.

    Args:
        lengths: int64 `[rows]`: tokens in each row.
    """

    def __init__(self, lengths: np.ndarray) -> None:
        counts = np.bincount(lengths, minlength=1)
        self._longest = len(counts) - 1
        ends = np.cumsum(counts).tolist()
        rows = np.argsort(lengths, kind="stable").tolist()
        self._rows = [rows[end - count : end] for end, count in zip(ends, counts, strict=True)]
        # A bit for every length of which there are rows, and the same bits backwards: lengths that
        # fit, and pairs of lengths with a given sum, are found at once.
        self._found = sum(1 << int(length) for length in np.flatnonzero(counts))
        self._backwards = sum(1 << self._longest - int(length) for length in np.flatnonzero(counts))

    def has_longer(self, length: int) -> bool:
        """Returns whether there are rows of more tokens than a length."""
        return bool(self._found >> (length + 1))

    def line(self, space: int, room: int) -> list[int]:
        """Returns rows that fit into a line of so many tokens, as many as there is room for."""
        line: list[int] = []
        # A row without tokens stands on padding.
        while space and len(line) < room and (fitting := self._found & ((2 << space) - 1)):
            length = fitting.bit_length() - 1
            if length < space and line and (pair := self._pair(space)):
                length = pair
            line.append(self._take(length))
            space -= length
        return line

    def _pair(self, space: int) -> int:
        """Returns the longer of two lengths that fill a space together; 0 if there are none."""
        shift = self._longest - space
        other = self._backwards >> shift if shift >= 0 else self._backwards << -shift
        length = (self._found & other).bit_length() - 1
        is_one = 2 * length == space and len(self._rows[length]) == 1
        return 0 if length <= 0 or is_one else length

    def _take(self, length: int) -> int:
        """Returns a row of a length."""
        rows = self._rows[length]
        row = rows.pop()
        if not rows:
            self._found ^= 1 << length
            self._backwards ^= 1 << self._longest - length
        return row
