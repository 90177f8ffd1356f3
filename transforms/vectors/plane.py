"""Vectors as points in a plane, to look at."""

import importlib.util
import warnings
from dataclasses import dataclass, replace

import numpy as np

from models.backends import importing

UMAP_ROWS = 50
"""Rows below which neighbourhoods are too few for UMAP."""

_NEIGHBOURS = 15
_SEED = 0
_LEAST_VARIANCE = 1e-9  # of vectors of length 1: below it, all of them are one


@dataclass(frozen=True)
class Plane:
    """Points for vectors.

    Attributes:
        points: float32 `[rows, 2]`, all of them finite.
        method: `PCA` or `UMAP`.
        share: Which share of the vectors' variance the plane has, of PCA.
        failure: What UMAP said, if PCA is in its place.
    """

    points: np.ndarray
    method: str
    share: float | None = None
    failure: str | None = None


def has_umap() -> bool:
    """Returns whether UMAP is installed."""
    return importlib.util.find_spec("umap") is not None


def flattened(vectors: np.ndarray) -> Plane | None:
    """Returns points that lie as the vectors do, as far as a plane can show it.

    UMAP (https://arxiv.org/abs/1802.03426) where it is installed and there are `UMAP_ROWS`, else
    the first two principal components.

    Args:
        vectors: float32 `[rows, dimensions]`, of length 1 each and finite.

    Returns:
        The same for the same vectors; `None` if they do not differ.
    """
    found = principal_components(vectors)
    if found is None or len(vectors) < UMAP_ROWS or not has_umap():
        return found
    try:
        return Plane(_by_umap(vectors), "UMAP")
    except Exception as error:  # of several libraries, of many kinds: no picture is worth a page
        return replace(found, failure=str(error) or repr(error))


def principal_components(vectors: np.ndarray) -> Plane | None:
    """Returns the first two principal components; arguments and result as of `flattened`."""
    if len(vectors) < 2:
        return None
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    rows, dimensions = centred.shape
    # Both products have the same eigenvalues, but for zeros; the smaller one is decomposed.
    is_wide = dimensions > rows
    product = centred @ centred.T if is_wide else centred.T @ centred
    total = float(np.trace(product))
    if total < _LEAST_VARIANCE * rows:
        return None
    values, axes = np.linalg.eigh(product)
    values, axes = np.maximum(values[::-1][:2], 0), axes[:, ::-1][:, :2]
    points = axes * np.sqrt(values) if is_wide else centred @ axes
    points = np.pad(points, [(0, 0), (0, 2 - points.shape[1])])  # of one dimension
    # Which end of an axis is positive is up to the library that found it.
    farthest = points[np.abs(points).argmax(axis=0), [0, 1]]
    points *= np.where(farthest < 0, -1, 1)
    return Plane(points.astype(np.float32), "PCA", min(1.0, float(values.sum()) / total))


def _by_umap(vectors: np.ndarray) -> np.ndarray:
    """Returns the points of UMAP."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # It needs scikit-learn, and imports TensorFlow wherever it is, for what is not used here.
        with importing.with_all(), importing.without("tensorflow", "torch"):
            from umap import UMAP

            neighbours = min(_NEIGHBOURS, len(vectors) - 1)
            reducer = UMAP(n_neighbors=neighbours, metric="cosine", random_state=_SEED, n_jobs=1)
            points: np.ndarray = reducer.fit_transform(vectors).astype(np.float32)
    if not np.isfinite(points).all():
        raise ValueError("some points are not finite")
    return points


def typical_rows(vectors: np.ndarray, most: int) -> list[int]:
    """Returns rows from all over the vectors, each typical of those around it.

    They are the rows nearest to the centres of k-means, the row of the largest group first.

    Args:
        vectors: float32 `[rows, dimensions]`, of length 1 each and finite.
        most: How many rows at most.
    """
    random = np.random.default_rng(_SEED)
    count = min(most, len(vectors))
    if not count:
        return []
    centres = vectors[random.integers(len(vectors))][None]
    while len(centres) < count:
        distances = np.maximum(0, 1 - (vectors @ centres.T).max(axis=1)).astype(np.float64)
        if distances.sum() < 1e-6:
            break
        chosen = random.choice(len(vectors), p=distances / distances.sum())
        centres = np.concatenate([centres, vectors[chosen][None]])
    nearest = np.zeros(len(vectors), int)
    for _ in range(20):
        nearest = (vectors @ centres.T).argmax(axis=1)
        sums = np.stack([vectors[nearest == i].sum(axis=0) for i in range(len(centres))])
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 1e-6, sums / np.maximum(lengths, 1e-6), centres)
    sizes = np.bincount(nearest, minlength=len(centres))
    order = np.argsort(-sizes, kind="stable")
    return list(dict.fromkeys((vectors @ centres[order].T).argmax(axis=0).tolist()))
