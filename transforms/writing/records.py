"""Records: what says that a chunk of a unit is done, and makes its parts count."""

import json
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transforms.counters import Counters
from transforms.errors import WriteError
from transforms.reading.units import Unit
from transforms.storage.ahead import in_order
from transforms.writing.folder import OutputFolder, open_folder
from transforms.writing.parts import Part
from transforms.writing.run_plan import load_run_plan, run_folder

_NAME = re.compile(r".*/[0-9a-f]+-\d+\.json")

# A record says at so many times at most how many rows were done, and a run in so many intervals.
_TIMES_OF_RECORD = 64
_INTERVALS = 60

_DIGITS = 1  # of the seconds in a record's times


@dataclass(frozen=True)
class Record:
    """A chunk of a unit that is done.

    Attributes:
        unit: Name of the unit.
        start: How many rows of the unit come before it.
        stop: The same, with its own.
        is_last: Whether the unit ends with it.
        files: Rows that were read, by file.
        counts: What the stages counted.
        parts: The files that its rows and rejected rows are in.
        timeline: From `Timeline`.
    """

    unit: str
    start: int
    stop: int
    is_last: bool
    files: Mapping[str, int]
    counts: Counters
    parts: Sequence[Part]
    timeline: Sequence[Sequence[float]]

    def create(self, folder: OutputFolder, run_id: str) -> bool:
        """Makes the chunk count; returns False if another worker has done that."""
        name = f"{_folder(run_id)}/{self.unit}-{self.start:012d}.json"
        return folder.create_new(name, json.dumps(asdict(self), ensure_ascii=False).encode())


class Timeline:
    """When rows were done, in a few numbers.

    Attributes:
        points: Seconds since the epoch, each with the rows that were done since the one before.
    """

    def __init__(self) -> None:
        self.points: list[list[float]] = []

    def add(self, rows: int) -> None:
        """Counts rows that are done now."""
        self.points.append([round(time.time(), _DIGITS), rows])
        if len(self.points) > _TIMES_OF_RECORD:
            pairs = zip(self.points[::2], self.points[1::2], strict=False)
            rest = self.points[-1:] if len(self.points) % 2 else []
            self.points = [[late[0], early[1] + late[1]] for early, late in pairs] + rest


def rows_over_time(
    timelines: Iterable[Sequence[Sequence[float]]], began: float, seconds: float
) -> dict[str, Any]:
    """Returns how many rows were done in each interval of a run.

    Args:
        timelines: Those of its records.
        began: When it began, in seconds since the epoch.
        seconds: How long it took.

    Returns:
        `seconds`, the length of an interval; `rows`, a number for each; and `before`, the rows that
        were done before the run began, if it went on where another died. Workers' clocks may
        differ: what they did after the end is counted in the last interval.
    """
    intervals = max(1, min(_INTERVALS, math.floor(seconds)))
    length = max(seconds, 1e-3) / intervals
    rows = [0] * intervals
    before = 0
    for at, count in (point for timeline in timelines for point in timeline):
        if at < began - max(length, 10**-_DIGITS):
            before += int(count)
        else:
            rows[max(0, min(int((at - began) / length), intervals - 1))] += int(count)
    return {"seconds": round(length, 3), "rows": rows, **({"before": before} if before else {})}


def load_records(folder: OutputFolder, run_id: str, unit: str = "") -> dict[str, list[Record]]:
    """Returns the records of each unit that follow one another from its first row.

    Args:
        folder: The output folder.
        run_id: The run.
        unit: Name of the only unit to look for; all if empty.
    """
    found = read_records(folder, run_id, unit).values()
    chains: dict[str, list[Record]] = {}
    for record in found:
        if record is None:
            continue
        chain = chains.setdefault(record.unit, [])
        if record.start == (chain[-1].stop if chain else 0) and not (chain and chain[-1].is_last):
            chain.append(record)
    return {unit: chain for unit, chain in chains.items() if chain}


def read_records(folder: OutputFolder, run_id: str, unit: str = "") -> dict[str, Record | None]:
    """Returns the records of a run, or of one unit, by the names of their files, in order.

    None stands for one that cannot be read.
    """
    names = sorted(filter(_NAME.fullmatch, folder.files(_folder(run_id), unit)))
    return dict(zip(names, in_order(names, lambda name: _load(folder, name)), strict=True))


def _load(folder: OutputFolder, name: str) -> Record | None:
    try:
        saved = json.loads(folder.read(name) or b"")
        saved["parts"] = [Part(**part) for part in saved["parts"]]
        return Record(**saved)
    except (ValueError, LookupError, TypeError):
        return None  # removed meanwhile, or not whole


def _folder(run_id: str) -> str:
    return f"{run_folder(run_id)}/records"


def is_done(chain: Sequence[Record] | None) -> bool:
    """Returns whether records cover a unit to its end."""
    return chain is not None and len(chain) > 0 and chain[-1].is_last


class UnitsToDo:
    """The units of a run that are still to be done, for `transforms.read.ReadUnits`.

    Args:
        folder: Path or URL of the output folder.
        run_id: The run.
    """

    def __init__(self, folder: str, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id

    def pending(self) -> list[Unit]:
        """Returns the units that are not done, in the order of their rows."""
        folder = open_folder(self._folder)
        plan = load_run_plan(folder, self._run_id)
        if plan is None:
            raise WriteError(
                f"run {self._run_id} is not planned in {self._folder} any more: it has ended, or "
                "another took its place"
            )
        chains = load_records(folder, self._run_id)
        return [unit for unit in plan.units if not is_done(chains.get(unit.name))]

    def rows_done(self, unit: Unit) -> int:
        """Returns how many rows at the beginning of a unit are done."""
        chain = load_records(open_folder(self._folder), self._run_id, unit.name)
        return chain[unit.name][-1].stop if unit.name in chain else 0
