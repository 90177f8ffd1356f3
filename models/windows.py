"""Texts longer than a row, as windows that overlap, and the one result of a text's windows.

The windows of a text stand one after another as if they were one long row. Every window but the
last has exactly the length of a row, so that the long row can be cut into them again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from models.families.record import Family
from models.packing import Tokens, kept_lengths, pack

LongText = Literal["truncate", "windows"]
LONG_TEXTS: tuple[LongText, ...] = get_args(LongText)
"""What becomes of a text that is longer than a row: it is cut, or it becomes windows."""

_OVERLAP = 4
"""One token in so many of a window stands in the next one too.

What a window's end cuts apart is whole in the next window, with words before it. A quarter makes a
long text cost a third more than without overlap; a half would double it.
"""


def pack_windows(
    texts: Sequence[Tokens],
    family: Family,
    special_ids: Mapping[str, int],
    sequence_length: int,
) -> tuple[Tokens, np.ndarray, np.ndarray]:
    """Puts special tokens around tokenized texts, and around each window of a long one.

    Of a pair the first text stands in every window and the windows run over the second; only where
    both are long the first is cut, to half of the room.

    Args:
        texts: The tokens of one text a row, or of the first and the second texts of pairs.
        family: Whose special tokens stand around the texts.
        special_ids: Id of each special token.
        sequence_length: Tokens of a window, special ones included.

    Returns:
        The rows, those of several windows longer than `sequence_length`; int64 `[rows]`, the
        tokens of each row, special ones counted once; and bool `[rows]`, whether a first text was
        cut.

    Raises:
        ValueError: There is no room for a token of each text beside the special ones.
    """
    num_special = family.packing.num_special(len(texts))
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
    strides = np.maximum(1, rooms - rooms // _OVERLAP)  # no room is left beside an empty text
    counts = 1 + np.maximum(0, -((rooms - long) // strides))
    bounds = np.concatenate([[0], np.cumsum(counts)])
    row = np.repeat(np.arange(len(long)), counts)
    start = (np.arange(len(row)) - bounds[row]) * strides[row]
    parts = [_cut(texts[0], row, np.zeros_like(row), kept[row]) for kept in kept_first]
    parts.append(_cut(texts[-1], row, start, np.minimum(rooms[row], long[row] - start)))
    windows, _ = pack(parts, family, dict(special_ids), sequence_length, "waterfall")
    is_cut = np.any([lengths[0] > kept for kept in kept_first], axis=0)
    return (
        Tokens(windows.ids, windows.splits[bounds], windows.segment_ids),
        num_special + np.sum(lengths, axis=0),
        np.broadcast_to(is_cut, len(long)),
    )


def _cut(tokens: Tokens, rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Tokens:
    """Returns a piece of each of some rows, from a start within the row."""
    splits = np.concatenate([[0], np.cumsum(lengths)])
    source = np.arange(splits[-1]) + np.repeat(tokens.splits[rows] + starts - splits[:-1], lengths)
    return Tokens(tokens.ids[source], splits)


@dataclass(frozen=True)
class Windows:
    """The windows of a batch.

    Attributes:
        tokens: The windows as rows.
        bounds: int64 `[rows + 1]`; the windows of row `i` are `bounds[i]` up to `bounds[i + 1]`.
        weights: int64 `[windows]`: tokens of the row that no window before has.
    """

    tokens: Tokens
    bounds: np.ndarray
    weights: np.ndarray

    @property
    def long_rows(self) -> np.ndarray:
        """int64: the rows of more than one window."""
        return np.flatnonzero(np.diff(self.bounds) > 1)

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
    tokens: Tokens, family: Family, special_ids: Mapping[str, int], sequence_length: int
) -> Windows:
    """Cuts the rows that `pack_windows` made into their windows.

    Args:
        tokens: The rows.
        family: Whose special tokens stand around the texts.
        special_ids: Id of each special token.
        sequence_length: Tokens of a window, special ones included.
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
        repeated = _num_repeated(first, family, special_ids)
        result.weights[bounds[long] + 1 : bounds[long + 1]] -= repeated
    return result


def _num_repeated(window: np.ndarray, family: Family, special_ids: Mapping[str, int]) -> int:
    """Returns how many tokens of a full window the next one has too: overlap, pair's first text."""
    opening, closing = family.packing.single.index(0), special_ids[str(family.packing.single[-1])]
    # No text has the id of a special token: the first closing token ends the first text.
    first_length = int(np.argmax(window == closing)) - opening
    is_pair = first_length < len(window) - family.packing.num_special(1)
    fixed = family.packing.num_special(1)
    if is_pair:
        fixed = family.packing.num_special(2) + first_length
    return fixed + (len(window) - fixed) // _OVERLAP
