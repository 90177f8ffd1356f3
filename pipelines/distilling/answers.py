"""A teacher's answers, asked for once and kept on disk.

They are in the cache folder, in files named by the digest of the teacher and its settings, some
thousand rows to a file, each row under the digest of its texts: what is learned from the same texts
again, by another student, among more texts or after a kill, is not computed again.
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
_DIGEST = np.dtype("V16")

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
        self._width = width
        self._name = hashlib.sha256(json.dumps([key, width]).encode()).hexdigest()[:20]
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
            segments: The rows, all different.
            ask: Returns the answers to some of them, `[rows, width]`.
            on_rows: Called with the number of rows that were found; `ask` reports the others.
        """
        digests = np.array([_digest(row) for row in zip(*segments, strict=True)], _DIGEST)
        missing = {digest.tobytes(): row for row, digest in enumerate(digests)}
        assert len(missing) == len(digests), "rows repeat"
        found = np.zeros((len(digests), self._width), np.float32)
        for names, answers in self._kept():
            there = [name.tobytes() for name in names]
            known = {missing.pop(name): i for i, name in enumerate(there) if name in missing}
            if known:
                found[list(known)] = answers[list(known.values())]
                on_rows(len(known))
        unknown = list(missing.values())
        for start in range(0, len(unknown), _ROWS):
            rows = unknown[start : start + _ROWS]
            found[rows] = ask(tuple([texts[row] for row in rows] for texts in segments))
            # What fails here, in the precision of a graphics card for instance, may succeed another
            # time.
            fine = np.array(rows)[np.isfinite(found[rows]).all(axis=1)]
            if self.problem is None and len(fine):
                self._write(digests[fine], found[fine])
        return found

    def _kept(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the digests and answers of each file that is what was written."""
        if self.problem is not None:
            return
        for path in sorted(self._folder.glob(f"{self._name}-*.npz")):
            digests, answers = np.zeros(0), np.zeros(0)
            # Damage makes NumPy raise errors of many kinds.
            with contextlib.suppress(Exception), np.load(path, allow_pickle=False) as file:
                digests, answers = file["digests"], file["answers"]
            is_whole = answers.shape == (len(digests), self._width)
            if is_whole and (digests.dtype, answers.dtype) == (_DIGEST, np.float32):
                yield digests, answers

    def _write(self, digests: np.ndarray, answers: np.ndarray) -> None:
        """Writes a file in one step; what cannot be kept is computed again another time."""
        name = hashlib.sha256(digests.tobytes()).hexdigest()[:20]
        try:
            make_own(cache_folder(), self._folder)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                try:
                    np.savez(file, digests=digests, answers=answers)
                except BaseException:
                    os.unlink(file.name)
                    raise
            Path(file.name).replace(self._folder / f"{self._name}-{name}.npz")
        except OSError as error:
            self.problem = error.strerror or str(error)


def _digest(row: Sequence[str]) -> bytes:
    return hashlib.sha256(json.dumps(row).encode()).digest()[: _DIGEST.itemsize]
