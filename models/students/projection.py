"""Fewer numbers to a vector, with most of what makes vectors alike."""

import numpy as np

_BLOCK = 10_000  # rows at a time in float64


def principal_directions(vectors: np.ndarray, width: int) -> np.ndarray:
    """Returns the map to fewer dimensions that changes the dot products of vectors least.

    Those are the directions in which they lie most (Eckart and Young, 1936, *The approximation of
    one matrix by another of lower rank*); no mean is subtracted, so that angles stay.

    Args:
        vectors: float `[rows, dimensions]`.
        width: Numbers of a vector once it is mapped; where that is more than `dimensions`, the
            others are 0.

    Returns:
        float32 `[dimensions, width]`, to multiply vectors by.
    """
    products = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK].astype(np.float64)
        products += block.T @ block
    _, directions = np.linalg.eigh(products)
    kept = directions[:, ::-1][:, :width]
    return np.pad(kept, ((0, 0), (0, width - kept.shape[1]))).astype(np.float32)
