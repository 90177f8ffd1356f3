"""Batches of rows for masked language models, whose tokens are hidden anew in every epoch."""

from typing import TYPE_CHECKING, Any

import numpy as np

from models import backends
from models.packing import Tokens
from models.training.batches import Batches, random_generator, row_order
from models.training.lengths import length_ladder, padded_length

if TYPE_CHECKING:
    from models.preprocessors.masked_lm import MaskedLMPreprocessor


def masked_batches(
    tokens: Tokens,
    weights: np.ndarray | None,
    preprocessor: "MaskedLMPreprocessor",
    batch_size: int,
    shuffle: bool,
    cuts_places: bool,
) -> Any:
    """Returns batches of rows with hidden tokens, these tokens, and their weights.

    Each is padded to its longest row, and has as many places as its row with the most hidden
    tokens: a place costs a score for every token of the vocabulary.

    Args:
        tokens: The rows, as the preprocessor packed them.
        weights: float `[rows]`: how much a row counts; all the same if `None`.
        preprocessor: Hides tokens.
        batch_size: Rows per batch.
        shuffle: Whether to shuffle the rows in every epoch.
        cuts_places: Whether places that no row needs are left out; outputs that are to be joined
            must have as many as the preprocessor says.
    """
    lengths: tuple[int, ...] = ()
    places: tuple[int, ...] = ()
    if backends.compiles_each_shape():
        lengths = length_ladder(preprocessor.sequence_length)
        places = length_ladder(preprocessor.mask_selection_length)
    pad_id = preprocessor.tokenizer.pad_token_id
    random = random_generator()

    def make(rows: np.ndarray) -> Any:
        length = padded_length(int(tokens.lengths[rows].max(initial=1)), lengths)
        features = tokens.pad(rows, length, pad_id)
        features["token_ids"], positions, ids, counted = preprocessor.hide(features["token_ids"])
        if cuts_places:
            most = padded_length(int(counted.sum(axis=1).max(initial=1)), places)
            positions, ids, counted = positions[:, :most], ids[:, :most], counted[:, :most]
        features["mask_positions"] = positions
        if weights is not None:
            counted = counted * weights[rows, None].astype(counted.dtype)
        return features, ids, counted

    def order() -> list[np.ndarray]:
        return row_order(tokens.lengths, batch_size, random if shuffle else None)

    num_batches = -(-len(tokens) // batch_size)
    return backends.fed(Batches(num_batches, order, make, targets_vary=True))
