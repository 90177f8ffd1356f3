"""The rows whose vectors are most like some queries': exactly, and a block at a time."""

import numpy as np

from models.presets.embedding import Similarity

SHORTEST = np.float32(1e-12)
"""Length below which a vector has no direction, as `torch.nn.functional.normalize` has it."""


class Nearest:
    """Keeps the best rows of all that it is shown.

    >>> nearest = Nearest(np.float32([[1, 0]]), "cosine", 2)
    >>> nearest.add(0, np.float32([[0, 1], [2, 2], [3, 0]]))
    >>> nearest.rows(0).tolist()
    [2, 1]

    Args:
        queries: float32 `[queries, dimensions]`.
        similarity: By what rows are ordered; distances are negative, so that more is nearer.
        most: How many rows to keep for each query.

    Attributes:
        num_left_out: How many rows had no finite vector.
    """

    def __init__(self, queries: np.ndarray, similarity: Similarity, most: int) -> None:
        self._queries = unit(queries) if similarity == "cosine" else queries
        self._similarity = similarity
        self._most = most
        self._scores = [np.empty(0) for _ in queries]
        self._rows = [np.empty(0, np.int64) for _ in queries]
        self.num_left_out = 0

    def add(self, first: int, vectors: np.ndarray) -> None:
        """Looks at rows that follow those before; of equals, the earlier one is nearer.

        Args:
            first: The number of the first of them.
            vectors: float32 `[rows, dimensions]`.
        """
        scores = self._similarities(vectors)
        is_finite = np.isfinite(scores).all(axis=1)
        self.num_left_out += len(scores) - int(np.count_nonzero(is_finite))
        for query in range(len(self._queries)):
            self._add_scores(query, first, np.where(is_finite, scores[:, query], -np.inf))

    def scores(self, query: int) -> np.ndarray:
        """Returns how near the rows of a query are, float64, the nearest first."""
        return self._scores[query]

    def rows(self, query: int) -> np.ndarray:
        """Returns the numbers of the rows of a query, int64, the nearest first."""
        return self._rows[query]

    def _similarities(self, vectors: np.ndarray) -> np.ndarray:
        """Returns how near each row is to each query, float32 or float64 `[rows, queries]`."""
        with np.errstate(all="ignore"):  # numbers that are not finite are left out
            scores = self._compare(vectors, self._queries)
            odd = np.flatnonzero(~np.isfinite(scores).all(axis=1))
            odd = odd[np.isfinite(vectors[odd]).all(axis=1)]
            if len(odd):  # squares and products of large numbers are too large for float32
                scores = scores.astype(np.float64)
                scores[odd] = self._compare(vectors[odd].astype(np.float64), self._queries)
            return scores

    def _compare(self, vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Returns how near each row is to each query, of the vectors' type."""
        queries = queries.astype(vectors.dtype, copy=False)
        if self._similarity in ("euclidean", "manhattan"):
            order = 1 if self._similarity == "manhattan" else 2
            return -np.stack([np.linalg.norm(vectors - q, order, 1) for q in queries], axis=1)
        scores: np.ndarray = vectors @ queries.T
        if self._similarity == "cosine":
            length = _lengths(vectors)
            length[np.isinf(length)] = np.nan  # else all directions were alike
            scores /= np.maximum(length, SHORTEST)
        return scores

    def _add_scores(self, query: int, first: int, scores: np.ndarray) -> None:
        kept = self._scores[query]
        worst = kept[-1] if len(kept) == self._most else -np.inf
        better = np.flatnonzero(scores > worst)
        if len(better) > self._most:
            least = np.partition(scores[better], -self._most)[-self._most]
            better = better[scores[better] >= least]
        if not len(better):
            return
        merged = np.concatenate([kept, scores[better]])
        rows = np.concatenate([self._rows[query], first + better])
        order = np.argsort(-merged, kind="stable")[: self._most]
        self._scores[query], self._rows[query] = merged[order], rows[order]


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Returns the lengths of vectors, float64 `[rows, 1]`.

    Args:
        vectors: float32 `[rows, dimensions]`.
    """
    with np.errstate(over="ignore"):
        found = _lengths(vectors).astype(np.float64)
    large = np.isinf(found[:, 0])
    if large.any():  # their squares are, not they
        found[large] = _lengths(vectors[large].astype(np.float64))
    return found


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Returns the lengths of vectors, of their type; infinity if their squares are too large."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors divided by their lengths; those without a direction stay zeros.

    Args:
        vectors: float32 `[rows, dimensions]`.
    """
    length = lengths(vectors)
    if np.all(length < np.finfo(np.float32).max):
        length = length.astype(np.float32)  # else the quotients would be float64
    return (vectors / np.maximum(length, SHORTEST)).astype(np.float32, copy=False)
