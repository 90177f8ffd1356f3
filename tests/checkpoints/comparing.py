"""What comes out of a folder here, and how far it is from the reference."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import Predictor
from models.errors import UserError
from tests.checkpoints.texts import PAIRS, TEXTS

TOLERANCE = 1e-5
"""The largest difference of two numbers that counts as equal."""


@dataclass(frozen=True)
class Outcome:
    """What was read here beside what the reference read.

    Attributes:
        reading: What was read.
        difference: The largest difference of any number; infinite if there are not as many numbers.
        texts: Indices of the texts or pairs that differ.
        refusal: The sentence that refused the folder; empty if none did.
        reference: Why the reference has no numbers; empty if it has.
    """

    reading: str
    difference: float = 0.0
    texts: tuple[int, ...] = ()
    refusal: str = ""
    reference: str = ""

    @property
    def is_equal(self) -> bool:
        return not self.refusal and not self.reference and self.difference < TOLERANCE

    def __str__(self) -> str:
        if self.refusal:
            return f"refused: {self.refusal}" + (
                f" (reference: {self.reference})" if self.reference else ""
            )
        if self.reference:
            return f"no reference: {self.reference}"
        if self.is_equal:
            return f"equal ({self.difference:.0e})"
        return f"differs by {self.difference:.0e} in {len(self.texts)}: {self.texts}"


def ours(folder: Path, reading: str) -> np.ndarray | str:
    """Returns the numbers, or the sentence that refuses the folder."""
    task = "embed" if reading == "embed" else "classify"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a missing pooler
            predictor = Predictor.from_preset(folder, task=task)
        if reading in ("embed", "classify"):
            return predictor(list(TEXTS))
        return predictor(*(list(side) for side in zip(*PAIRS, strict=True)))
    except UserError as error:
        return str(error).removeprefix(f"preset {str(folder)!r}: ")


def compare(reading: str, found: np.ndarray | str, expected: np.ndarray | str) -> Outcome:
    """Returns how far two results are apart."""
    refusal = found if isinstance(found, str) else ""
    missing = expected if isinstance(expected, str) else ""
    if isinstance(found, str) or isinstance(expected, str):
        return Outcome(reading, refusal=refusal, reference=missing)
    if found.shape != expected.shape:
        return Outcome(reading, np.inf, tuple(range(len(expected))))
    differences = np.abs(found - expected).max(axis=1)
    differing = np.flatnonzero(~(differences < TOLERANCE))
    return Outcome(reading, float(differences.max()), tuple(differing.tolist()))
