"""Texts that a student learns from."""

from typing import Any

from tests.pipelines.conftest import TEXTS


def texts_of(number: int) -> list[dict[str, Any]]:
    """Returns rows with the texts that are tested with, each with a number before it."""
    return [{"text": f"{i}: {TEXTS[i % len(TEXTS)]}"} for i in range(number)]
