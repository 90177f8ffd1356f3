"""Units of work: the part of a corpus that one worker reads, and writes, in one go."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from transforms.files import CorpusFile, hold, is_divisible, is_remote, map_files
from transforms.reading.corpus import Corpus
from transforms.reading.dialect import Dialect
from transforms.reading.formats.record import INPUT_FORMATS
from transforms.reading.layout import ReadBatch
from transforms.reading.readers import FileRange
from transforms.storage.ahead import in_order

# A unit is this share of the corpus, within limits: large enough for large parts, small enough for
# many workers to have some and for none to be waited for. 16 MiB take a core with MiniLM a quarter
# of an hour, a large GPU a second (benchmarks/fleet_simulation.py). A very large corpus has so many
# units at most.
_SHARE = 64
_LEAST_BYTES = 8 << 20
_MOST_BYTES = 16 << 20
_MOST_UNITS = 1 << 15

# Of the files in a store that come next in a unit, so many, and so much, are at hand.
_AHEAD_FILES = 8
_AHEAD_BYTES = 8 << 20


@dataclass(frozen=True)
class Unit:
    """A range of a file, or a group of whole files; or the first rows of files.

    Attributes:
        files: The files, in order.
        start: First byte of the only file, or the first of what its format is split into.
        stop: The one after the last, or None for the rest of the file.
        first_row: Row number of its first row in the file, for formats that do not record it.
        size: About how many bytes, as stored, are read for it.
        limit: How many rows to read, rejected ones included; all if None.
        stored_start: Of a compressed file, the byte where the frame begins in which `start` is.
    """

    files: tuple[CorpusFile, ...]
    start: int = 0
    stop: int | None = None
    first_row: int = 0
    size: float = 0
    limit: int | None = None
    stored_start: int = 0

    @property
    def name(self) -> str:
        """Digest of the files with their versions, and of the range."""
        files = [(file.path, file.size, file.version) for file in self.files]
        identity = json.dumps([files, self.start, self.stop, self.limit])
        return hashlib.sha256(identity.encode()).hexdigest()[:20]

    def as_json(self) -> dict[str, Any]:
        """Returns what `from_json` makes an equal unit of."""
        files = [{**vars(file), "dialect": file.dialect.as_json()} for file in self.files]
        return {**vars(self), "files": files}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Unit":
        """Returns the unit that `as_json` was called on."""
        files = (
            CorpusFile(**{**file, "dialect": Dialect(**file["dialect"])}) for file in saved["files"]
        )
        return cls(**{**saved, "files": tuple(files)})


SplitFile = Callable[[Corpus, CorpusFile, int], Iterable[FileRange]]
"""Cuts a file of a corpus into ranges of about so many bytes."""


def unit_bytes_of(corpus: Corpus) -> int:
    """Returns how many bytes of the files of a corpus, as stored, make a unit."""
    share = min(max(corpus.size // _SHARE, _LEAST_BYTES), _MOST_BYTES)
    return max(share, -(-corpus.size // _MOST_UNITS))


def plan_units(
    corpus: Corpus,
    limit: int | None = None,
    unit_bytes: int | None = None,
    split: SplitFile | None = None,
) -> tuple[Unit, ...]:
    """Cuts a corpus into units, in the order of its files.

    Args:
        corpus: The corpus.
        limit: Read only this many rows, the first in the order of the files, rejected ones
            included: one unit.
        unit_bytes: About how many bytes of the files, as stored, make a unit.
        split: How files are cut, if not by `split_file`.
    """
    split = split or split_file
    if limit is not None:
        return (Unit(corpus.files, size=corpus.size, limit=limit),)
    most = unit_bytes or unit_bytes_of(corpus)
    units: list[Unit] = []
    group: list[CorpusFile] = []
    group_bytes = 0
    ranges_of_all = map_files(corpus.files, lambda file: tuple(split(corpus, file, most)))
    for file, ranges in zip(corpus.files, ranges_of_all, strict=True):
        if group and group_bytes + file.size > most:
            units.append(Unit(tuple(group), size=group_bytes))
            group, group_bytes = [], 0
        if len(ranges) == 1:
            group.append(file)
            group_bytes += file.size
        else:
            share = file.size / len(ranges)
            units += [
                Unit((file,), r.start, r.stop, r.first_row, share, stored_start=r.stored_start)
                for r in ranges
            ]
    if group:
        units.append(Unit(tuple(group), size=group_bytes))
    return tuple(units)


def split_file(corpus: Corpus, file: CorpusFile, range_bytes: int) -> Iterable[FileRange]:
    """Cuts a file into ranges that can be read independently.

    Args:
        corpus: The plan that the file belongs to.
        file: The file; a small one is not opened.
        range_bytes: About how many bytes of the file, as stored, go into a range.

    Returns:
        The ranges, in file order.
    """
    if file.size <= range_bytes or not is_divisible(file.path):
        return (FileRange(file),)
    return INPUT_FORMATS[corpus.format].load().split(file, range_bytes)


def read_unit(
    corpus: Corpus, unit: Unit, on_file: Callable[[str], None] = lambda path: None
) -> Iterator[tuple[str, ReadBatch]]:
    """Reads the rows of a unit, in file order; the same batches each time.

    Args:
        corpus: The plan.
        unit: A part of it.
        on_file: Called with the path of each file whose turn comes, before it can fail.

    Yields:
        The path of a file, and a batch from it; every row of the unit is in its rows or rejected.

    Raises:
        OSError: A file is gone, or the storage failed.
    """
    read = INPUT_FORMATS[corpus.format].load().read
    rows_left = unit.limit
    fetched = _fetched_ahead(unit)
    for path in (file.path for file in unit.files):
        if rows_left == 0:
            return
        on_file(path)
        file = next(fetched)
        layout, given = corpus.beside_folders(file.path)
        part = FileRange(file, unit.start, unit.stop, unit.first_row, unit.stored_start)
        for batch in read(layout, part):
            head = batch if rows_left is None else batch.head(rows_left)
            yield file.path, head.completed(corpus, given)
            if rows_left is not None:
                rows_left -= head.num_rows
                if rows_left == 0:
                    break


def _fetched_ahead(unit: Unit) -> Iterator[CorpusFile]:
    """Yields the files of a unit; small ones in a store are fetched while others are read."""

    def begin(file: CorpusFile) -> CorpusFile:
        return hold(file, 0, file.size) if _is_small(file) else file

    def weigh(file: CorpusFile) -> int:
        return file.size if _is_small(file) else 0

    threads = _AHEAD_FILES if any(map(_is_small, unit.files)) else 1
    return in_order(unit.files, begin, threads, weigh, _AHEAD_BYTES)


def _is_small(file: CorpusFile) -> bool:
    return is_remote(file.path) and file.size <= _AHEAD_BYTES // 2
