"""A teacher's answers, asked for once and kept on disk.

They are in the cache folder, some thousand rows to a file, each file named by the digest of the
teacher, its settings and the rows: what is learned from the same texts again, by another student or
after a kill, is not computed again.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from models.errors import PresetError
from models.hubs.ownership import check_own, make_own
from models.hubs.store import cache_folder

_ROWS = 4096
_FOLDER = "teachers"

Segments = tuple[Sequence[str], ...]
"""The texts of some rows; for pairs the first ones and the second ones."""


class AnswerCache:
    """The answers of one teacher.

    Args:
        key: What tells its answers from those of others: its digest and its settings.
        width: Numbers of an answer.

    Attributes:
        problem: Why answers could not be kept, if they could not.
    """

    def __init__(self, key: str, width: int) -> None:
        self._key = key
        self._width = width
        self._folder = cache_folder() / _FOLDER
        self.problem: str | None = None
        try:
            check_own(cache_folder(), self._folder)
        except PresetError as error:
            self.problem = str(error)

    def answers(
        self,
        segments: Segments,
        ask: Callable[[Segments], np.ndarray],
        on_rows: Callable[[int], None],
    ) -> np.ndarray:
        """Returns the answer to each row, float32 `[rows, width]`.

        Args:
            segments: The rows.
            ask: Returns the answers to some of them, `[rows, width]`.
            on_rows: Called with the number of rows that were found; `ask` reports the others.
        """
        parts = [np.zeros((0, self._width), np.float32)]
        for rows in _chunks(segments):
            name = self._name(rows)
            found = self._read(name, len(rows[0]))
            if found is None:
                found = ask(rows)
                # What fails here, in the precision of a graphics card for instance, may succeed
                # another time.
                if self.problem is None and np.isfinite(found).all():
                    self._write(name, found)
            else:
                on_rows(len(found))
            parts.append(found)
        return np.concatenate(parts)

    def _name(self, rows: Segments) -> str:
        digest = hashlib.sha256(json.dumps([self._key, rows]).encode())
        return f"{digest.hexdigest()[:40]}.npy"

    def _read(self, name: str, num_rows: int) -> np.ndarray | None:
        """Returns the answers in a file; `None` if it is not there or not what was written."""
        if self.problem is not None:
            return None
        with contextlib.suppress(Exception):  # NumPy raises errors of many kinds for a damaged file
            found: np.ndarray = np.load(self._folder / name, allow_pickle=False)
            if found.shape == (num_rows, self._width) and found.dtype == np.float32:
                return found
        return None

    def _write(self, name: str, answers: np.ndarray) -> None:
        """Writes a file in one step; what cannot be kept is computed again another time."""
        try:
            make_own(cache_folder(), self._folder)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                try:
                    np.save(file, answers)
                except BaseException:
                    os.unlink(file.name)
                    raise
            Path(file.name).replace(self._folder / name)
        except OSError as error:
            self.problem = error.strerror or str(error)


def _chunks(segments: Segments) -> Iterator[Segments]:
    for start in range(0, len(segments[0]), _ROWS):
        yield tuple(texts[start : start + _ROWS] for texts in segments)
