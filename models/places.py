"""Where rows stand in what a model computes: one to a line, padded, or several side by side.

XLA compiles a model for one shape. Lines of a fixed length that hold several rows, one after
another, have one shape however long the rows are, and little padding. `ROW_LENGTHS` then stands in
place of the padding mask among the features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROW_LENGTHS = "row_lengths"
"""The feature, int32 `[lines, rows]`, of how many tokens each row of a line has; 0 for no row.

The rows of a line stand one after another from its beginning; what remains is padding.
"""


@dataclass(frozen=True)
class Places:
    """Where the rows of a micro-batch stand.

    Attributes:
        members: bool `[lines, rows, length]`: which tokens a row consists of.
        starts: int32 `[lines, rows]`: where a row begins; for no row, a place of the line.
        positions: int32 `[lines, length]`: how many tokens of its row are before a token; with one
            row to a line, `[1, length]`.
        attended: Which tokens are attended to: those of `[lines, length]` by every token of their
            line, those of `[lines, length, length]` by each of its tokens.
        is_shared: Whether there are several rows to a line.
    """

    members: Any
    starts: Any
    positions: Any
    attended: Any
    is_shared: bool


def places_of(features: Mapping[str, Any]) -> Places:
    """Returns where the rows of a backbone's inputs stand.

    Args:
        features: `token_ids`, int32 `[lines, length]`, and `padding_mask`, of that shape, or
            `ROW_LENGTHS`.
    """
    from keras import ops

    places = ops.expand_dims(ops.arange(ops.shape(features["token_ids"])[1], dtype="int32"), 0)
    if ROW_LENGTHS not in features:
        mask = features["padding_mask"]
        members = ops.expand_dims(ops.cast(mask, "bool"), 1)
        starts = ops.zeros((ops.shape(mask)[0], 1), "int32")
        return Places(members, starts, places, mask, is_shared=False)
    lengths = features[ROW_LENGTHS]
    ends = ops.expand_dims(ops.cumsum(lengths, axis=1), 2)
    starts = ends - ops.expand_dims(lengths, 2)
    of_line = ops.expand_dims(places, 1)
    members = ops.logical_and(of_line >= starts, of_line < ends)
    positions = ops.sum(ops.where(members, of_line - starts, 0), axis=1)
    # The number of a token's row; padding has one of its own.
    row = ops.sum(ops.cast(of_line >= ends, "int32"), axis=1)
    attended = ops.expand_dims(row, 1) == ops.expand_dims(row, 2)
    last = ops.shape(features["token_ids"])[1] - 1
    starts = ops.minimum(ops.squeeze(starts, 2), last)
    return Places(members, starts, positions, attended, is_shared=True)
