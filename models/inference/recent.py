"""Results of the most recently computed rows, for rows that recur."""

import threading
from collections.abc import Sequence

import numpy as np

from models.presets.fields import check_size

MAX_BYTES = 64 << 20
"""Memory for results: 44,000 vectors of 384 numbers."""

MAX_ROWS = 1 << 17
"""Maximum number of rows, however small their results: the index takes memory too."""


class RecentResults:
    """The results of recent rows by key, the oldest making way for new ones.

    Safe to use from several threads.

    Args:
        width: Numbers per result.
        max_rows: How many results to keep; as many as `MAX_BYTES` and `MAX_ROWS` allow if `None`.
    """

    def __init__(self, width: int, max_rows: int | None = None) -> None:
        capacity = max(1, min(MAX_ROWS, MAX_BYTES // (4 * width)))
        if max_rows is not None:
            capacity = check_size("max_rows", max_rows)
        self._values = np.empty((capacity, width), np.float32)
        self._keys: list[bytes | None] = [None] * capacity
        self._slots: dict[bytes, int] = {}
        self._next = 0
        self._lock = threading.Lock()

    def find(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the results of the keys that are known.

        Args:
            keys: The key of each row.

        Returns:
            int64 `[found]`, the indices of these keys, and float32 `[found, width]`, their results.
        """
        with self._lock:
            slots = [self._slots.get(key, -1) for key in keys]
            slot_of = np.array(slots, np.int64)
            found = np.flatnonzero(slot_of >= 0)
            return found, self._values[slot_of[found]]

    def add(self, keys: Sequence[bytes], values: np.ndarray) -> None:
        """Keeps results; only the last ones if there is no room for all.

        Args:
            keys: The key of each row, none of them twice.
            values: float32 `[rows, width]`.
        """
        capacity = len(self._keys)
        keys, values = keys[-capacity:], values[-capacity:]
        with self._lock:
            slots = (self._next + np.arange(len(keys))) % capacity
            for key, slot in zip(keys, slots.tolist(), strict=True):
                old = self._keys[slot]
                if old is not None and self._slots.get(old) == slot:
                    del self._slots[old]
                self._keys[slot] = key
                self._slots[key] = slot
            self._values[slots] = values
            self._next = int(self._next + len(keys)) % capacity

    def clear(self) -> None:
        """Forgets all results."""
        with self._lock:
            self._keys = [None] * len(self._keys)
            self._slots.clear()
