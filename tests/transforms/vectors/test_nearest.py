import itertools

import numpy as np
import pytest

from models.presets.embedding import SIMILARITIES
from tests.transforms.vectors.folders import random_vectors
from transforms.vectors.nearest import Nearest, lengths, unit

VECTORS = random_vectors(3000, 24)
QUERIES = random_vectors(4, 24, seed=1)


def brute_force(vectors: np.ndarray, query: np.ndarray, similarity: str) -> np.ndarray:
    """Similarities in float64."""
    vectors, query = vectors.astype(np.float64), query.astype(np.float64)
    if similarity == "manhattan":
        return -np.abs(vectors - query).sum(axis=1)
    if similarity == "euclidean":
        return -np.sqrt(((vectors - query) ** 2).sum(axis=1))
    scores = vectors @ query
    if similarity == "cosine":
        scores /= np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    return scores


def searched(queries, vectors, similarity="cosine", most=10, block=700) -> Nearest:
    nearest = Nearest(queries, similarity, most)
    for first in range(0, len(vectors), block):
        nearest.add(first, vectors[first : first + block])
    return nearest


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize(
    ("most", "block"),
    [(1, 1), (10, 1), *itertools.product((1, 10, 3000, 5000), (7, 700, 3000))],
    ids=str,
)
def test_the_nearest_rows_are_those_of_a_full_sort(similarity, most, block):
    vectors = VECTORS[:300] if block == 1 else VECTORS
    nearest = searched(QUERIES, vectors, similarity, most, block)
    for index, query in enumerate(QUERIES):
        scores = brute_force(vectors, query, similarity)
        order = np.argsort(-scores, kind="stable")[:most]
        rows = nearest.rows(index)
        assert len(set(rows.tolist())) == len(rows) == len(order)
        np.testing.assert_allclose(nearest.scores(index), scores[rows], atol=1e-5)
        # Rows whose scores differ in the last digits alone may have changed places.
        np.testing.assert_allclose(scores[rows], scores[order], atol=1e-5)


def test_of_equal_rows_the_earlier_ones_are_nearer():
    vectors = np.tile(np.float32([[1, 0], [0, 1]]), (500, 1))
    nearest = searched(np.float32([[2, 0]]), vectors, most=7, block=64)
    assert nearest.rows(0).tolist() == list(range(0, 14, 2))
    nearest = searched(np.float32([[2, 0]]), vectors, most=7, block=1000)
    assert nearest.rows(0).tolist() == list(range(0, 14, 2))


def test_a_vector_without_a_direction_has_a_cosine_of_0():
    vectors = np.float32([[0, 0], [-1, 0], [1, 0]])
    nearest = searched(np.float32([[1, 0], [0, 0]]), vectors)
    assert nearest.rows(0).tolist() == [2, 0, 1]
    assert nearest.scores(0).tolist() == [1, 0, -1]
    assert nearest.scores(1).tolist() == [0, 0, 0]


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_rows_that_are_not_finite_are_left_out_and_counted(similarity):
    vectors = VECTORS.copy()
    vectors[[3, 700, 2999]] = np.nan
    vectors[5, 0], vectors[6, 1] = np.inf, -np.inf
    nearest = searched(QUERIES, vectors, similarity, 3000)
    assert nearest.num_left_out == 5
    assert len(nearest.rows(0)) == 2995
    assert not set(nearest.rows(0)) & {3, 5, 6, 700, 2999}
    assert np.isfinite(nearest.scores(0)).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("scale", [1e17, 1e20, 1e30, 3e37])
@pytest.mark.parametrize("query_scale", [1, 1e30])
def test_rows_whose_squares_are_too_large_for_float32_are_found_among_others(
    similarity, scale, query_scale
):
    vectors = VECTORS[:200].copy()
    vectors[::3] *= np.float32(scale)
    queries = QUERIES * np.float32(query_scale)
    nearest = searched(queries, vectors, similarity, most=200, block=64)
    assert nearest.num_left_out == 0
    for index, query in enumerate(queries):
        scores, rows = brute_force(vectors, query, similarity), nearest.rows(index)
        assert sorted(rows.tolist()) == list(range(200))
        np.testing.assert_allclose(nearest.scores(index), scores[rows], 1e-4, 1e-5)
        np.testing.assert_allclose(scores[rows], np.sort(scores)[::-1], 1e-4, 1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1, 1e20, 1e38])
def test_lengths_and_directions_are_those_of_float64(scale):
    vectors = np.concatenate([VECTORS[:50] * np.float32(scale), VECTORS[50:100]])
    expected = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(lengths(vectors), expected, 1e-6)
    found = unit(vectors)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, vectors / expected, 1e-5, 1e-7)
    largest = np.full((1, 4), np.finfo(np.float32).max)
    assert lengths(largest).item() == pytest.approx(2 * float(largest[0, 0]))
    np.testing.assert_allclose(unit(largest), 0.5)


def test_nothing_is_found_in_nothing():
    nearest = searched(QUERIES, VECTORS[:0])
    assert len(nearest.rows(0)) == len(nearest.scores(3)) == 0
