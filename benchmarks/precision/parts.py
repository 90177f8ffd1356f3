"""What is measured of the ways to embed: speed, vectors, labels, smaller vectors, processes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq

from benchmarks.measuring import alternate, median, read_tsv, run
from benchmarks.passes import alternate_passes
from benchmarks.precision.neighbours import (
    nearest_by_cosine,
    normalized,
    recall,
    same_topic,
    smaller_vectors,
)
from benchmarks.precision.ways import BASE, PRODUCT, RIVAL_BASE, Way
from models import Predictor, UserError
from models.inference.predictor import Precision

Figures = dict[str, Any]

CLASSIFIER = "sentiment_tiny_en"


def steady(ways: Sequence[Way], corpus: Path, texts: int, repeats: int) -> dict[str, Figures]:
    """Returns the speed of each way, from texts to vectors, in processes that are warm."""
    commands = {way.name: [*way.command, str(corpus)] for way in ways}
    passes = alternate_passes(commands, repeats)
    return {
        name: {
            "seconds": seconds,
            "texts_per_second": texts / median(seconds),
            "times_as_fast": _times_as_fast(passes, name),
        }
        for name, seconds in passes.items()
    }


def _times_as_fast(seconds: Mapping[str, Sequence[float]], name: str) -> dict[str, float]:
    """Returns how many times as fast a way is as the two bases, next to which each run ran."""
    return {
        base: median([b / a for b, a in zip(seconds[base], seconds[name], strict=True)])
        for base in (BASE, RIVAL_BASE)
        if base in seconds
    }


def embed(ways: Sequence[Way], corpus: Path, folder: Path) -> dict[str, np.ndarray]:
    """Returns the vectors of each way, float32 `[rows, dim]`, of the lines of a file."""
    vectors = {}
    for way in ways:
        run([*way.command, str(corpus), str(folder / way.name)])
        (column,) = pq.read_table(folder / way.name / "part.parquet")["embedding"].chunks
        vectors[way.name] = column.flatten().to_numpy().reshape(len(column), -1)
    return vectors


def compare(vectors: Mapping[str, np.ndarray], topics: np.ndarray) -> dict[str, Figures]:
    """Returns how near the vectors of each way are to those of the base, and their neighbours."""
    base = normalized(vectors[BASE]).astype(np.float64)
    expected = nearest_by_cosine(vectors[BASE])
    figures = {}
    for name, numbers in vectors.items():
        cosines = np.sum(base * normalized(numbers), axis=1)
        found = nearest_by_cosine(numbers)
        figures[name] = {
            "lowest_cosine": float(cosines.min()),
            "mean_cosine": float(cosines.mean()),
            "recall_at_10": recall(found, expected),
            "same_topic": same_topic(found, topics),
        }
    return figures


def labels(ways: Sequence[Way], rows: int | None) -> dict[str, Figures]:
    """Returns how right the bundled classifier is, and how often it says other than in float32.

    Args:
        ways: Those of the product are looked at, float32 first.
        rows: How many sentences to label; all if `None`.
    """
    data = read_tsv("sst_dev.tsv", header=True)[:rows]
    texts, truth = [text for text, _ in data], np.array([int(label) for _, label in data])
    expected = None
    figures: dict[str, Figures] = {}
    for way in ways:
        if way.product != PRODUCT:
            continue
        try:
            predictor = Predictor.from_preset(CLASSIFIER, precision=cast(Precision, way.precision))
        except UserError as error:
            figures[way.name] = {"refusal": str(error)}
            continue
        found = predictor(texts).argmax(axis=1)
        expected = found if expected is None else expected
        figures[way.name] = {
            "accuracy": float((found == truth).mean()),
            "changed": float((found != expected).mean()),
        }
    return figures


def smaller(vectors: np.ndarray, topics: np.ndarray) -> list[Figures]:
    """Returns what is left of the neighbourhood in vectors of fewer bytes."""
    expected = nearest_by_cosine(vectors)
    return [
        {
            "stored": stored,
            "bytes": size,
            "recall_at_10": recall(found, expected),
            "same_topic": same_topic(found, topics),
        }
        for stored, size, found in smaller_vectors(vectors)
    ]


def processes(
    ways: Sequence[Way], few: Path, corpus: Path, folder: Path, repeats: int
) -> dict[str, Figures]:
    """Returns the seconds and the memory of whole processes, from their start to Parquet."""
    runs = alternate(
        {way.name: way.process(corpus, folder / "all" / way.name) for way in ways},
        repeats,
        {way.name: way.process(few, folder / "few" / way.name) for way in ways},
    )
    walls = {name: [each.wall for each in of_way] for name, of_way in runs.items()}
    return {
        name: {
            "seconds": seconds,
            "median_seconds": median(seconds),
            "times_as_fast": _times_as_fast(walls, name),
            "peak_mb": max(each.peak_mb for each in runs[name]),
        }
        for name, seconds in walls.items()
    }
