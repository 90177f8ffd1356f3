"""ONNX Runtime with the product's batching: what is left to compare is the runtime itself.

Batches by token area, each in a stream of its own on one core. On two cores of an AMD EPYC areas of
1,024 and 2,048 were slower, in int8 (`embed_onnx_int8`) by little, and so was one stream on both
cores.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.rivals.embed_onnx import CORES, embedder, session
from benchmarks.rivals.embedding import Embed, run_rival

BATCH_TOKENS = 512


def load(folder: str) -> Embed:
    """Loads what `embed_onnx` or `embed_onnx_int8` made."""
    return embedder(folder, session(folder, threads=1), batches, streams=CORES)


def batches(lengths: np.ndarray, batch_tokens: int = BATCH_TOKENS) -> Iterator[np.ndarray]:
    """Yields the rows of batches of similar length and area, the longest first."""
    order = np.argsort(-lengths, kind="stable")
    at = 0
    while at < len(order):
        rows = max(1, batch_tokens // int(lengths[order[at]]))
        yield order[at : at + rows]
        at += rows


if __name__ == "__main__":
    run_rival(load)
