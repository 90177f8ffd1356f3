"""What a result with vectors of bytes or bits holds, and whether it is whole."""

import json
from collections.abc import Callable

import numpy as np
import pyarrow.parquet as pq

from models.quantization import Ranges, to_int8
from pipelines import verify as verify_command
from tests.pipelines.command_runs import Run, run

OTHERS = ["A wholly other text.", "One 1 two 2 three 3!", "soup " * 40, "!!!"]
"""Texts whose vectors are outside of the ranges of those of `TEXTS`."""


def numbers_of(found: Run) -> np.ndarray:
    column = found.table.column("embedding").combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


def ranges_of(found: Run) -> Ranges:
    return Ranges.from_json(found.manifest["ranges"])


def check_whole(found: Run, vectors: Callable[..., np.ndarray], rows: int | None = None) -> None:
    """Checks that every row of a result is what its text is by the ranges in the manifest."""
    assert (found.code, found.err) == (0, "")
    assert rows is None or found.table.num_rows == rows
    ranges = ranges_of(found)
    expected = to_int8(vectors(found.column("text")), ranges).astype(int)
    # The last digits of a float may fall to either side of a step.
    assert np.abs(numbers_of(found) - expected).max() <= 1
    assert (numbers_of(found) == expected).mean() > 0.99
    for part in map(pq.ParquetFile, found.parts):
        if part.metadata.num_rows:
            told = json.loads(part.metadata.metadata[b"ranges"])
            assert Ranges.from_json(told) == ranges
    assert run(verify_command.main, found.folder, str(found.folder)).code == 0
    assert not (found.folder / "_runs").exists()
