"""Batches of packed rows for training and evaluation, each padded to its longest row."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models.inputs import as_segments
from models.packing import Tokens
from models.preprocessor import Preprocessor
from models.presets.preset import check_size

# How many batches' rows are sorted by length together in training: enough that little is padding,
# few enough that an epoch stays shuffled.
_BATCHES_SORTED_TOGETHER = 50


# Rows per batch unless the caller says otherwise.
_BATCH_SIZE = 32


def dataset_of(
    x: Any,
    targets: Sequence[Any],
    preprocessor: Preprocessor | None,
    batch_size: int | None = None,
    shuffle: bool = False,
    token_dropout: float = 0.0,
) -> tf.data.Dataset:
    """Returns batches of a classifier's inputs; those of texts are padded to their longest row.

    Args:
        x: Texts, a tuple of first and second texts, a dataset of batches, or, without a
            preprocessor, the backbone's inputs.
        targets: Arrays `[rows, …]`, such as classes and weights; ignored if `x` is a dataset.
        preprocessor: Turns texts into the backbone's inputs.
        batch_size: Rows per batch; 32 if `None`, ignored if `x` is a dataset.
        shuffle: Whether rows come in a different order in every epoch.
        token_dropout: Share of the tokens that are hidden behind the mask token; texts only.

    Raises:
        ValueError: There are no rows, or not as many targets as texts.
    """
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec
        is_ready = isinstance(spec[0] if isinstance(spec, tuple) else spec, dict)
        return x if is_ready else x.map(preprocessor).prefetch(1)
    batch_size = _BATCH_SIZE if batch_size is None else check_size("batch_size", batch_size)
    if preprocessor is None:
        data = tf.data.Dataset.from_tensor_slices((x, *targets) if targets else x)
        return (data.shuffle(len(data)) if shuffle else data).batch(batch_size)
    tokens, _ = preprocessor.encode(*as_segments(x)[0])
    arrays = [np.asarray(target) for target in targets]
    check_targets(arrays, len(tokens))
    random = random_generator()
    return token_batches(tokens, arrays, preprocessor, batch_size, random, shuffle, token_dropout)


def random_generator() -> np.random.Generator:
    """Returns a generator that follows the seed of `keras.utils.set_random_seed`."""
    return np.random.default_rng(int(keras.random.randint((), 0, 2**31 - 1)))


def token_batches(
    tokens: Tokens,
    targets: list[np.ndarray],
    preprocessor: Preprocessor,
    batch_size: int,
    random: np.random.Generator,
    shuffle: bool,
    token_dropout: float,
) -> tf.data.Dataset:
    """Returns batches of packed rows with their targets, reshuffled in every epoch.

    Args:
        tokens: The rows.
        targets: Arrays `[rows, …]`, such as classes and weights.
        preprocessor: The preprocessor that packed the rows.
        batch_size: Rows per batch.
        random: Shuffles the rows and masks tokens; drawn from only while an epoch runs.
        shuffle: Whether to shuffle the rows in every epoch.
        token_dropout: Share of the tokens that are replaced by the mask token, chosen anew each
            time a row is seen.
    """
    lengths = tokens.lengths
    tokenizer = preprocessor.tokenizer
    special = [tokenizer.pad_token_id, *preprocessor.special_ids]
    if token_dropout and tokenizer.mask_token_id is None:
        raise ValueError(f"token_dropout={token_dropout}: the tokenizer has no mask token")

    def order() -> list[np.ndarray]:
        rows = np.arange(len(tokens))
        if not shuffle:
            return _cut(rows, batch_size)
        random.shuffle(rows)
        chunks = _cut(rows, batch_size * _BATCHES_SORTED_TOGETHER)
        rows = np.concatenate([c[np.argsort(lengths[c], kind="stable")] for c in chunks])
        batches = _cut(rows, batch_size)
        random.shuffle(batches)
        return batches

    def generate() -> Iterator[Any]:
        for rows in order():
            features = tokens.pad(rows, int(lengths[rows].max()), tokenizer.pad_token_id)
            if token_dropout:
                ids = features["token_ids"]
                hidden = (random.random(ids.shape) < token_dropout) & ~np.isin(ids, special)
                ids[hidden] = tokenizer.mask_token_id
            yield (features, *(target[rows] for target in targets)) if targets else features

    features = {name: tf.TensorSpec([None, None], tf.int32) for name in preprocessor.features}
    specs = [tf.TensorSpec([None, *target.shape[1:]], target.dtype) for target in targets]
    data = tf.data.Dataset.from_generator(
        generate, output_signature=(features, *specs) if targets else features
    )
    num_batches = -(-len(tokens) // batch_size)
    return data.apply(tf.data.experimental.assert_cardinality(num_batches)).prefetch(2)


def check_targets(targets: Sequence[np.ndarray], num_rows: int) -> None:
    """Raises `ValueError` unless there are rows, and each target has as many."""
    for target in targets:
        if np.shape(target)[:1] != (num_rows,):
            raise ValueError(f"{num_rows} texts have targets of the shape {np.shape(target)}")
        if not num_rows:
            raise ValueError("there are no rows to train on or to evaluate on")


def split_off(parts: tuple[Any, Any, Any], share: float) -> list[tuple[Any, Any, Any]]:
    """Splits rows into the first and the last of them, as Keras does.

    Args:
        parts: Texts or features, classes and weights of the rows; the weights may be `None`.
        share: Share of the rows to split off.

    Raises:
        ValueError: The rows are in a dataset, or one of the two splits would be empty.
    """
    if isinstance(parts[0], tf.data.Dataset) or parts[1] is None:
        raise ValueError("validation_split takes texts and classes, not a dataset")
    num_rows = len(parts[1])
    at = int(num_rows * (1 - share))
    if not 0 < at < num_rows:
        raise ValueError(f"validation_split={share} of {num_rows} rows leaves none on one side")

    def cut(part: Any, rows: slice) -> Any:
        if isinstance(part, dict):
            return {name: values[rows] for name, values in part.items()}
        if isinstance(part, tuple):
            return tuple(values[rows] for values in part)
        return None if part is None else part[rows]

    x, y, weights = parts
    both = slice(at), slice(at, None)
    return [(cut(x, rows), cut(y, rows), cut(weights, rows)) for rows in both]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
