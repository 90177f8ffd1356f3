"""The product in the steady state: `python -m benchmarks.embed_passes PRESET CORPUS`."""

import sys

from benchmarks.passes import serve
from benchmarks.rivals.embedding import read_texts
from models import Predictor


def main(preset: str, corpus: str) -> None:
    """Embeds a text file in every pass."""
    predictor = Predictor.from_preset(preset, task="embed")
    texts = read_texts(corpus)

    def run() -> None:
        predictor.forget()
        predictor(texts)

    serve(run)


if __name__ == "__main__":
    main(*sys.argv[1:])
