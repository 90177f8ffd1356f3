"""sentence-transformers: `encode` as it comes, which sorts texts by length, in batches of 32."""

from collections.abc import Sequence

import numpy as np
from sentence_transformers import SentenceTransformer

from benchmarks.rivals.embedding import Embed, run_rival


def load(folder: str) -> Embed:
    """Loads a model's folder."""
    model = SentenceTransformer(folder, device="cpu")

    def embed(texts: Sequence[str]) -> np.ndarray:
        return model.encode(list(texts), show_progress_bar=False)

    return embed


if __name__ == "__main__":
    run_rival(load)
