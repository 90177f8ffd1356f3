"""How fast work goes on, and how long it will take."""

import time
from dataclasses import dataclass
from typing import Any

from pipelines.reporting.shown import counted


@dataclass(frozen=True)
class Reading:
    """How far a work is.

    Attributes:
        done: How much is done, in the unit of the whole.
        total: The whole; 0 if it is not known.
        rows: Rows that are done.
        rows_per_second: How many there were each second, `None` while nobody can say.
        seconds_left: How long the rest will take, `None` while nobody can say.
    """

    done: float
    total: float
    rows: int
    rows_per_second: float | None = None
    seconds_left: float | None = None

    @property
    def share(self) -> float:
        """The share that is done, from 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def speed(self) -> str:
        """The rows a second; nothing while nobody can say."""
        return "" if self.rows_per_second is None else f"{self.rows_per_second:,.0f} rows/s"

    @property
    def left(self) -> str:
        """The time that is left; nothing while nobody can say."""
        return "" if self.seconds_left is None else f"{duration(self.seconds_left)} left"

    def line(self) -> str:
        """Returns a line about all this."""
        if not self.rows:
            return "starting: no rows yet"
        share = f"{self.share:.0%}" if self.total else ""
        return ", ".join(filter(None, (counted(self.rows, "row"), self.speed, share, self.left)))

    def facts(self) -> dict[str, Any]:
        """Returns all this for programs."""
        speed, left = self.rows_per_second, self.seconds_left
        return {
            "rows": self.rows,
            "rows_per_second": None if speed is None else round(speed, 1),
            "percent": round(100 * self.share, 1) if self.total else None,
            "seconds_left": None if left is None else round(left),
        }


class Pace:
    """Measures how fast a work goes on.

    Args:
        total: The work, in any unit; 0 if it is not known.
        least_seconds: How long it is watched before anything is said of its speed.
    """

    def __init__(self, total: float, least_seconds: float = 1.0) -> None:
        self.total, self._least = total, least_seconds
        self._first: tuple[float, float, int] | None = None

    def now(self, done: float, rows: int) -> Reading:
        """Returns how far the work is; to be called now and then from its beginning.

        Args:
            done: How much of the work is done.
            rows: How many rows.
        """
        if not rows:
            return Reading(done, self.total, 0)
        # The first rows come once the model is loaded: the speed is timed from there.
        self._first = self._first or (time.monotonic(), done, rows)
        began, first_done, first_rows = self._first
        spent = time.monotonic() - began
        if spent <= self._least or rows <= first_rows:
            return Reading(done, self.total, rows)
        left = None
        if self.total and done > first_done:
            left = max(self.total - done, 0.0) * spent / (done - first_done)
        return Reading(done, self.total, rows, (rows - first_rows) / spent, left)


def duration(seconds: float) -> str:
    """Returns hours, minutes and seconds as a clock shows them."""
    minutes, seconds = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
