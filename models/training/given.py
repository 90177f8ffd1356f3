"""Batches that are given to a task as such, and what may be wrong with what a task is given."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from models.inputs import holds_texts
from models.training.batches import Batches, are_batches, is_dataset, not_features

VALIDATION = "validation_data"
"""The argument of `fit`."""


class PreparedBatches(keras.utils.PyDataset):
    """The batches of another, each of which is checked, or changed, when it is asked for.

    Args:
        batches: The batches.
        prepare: Returns what becomes of a batch's inputs, targets and weights, of which the last
            two may be `None`.
    """

    def __init__(
        self, batches: keras.utils.PyDataset, prepare: Callable[[Any, Any, Any], Any]
    ) -> None:
        super().__init__(batches.workers, batches.use_multiprocessing, batches.max_queue_size)
        self._batches = batches
        self._prepare = prepare

    @property
    def num_batches(self) -> int | None:
        """Batches in an epoch; `None` if there is no end."""
        return self._batches.num_batches

    def __getitem__(self, index: int) -> Any:
        return self._prepare(*parts_of(self._batches[index], "a batch"))

    def on_epoch_begin(self) -> None:
        """Tells the batches that an epoch begins."""
        self._batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Tells the batches that an epoch has ended."""
        self._batches.on_epoch_end()


class ReadyBatches(PreparedBatches):
    """What `ready_batches` made of batches: they need neither checks nor a preprocessor again."""


def ready_batches(x: Any, preprocessor: Callable[..., Any] | None) -> Any:
    """Returns batches with their texts made into inputs; features stay as they are.

    Args:
        x: A `tf.data.Dataset` or a `keras.utils.PyDataset`, of inputs alone, or of tuples of
            inputs, targets and, perhaps, weights.
        preprocessor: Makes inputs of texts; there are features alone if `None`.

    Raises:
        TypeError: The inputs are neither texts nor features. Of a `PyDataset` the first batch is
            looked at here, each of the others when it is asked for.
        ValueError: They come row by row, or in batches of batches, or the targets are texts.
    """
    takes_texts = preprocessor is not None

    def prepare(inputs: Any, targets: Any, weights: Any) -> Any:
        _check_batch(inputs, targets, takes_texts)
        if preprocessor is None or isinstance(inputs, dict):
            return keras.utils.pack_x_y_sample_weight(inputs, targets, weights)
        return preprocessor(inputs, targets, weights)

    if isinstance(x, Batches | ReadyBatches):
        return x
    if not is_dataset(x):
        if x.num_batches != 0:
            # Before anything begins: on JAX a model whose training breaks off loses its weights.
            inputs, targets, _ = parts_of(x[0], "a batch")
            _check_batch(inputs, targets, takes_texts)
        return ReadyBatches(x, prepare)
    inputs, targets, _ = parts_of(x.element_spec, "an element of the dataset")
    _check_batch(inputs, targets, takes_texts)
    is_ready = preprocessor is None or isinstance(inputs, dict)
    return x if is_ready else x.map(preprocessor).prefetch(1)


def compared(x: Any, y: Any, use: str, makes_targets: bool = False) -> Any:
    """Returns what a task is given to learn from or to be judged by, which must have targets.

    Args:
        x: Texts, features or batches.
        y: Targets; those of batches are in them.
        use: The method, or the argument, that they are for.
        makes_targets: Whether texts have none, since the preprocessor makes them.

    Raises:
        ValueError: There are none, or some where the preprocessor makes them. Of a
            `keras.utils.PyDataset`, when a batch is asked for.
    """

    def check(inputs: Any, targets: Any) -> None:
        are_made = makes_targets and not isinstance(inputs, dict)
        if are_made and targets is not None:
            raise made_already()
        if targets is None and not are_made:
            call = "" if use == VALIDATION else use
            raise ValueError(
                f"{use} takes targets too, one for each row: {call}(texts, targets), and in a "
                "dataset batches of (texts, targets)"
            )

    def checked(inputs: Any, targets: Any, weights: Any) -> Any:
        check(inputs, targets)
        return inputs, targets, weights  # Keras would pack no weights without targets

    if isinstance(x, Batches | ReadyBatches):
        return x  # as in each epoch's validation
    if is_dataset(x):
        check(*parts_of(x.element_spec, "an element of the dataset")[:2])
    elif are_batches(x):
        return PreparedBatches(x, checked)
    else:
        check(x, y)
    return x


def made_already() -> ValueError:
    """Returns the error for targets of texts of which a preprocessor makes the targets."""
    return ValueError(
        "a masked LM takes texts alone: it is to give back the tokens that its preprocessor hides; "
        "leave the targets out, and give weights as in (texts, None, weights)"
    )


def parts_of(data: Any, name: str) -> tuple[Any, Any, Any]:
    """Returns the inputs, targets and weights that are given as one; `None` for what is not there.

    A list of strings is texts alone.

    Args:
        data: A tuple of up to three of them, or inputs or a dataset alone.
        name: What it is, for the message.

    Raises:
        ValueError: The tuple has more, or nothing.
    """
    if isinstance(data, list) and (not data or isinstance(data[0], str | bytes)):
        return data, None, None
    if isinstance(data, tuple | list) and not 1 <= len(data) <= 3:
        raise ValueError(
            f"{name} is (texts, targets) or (texts, targets, weights), not a tuple of {len(data)}"
        )
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    return x, None if _is_of_none(y) else y, None if _is_of_none(weights) else weights


def check_apart(y: Any, sample_weight: Any, token_dropout: float) -> None:
    """Raises `ValueError` if something is given beside batches that stands in them, or cannot be.

    Args:
        y: Targets, or `None`.
        sample_weight: Weights, or `None`.
        token_dropout: Share of the tokens to hide.
    """
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(
                f"a dataset has targets and weights in its batches: leave {name} out, and make "
                "them (texts, targets) or (texts, targets, weights)"
            )
    check_no_dropout(token_dropout)


def check_no_iterator(x: Any, use: str) -> None:
    """Raises `TypeError` if batches come from a generator, which cannot begin anew.

    Args:
        x: What a task is given.
        use: The method, or the argument, that it is for.
    """
    if isinstance(x, Iterator):
        raise TypeError(
            f"{use} takes no {type(x).__name__}: give batches as a keras.utils.PyDataset or a "
            "tf.data.Dataset, or all texts in a list"
        )


def check_no_dropout(token_dropout: float) -> None:
    """Raises `ValueError` if tokens are to be hidden where there are no texts to hide them in."""
    if token_dropout:
        raise ValueError(
            f"token_dropout={token_dropout} is for texts that a task with a preprocessor is given "
            "as such, and not for batches or features: leave it out"
        )


def _check_batch(inputs: Any, targets: Any, takes_texts: bool) -> None:
    """Raises unless an element of a dataset is a batch of rows, with targets that are numbers.

    Args:
        inputs: The texts or features of the element, or their specifications.
        targets: Its targets, or their specification; `None` if it has none.
        takes_texts: Whether it may hold texts; features it may always hold.
    """
    is_ready = isinstance(inputs, dict)
    if not is_ready and not takes_texts:
        raise not_features(inputs)
    if is_ready:
        first, wanted = inputs.get("token_ids"), 2
    else:
        first, wanted = inputs[0] if isinstance(inputs, tuple) else inputs, 1
    if first is None:
        return  # Keras names the inputs that are missing
    if not is_ready and not holds_texts(first):
        kind = getattr(first, "dtype", type(first))
        name = getattr(kind, "name", getattr(kind, "__name__", kind))
        raise TypeError(f"a dataset has texts, which are strings, and not {name}")
    rank = _rank(first)
    if rank is not None and rank < wanted:
        raise ValueError(
            "the dataset gives single rows, and a model takes batches: make them, as by "
            "dataset.batch(32)"
        )
    if rank is not None and rank > wanted:
        raise ValueError("the dataset gives batches of batches: make batches of its rows once")
    if targets is not None and holds_texts(targets):
        raise ValueError(
            "after the texts of a batch come targets, which are numbers, and these are texts: give "
            "the index of a label among the labels, and pairs as ((first, second), targets)"
        )


def _is_of_none(part: Any) -> bool:
    """Returns whether a part of a dataset's specification says that nothing is there."""
    return type(part).__name__ == "NoneTensorSpec"  # which TensorFlow exports under no name


def _rank(values: Any) -> int | None:
    """Returns how many dimensions there are; `None` where a specification does not tell."""
    shape = getattr(values, "shape", None)
    if shape is None:
        return int(np.ndim(values))
    return shape.rank if hasattr(shape, "rank") else len(shape)
