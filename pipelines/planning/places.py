"""Where a sample of a corpus is taken: places spread evenly over its bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from transforms.files import CorpusFile, is_divisible
from transforms.reading.corpus import Corpus
from transforms.reading.decompress import compression_suffix
from transforms.reading.formats.record import INPUT_FORMATS
from transforms.reading.readers import FileRange
from transforms.reading.units import Unit, split_file

CELL_BYTES = 32 << 10
"""Bytes of a place in a file of text: a hundred rows, at which one read is not yet much."""

_WHOLE_CELLS = 4  # files of no more cells are read whole
_RANGE_BYTES = 1 << 20  # into which other files are cut, if they have such small parts

# The golden ratio: its multiples, without their whole part, lie evenly however many are taken.
_STEP = 0.6180339887498949
_FIRST = 0.5


@dataclass(frozen=True)
class Place:
    """A part of a corpus of which rows are read.

    Attributes:
        unit: The rows.
        stored_bytes: Bytes of the file, as stored, that it is: its chance of being chosen.
    """

    unit: Unit
    stored_bytes: float


def shares() -> Iterator[float]:
    """Yields numbers from 0 to below 1 whose every beginning is spread over all of them."""
    share = _FIRST
    while True:
        yield share
        share = (share + _STEP) % 1.0


class Places:
    """The places of a corpus.

    Args:
        corpus: The corpus.
        cell_bytes: Bytes of a place in a file of text.
    """

    def __init__(self, corpus: Corpus, cell_bytes: int = CELL_BYTES) -> None:
        self._corpus = corpus
        self._cell_bytes = cell_bytes
        self._reader = INPUT_FORMATS[corpus.format].load()
        self._files = [file for file in corpus.files if file.size]
        self._ends = np.cumsum([file.size for file in self._files])
        self._ranges: dict[str, Sequence[FileRange]] = {}

    @property
    def num_files(self) -> int:
        """How many files have content."""
        return len(self._files)

    @property
    def are_cut(self) -> bool:
        """Whether there are files that are cut into cells."""
        return any(map(self._has_cells, self._files))

    def whole_files(self) -> list[Place]:
        """Returns all files, each a place."""
        return [_whole(file) for file in self._files]

    def at(self, share: float) -> Place:
        """Returns the place at a share of all bytes.

        Args:
            share: From 0 to below 1.

        Raises:
            InputError: Its file cannot be read.
            OSError: The storage failed.
        """
        byte = min(int(share * self._ends[-1]), int(self._ends[-1]) - 1)
        number = int(np.searchsorted(self._ends, byte, side="right"))
        file = self._files[number]
        within = byte - (int(self._ends[number]) - file.size)
        if file.size <= _WHOLE_CELLS * self._cell_bytes or not is_divisible(file.path):
            return _whole(file)
        if self._reader.around is not None and self._has_cells(file):
            start = within // self._cell_bytes * self._cell_bytes
            stop = min(start + self._cell_bytes, file.size)
            return _place(file, self._reader.around(file, start, stop), stop - start)
        if file.path not in self._ranges:
            self._ranges[file.path] = tuple(split_file(self._corpus, file, _RANGE_BYTES))
        ranges = self._ranges[file.path]
        if len(ranges) == 1:
            return _whole(file)
        part = ranges[int(within / file.size * len(ranges))]
        return _place(file, part, file.size / len(ranges))

    def _has_cells(self, file: CorpusFile) -> bool:
        return self._reader.around is not None and not compression_suffix(file.path)


def _whole(file: CorpusFile) -> Place:
    return Place(Unit((file,), size=file.size), file.size)


def _place(file: CorpusFile, part: FileRange, stored_bytes: float) -> Place:
    unit = Unit(
        (file,), part.start, part.stop, part.first_row, stored_bytes, stored_start=part.stored_start
    )
    return Place(unit, stored_bytes)
