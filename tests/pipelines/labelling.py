"""What a run of `classify` is given, and what it must find."""

import json
from typing import Any

import numpy as np

from models.inference.predictor import Predictor
from tests.pipelines.conftest import TEXTS

LONG = " ".join(TEXTS)
LENGTH = 24

NOISE = ("WARNING", "I0000", "W0000", "E0000", "oneDNN", "Traceback", "INFO", "cuda")


def json_lines(rows: list[Any]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def predicted(predictor: Predictor, *texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Labels and probabilities, as the predictor gives them without Beam."""
    probabilities = predictor(*texts)
    return [predictor.labels[best] for best in probabilities.argmax(axis=1)], probabilities
