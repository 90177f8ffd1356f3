"""Smaller vectors: a byte or a bit for each dimension, as sentence-transformers makes them.

See https://sbert.net/docs/package_reference/util/quantization.html for the precisions `int8` and
`binary` that these are. Nothing but NumPy is needed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

Quantized = Literal["int8", "binary"]
QUANTIZED: tuple[Quantized, ...] = get_args(Quantized)
"""What numbers become: a byte each, or a bit."""

BITS_A_NUMBER = 8
"""Dimensions that one number of a `binary` vector holds."""

_STEPS = 255  # from the lowest int8, -128, to the highest, 127


@dataclass(frozen=True)
class Ranges:
    """Between which numbers each dimension of some vectors lies.

    Attributes:
        low: The lowest number of each dimension, a float32.
        high: The highest.
        rows: How many vectors they were taken from; 0 if there were none, and so no dimensions.
    """

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    rows: int = 0

    @classmethod
    def of(cls, vectors: np.ndarray) -> "Ranges":
        """Returns the ranges of vectors.

        Args:
            vectors: float32 `[rows, dimensions]`, all of them finite.
        """
        if not len(vectors):
            return cls()
        low, high = (end.astype(np.float32) for end in (vectors.min(axis=0), vectors.max(axis=0)))
        return cls(tuple(low.tolist()), tuple(high.tolist()), len(vectors))

    def merged(self, other: "Ranges") -> "Ranges":
        """Returns the ranges of both their vectors."""
        if not (self.rows and other.rows):
            return self if self.rows else other
        return Ranges(
            tuple(map(min, self.low, other.low)),
            tuple(map(max, self.high, other.high)),
            self.rows + other.rows,
        )

    def as_json(self) -> dict[str, Any]:
        """Returns what `from_json` makes equal ranges of, with as few digits as tell a float32."""
        low, high = (
            [float(str(np.float32(end))) for end in ends] for ends in (self.low, self.high)
        )
        return {"rows": self.rows, "low": low, "high": high}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Ranges":
        """Returns the ranges that `as_json` was called on.

        Raises:
            ValueError: These are no ranges.
            TypeError: The same.
            LookupError: The same.
        """
        rows = int(saved["rows"])
        low, high = (np.asarray(saved[name], np.float32) for name in ("low", "high"))
        if low.ndim != 1 or low.shape != high.shape or (rows > 0) != (len(low) > 0):
            raise ValueError(f"{rows} rows, and ranges of shapes {low.shape} and {high.shape}")
        if not (np.isfinite([low, high]).all() and (low <= high).all()):
            raise ValueError("a range that has no numbers, or no end")
        return cls(tuple(low.tolist()), tuple(high.tolist()), rows)

    @property
    def ends(self) -> np.ndarray:
        """The lowest numbers and the highest, float32 `[2, dimensions]`."""
        return np.array([self.low, self.high], np.float32)

    @property
    def _low_and_step(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the steps begin, and how long they are, float32 `[dimensions]` each."""
        low, high = self.ends
        return low, (high - low) / np.float32(_STEPS)


def to_int8(vectors: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Returns the step of its dimension's range in which each number lies.

    A range has 255 steps, from -128 to 126; its highest number is 127. What lies below a range gets
    -128, and what lies above it 127.

    Args:
        vectors: float32 `[rows, dimensions]`, all of them finite.
        ranges: One for each dimension.

    Returns:
        int8 `[rows, dimensions]`.
    """
    low, step = ranges._low_and_step
    steps = np.asarray(vectors, np.float32) - low
    steps /= np.where(step == 0, np.float32(1), step)  # of a dimension with one value
    np.floor(steps, out=steps)
    np.clip(steps, 0, _STEPS, out=steps)
    steps -= 128
    return steps.astype(np.int8)


def num_outside(vectors: np.ndarray, ranges: Ranges) -> int:
    """Returns how many numbers of vectors are outside of the ranges of their dimensions.

    Args:
        vectors: float32 `[rows, dimensions]`.
        ranges: One for each dimension.
    """
    low, high = ranges.ends
    return int(np.count_nonzero((vectors < low) | (vectors > high)))


def from_int8(numbers: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Returns about the vectors that `to_int8` was given: the middle of each step.

    Args:
        numbers: int8 `[rows, dimensions]`.
        ranges: Those that they were made with.

    Returns:
        float32 `[rows, dimensions]`.
    """
    low, step = ranges._low_and_step
    return (numbers.astype(np.float32) + np.float32(128.5)) * step + low


def to_bits(vectors: np.ndarray) -> np.ndarray:
    """Returns whether each number is above zero, eight numbers to a byte, less 128.

    The first dimension is the highest bit of the first byte; a last byte that is not full ends with
    zeros. `.view(np.uint8) ^ 128` turns the result into plain packed bits.

    Args:
        vectors: `[rows, dimensions]`.

    Returns:
        int8 `[rows, dimensions / 8]`, rounded up.
    """
    packed = np.packbits(np.asarray(vectors) > 0, axis=-1)
    return (packed ^ np.uint8(128)).view(np.int8)
