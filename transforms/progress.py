"""How far the work in this process is, for a progress bar to read.

The local runner works in the process that shows the bar. On other runners the workers count into
counters of their own, which nobody reads.
"""

import time
from dataclasses import dataclass


@dataclass
class Progress:
    """Counters that only grow, for display: without a lock, workers in threads may lose a count.

    Attributes:
        bytes_read: Bytes of input files.
        rows_done: Rows that are through the model.
        model_ready: When the model of the latest run was loaded, by `time.monotonic`.
    """

    bytes_read: float = 0
    rows_done: int = 0
    model_ready: float | None = None

    def set_model_ready(self) -> None:
        """Notes that the work begins."""
        self.model_ready = time.monotonic()

    def add_done(self, rows: int) -> None:
        """Counts rows that are through the model."""
        self.rows_done += rows


PROGRESS = Progress()
