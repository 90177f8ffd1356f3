"""Splitting texts longer than a row into overlapping windows, and combining their results.

The windows of a text are stored one after another, as if they were one long row. Every window but
the last is exactly as long as a row, so that the long row can be cut into windows again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from models.families.record import Packing
from models.packing import Tokens, kept_lengths, pack

LongText = Literal["truncate", "windows"]
LONG_TEXTS: tuple[LongText, ...] = get_args(LongText)
"""What happens to a text that is longer than a row: it is truncated, or split into windows."""

_OVERLAP = 4
"""One in this many tokens of a window is repeated in the next window.

What the end of a window cuts apart is whole in the next one, with some words before it. An overlap
of a quarter makes a long text cost a third more than no overlap; a half would double the cost.
"""


def pack_windows(
    texts: Sequence[Tokens],
    packing: Packing,
    special_ids: Mapping[str, int],
    sequence_length: int,
    has_segments: bool = False,
) -> tuple[Tokens, np.ndarray, np.ndarray]:
    """Adds special tokens around tokenized texts, and around each window of a long one.

    In a pair, every window holds the first text and the windows run over the second; only if both
    are long is the first truncated, to half the room.

    Args:
        texts: The tokens of one text per row, or of the first and second texts of pairs.
        packing: Where special tokens go.
        special_ids: The id of each special token.
        sequence_length: Tokens per window, special ones included.
        has_segments: Whether the rows have segment ids.

    Returns:
        The rows, longer than `sequence_length` where they hold several windows; int64 `[rows]`,
        how many tokens each row has, special ones counted once; and bool `[rows]`, whether the
        first text was truncated.

    Raises:
        ValueError: There is no room for a token of each text beside the special ones.
    """
    num_special = packing.num_special(len(texts))
    room = sequence_length - num_special
    if room < len(texts):
        raise ValueError(
            f"sequence_length={sequence_length} leaves no room for windows beside the "
            f"{num_special} special tokens; at least {num_special + len(texts)} is needed"
        )
    lengths = [text.lengths for text in texts]
    long = lengths[-1]
    kept_first = kept_lengths(lengths, room, "round_robin")[:-1]
    rooms = room - np.sum([np.zeros_like(long), *kept_first], axis=0)
    strides = np.maximum(1, rooms - rooms // _OVERLAP)  # an empty text may be left no room
    counts = 1 + np.maximum(0, -((rooms - long) // strides))
    bounds = np.concatenate([[0], np.cumsum(counts)])
    row = np.repeat(np.arange(len(long)), counts)
    start = (np.arange(len(row)) - bounds[row]) * strides[row]
    parts = [_cut(texts[0], row, np.zeros_like(row), kept[row]) for kept in kept_first]
    parts.append(_cut(texts[-1], row, start, np.minimum(rooms[row], long[row] - start)))
    windows, _ = pack(parts, packing, dict(special_ids), sequence_length, "waterfall", has_segments)
    is_cut = np.any([lengths[0] > kept for kept in kept_first], axis=0)
    return (
        Tokens(windows.ids, windows.splits[bounds], windows.segment_ids),
        num_special + np.sum(lengths, axis=0),
        np.broadcast_to(is_cut, len(long)),
    )


def _cut(tokens: Tokens, rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Tokens:
    """Returns a slice of each of the given rows; starts are counted within the row."""
    splits = np.concatenate([[0], np.cumsum(lengths)])
    source = np.arange(splits[-1]) + np.repeat(tokens.splits[rows] + starts - splits[:-1], lengths)
    return Tokens(tokens.ids[source], splits)


@dataclass(frozen=True)
class Windows:
    """The windows of a batch.

    Attributes:
        tokens: The windows as rows.
        bounds: int64 `[rows + 1]`; the windows of row `i` are `bounds[i]` up to `bounds[i + 1]`.
        weights: int64 `[windows]`: how many of the row's tokens are in no earlier window.
    """

    tokens: Tokens
    bounds: np.ndarray
    weights: np.ndarray

    @property
    def long_rows(self) -> np.ndarray:
        """int64: the rows with more than one window."""
        return np.flatnonzero(np.diff(self.bounds) > 1)

    def num_skipped(self, num_tokens: int) -> np.ndarray:
        """Returns how many tokens at the beginning of each window are those of a prefix.

        Every window of a pair begins with its first text and so with the prefix; of a single text,
        the first window does.

        Args:
            num_tokens: How many tokens the prefix has with the special token before it.

        Returns:
            int64 `[windows]`.
        """
        if not num_tokens:
            return np.zeros(len(self.tokens), np.int64)
        starts = self.tokens.splits[:-1]
        firsts = np.repeat(starts[self.bounds[:-1]], np.diff(self.bounds))
        places = np.arange(num_tokens)
        ids = np.pad(self.tokens.ids, (0, num_tokens))
        is_same = ids[starts[:, None] + places] == ids[firsts[:, None] + places]
        is_first = starts == firsts
        begins = is_first | (is_same.all(axis=1) & (self.tokens.lengths > num_tokens))
        return np.where(begins, num_tokens, 0)

    def combine(self, outputs: np.ndarray) -> np.ndarray:
        """Returns the mean of each row's windows, weighted by tokens.

        Args:
            outputs: float32 `[windows, width]`.

        Returns:
            float32 `[rows, width]`.
        """
        combined = outputs[self.bounds[:-1]]
        for row in self.long_rows:
            own = slice(self.bounds[row], self.bounds[row + 1])
            combined[row] = np.average(outputs[own], axis=0, weights=self.weights[own])
        return combined


def split_windows(
    tokens: Tokens, packing: Packing, special_ids: Mapping[str, int], sequence_length: int
) -> Windows:
    """Cuts the rows that `pack_windows` made into their windows.

    Args:
        tokens: The rows.
        packing: Where special tokens go.
        special_ids: The id of each special token.
        sequence_length: Tokens per window, special ones included.
    """
    counts = np.maximum(1, -(-tokens.lengths // sequence_length))
    bounds = np.concatenate([[0], np.cumsum(counts)])
    row = np.repeat(np.arange(len(tokens)), counts)
    index = np.arange(len(row)) - bounds[row]
    splits = np.concatenate([tokens.splits[row] + index * sequence_length, tokens.splits[-1:]])
    windows = Tokens(tokens.ids, splits, tokens.segment_ids)
    result = Windows(windows, bounds, windows.lengths)
    for long in result.long_rows:
        start = tokens.splits[long]
        first = tokens.ids[start : start + sequence_length]
        repeated = _num_repeated(first, packing, special_ids)
        result.weights[bounds[long] + 1 : bounds[long + 1]] -= repeated
    return result


def _num_repeated(window: np.ndarray, packing: Packing, special_ids: Mapping[str, int]) -> int:
    """Returns how many tokens of a full window the next repeats: special, first text, overlap."""
    opening, closing = packing.single.index(0), special_ids[str(packing.single[-1])]
    # No text contains a special token's id, so the first closing token ends the first text.
    first_length = int(np.argmax(window == closing)) - opening
    is_pair = first_length < len(window) - packing.num_special(1)
    fixed = packing.num_special(1)
    if is_pair:
        fixed = packing.num_special(2) + first_length
    return fixed + (len(window) - fixed) // _OVERLAP
