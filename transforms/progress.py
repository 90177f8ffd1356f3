"""How far the work in this process is, for a progress bar to read.

The local runner works in the process that shows the bar. On other runners the workers count into
counters of their own, which nobody reads.
"""

from dataclasses import dataclass


@dataclass
class Progress:
    """Counters that only grow; reading them needs no lock."""

    bytes_read: float = 0
    rows_done: int = 0
    rows_rejected: int = 0

    def add_done(self, rows: int) -> None:
        """Counts rows that are through the model."""
        self.rows_done += rows


PROGRESS = Progress()
