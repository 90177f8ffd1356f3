import tracemalloc

import numpy as np
import pytest

from tests.transforms.vectors.folders import random_vectors, write_vectors
from transforms.vectors import duplicates, stored
from transforms.vectors.duplicates import distinct_texts, near_duplicates, pairs_among, seconds_for
from transforms.vectors.stored import open_vectors


def near_copies(rows: int, dimensions: int) -> np.ndarray:
    """Vectors of which every third is near to one of few."""
    generator = np.random.default_rng(2)
    vectors = random_vectors(rows, dimensions)
    of = generator.integers(0, 40, rows // 3)
    noise = generator.standard_normal((rows // 3, dimensions)).astype(np.float32)
    vectors[::3][: rows // 3] = vectors[of] + 0.03 * noise
    return vectors


VECTORS = near_copies(1500, 16)


def brute_force(vectors: np.ndarray, threshold: float) -> dict[tuple[int, int], float]:
    """Cosines of all pairs that reach the threshold, in float64."""
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    first, second = np.nonzero(np.triu(cosines >= threshold, 1))
    return {(int(i), int(j)): cosines[i, j] for i, j in zip(first, second, strict=True)}


def groups_of(pairs, rows: int) -> list[list[int]]:
    """Connected rows, found one by one."""
    group = list(range(rows))
    for i, j in pairs:
        group = [group[i] if each == group[j] else each for each in group]
    found: dict[int, list[int]] = {}
    for row, label in enumerate(group):
        found.setdefault(label, []).append(row)
    return sorted((rows for rows in found.values() if len(rows) > 1), key=lambda rows: rows[0])


@pytest.fixture
def small(monkeypatch):
    """Blocks and products of a few rows."""
    monkeypatch.setattr(stored, "BLOCK_BYTES", 70 * 16 * 4)
    monkeypatch.setattr(duplicates, "_HELD_BYTES", 300 * 16 * 4)
    monkeypatch.setattr(duplicates, "_PRODUCT_BYTES", 20 * 70 * 4)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.99])
def test_the_pairs_are_those_of_a_full_product(small, tmp_path, threshold):
    folder = open_vectors(str(write_vectors(tmp_path / "out", VECTORS, part_rows=450)))
    seen: list[int] = []
    every = np.ones(1500, bool)
    found = near_duplicates(folder, every, threshold, 10**9, seen.append)
    expected = brute_force(VECTORS, threshold)
    assert len(expected) > 50
    assert found.num_pairs == len(expected)
    assert {tuple(pair) for pair in found.rows.tolist()} == set(expected)
    scores = [expected[tuple(pair)] for pair in found.rows.tolist()]
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)
    assert (np.diff(found.scores) <= 0).all()
    groups = sorted((group.tolist() for group in found.groups), key=lambda rows: rows[0])
    assert groups == groups_of(expected, 1500)
    sizes = [len(group) for group in found.groups]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(seen) == pairs_among(1500)
    assert len(seen) > 20


def test_the_best_pairs_are_kept_and_all_are_counted(small, tmp_path):
    folder = open_vectors(str(write_vectors(tmp_path / "out", VECTORS)))
    every = np.ones(1500, bool)
    all_, best = (near_duplicates(folder, every, 0.9, most) for most in (10**9, 12))
    assert best.num_pairs == all_.num_pairs
    np.testing.assert_array_equal(best.rows, all_.rows[:12])
    assert [group.tolist() for group in best.groups] == [group.tolist() for group in all_.groups]


def test_rows_that_are_left_out_are_in_no_pair(small, tmp_path):
    folder = open_vectors(str(write_vectors(tmp_path / "out", VECTORS)))
    is_looked_at = np.arange(1500) % 2 == 0
    found = near_duplicates(folder, is_looked_at, 0.9, 10**9)
    expected = {pair for pair in brute_force(VECTORS, 0.9) if not (pair[0] % 2 or pair[1] % 2)}
    assert {tuple(pair) for pair in found.rows.tolist()} == expected


def test_copies_of_one_vector_have_a_cosine_of_1(tmp_path):
    folder = open_vectors(str(write_vectors(tmp_path / "out", np.tile(VECTORS[:1], (50, 1)))))
    found = near_duplicates(folder, np.ones(50, bool), 1.0, 10**9)
    assert found.num_pairs == pairs_among(50)
    assert found.scores.max() <= 1
    assert [group.tolist() for group in found.groups] == [list(range(50))]


def test_a_long_chain_is_one_group(tmp_path):
    angles = np.arange(3000) * 1e-3
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    folder = open_vectors(str(write_vectors(tmp_path / "out", vectors)))
    found = near_duplicates(folder, np.ones(3000, bool), np.cos(1.5e-3), 5)
    assert [len(group) for group in found.groups] == [3000]


def test_long_vectors_are_as_near_as_short_ones(tmp_path):
    vectors = np.float32([[1, 0], [1e30, 1e30], [3e38, 3e38], [1, 1.001], [0, 1e25]])
    folder = open_vectors(str(write_vectors(tmp_path / "out", vectors)))
    found = near_duplicates(folder, np.ones(5, bool), 0.9, 10)
    assert [group.tolist() for group in found.groups] == [[1, 2, 3]]


def test_vectors_without_a_direction_or_a_number_are_in_no_pair(tmp_path):
    vectors = VECTORS[:6].copy()
    vectors[0:2], vectors[2:4, 0] = 0, np.nan
    folder = open_vectors(str(write_vectors(tmp_path / "out", vectors)))
    found = near_duplicates(folder, np.ones(6, bool), 0.01, 10)
    assert not set(found.rows.ravel().tolist()) & {0, 1, 2, 3}


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_is_found_among_too_few(tmp_path, rows):
    folder = open_vectors(str(write_vectors(tmp_path / "out", VECTORS[:rows])))
    found = near_duplicates(folder, distinct_texts(folder), 0.5, 10)
    assert (found.num_pairs, len(found.rows), found.groups) == (0, 0, [])


def test_memory_is_that_of_some_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "BLOCK_BYTES", 1 << 18)
    monkeypatch.setattr(duplicates, "_HELD_BYTES", 1 << 20)
    monkeypatch.setattr(duplicates, "_PRODUCT_BYTES", 1 << 20)
    vectors = random_vectors(10_000, 256)
    folder = open_vectors(
        str(write_vectors(tmp_path / "out", vectors, part_rows=10_000, group_rows=500))
    )
    every = np.ones(10_000, bool)
    tracemalloc.start()
    near_duplicates(folder, every, 0.9, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert vectors.nbytes > 9 << 20
    assert peak < 6 << 20


# Texts


def test_the_first_row_of_each_text_is_told(tmp_path):
    texts = ["a", "b", "a", "", "b", "", "A", "a "]
    folder = open_vectors(str(write_vectors(tmp_path / "out", VECTORS[:8], texts, part_rows=3)))
    assert distinct_texts(folder).tolist() == [True, True, False, True, False, False, True, True]


def test_the_seconds_grow_with_the_square_of_the_rows():
    assert seconds_for(0, 16) == 0
    assert seconds_for(10**6, 256) > 10 * seconds_for(10**4, 256)
