"""The texts that a GPU is measured on, and how a pass over them is timed and reported."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.card import CardUse
from benchmarks.flops import SHAPES, Shape

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MAX_TOKENS = 512


@dataclass(frozen=True)
class Size:
    """How much there is to do.

    Attributes:
        shapes: Encoders by name.
        rows: Texts per pass.
        passes: Passes that are counted.
        fixed_lengths: Lengths that texts are padded and cut to for `keras.Model.predict`.
        batch_sizes: Rows per batch of sentence-transformers.
        matmuls: Rows, width and columns of the products, the fastest of which is the peak.
    """

    shapes: dict[str, Shape]
    rows: int
    passes: int
    fixed_lengths: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    matmuls: tuple[tuple[int, int, int], ...]


FULL = Size(
    SHAPES,
    rows=8192,
    passes=3,
    fixed_lengths=(128, 512),
    batch_sizes=(32, 256),
    matmuls=((8192, 8192, 8192), (65_536, 768, 3072), (4096, 4096, 4096)),
)
QUICK = Size(
    {"tiny": Shape(2, 64, 2, 128, vocabulary_size=1000)},
    rows=64,
    passes=1,
    fixed_lengths=(128,),
    batch_sizes=(32,),
    matmuls=((256, 256, 256),),
)
"""Shows that all of it works, in seconds on a CPU."""


@dataclass(frozen=True)
class Pass:
    """What the passes of one way took.

    Attributes:
        first: Seconds of the first pass, in which graphs are made and compiled.
        seconds: Seconds of each later pass.
        tokens: Real tokens of a pass, special ones included.
        places: Positions of a pass, tokens and padding, if known.
        flops: Floating-point operations of the real tokens.
        precision: Type that was computed in.
        busy: Percent of time in which the GPU was busy in the later passes, if known.
    """

    first: float
    seconds: list[float]
    tokens: int
    places: int | None
    flops: int
    precision: str
    busy: float | None


def vocabulary(shape: Shape) -> list[str]:
    """Returns special tokens and words, each a token."""
    return SPECIAL + [f"w{number}" for number in range(shape.vocabulary_size - len(SPECIAL))]


def lengths(rows: int) -> np.ndarray:
    """Returns the tokens of each text, special ones included: half up to 60, a few up to 512."""
    random = np.random.default_rng(0)
    return np.clip(random.lognormal(np.log(60), 0.8, rows).astype(np.int64), 8, MAX_TOKENS)


def make_texts(shape: Shape, rows: int) -> list[str]:
    """Returns texts of those lengths, of random words; no two are equal."""
    random = np.random.default_rng(1)
    words = shape.vocabulary_size - len(SPECIAL)
    return [
        " ".join(f"w{number}" for number in random.integers(words, size=length - 2))
        for length in lengths(rows)
    ]


def time_passes(run: Callable[[], object], count: int) -> tuple[float, list[float], float | None]:
    """Returns the seconds of the first pass and the later ones, and how busy the GPU was then."""
    seconds = [_seconds(run)]
    with CardUse() as use:
        seconds += [_seconds(run) for _ in range(count)]
    return seconds[0], seconds[1:], use.percent


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def report(name: str, result: Pass) -> None:
    """Prints a result for the process that started this one."""
    print(json.dumps({"name": name, **asdict(result)}), flush=True)


def arguments() -> tuple[Size, Shape, str]:
    """Returns the size, the shape and the device that the command line names."""
    size = QUICK if sys.argv[1] == "quick" else FULL
    return size, size.shapes[sys.argv[2]], sys.argv[3]
