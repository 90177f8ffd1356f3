"""The plan of a run, as its folder keeps it: a run that died can go on from there."""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from transforms.files import CorpusFile, is_remote
from transforms.reading.units import Unit
from transforms.writing.folder import RUNS, OutputFolder

IfExists = Literal["error", "overwrite", "append", "update"]

_VERSION = 1

_TIME = "%Y%m%dt%H%M%S"


def run_folder(run_id: str) -> str:
    """Returns the name of the folder of a run in the output folder."""
    return f"{RUNS}/{run_id}"


def new_run_id() -> str:
    """Returns a name for a run; names sort by time."""
    return f"{datetime.now(timezone.utc):{_TIME}}-{secrets.token_hex(3)}"


def started_of(run_id: str) -> str:
    """Returns when a run got its name, ISO 8601 in UTC."""
    began = datetime.strptime(run_id.partition("-")[0], _TIME).replace(tzinfo=timezone.utc)
    return began.isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class RunPlan:
    """What a run is going to do.

    Attributes:
        run_id: Name of the run.
        if_exists: What it does about earlier results.
        settings: What the command was asked for, by name; a run that goes on must have the same.
        columns: Types of the output's columns, by name.
        directory: The folder that the command was run in: relative paths start there.
        units: The units of input, in the order of their rows.
        unit_bytes: About how many bytes of input, as stored, make a unit, and a chunk.
        replaced: Inputs of the earlier result, by their `source`, whose rows go.
    """

    run_id: str
    if_exists: IfExists
    settings: Mapping[str, Any]
    columns: Mapping[str, str]
    directory: str
    units: tuple[Unit, ...]
    unit_bytes: int
    replaced: Sequence[str] = field(default_factory=tuple)

    @property
    def files(self) -> tuple[CorpusFile, ...]:
        """The input files, in order."""
        return tuple({file.path: file for unit in self.units for file in unit.files}.values())

    def absolute(self, path: str) -> str:
        """Returns a path by which a file is found again, from whichever folder a command is run."""
        return path if is_remote(path) else os.path.realpath(os.path.join(self.directory, path))

    def asks_for(self, other: "RunPlan") -> bool:
        """Returns whether another plan is for the same results."""
        return (
            self.if_exists == other.if_exists
            and self.settings == other.settings
            and self.columns == other.columns
            and self.directory == other.directory
            and self.files == other.files
        )

    def save(self, folder: OutputFolder) -> None:
        """Stores the plan in the run's folder."""
        content = {**vars(self), "version": _VERSION, "units": [u.as_json() for u in self.units]}
        name = _name(self.run_id)
        folder.write_whole(name, json.dumps(content, ensure_ascii=False).encode())


def load_run_plan(folder: OutputFolder, run_id: str) -> RunPlan | None:
    """Returns the plan of a run, or None if it has none that this program can read."""
    content = folder.read(_name(run_id))
    if content is None:
        return None
    try:
        saved = json.loads(content)
        if saved.pop("version") != _VERSION:
            return None
        saved["units"] = tuple(Unit.from_json(unit) for unit in saved["units"])
        return RunPlan(**saved)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _name(run_id: str) -> str:
    return f"{run_folder(run_id)}/plan.json"
