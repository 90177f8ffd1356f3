"""How far along a run is, for a progress bar to read."""

import time
import uuid
from typing import Any
from weakref import WeakValueDictionary

BYTES_READ, ROWS_DONE = "bytes_read", "rows_done"
"""The counters of a runner's monitoring that say how far a job elsewhere is."""
_RUNS: "WeakValueDictionary[str, RunProgress]" = WeakValueDictionary()


class RunProgress:
    """What one run has done: counters that only grow.

    The copies that a runner makes for its steps are the object itself as long as they stay in the
    process, so the local runner's work shows on the command's progress bar. In a worker process
    elsewhere the copy is a separate object, which nobody reads: the runner's counters of the same
    names are read instead. It is only for display: there is no lock, and workers in threads may
    lose a count.

    Attributes:
        bytes_read: Bytes read from the input files.
        rows_done: Rows that have been through the model.
        model_ready: When the model was loaded, by `time.monotonic`; `None` until then.
    """

    def __init__(self, identity: str | None = None) -> None:
        self._identity = identity or uuid.uuid4().hex
        self.bytes_read = 0.0
        self.rows_done = 0
        self.model_ready: float | None = None
        _RUNS[self._identity] = self

    def set_model_ready(self) -> None:
        """Records that the model is loaded and the work begins."""
        self.model_ready = time.monotonic()

    def add_done(self, rows: int) -> None:
        """Counts rows that have been through the model."""
        self.rows_done += rows

    def __reduce__(self) -> tuple[Any, ...]:
        return _find, (self._identity,)


def _find(identity: str) -> RunProgress:
    """Returns the progress of a run in this process, or a new one for a run in another."""
    found = _RUNS.get(identity)
    return RunProgress(identity) if found is None else found
