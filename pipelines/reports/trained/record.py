"""What finetune recorded about a preset, read from wherever the preset is."""

import json
import os
from typing import Any

from models.errors import UserError
from models.hubs import store
from models.presets.registry import BUNDLED, bundled_presets
from pipelines.finetuning.record import VECTORS
from pipelines.reporting.shown import visible
from pipelines.reports.trained.fields import is_training
from transforms.writing.folder import open_folder, storage_errors

RECORD = "training.json"
"""The file that tells a preset that finetune made."""

_LARGEST = 16 << 20  # bytes; that of a thousand labels has a third of a megabyte

# Hubs, to which no results are written.
_HUBS = ("hf://", "kaggle://")


def read_training(place: str) -> dict[str, Any] | None:
    """Returns what `training.json` of a preset holds, checked; `None` if there is none.

    Args:
        place: The preset's folder, local or in a bucket, its URI, or the name of a bundled one.

    Raises:
        UserError: It is damaged, cannot be read, or is of an embedder; or the preset is at a hub,
            where no results are, and has none.
    """
    content = _content(place)
    if content is None:
        return None
    if len(content) > _LARGEST:
        raise UserError(f"{RECORD} of {visible(place)} is too large: finetune did not write it")
    try:
        record = json.loads(content, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and record.get("kind") == VECTORS:
        raise UserError(
            f"{visible(place)} makes vectors, and only classifiers have a page of their training: "
            "its README.md has the figures"
        )
    if not is_training(record):
        raise UserError(
            f"{RECORD} of {visible(place)} is not what python -m pipelines.finetune writes: it was "
            "damaged, or made by another program"
        )
    found: dict[str, Any] = record
    return found


def _content(place: str) -> bytes | None:
    if place.startswith(_HUBS):
        content = store.fetch_file(place, RECORD)
        if content is None:
            raise UserError(
                f"{visible(place)} has no {RECORD}: only presets that python -m pipelines.finetune "
                "made have a page"
            )
        return content
    if place in bundled_presets() and not os.path.exists(place):
        return (BUNDLED / place / RECORD).read_bytes()
    folder = open_folder(place)
    with storage_errors(f"read {visible(place)}"):
        return folder.read(RECORD)
