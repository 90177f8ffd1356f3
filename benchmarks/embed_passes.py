"""The product in the steady state, in a precision, with the arguments of a rival.

    python -m benchmarks.embed_passes PRECISION PRESET [CORPUS [OUTPUT]]

With a preset alone, it prints what it computes in. See `benchmarks/rivals/embedding.py`.
"""

import sys
from collections.abc import Sequence

import numpy as np

from benchmarks.rivals.embedding import embed_file, refuse
from models import Predictor, UserError
from models.inference.predictor import Precision


def main(precision: Precision, preset: str, *files: str) -> None:
    """Embeds a text file anew whenever it is asked to."""
    try:
        predictor = Predictor.from_preset(preset, task="embed", precision=precision)
    except UserError as error:
        refuse(error)

    def embed(texts: Sequence[str]) -> np.ndarray:
        predictor.forget()
        return predictor(texts)

    if files:
        embed_file(embed, *files)
    else:
        print(predictor.precision)


if __name__ == "__main__":
    main(*sys.argv[1:])
