"""What comes out of a folder here, and how far it is from the reference."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import Predictor
from models.errors import UserError
from tests.checkpoints.kind import Kind
from tests.checkpoints.texts import PAIRS, TEXTS

TOLERANCE = 1e-5
"""The largest difference of two numbers that counts as equal."""

Numbers = np.ndarray | str
"""float32 `[rows, width]`, or why there are none."""
Reference = Callable[[str, str], Numbers]
"""What the reference reads from a folder, by its path and the name of a reading."""

_OF_TEXTS = ("embed", "classify")


@dataclass(frozen=True)
class Outcome:
    """What was read here beside what the reference read.

    Attributes:
        reading: What was read.
        difference: The largest difference of two numbers; infinite if there are not as many.
        rows: Indices of the texts or pairs whose numbers differ.
        refusal: The sentence that refused the folder; empty if none did.
        missing: Why the reference has no numbers; empty if it has, or was not asked.
    """

    reading: str
    difference: float = 0.0
    rows: tuple[int, ...] = ()
    refusal: str = ""
    missing: str = ""

    def __str__(self) -> str:
        if self.refusal:
            return f"{self.reading}: refused: {self.refusal}"
        if self.missing:
            return f"{self.reading}: the reference has no numbers: {self.missing}"
        found = f"{self.reading}: differs by at most {self.difference:.0e}"
        return f"{found}, too much in rows {list(self.rows)}" if self.rows else found


def outcomes(kind: Kind, folder: Path, reference: Reference) -> Iterator[Outcome]:
    """Reads a folder here and, unless it is refused, with the reference."""
    predictors: dict[str, Predictor | str] = {}
    for reading in kind.readings:
        task = "embed" if reading == "embed" else "classify"
        if task not in predictors:
            predictors[task] = _opened(folder, task)
        predictor = predictors[task]
        if isinstance(predictor, str):
            yield Outcome(reading, refusal=predictor)
            continue
        columns = [TEXTS] if reading in _OF_TEXTS else list(zip(*PAIRS, strict=True))
        yield compared(reading, predictor(*map(list, columns)), reference(str(folder), reading))


def _opened(folder: Path, task: str) -> Predictor | str:
    """Returns a predictor, or the sentence that refuses the folder."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a missing pooler
            return Predictor.from_preset(folder, task=task)
    except UserError as error:
        return str(error)


def compared(reading: str, found: np.ndarray, expected: Numbers) -> Outcome:
    """Returns how far results are from those of the reference."""
    if isinstance(expected, str):
        return Outcome(reading, missing=expected)
    if found.shape != expected.shape:
        return Outcome(reading, np.inf, tuple(range(len(expected))))
    differences = np.abs(found - expected).max(axis=1)
    # Not a number is not near to any.
    rows = np.flatnonzero(~(differences < TOLERANCE))
    return Outcome(reading, float(differences.max()), tuple(rows.tolist()))


def problem(kind: Kind, outcome: Outcome) -> str:
    """Returns what is wrong with an outcome; nothing if it is what it must be."""
    if kind.refused:
        is_refused = kind.refused in outcome.refusal and "\n" not in outcome.refusal
        return "" if is_refused else f"{outcome}, must be refused: {kind.refused}"
    is_right = not outcome.refusal and not outcome.missing and not outcome.rows
    return "" if is_right else str(outcome)
