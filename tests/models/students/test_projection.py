import numpy as np
import pytest

from models.students.projection import principal_directions

ROWS, DIMENSIONS = 40, 12


@pytest.fixture
def vectors():
    random = np.random.default_rng(5)
    mixing = random.normal(size=(DIMENSIONS, DIMENSIONS)) * np.linspace(1, 4, DIMENSIONS)
    # Far from 0, so that a mean that is subtracted shows.
    return (random.normal(size=(ROWS, DIMENSIONS)) @ mixing + 3).astype(np.float32)


def error_of(vectors: np.ndarray, directions: np.ndarray) -> float:
    """How far the dot products of the mapped vectors are from those of the vectors."""
    mapped = vectors @ directions
    return float(np.linalg.norm(mapped @ mapped.T - vectors @ vectors.T))


@pytest.mark.parametrize("width", [DIMENSIONS, DIMENSIONS + 5])
def test_as_many_numbers_keep_every_dot_product(vectors, width):
    directions = principal_directions(vectors, width)
    assert (directions.shape, directions.dtype) == ((DIMENSIONS, width), np.float32)
    mapped = vectors @ directions
    expected = vectors @ vectors.T
    np.testing.assert_allclose(mapped @ mapped.T, expected, atol=1e-5 * expected.max())


def test_more_numbers_are_zero(vectors):
    directions = principal_directions(vectors, DIMENSIONS + 5)
    assert not directions[:, DIMENSIONS:].any()
    np.testing.assert_array_equal(
        directions[:, :DIMENSIONS], principal_directions(vectors, DIMENSIONS)
    )


@pytest.mark.parametrize("width", [1, 4, 11])
def test_fewer_numbers_are_the_singular_vectors_of_the_largest_singular_values(vectors, width):
    directions = principal_directions(vectors, width)
    assert directions.shape == (DIMENSIONS, width)
    left, sizes, right = np.linalg.svd(vectors.astype(np.float64), full_matrices=False)
    nearest = (left[:, :width] * sizes[:width]) @ right[:width]
    np.testing.assert_allclose(vectors @ directions @ directions.T, nearest, atol=1e-4)
    assert error_of(vectors, directions) == pytest.approx(
        np.linalg.norm(sizes[width:] ** 2), rel=1e-3
    )


def test_no_other_directions_change_dot_products_less(vectors):
    least = error_of(vectors, principal_directions(vectors, 4))
    random = np.random.default_rng(6)
    for _ in range(20):
        other, _ = np.linalg.qr(random.normal(size=(DIMENSIONS, 4)))
        assert error_of(vectors, other) > least


def test_fewer_vectors_than_dimensions_lose_nothing(vectors):
    few = vectors[:3]
    mapped = few @ principal_directions(few, 3)
    np.testing.assert_allclose(mapped @ mapped.T, few @ few.T, rtol=1e-4)
