"""Searching stored vectors, beside NumPy and faiss, and finding near duplicates.

    python -m benchmarks.search [--rows=50000] [--dimensions=384] [--queries=1] [--repeats=7]

Random vectors, in files that were just written. All take turns in one process. The first three read
the files, as whoever searches once must; the others have the vectors in memory. Needs faiss-cpu.
Where other programs run, OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 keeps products from waiting for
them.
"""

import argparse
import glob
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.measuring import median
from tests.transforms.vectors.folders import random_vectors, write_vectors
from transforms.vectors.duplicates import near_duplicates
from transforms.vectors.nearest import Nearest, unit
from transforms.vectors.stored import StoredVectors, open_vectors

_TOP_K = 10
_SIZES = {"part_rows": 150_000, "group_rows": 40_000}  # as of 384 float32


def main() -> None:
    """Prints seconds a query, each as a ratio to the command's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--queries", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        vectors = random_vectors(args.rows, args.dimensions)
        write_vectors(Path(folder), vectors, **_SIZES)
        stored = open_vectors(folder)
        queries = random_vectors(args.queries, args.dimensions, seed=1)
        ways = searches(stored, folder, vectors, queries)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        found = {}
        for repeat in range(args.repeats + 1):
            for name, search in ways.items():
                began = time.perf_counter()
                found[name] = search()
                if repeat:
                    seconds[name].append(time.perf_counter() - began)
        first = next(iter(ways))
        for name, rows in found.items():
            share = np.mean([np.isin(a, b).mean() for a, b in zip(rows, found[first], strict=True)])
            ratio = median([a / b for a, b in zip(seconds[name], seconds[first], strict=True)])
            took = 1000 * median(seconds[name])
            print(f"{name:44} {took:9,.1f} ms  {ratio:6.2f}  same rows: {share:.1%}")
        few = write_vectors(Path(folder) / "few", vectors[:10_000], **_SIZES)
        began = time.perf_counter()
        near_duplicates(open_vectors(str(few)), np.ones(len(vectors[:10_000]), bool), 0.95, 10)
        took = time.perf_counter() - began
        print(f"near duplicates among {len(vectors[:10_000]):,} rows: {took:.1f} s")


def searches(
    stored: StoredVectors, folder: str, vectors: np.ndarray, queries: np.ndarray
) -> dict[str, Callable[[], np.ndarray]]:
    """Returns ways to find the rows nearest to queries, int64 `[queries, 10]`."""
    import faiss

    def ours() -> np.ndarray:
        nearest = Nearest(queries, "cosine", _TOP_K)
        for block in stored.blocks():
            nearest.add(block.first, block.vectors)
        return np.stack([nearest.rows(query) for query in range(len(queries))])

    def ours_in_memory() -> np.ndarray:
        nearest = Nearest(queries, "cosine", _TOP_K)
        step = (8 << 20) // (4 * vectors.shape[1])
        for first in range(0, len(vectors), step):
            nearest.add(first, vectors[first : first + step])
        return np.stack([nearest.rows(query) for query in range(len(queries))])

    def read() -> np.ndarray:
        column = pq.read_table(sorted(glob.glob(f"{folder}/part-*")), columns=["embedding"])
        array = column["embedding"].combine_chunks()
        return array.flatten().to_numpy().reshape(len(array), -1)

    def by_sort(found: np.ndarray) -> np.ndarray:
        return np.argsort(-(unit(queries) @ unit(found).T), axis=1)[:, :_TOP_K]

    def by_faiss(index: "faiss.Index") -> np.ndarray:
        rows: np.ndarray = index.search(unit(queries), _TOP_K)[1]
        return rows

    def index_of(found: np.ndarray) -> "faiss.Index":
        index = faiss.IndexFlatIP(found.shape[1])
        index.add(unit(found))
        return index

    whole = index_of(vectors)
    return {
        "pipelines.search, from the files": ours,
        "pyarrow and NumPy argsort, from the files": lambda: by_sort(read()),
        "pyarrow and faiss IndexFlatIP, from the files": lambda: by_faiss(index_of(read())),
        "pipelines.search's blocks, in memory": ours_in_memory,
        "NumPy argsort, in memory": lambda: by_sort(vectors),
        "faiss IndexFlatIP, made before": lambda: by_faiss(whole),
    }


if __name__ == "__main__":
    main()
