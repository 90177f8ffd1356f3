import subprocess
import sys

import numpy as np
import pytest

from tests.pipelines.command_runs import ENVIRONMENT, ROOT
from tests.transforms.vectors.folders import random_vectors
from transforms.vectors import plane
from transforms.vectors.nearest import unit
from transforms.vectors.plane import flattened, principal_components, typical_rows


def blobs(sizes: list[int], dimensions: int = 32) -> np.ndarray:
    """Vectors around some directions, those of one direction in a row."""
    random = np.random.default_rng(3)
    centres = random.standard_normal((len(sizes), dimensions))
    rows = [
        centre + 0.1 * random.standard_normal((size, dimensions))
        for centre, size in zip(centres, sizes, strict=True)
    ]
    return unit(np.concatenate(rows).astype(np.float32))


@pytest.mark.parametrize("shape", [(200, 16), (20, 300), (2, 5), (7, 1)], ids=str)
def test_the_principal_components_are_those_of_a_decomposition(shape):
    vectors = unit(random_vectors(*shape))
    found = principal_components(vectors)
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    expected = np.zeros((shape[0], 2))
    expected[:, : len(values)] = (left * values)[:, :2]
    signs = np.sign((found.points * expected).sum(axis=0))
    # A component without variance may have any direction.
    kept = [i for i in range(2) if i < len(values) and values[i] > 1e-6 * values[0]]
    np.testing.assert_allclose((found.points * signs)[:, kept], expected[:, kept], atol=1e-4)
    np.testing.assert_allclose(found.points[:, [i for i in (0, 1) if i not in kept]], 0, atol=1e-4)
    assert found.share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum())
    farthest = found.points[np.abs(found.points).argmax(axis=0), [0, 1]]
    assert (farthest >= 0).all()


@pytest.mark.parametrize("rows", [0, 1, 5, 100])
def test_vectors_that_do_not_differ_have_no_plane(rows):
    vectors = np.tile(unit(random_vectors(1, 8)), (rows, 1))
    assert flattened(vectors) is None
    assert flattened(np.zeros((rows, 8), np.float32)) is None


def test_few_rows_are_never_given_to_umap(monkeypatch):
    monkeypatch.setattr(plane, "_by_umap", lambda _: pytest.fail("it was"))
    monkeypatch.setattr(plane, "has_umap", lambda: True)
    assert flattened(unit(random_vectors(plane.UMAP_ROWS - 1, 8))).method == "PCA"


def test_where_umap_fails_there_are_principal_components_which_say_so(monkeypatch):
    def fail(_):
        raise ArithmeticError("no convergence")

    monkeypatch.setattr(plane, "_by_umap", fail)
    monkeypatch.setattr(plane, "has_umap", lambda: True)
    vectors = unit(random_vectors(100, 8))
    found, expected = flattened(vectors), principal_components(vectors)
    np.testing.assert_array_equal(found.points, expected.points)
    assert (found.method, found.failure, expected.failure) == ("PCA", "no convergence", None)


@pytest.mark.parity
def test_umap_keeps_groups_apart_and_is_the_same_again():
    pytest.importorskip("umap")
    vectors = blobs([60, 60, 60])
    found = flattened(vectors)
    assert found.method == "UMAP"
    assert np.isfinite(found.points).all()
    groups = found.points.reshape(3, 60, 2)
    centres = groups.mean(axis=1)
    within = np.linalg.norm(groups - centres[:, None], axis=2).max()
    between = min(np.linalg.norm(centres[i] - centres[j]) for i, j in [(0, 1), (0, 2), (1, 2)])
    assert between > 2 * within
    np.testing.assert_array_equal(flattened(vectors).points, found.points)


@pytest.mark.parity
def test_umap_is_found_where_a_command_imports_no_scikit_learn():
    pytest.importorskip("umap")
    code = (
        "import sys, numpy as np\n"
        "from models.backends import importing\n"
        "from transforms.vectors.plane import flattened\n"
        "vectors = np.random.default_rng(0).standard_normal((60, 8), np.float32)\n"
        "vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)\n"
        "with importing.without('torch', 'sklearn'):\n"
        "    assert flattened(vectors).method == 'UMAP'\n"
        "    try:\n"
        "        import torch\n"
        "    except ImportError:\n"
        "        print('tensorflow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


# Typical rows


def test_a_row_of_each_group_is_typical_the_largest_group_first():
    vectors = blobs([30, 100, 60])
    rows = typical_rows(vectors, 3)
    groups = np.searchsorted([30, 130, 190], rows, side="right").tolist()
    assert groups == [1, 2, 0]
    assert typical_rows(vectors, 3) == rows


@pytest.mark.parametrize(("rows", "most", "found"), [(0, 6, 0), (1, 6, 1), (4, 6, 4), (9, 1, 1)])
def test_there_are_as_many_typical_rows_as_rows(rows, most, found):
    typical = typical_rows(unit(random_vectors(rows, 8)), most)
    assert len(set(typical)) == len(typical) == found


def test_of_rows_that_do_not_differ_one_is_typical():
    assert len(typical_rows(np.tile(unit(random_vectors(1, 8)), (50, 1)), 6)) == 1
    assert len(typical_rows(np.zeros((50, 8), np.float32), 6)) >= 1
