"""What is left of the neighbourhood of texts: nearest neighbours, their overlap, their topics."""

from collections.abc import Callable, Iterator

import numpy as np

from models.quantization import Ranges, from_int8, to_bits, to_int8

K = 10
"""How many neighbours are looked at."""

RESCORED = 4 * K
"""How many candidates of a Hamming distance are then ordered by something better."""

_BLOCK = 1000

Similarities = Callable[[slice], np.ndarray]
"""From some rows, as queries, to their similarity to every row, `[queries, rows]`."""


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors of length 1, float32 `[rows, dim]`."""
    vectors = vectors.astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def nearest(similarities: Similarities, rows: int, k: int = K) -> np.ndarray:
    """Returns the rows most similar to each, itself excluded, in no order: int64 `[rows, k]`."""
    found = []
    for start in range(0, rows, _BLOCK):
        block = np.array(similarities(slice(start, start + _BLOCK)))
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf
        found.append(np.argpartition(-block, k - 1, axis=1)[:, :k])
    return np.concatenate(found)


def nearest_by_cosine(vectors: np.ndarray) -> np.ndarray:
    """Returns the rows whose vectors are nearest to each by their cosine, int64 `[rows, K]`."""
    unit = normalized(vectors)
    return nearest(lambda queries: unit[queries] @ unit.T, len(unit))


def recall(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the share of the expected neighbours that were found."""
    return float((found[:, :, None] == expected[:, None, :]).any(axis=1).mean())


def same_topic(found: np.ndarray, topics: np.ndarray) -> float:
    """Returns the share of neighbours that have the topic of their row."""
    return float((topics[found] == topics[:, None]).mean())


def smaller_vectors(vectors: np.ndarray) -> Iterator[tuple[str, int, np.ndarray]]:
    """Finds neighbours among vectors that were made smaller.

    Args:
        vectors: float32 `[rows, dim]`.

    Yields:
        How they are stored and compared; bytes of a vector; neighbours, int64 `[rows, K]`.
    """
    rows, unit = len(vectors), normalized(vectors)

    def bytes_of(stored: np.ndarray) -> int:
        return stored[0].nbytes

    def to_float32_queries(stored: np.ndarray) -> np.ndarray:
        documents = normalized(stored)
        return nearest(lambda queries: unit[queries] @ documents.T, rows)

    yield "float32", bytes_of(vectors), nearest_by_cosine(vectors)

    half = vectors.astype(np.float16)
    yield "float16", bytes_of(half), to_float32_queries(half)

    ranges = Ranges.of(vectors)
    stored = to_int8(vectors, ranges)
    yield (
        "int8, put back into its ranges",
        bytes_of(stored),
        to_float32_queries(from_int8(stored, ranges)),
    )
    yield "int8, compared as it is", bytes_of(stored), nearest_by_cosine(stored)

    packed = to_bits(vectors)
    signs = np.where(vectors > 0, np.float32(1), np.float32(-1))

    def by_hamming(queries: slice) -> np.ndarray:
        # The product of signs is the dimension less twice the Hamming distance of the bits.
        return signs[queries] @ signs.T

    yield "binary, by Hamming distance", bytes_of(packed), nearest(by_hamming, rows)

    candidates = nearest(by_hamming, rows, min(RESCORED, rows - 1))
    scores = np.stack([signs[each] @ query for each, query in zip(candidates, unit, strict=True)])
    best = np.argpartition(-scores, K - 1, axis=1)[:, :K]
    rescored = np.take_along_axis(candidates, best, axis=1)
    yield f"binary, the nearest {RESCORED} rescored by a float32 query", bytes_of(packed), rescored
