"""The columns that the stages agree on."""

from collections.abc import Sequence

import pyarrow as pa

from models.quantization import BITS_A_NUMBER

SOURCE = pa.field("source", pa.string(), nullable=False)
"""Path of the file a row came from."""

POSITION = pa.field("position", pa.int64(), nullable=False)
"""Byte offset of the line in decompressed text or JSON Lines, or row number in other formats."""

NUM_TOKENS = pa.field("num_tokens", pa.int32())
"""Tokens of a text, special ones included, before any cut."""

TRUNCATED = pa.field("truncated", pa.bool_())
"""Whether a text was cut."""


def token_fields(has_segments: bool) -> list[pa.Field]:
    """Returns the columns that `Tokenize` adds, for a family with or without segments."""
    ids = pa.list_(pa.int32())
    return [
        pa.field("token_ids", ids),
        *([pa.field("segment_ids", ids)] if has_segments else []),
        NUM_TOKENS,
        TRUNCATED,
    ]


def label_fields(
    labels: Sequence[str],
    probabilities: bool,
    top_k: int,
    is_multi_label: bool = False,
    gives_numbers: bool = False,
) -> list[pa.Field]:
    """Returns the columns that `Classify` adds.

    For a model that gives numbers that is `score`, a single one, or `scores`, a number by each
    label.
    """
    score = pa.float32()
    if len(labels) == 1:
        return [pa.field("score", score)]
    by_label = pa.struct([(label, score) for label in labels])
    if gives_numbers:
        return [pa.field("scores", by_label)]
    fields = [pa.field("label", pa.string()), pa.field("score", score)]
    entry = pa.struct([fields[0], fields[1]])
    if is_multi_label:
        fields.append(pa.field("labels", pa.list_(entry)))
    if probabilities:
        fields.append(pa.field("probabilities", by_label))
    if top_k:
        fields.append(pa.field("top", pa.list_(entry)))
    return fields


def vector_field(dimensions: int, dtype: str) -> pa.Field:
    """Returns the column of vectors.

    Args:
        dimensions: Their dimensions.
        dtype: `float32`, `float16` or `int8`; or `binary`, where eight dimensions, of which there
            are a multiple of eight, are one int8.
    """
    if dtype == "binary":
        return pa.field("embedding", pa.list_(pa.int8(), dimensions // BITS_A_NUMBER))
    return pa.field("embedding", pa.list_(pa.from_numpy_dtype(dtype), dimensions))
