"""Batches of packed rows for training and evaluation, each padded to its longest row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from models import backends
from models.inputs import as_segments
from models.packing import Tokens
from models.preprocessors.preprocessor import Preprocessor
from models.presets.fields import check_size
from models.training.lengths import length_ladder, padded_length

# How many batches' rows are sorted by length together in training: enough that little is padding,
# few enough that an epoch stays shuffled.
_BATCHES_SORTED_TOGETHER = 50


BATCH_SIZE = 32
"""Rows per batch unless the caller says otherwise."""


class Batches(keras.utils.PyDataset):
    """Batches of rows that are chosen anew for every epoch.

    Args:
        num_batches: Batches in an epoch.
        order: Begins an epoch: returns the indices of each batch's rows.
        make: Makes a batch of its rows: features, or a tuple of features and targets.
        targets_vary: Whether batches differ in the width of their targets too.
    """

    def __init__(
        self,
        num_batches: int,
        order: Callable[[], list[np.ndarray]],
        make: Callable[[np.ndarray], Any],
        *,
        targets_vary: bool = False,
    ) -> None:
        super().__init__()
        self.targets_vary = targets_vary
        self._num_batches = num_batches
        self._order = order
        self._rows: list[np.ndarray] = []
        self.make = make

    def on_epoch_begin(self) -> None:
        """Chooses the rows."""
        self._rows = self._order()

    def __len__(self) -> int:
        return self._num_batches

    def __getitem__(self, index: int) -> Any:
        if not self._rows:
            self.on_epoch_begin()
        return self.make(self._rows[index])

    def __iter__(self) -> Iterator[Any]:
        """Returns the batches of an epoch."""
        self.on_epoch_begin()
        return map(self.make, self._rows)


def dataset_of(
    x: Any,
    targets: Sequence[Any],
    preprocessor: Preprocessor | None,
    batch_size: int | None = None,
    shuffle: bool = False,
    token_dropout: float = 0.0,
) -> Any:
    """Returns batches of a task's inputs; those of texts are padded to their longest row.

    Args:
        x: Texts, a tuple of first and second texts, or, without a preprocessor, the model's inputs.
        targets: Arrays `[rows, …]`: targets and weights, as far as there are any.
        preprocessor: Turns texts into the model's inputs.
        batch_size: Rows per batch; 32 if `None`.
        shuffle: Whether rows come in a different order in every epoch.
        token_dropout: Share of the tokens that are hidden behind the mask token; texts only.

    Returns:
        What `keras.Model.fit` takes; its length is the number of batches, where that is known.

    Raises:
        ValueError: There are no rows, or not as many targets as texts.
    """
    batch_size = BATCH_SIZE if batch_size is None else check_size("batch_size", batch_size)
    arrays = [np.asarray(target) for target in targets]
    random = random_generator()
    if preprocessor is None:
        return feature_batches(x, arrays, batch_size, random if shuffle else None)
    tokens, _ = preprocessor.encode(*as_segments(x)[0])
    check_targets(arrays, len(tokens))
    return token_batches(tokens, arrays, preprocessor, batch_size, random, shuffle, token_dropout)


def are_batches(x: Any) -> bool:
    """Returns whether data is given as batches."""
    return is_dataset(x) or isinstance(x, keras.utils.PyDataset)


def is_dataset(x: Any) -> bool:
    """Returns whether data is a `tf.data.Dataset`."""
    return hasattr(x, "element_spec")


def is_empty(data: Any) -> bool:
    """Returns whether what `dataset_of` returned is known to have no batches."""
    return bool((data.cardinality() if is_dataset(data) else data.num_batches) == 0)


def feature_batches(
    x: Any, targets: list[np.ndarray], batch_size: int, random: np.random.Generator | None
) -> Any:
    """Returns batches of features that are ready.

    Args:
        x: A dict of arrays, `[rows, …]`.
        targets: Arrays `[rows, …]`.
        batch_size: Rows per batch.
        random: Shuffles the rows; they stay in their order if `None`.

    Raises:
        TypeError: It is no such dict.
        ValueError: There are no rows, or not as many targets.
    """
    if not isinstance(x, Mapping):
        raise not_features(x)
    features = {name: keras.ops.convert_to_numpy(values) for name, values in x.items()}
    check_targets(targets, len(next(iter(features.values()))))
    num_rows = len(next(iter(features.values())))

    def order() -> list[np.ndarray]:
        rows = np.arange(num_rows)
        if random is not None:
            random.shuffle(rows)
        return _cut(rows, batch_size)

    def make(rows: np.ndarray) -> Any:
        chosen = {name: values[rows] for name, values in features.items()}
        return (chosen, *(target[rows] for target in targets)) if targets else chosen

    return backends.fed(Batches(-(-num_rows // batch_size), order, make))


def not_features(x: Any) -> TypeError:
    """Returns the error for what are no inputs of a model without a preprocessor."""
    return TypeError(
        "without a preprocessor a model takes its inputs, a dict of token_ids, padding_mask "
        f"and so on, and not a {type(x).__name__}"
    )


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
) -> Any:
    """Returns batches of packed rows with their targets, reshuffled in every epoch.

    Each is padded to its longest row, on a backend that compiles every shape to the next length
    that others of its batches may have too.

    Args:
        tokens: The rows.
        targets: Arrays `[rows, …]`: targets and weights, as far as there are any.
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
        return row_order(lengths, batch_size, random if shuffle else None)

    ladder: tuple[int, ...] = ()
    if backends.compiles_each_shape():
        ladder = length_ladder(preprocessor.sequence_length)

    def make(rows: np.ndarray) -> Any:
        length = padded_length(int(lengths[rows].max(initial=1)), ladder)
        features = tokens.pad(rows, length, tokenizer.pad_token_id)
        if token_dropout:
            ids = features["token_ids"]
            hidden = (random.random(ids.shape) < token_dropout) & ~np.isin(ids, special)
            ids[hidden] = tokenizer.mask_token_id
        return (features, *(target[rows] for target in targets)) if targets else features

    return backends.fed(Batches(-(-len(tokens) // batch_size), order, make))


def row_order(
    lengths: np.ndarray, batch_size: int, random: np.random.Generator | None
) -> list[np.ndarray]:
    """Returns the indices of the rows of each batch of an epoch; shuffled ones are of like lengths.

    Args:
        lengths: int64 `[rows]`: tokens in each row.
        batch_size: Rows per batch.
        random: Shuffles the rows; they stay in their order if `None`.
    """
    rows = np.arange(len(lengths))
    if random is None:
        return _cut(rows, batch_size)
    random.shuffle(rows)
    chunks = _cut(rows, batch_size * _BATCHES_SORTED_TOGETHER)
    rows = np.concatenate([c[np.argsort(lengths[c], kind="stable")] for c in chunks])
    batches = _cut(rows, batch_size)
    random.shuffle(batches)
    return batches


def check_targets(targets: Sequence[np.ndarray], num_rows: int) -> None:
    """Raises `ValueError` unless there are rows, and each target has as many numbers."""
    for target in targets:
        first = target.item(0) if target.size else 0
        if isinstance(first, str | bytes):
            raise ValueError(
                f"targets are numbers, as is the index of a label among the labels, not {first!r}"
            )
        if np.shape(target)[:1] != (num_rows,):
            raise ValueError(f"{num_rows} texts have targets of the shape {np.shape(target)}")
        if not num_rows:
            raise ValueError("there are no rows to train on or to evaluate on")


def split_off(parts: tuple[Any, Any, Any], share: float) -> list[tuple[Any, Any, Any]]:
    """Splits rows into the first and the last of them, as Keras does.

    Args:
        parts: Texts or features, targets and weights of the rows; the last two may be `None`.
        share: Share of the rows to split off.

    Raises:
        ValueError: The rows are in a dataset, or one of the two splits would be empty.
    """
    x, y, weights = parts
    if are_batches(x):
        raise ValueError("validation_split takes texts and their targets, not a dataset")
    first = next(iter(x.values())) if isinstance(x, dict) else x[0] if isinstance(x, tuple) else x
    num_rows = len(first if y is None else y)
    at = int(num_rows * (1 - share))
    if not 0 < at < num_rows:
        raise ValueError(f"validation_split={share} of {num_rows} rows leaves none on one side")

    def cut(part: Any, rows: slice) -> Any:
        if isinstance(part, dict):
            return {name: values[rows] for name, values in part.items()}
        if isinstance(part, tuple):
            return tuple(values[rows] for values in part)
        return None if part is None else part[rows]

    both = slice(at), slice(at, None)
    return [(cut(x, rows), cut(y, rows), cut(weights, rows)) for rows in both]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
