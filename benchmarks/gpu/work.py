"""The texts that a GPU is measured on, and how a pass over them is timed and reported."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.flops import SHAPES, Shape
from benchmarks.gpu.use import CardUse

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
        batch_sizes: Rows per batch of the rivals in PyTorch.
        products: Rows, width and columns of the products, the fastest of which is the peak.
        copied: Numbers in the array whose copy shows the bandwidth of memory.
        area: Token area of the attention that is timed.
    """

    shapes: dict[str, Shape]
    rows: int
    passes: int
    fixed_lengths: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    products: tuple[tuple[int, int, int], ...]
    copied: int
    area: int


FULL = Size(
    SHAPES,
    rows=16_384,
    passes=3,
    fixed_lengths=(128, 512),
    batch_sizes=(256, 1024),
    products=((8192, 8192, 8192), (16_384, 4096, 8192), (65_536, 768, 3072)),
    copied=1 << 29,
    area=16_384,
)
QUICK = Size(
    {"tiny": Shape(2, 64, 2, 128, vocabulary_size=1000)},
    rows=64,
    passes=1,
    fixed_lengths=(128,),
    batch_sizes=(32,),
    products=((256, 256, 256),),
    copied=1 << 16,
    area=512,
)
"""Shows that all of it works, in seconds on a CPU."""

RECORD_BATCH = 2048
"""Rows that the pipelines hand to the predictor at a time."""

THREADS = 8
"""Record batches that a worker has at work at a time."""


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
        moved: Bytes as of `Shape.bytes_moved`, if the number of micro-batches is known.
        compiled: Seconds of each compilation by shape, if known.
    """

    first: float
    seconds: list[float]
    tokens: int
    places: int | None
    flops: int
    precision: str
    busy: float | None
    moved: int | None = None
    compiled: dict[str, float] | None = None


def vocabulary(shape: Shape) -> list[str]:
    """Returns special tokens and words, each a token."""
    return SPECIAL + [f"w{number}" for number in range(shape.vocabulary_size - len(SPECIAL))]


def lengths(rows: int) -> np.ndarray:
    """Returns the tokens of each text, special ones included: half up to 60, a few up to 512."""
    random = np.random.default_rng(0)
    return np.clip(random.lognormal(np.log(60), 0.8, rows).astype(np.int64), 8, MAX_TOKENS)


def make_ids(shape: Shape, rows: int) -> list[np.ndarray]:
    """Returns the ids of words of texts of those lengths, without special tokens."""
    random = np.random.default_rng(1)
    words = shape.vocabulary_size - len(SPECIAL)
    return [random.integers(words, size=length - 2) + len(SPECIAL) for length in lengths(rows)]


def make_texts(shape: Shape, rows: int) -> list[str]:
    """Returns texts of those lengths, of random words; no two are equal."""
    words = vocabulary(shape)
    return [" ".join([words[number] for number in ids]) for ids in make_ids(shape, rows)]


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


def with_special(ids: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns rows between [CLS] and [SEP], int32 `[total]`, and where each begins and ends."""
    first, last = (np.array([SPECIAL.index(token)]) for token in ("[CLS]", "[SEP]"))
    flat = np.concatenate([part for row in ids for part in (first, row, last)]).astype(np.int32)
    return flat, np.cumsum([0, *(len(row) + 2 for row in ids)])
