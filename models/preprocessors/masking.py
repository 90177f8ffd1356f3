"""Hiding tokens for training to guess, as BERT's paper does (https://arxiv.org/abs/1810.04805)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Masking:
    """Which tokens are hidden, and behind what.

    Attributes:
        rate: Share of a row's tokens that are chosen, on average.
        length: The most that are chosen in a row; the results are as wide.
        mask_rate: Share of the chosen ones that become the mask token.
        random_rate: Share that become some token of the vocabulary; the others stay as they are.
        mask_id: Id of the mask token.
        vocabulary_size: Ids are less than this.
        left_alone: Ids that are never chosen.
    """

    rate: float
    length: int
    mask_rate: float
    random_rate: float
    mask_id: int
    vocabulary_size: int
    left_alone: Sequence[int]


def mask(
    token_ids: np.ndarray, masking: Masking
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hides tokens of padded rows, by NumPy's random numbers, which Keras's seed sets.

    Args:
        token_ids: int32 `[rows, columns]`.
        masking: Which tokens.

    Returns:
        The ids with some hidden, int32 `[rows, columns]`; and, of those that were chosen, their
        columns and what stood there, int32 `[rows, length]`, and 1 for each of them and 0 for what
        fills up the row, float32 `[rows, length]`.
    """
    width = max(0, masking.length - token_ids.shape[1])
    lots = np.random.random(token_ids.shape)
    lots[np.isin(token_ids, list(masking.left_alone))] = 1
    order = np.argsort(lots, axis=1)[:, : masking.length]
    is_chosen = np.take_along_axis(lots, order, axis=1) < masking.rate
    beyond = token_ids.shape[1]
    positions = np.sort(np.where(is_chosen, order, beyond), axis=1)
    positions = np.pad(positions, ((0, 0), (0, width)), constant_values=beyond)
    weights = positions < beyond
    positions[~weights] = 0
    found = np.where(weights, np.take_along_axis(token_ids, positions, axis=1), 0)

    kinds = np.random.random(positions.shape)
    others = np.random.randint(masking.vocabulary_size, size=positions.shape)
    hidden = np.where(kinds < masking.mask_rate, masking.mask_id, found)
    is_random = (kinds >= masking.mask_rate) & (kinds < masking.mask_rate + masking.random_rate)
    hidden = np.where(is_random, others, hidden)
    masked = token_ids.copy()
    rows, columns = np.nonzero(weights)
    masked[rows, positions[rows, columns]] = hidden[rows, columns]
    return masked, positions.astype(np.int32), found.astype(np.int32), weights.astype(np.float32)
