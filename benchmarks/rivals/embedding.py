"""What the rivals' scripts share: their arguments, the corpus and the result.

python -m benchmarks.rivals.SCRIPT MODEL                  loads a model, if this machine can
python -m benchmarks.rivals.SCRIPT MODEL CORPUS OUTPUT    embeds a text file into Parquet
python -m benchmarks.rivals.SCRIPT MODEL CORPUS           runs passes; see benchmarks/passes.py
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from benchmarks.passes import serve

Embed = Callable[[Sequence[str]], np.ndarray]

REFUSED = "refused: "
"""How the line begins that says why this machine cannot do what a script was asked for."""


def run_rival(load: Callable[[str], Embed]) -> None:
    """Runs a rival as the command line says.

    Args:
        load: Makes a model's folder a function from texts to vectors, float32 `[rows, dim]`.
    """
    model, *files = sys.argv[1:]
    embed = load(model)
    if files:
        embed_file(embed, *files)


def embed_file(embed: Embed, corpus: str, output: str | None = None) -> None:
    """Embeds a text file into a folder, or, without one, in every pass that is asked for."""
    texts = read_texts(corpus)
    if output is None:
        serve(lambda: embed(texts))
    else:
        write_vectors(Path(output), texts, embed(texts))


def refuse(reason: object) -> NoReturn:
    """Ends a script that this machine cannot run, with the reason."""
    print(f"{REFUSED}{reason}", file=sys.stderr)
    sys.exit(2)


def read_texts(path: str | Path) -> list[str]:
    """Returns the lines of a text file."""
    with open(path, encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n") for line in lines]


def write_vectors(folder: Path, texts: Sequence[str], vectors: np.ndarray) -> None:
    """Writes a Parquet file of texts and their vectors, compressed as the product's are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    embeddings = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    table = pa.table({"text": pa.array(texts), "embedding": embeddings})
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "part.parquet", compression="zstd")
