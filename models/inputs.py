"""The forms in which tokenizers, preprocessors and classifiers accept texts."""

from collections.abc import Mapping, Sized
from typing import Any

import numpy as np


def as_texts(inputs: Any) -> tuple[list[str], bool]:
    """Returns a text or a batch of texts as a list, and whether it was a single text.

    Args:
        inputs: A string, or a list, NumPy array, tensor or Arrow array of strings. Bytes are read
            as UTF-8.

    Raises:
        TypeError: A value is not a string.
        ValueError: The batch has a second dimension.
    """
    if isinstance(inputs, (str, bytes)):
        return [_as_text(inputs)], True
    if isinstance(inputs, Mapping):
        raise TypeError(
            f"texts are strings, and not a {type(inputs).__name__}: a model takes features, such "
            "as token_ids, once its preprocessor is None"
        )
    if hasattr(inputs, "to_pylist"):
        inputs = inputs.to_pylist()
    array = np.asarray(inputs, dtype=object) if isinstance(inputs, (list, tuple)) else inputs
    array = np.asarray(array)
    if array.ndim > 1:
        raise ValueError(
            f"texts must be one string or a flat batch, not of shape {array.shape}; pairs are a "
            "tuple of their first texts and their second texts"
        )
    return [_as_text(text) for text in np.atleast_1d(array).tolist()], array.ndim == 0


def as_token_ids(inputs: Any) -> tuple[list[list[int]], bool]:
    """Returns the token ids of a text or a batch as lists, and whether it was a single text.

    Args:
        inputs: Integers, or a batch of rows of them: a list, NumPy array, tensor or ragged tensor.
    """
    if hasattr(inputs, "row_splits"):  # a ragged tensor, recognized without importing TensorFlow
        return inputs.to_list(), False
    if hasattr(inputs, "shape"):
        array = np.asarray(inputs)
        return np.atleast_2d(array).tolist(), array.ndim < 2
    is_single = not any(np.ndim(row) for row in inputs)
    rows = [inputs] if is_single else inputs
    return [[int(token_id) for token_id in row] for row in rows], is_single


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise TypeError(f"a text must be a string, not {value!r:.80}")
    return value


def holds_texts(inputs: Any) -> bool:
    """Returns whether a value is a text or a batch of texts, rather than labels or weights.

    Args:
        inputs: Anything; of a batch the first value decides.
    """
    if isinstance(inputs, (str, bytes)):
        return True
    if isinstance(inputs, (list, tuple)):
        return bool(inputs) and holds_texts(inputs[0])
    dtype = getattr(inputs, "dtype", getattr(inputs, "type", None))
    return str(getattr(dtype, "name", dtype)).startswith(("str", "bytes", "object", "large_str"))


def labelled(inputs: Any) -> tuple[Any, Any, Any]:
    """Returns the texts, labels and weights of a tuple that holds texts and what belongs to them.

    A tuple of two texts or batches of texts is a pair, and its own texts.

    Args:
        inputs: What `as_segments` takes, or a tuple of that and labels and, perhaps, weights.
    """
    if isinstance(inputs, tuple) and len(inputs) in (2, 3) and not holds_texts(inputs[-1]):
        texts, labels, *weights = inputs
        return texts, labels, weights[0] if weights else None
    return inputs, None, None


def as_segments(inputs: Any) -> tuple[list[list[str]], bool]:
    """Returns single texts or pairs as one or two lists, and whether they were a single row.

    Args:
        inputs: Whatever `as_texts` takes, or a tuple of two of those: the first and the second
            texts of pairs.

    Raises:
        ValueError: There are not as many first texts as second texts.
    """
    segments = inputs if isinstance(inputs, tuple) else (inputs,)
    if len(segments) not in (1, 2):
        raise ValueError(f"a row has one text or a pair of texts, not {len(segments)}")
    texts, singles = zip(*(as_texts(segment) for segment in segments), strict=True)
    if len(texts) == 2:
        check_pairs(*texts)
    return list(texts), singles[0]


def check_pairs(first: Sized, second: Sized) -> None:
    """Raises `ValueError` unless there are as many first texts as second texts."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} first texts for {len(second)} second texts")
