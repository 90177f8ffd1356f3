"""What reading a format takes: finding the columns of files, splitting a file, reading a range."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa

from transforms.errors import InputError
from transforms.files import CorpusFile, map_files
from transforms.reading.dialect import Dialect
from transforms.reading.layout import Layout, ReadBatch

_T = TypeVar("_T")


@dataclass(frozen=True)
class Head:
    """The columns that a file says it has, or that samples of files show.

    Attributes:
        path: The file.
        columns: Their types by name, in order.
        faults: Why some of them cannot be kept, by name; the type of such a column is meaningless.
        hint: What may be wrong if a column is not among them.
    """

    path: str
    columns: dict[str, pa.DataType]
    faults: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""


@dataclass(frozen=True)
class FileRange:
    """A part of a file: a range of bytes, or of whatever the format stores, such as row groups.

    Attributes:
        file: The file.
        start: First byte, or row group.
        stop: The one after the last, or None for the rest of the file.
        first_row: Row number of its first row in the file, for formats that do not record it.
        stored_start: Of a compressed file, the byte where the frame begins in which `start` is.
    """

    file: CorpusFile
    start: int = 0
    stop: int | None = None
    first_row: int = 0
    stored_start: int = 0

    @property
    def path(self) -> str:
        """Path of the file."""
        return self.file.path

    @property
    def dialect(self) -> Dialect:
        """How its characters are written, for formats of text."""
        return self.file.dialect


def _as_found(type_: pa.DataType) -> pa.DataType:
    return type_


@dataclass(frozen=True)
class FormatReader:
    """What a format's module does.

    Attributes:
        looker: Returns what is to look at each of some files, at its head or footer alone. That
            raises `InputError` for a file that cannot be read.
        heads: Finds the columns of files, given what was found when each was looked at: a `Head`
            for each file that has any, or one for all. Raises `InputError` for files without.
        split: Cuts a file into ranges of about the given number of bytes that can be read
            independently, in file order.
        read: Reads the rows of a range, in file order. Every row is in a batch's rows, or rejected.
            A batch is without those of the layout's columns that the file lacks. Raises `OSError`
            if the file is gone or the storage failed.
        settled: Returns the type of a column from that in a `Head`, where null may stand for what
            is not known.
        dialect: Finds out how the characters of a file are written, given what the user said of
            it; None for formats that need not ask. Raises `InputError` when in doubt, or if the
            file is something else.
        around: Finds the rows that begin in a range of bytes of a file that is not compressed, as
            far as can be told without reading what is before them: for samples. It is given the
            file, the first byte and the one after the last; None where rows can be found only from
            the beginning of a file, or of what `split` cuts it into.
        num_rows: Returns how many rows a file says that it has; None for formats that do not.
    """

    looker: Callable[[Sequence[CorpusFile]], Callable[[CorpusFile], Any]]
    heads: Callable[[Sequence[CorpusFile], Sequence[Any]], list[Head]]
    split: Callable[[CorpusFile, int], Iterable[FileRange]]
    read: Callable[[Layout, FileRange], Iterator[ReadBatch]]
    settled: Callable[[pa.DataType], pa.DataType] = _as_found
    dialect: Callable[[CorpusFile, Dialect], Dialect] | None = None
    around: Callable[[CorpusFile, int, int], FileRange] | None = None
    num_rows: Callable[[CorpusFile], int] | None = None


def heads_as_found(files: Sequence[CorpusFile], heads: Sequence[Head]) -> list[Head]:
    """Returns the heads that were found, for formats that ask no more of files."""
    return list(heads)


def whole_file(file: CorpusFile, range_bytes: int) -> Iterator[FileRange]:
    """Leaves a file whole, however long: only reading it shows where its rows begin."""
    yield FileRange(file)


def look_at_each(files: Sequence[CorpusFile], look: Callable[[CorpusFile], _T]) -> list[_T]:
    """Returns what `look` finds in each file.

    Raises:
        InputError: A file cannot be read.
    """

    def look_at(file: CorpusFile) -> _T:
        try:
            return look(file)
        except OSError as error:
            raise InputError(f"cannot read {file.path!r}: {error}") from error

    return map_files(files, look_at)
