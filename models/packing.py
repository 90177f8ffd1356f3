"""Token sequences of different lengths in flat arrays, and the special tokens around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from models.families.record import Packing

Truncation = Literal["round_robin", "waterfall", "longest_first"]
TRUNCATIONS: tuple[Truncation, ...] = get_args(Truncation)
"""How a pair may be truncated; see `kept_lengths`."""

TruncationSide = Literal["right", "left"]
TRUNCATION_SIDES: tuple[TruncationSide, ...] = get_args(TruncationSide)
"""Where a text that is too long is cut: at its end or at its start."""


@dataclass(frozen=True)
class Tokens:
    """A batch of token sequences, one after another.

    Attributes:
        ids: int32 `[total]`, the ids of all rows.
        splits: int64 `[rows + 1]`; row `i` is `ids[splits[i]:splits[i + 1]]`.
        segment_ids: int32 `[total]` for families with segments, else `None`.
    """

    ids: np.ndarray
    splits: np.ndarray
    segment_ids: np.ndarray | None = None

    @property
    def lengths(self) -> np.ndarray:
        """int64 `[rows]`: tokens in each row."""
        return np.diff(self.splits)

    def __len__(self) -> int:
        return len(self.splits) - 1

    def take(self, rows: np.ndarray) -> "Tokens":
        """Returns the rows with the given indices, in their order."""
        lengths = self.lengths[rows]
        splits = np.concatenate([[0], np.cumsum(lengths)])
        source = np.arange(splits[-1]) + np.repeat(self.splits[rows] - splits[:-1], lengths)
        segment_ids = None if self.segment_ids is None else self.segment_ids[source]
        return Tokens(self.ids[source], splits, segment_ids)

    def filled(self, length: int, pad_id: int) -> "Tokens":
        """Returns the rows cut and filled up to one length, without segments.

        Args:
            length: Tokens of every row of the result.
            pad_id: Id of the padding token.
        """
        kept = np.minimum(self.lengths, length)
        ids = np.full((len(self), length), pad_id, np.int32)
        is_kept = np.arange(length) < kept[:, None]
        source = np.arange(kept.sum()) + np.repeat(self.splits[:-1] - np.cumsum(kept) + kept, kept)
        ids[is_kept] = self.ids[source]
        return Tokens(ids.reshape(-1), np.arange(len(self) + 1) * length)

    @classmethod
    def concatenate(cls, parts: "Sequence[Tokens]") -> "Tokens":
        """Returns the rows of several batches as one; all or none of them have segments."""
        starts = np.cumsum([0, *(part.splits[-1] for part in parts)])
        splits = [part.splits[:-1] + start for part, start in zip(parts, starts, strict=False)]
        segments = [part.segment_ids for part in parts if part.segment_ids is not None]
        return cls(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([*splits, starts[-1:]]),
            np.concatenate(segments) if segments else None,
        )

    def pad(
        self, rows: np.ndarray, length: int, pad_id: int, num_rows: int | None = None
    ) -> dict[str, np.ndarray]:
        """Returns chosen rows as the dense inputs of a backbone.

        Args:
            rows: Indices of the rows, in the desired order.
            length: Columns of the result; no row may be longer.
            pad_id: Id of the padding token.
            num_rows: Rows of the result; those after the chosen ones are all padding. As many as
                are chosen if `None`.

        Returns:
            `token_ids`, `padding_mask` and, where there are segments, `segment_ids`; each int32
            `[num_rows, length]`.
        """
        lengths = self.lengths[rows]
        ends = lengths
        if num_rows is not None:
            ends = np.concatenate([lengths, np.zeros(num_rows - len(rows), np.int64)])
        mask = np.arange(length) < ends[:, None]
        total = int(lengths.sum())
        # The flat position of every token: its row's start plus its place within the row.
        row_ends = np.cumsum(lengths)
        source = np.arange(total) + np.repeat(self.splits[rows] - (row_ends - lengths), lengths)
        token_ids = np.full(mask.shape, pad_id, np.int32)
        token_ids[mask] = self.ids[source]
        features = {"token_ids": token_ids, "padding_mask": mask.astype(np.int32)}
        if self.segment_ids is not None:
            segment_ids = np.zeros(mask.shape, np.int32)
            segment_ids[mask] = self.segment_ids[source]
            features["segment_ids"] = segment_ids
        return features


def kept_lengths(
    lengths: Sequence[np.ndarray], budget: int, truncate: Truncation
) -> list[np.ndarray]:
    """Returns how many tokens of each text fit.

    Args:
        lengths: One or two arrays `[rows]`: token counts of the first and of the second texts.
        budget: Tokens that a row has room for.
        truncate: `waterfall` gives the first text all the room it needs; `round_robin` gives the
            texts one token each in turn until the room is used up, starting with the first text;
            `longest_first` gives the shorter text up to half of the room, rounded down, and the
            longer one the rest. Where both are too long, only an odd place tells the last two
            apart: `longest_first`, which is that of Hugging Face's `tokenizers`, gives it to the
            longer text, or to the second one of two that are as long as each other.
    """
    first = lengths[0]
    if len(lengths) == 1:
        return [np.minimum(first, budget)]
    second = lengths[1]
    if truncate == "waterfall":
        kept = np.minimum(first, budget)
    elif truncate == "longest_first":
        # Half of an odd room, rounded up only for a first text that is the longer one.
        half = np.where(first > second, budget - budget // 2, budget // 2)
        kept = np.minimum(first, np.maximum(half, budget - second))
    else:
        kept = np.minimum(first, np.maximum(budget - budget // 2, budget - second))
    return [kept, np.minimum(second, budget - kept)]


def pack(
    texts: Sequence[Tokens],
    packing: Packing,
    special_ids: dict[str, int],
    sequence_length: int,
    truncate: Truncation = "round_robin",
    has_segments: bool = False,
    truncation_side: TruncationSide = "right",
) -> tuple[Tokens, np.ndarray]:
    """Truncates tokenized texts to a length and adds the special tokens around them.

    Args:
        texts: The tokens of one text per row, or of the first and second texts of pairs.
        packing: Where special tokens go.
        special_ids: The id of each special token.
        sequence_length: Maximum number of tokens per row, special ones included.
        truncate: How a pair is truncated.
        has_segments: Whether the rows have segment ids.
        truncation_side: Where a text that is too long is cut; each text of a pair by itself.

    Returns:
        The rows, and int64 `[rows]`: how many tokens each row had before truncation, special ones
        included.

    Raises:
        ValueError: There is no room for a token beside the special ones.
    """
    pieces = packing.pieces(len(texts))
    num_special = packing.num_special(len(texts))
    if sequence_length <= num_special:
        raise ValueError(
            f"sequence_length={sequence_length} leaves no room for text beside the {num_special} "
            f"special tokens; at least {num_special + 1} is needed"
        )
    lengths = [text.lengths for text in texts]
    kept = kept_lengths(lengths, sequence_length - num_special, truncate)
    total = num_special + np.sum(kept, axis=0)
    splits = np.zeros(len(total) + 1, np.int64)
    np.cumsum(total, out=splits[1:])
    ids = np.empty(splits[-1], np.int32)
    segment_ids = np.zeros(splits[-1], np.int32) if has_segments else None

    at = splits[:-1].copy()  # where each row's next piece goes
    for piece, segment in zip(pieces, packing.segments(len(texts)), strict=True):
        if isinstance(piece, str):
            ids[at] = special_ids[piece]
            if segment_ids is not None:
                segment_ids[at] = segment
            at += 1
            continue
        count = kept[piece]
        start = texts[piece].splits[:-1]
        if truncation_side == "left":
            start = start + lengths[piece] - count
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        target = within + np.repeat(at, count)
        ids[target] = texts[piece].ids[within + np.repeat(start, count)]
        if segment_ids is not None:
            segment_ids[target] = segment
        at += count
    return Tokens(ids, splits, segment_ids), num_special + np.sum(lengths, axis=0)
