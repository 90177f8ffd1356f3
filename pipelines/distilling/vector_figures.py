"""How well vectors reproduce a teacher's: their angles, their order, their neighbours."""

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

NEIGHBOURS = 10
_ROWS = 2_000
"""Most rows that are compared with each other: two million pairs."""

TF_IDF = "TF-IDF"
WORDS = "the mean of the teacher's word embeddings"


Vectors = Any
"""float `[rows, dimensions]`: an array, or a sparse matrix whose rows have length 1 or 0."""


def vector_figures(
    vectors: Vectors, teacher: np.ndarray, labels: Sequence[Any] | None = None
) -> dict[str, float]:
    """Returns how well vectors stand for a teacher's.

    Args:
        vectors: Those to judge.
        teacher: float `[rows, dimensions]`, of any width.
        labels: The label of each row; rows whose label is `None` are not looked at for it.

    Returns:
        `spearman`, the rank correlation of the cosines of all pairs of rows; `neighbours`, the
        share of a row's nearest ones by the teacher that are among its nearest ones by the vectors;
        and with labels `retrieval`, the share of a row's nearest ones that have its label.
    """
    chosen = chosen_rows(len(teacher))
    ours, theirs = (_cosines(each[chosen]) for each in (vectors, teacher))
    pairs = np.triu_indices(len(chosen), 1)
    near, wanted = (_nearest(cosines) for cosines in (ours, theirs))
    shared = [np.isin(found, true).mean() for found, true in zip(near, wanted, strict=True)]
    figures = {
        "spearman": _rounded(_correlation(_ranks(ours[pairs]), _ranks(theirs[pairs]))),
        "neighbours": _rounded(np.mean(shared)),
    }
    if labels is not None:
        figures["retrieval"] = _rounded(retrieval(vectors, labels))
    return figures


def retrieval(vectors: Vectors, labels: Sequence[Any]) -> float:
    """Returns the share of each row's `NEIGHBOURS` nearest ones that have its label.

    Args:
        vectors: Those to judge.
        labels: The label of each row; rows whose label is `None` are left out.
    """
    known = np.array([row for row, label in enumerate(labels) if label is not None])
    known = known[chosen_rows(len(known))]
    names = np.array([str(labels[row]) for row in known])
    near = _nearest(_cosines(vectors[known]))
    return float((names[near] == names[:, None]).mean())


def word_counts(learned: Sequence[str], judged: Sequence[str]) -> Vectors | None:
    """Returns TF-IDF vectors of some texts, by the words of others; `None` without scikit-learn.

    They are sparse, and of length 1 or 0.
    """
    with contextlib.suppress(ImportError):  # missing, or incompatible with NumPy
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english", dtype=np.float32)
        with contextlib.suppress(ValueError):  # no word in any text
            return vectorizer.fit(learned).transform(judged)
    return None


def chosen_rows(count: int) -> np.ndarray:
    """Returns the rows that are compared with each other."""
    if count <= _ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, _ROWS, replace=False))


def _cosines(vectors: Vectors) -> np.ndarray:
    """Returns the cosines of all rows with all others; a row of zeros has 0."""
    found: np.ndarray
    if not isinstance(vectors, np.ndarray):
        found = (vectors @ vectors.T).toarray()
        return found
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-12)
    found = unit @ unit.T
    return found


def _nearest(cosines: np.ndarray) -> np.ndarray:
    """Returns the nearest other rows of each, int64 `[rows, NEIGHBOURS]`, fewer of few rows."""
    apart = cosines - 4 * np.eye(len(cosines), dtype=cosines.dtype)
    count = min(NEIGHBOURS, len(cosines) - 1)
    found: np.ndarray = np.argpartition(-apart, count - 1, axis=1)[:, :count]
    return found


def _ranks(numbers: np.ndarray) -> np.ndarray:
    """Returns the rank of each number; equal ones share the mean of theirs."""
    _, group, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    found: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[group]
    return found


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Returns Pearson's r, 0 where it is not defined."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _rounded(value: Any) -> float:
    return float(f"{value:.6g}")
