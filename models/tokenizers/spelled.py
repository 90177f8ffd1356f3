"""Texts that may spell tokens of a vocabulary, such as `[MASK]`, where a user asks for it."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from models.packing import Tokens


def encode_spelled(
    texts: pa.Array | Sequence[str],
    spelled: Mapping[str, int],
    encode: Callable[[list[str]], Tokens],
) -> Tokens:
    """Returns the tokens of texts in which some tokens may be spelled out.

    Args:
        texts: Strings `[rows]`, none of them null.
        spelled: Ids of the tokens that a text may spell, one at least.
        encode: Tokenizes what stands between them.
    """
    longest_first = sorted(spelled, key=len, reverse=True)
    pattern = re.compile(f"({'|'.join(map(re.escape, longest_first))})")
    strings = texts.to_pylist() if isinstance(texts, pa.Array) else texts
    rows = [pattern.split(text) for text in strings]  # text, token, text, token, …, text
    between = encode([part for row in rows for part in row[::2]])
    ids = np.array([spelled[token] for row in rows for token in row[1::2]], np.int32)
    tokens = Tokens(ids, np.arange(len(ids) + 1))
    lengths = np.array([len(row) for row in rows], np.int64)
    ends = np.cumsum(lengths)
    place = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    is_token = place % 2 == 1
    order = np.empty(len(place), np.int64)
    order[~is_token] = np.arange(len(between))
    order[is_token] = len(between) + np.arange(len(ids))
    parts = Tokens.concatenate([between, tokens]).take(order)
    return Tokens(parts.ids, parts.splits[np.concatenate([[0], ends])])
