"""The ranges of a run, as its folder keeps them: all that write its rows use the same."""

import json

from models.quantization import Ranges
from transforms.writing.folder import OutputFolder
from transforms.writing.run_plan import run_folder


def load_ranges(folder: OutputFolder, run_id: str) -> Ranges | None:
    """Returns the ranges of a run, or None if it has none yet, or they are damaged."""
    content = folder.read(_name(run_id))
    if content is None:
        return None
    try:
        return Ranges.from_json(json.loads(content))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def settle_ranges(folder: OutputFolder, run_id: str, found: Ranges) -> bool:
    """Stores the ranges of a run; returns False if another worker has done that, and its count."""
    return folder.create_new(_name(run_id), _json(found))


def begin_ranges(folder: OutputFolder, run_id: str, known: Ranges | None) -> None:
    """Gives a run that is about to start the ranges that its rows must have.

    Args:
        folder: The output folder; its lock must be held.
        run_id: The run, a new one or one that died and goes on.
        known: The ranges of the rows that its own will stand beside, if these have any.
    """
    if known is not None:
        folder.write_whole(_name(run_id), _json(known))
        return
    stored = load_ranges(folder, run_id)
    if stored is None or not stored.rows:
        folder.remove([_name(run_id)])  # there may be rows now that have vectors


def _name(run_id: str) -> str:
    return f"{run_folder(run_id)}/ranges.json"


def _json(ranges: Ranges) -> bytes:
    return json.dumps(ranges.as_json()).encode()
