"""CSV and TSV: a header, then one record of strings per row.

CSV is quoted as in RFC 4180, so that a record may span lines. TSV has no quoting: a line is a
record, whatever is in it.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from models.errors import quoted
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.reading.layout import (
    BATCH_BYTES,
    BATCH_ROWS,
    Layout,
    ReadBatch,
    Rejects,
    not_utf8,
    read_batch,
)
from transforms.reading.lines import BLOCK_BYTES, LineBlock, line_blocks
from transforms.reading.readers import FileRange, FormatReader, Head, read_each, whole_file

FIELD_CHARACTERS = 16 << 20
"""The longest CSV field, which bounds the memory that an unclosed quote takes."""

RECORD_CHARACTERS = 32 << 20
"""The longest record, on however many lines."""

MOST_FIELDS = 1 << 20
"""Most fields on a line; each takes some fifty bytes, however short it is."""

# What the messages of the csv module mean to whoever has to fix the file.
_MEANINGS = {
    "field limit": "a field is longer than {limit:,} characters",
    "new-line character": "a carriage return outside quotes",
    "expected after": "a quoted field goes on after its closing quote",
}

_HEADER_BLOCK_BYTES = 64 << 10
_Record = tuple[list[str], list[str], "str | None"]
"""Fields, the lines that they are from, and what is wrong with them."""

_NUL = "\0"
# Python 3.10's csv module refuses NUL. Decoding UTF-8 never gives this lone surrogate.
_NUL_STAND_IN = "\ud800" if sys.version_info < (3, 11) else _NUL


_Split = Callable[[Iterator[str]], Iterator[list[str]]]
"""Splits lines into records of fields; the lines that it has taken by then are the record's."""


def _heads(files: Sequence[CorpusFile], split: _Split) -> list[Head]:
    headers = read_each(files, lambda path: _read_header(path, split))
    return [
        Head(file.path, dict.fromkeys(header, pa.string()))
        for file, header in zip(files, headers, strict=True)
        if header is not None
    ]


def _read_header(path: str, split: _Split) -> list[str] | None:
    """Reads the column names of a file.

    Args:
        path: The file.
        split: Splits lines into records, as the format does.

    Returns:
        The names, or None if the file has only blank lines.

    Raises:
        InputError: There is no whole header, or its names are not UTF-8, empty or not unique.
    """
    records = _Records(path, split, _HEADER_BLOCK_BYTES)
    first = next(iter(records), None)
    return None if first is None else _column_names(path, first)


def _read(layout: Layout, unit: FileRange, split: _Split) -> Iterator[ReadBatch]:
    """Reads a file whose header was found to have the columns of the layout.

    A quote that is never closed costs the line that it is in; reading goes on with the next.

    Args:
        layout: The columns, all strings.
        unit: The file.
        split: Splits lines into records, as the format does.

    Yields:
        Batches whose `position` is the row number, from 0, rejected rows included.

    Raises:
        InputError: The header is not what it was when the run was planned.
    """
    file = _Records(unit.path, split)
    records = iter(file)
    header = next(records, None)
    if header is None:
        return
    table = _Table(layout, unit.path, _column_names(unit.path, header))
    for record in records:
        if table.add(record):
            yield table.take().of_bytes(file.take_stored_bytes())
    if table.num_rows:
        yield table.take().of_bytes(file.take_stored_bytes())


class _Records:
    """The records of a file, the header first; one that cannot be read comes with its error."""

    def __init__(self, path: str, split: _Split, block_bytes: int = BLOCK_BYTES) -> None:
        csv.field_size_limit(FIELD_CHARACTERS)
        self._split = split
        self._blocks = line_blocks(path, block_bytes=block_bytes)
        self._lines: Iterator[str] = iter(())
        self._again: list[str] = []  # lines to read again, the last one first
        self._record: list[str] = []  # lines of the record that is being read
        self._characters = 0  # in them
        self._fault: LineBlock | None = None
        self._ended = False
        self._bytes_a_character = 0.0  # of the file, as stored
        self._stored_bytes = 0.0

    def take_stored_bytes(self) -> float:
        """Returns the bytes of the file that have been used up since the last call."""
        taken, self._stored_bytes = self._stored_bytes, 0.0
        return taken

    def __iter__(self) -> Iterator[_Record]:
        while not self._ended:
            try:
                for fields in self._split(self._feed()):
                    lines, self._record = self._record, []
                    if fields:  # a blank line has none
                        yield fields, lines, None
            except csv.Error as error:
                if not self._ended and not self._fault:  # those two are reported below
                    yield self._unreadable(str(error))
            if self._fault:
                yield self._broken_off(self._fault)
            elif self._ended and self._record:
                yield self._unclosed("the file")

    def _feed(self) -> Iterator[str]:
        while True:
            line = self._again.pop() if self._again else next(self._lines, None)
            if line is not None:
                self._record.append(line)
                self._check_size(line)
                self._stored_bytes += len(line) * self._bytes_a_character
                yield line
                continue
            block = next(self._blocks, None)
            if block is None or block.fault is not None:
                self._ended = block is None
                self._fault = block
                return
            text = _decoded(block.data)
            self._bytes_a_character = block.stored_bytes / len(text)
            self._lines = io.StringIO(text, newline="\n")

    def _check_size(self, line: str) -> None:
        self._characters = len(line) + (self._characters if len(self._record) > 1 else 0)
        if self._characters > RECORD_CHARACTERS:
            raise csv.Error(f"a record is longer than {RECORD_CHARACTERS:,} characters")
        if len(line) > MOST_FIELDS and max(line.count(","), line.count("\t")) > MOST_FIELDS:
            raise csv.Error(f"a line has more than {MOST_FIELDS:,} delimiters")

    def _unreadable(self, error: str) -> _Record:
        if "field limit" in error and len(self._record) > 1:
            return self._unclosed(f"{FIELD_CHARACTERS:,} characters")
        lines, self._record = self._record, []
        for words, meaning in _MEANINGS.items():
            if words in error:
                return [], lines, meaning.format(limit=FIELD_CHARACTERS)
        return [], lines[:1], error

    def _unclosed(self, within: str) -> _Record:
        """Gives up the line with the quote, and has the lines after it read again.

        They are read again only once: a line that leaves a quote open would, as the inside of the
        first quote, have closed that one.
        """
        line, *rest = self._record
        self._record = []
        self._again += reversed(rest)
        self._ended = self._ended and not rest
        return [], [line], f"a quote is opened that is not closed before the end of {within}"

    def _broken_off(self, fault: LineBlock) -> _Record:
        lines, self._record, self._fault = self._record, [], None
        return [], [*lines, _decoded(fault.data)], fault.fault


def _decoded(data: bytes) -> str:
    """Returns text whose invalid bytes can be found and written back."""
    return data.decode("utf-8", "surrogateescape")


def _split_csv(lines: Iterator[str]) -> Iterator[list[str]]:
    if _NUL_STAND_IN != _NUL:
        lines = (line.replace(_NUL, _NUL_STAND_IN) for line in lines)
    # Strict, or a stray quote would merge two records into one that looks right.
    return csv.reader(lines, strict=True)


def _split_tsv(lines: Iterator[str]) -> Iterator[list[str]]:
    for line in lines:
        record = line.removesuffix("\n").removesuffix("\r")
        yield record.split("\t") if record else []


def _column_names(path: str, record: _Record) -> list[str]:
    fields, _, error = record
    if error:
        raise InputError(f"cannot read the header of {path!r}: {error}")
    names = _with_nul(fields)
    for number, name in enumerate(names, 1):
        if not name:
            raise InputError(f"column {number} of {path!r} has no name in the header; give it one")
        if invalid := _not_utf8(name):
            raise InputError(f"the name of column {number} of {path!r} is not text: {invalid}")
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise InputError(f"the header of {path!r} names {quoted(twice)} more than once")
    return names


def _with_nul(fields: list[str]) -> list[str]:
    """Returns fields with NUL put back where it was."""
    return [field.replace(_NUL_STAND_IN, _NUL) for field in fields]


def _not_utf8(value: str) -> str | None:
    return not_utf8(value.encode("utf-8", "surrogateescape"))


class _Table:
    """Collects the rows of a batch."""

    def __init__(self, layout: Layout, path: str, names: list[str]) -> None:
        self._layout = layout = layout.of_file(names, path)
        self._width = len(names)
        self._indices = [names.index(column.name) for column in layout.fields]
        self._rejects = Rejects(path)
        self._found = 0  # rows so far
        self._clear()

    def _clear(self) -> None:
        self.num_rows = 0
        self._characters = 0
        self._rows: list[list[str]] = []
        self._lines: list[list[str]] = []
        self._positions: list[int] = []

    def add(self, record: _Record) -> bool:
        """Adds a row, and returns whether the batch is full."""
        fields, lines, error = record
        if error is None and len(fields) == self._width:
            self._rows.append(fields)
            self._lines.append(lines)
            self._positions.append(self._found)
        else:
            count = f"{len(fields)} field{'s' if len(fields) > 1 else ''}"
            error = error or f"{count} where the header has {self._width}"
            self._rejects.add(self._found, _raw(lines), error)
        self._found += 1
        self.num_rows += 1
        self._characters += len(lines[0]) if len(lines) == 1 else sum(map(len, lines))
        return self.num_rows >= BATCH_ROWS or self._characters >= BATCH_BYTES

    def take(self) -> ReadBatch:
        """Returns the batch, and starts another."""
        try:
            columns = self._columns()
        except UnicodeEncodeError:
            self._mend()
            columns = self._columns()
        positions = np.array(self._positions, np.int64)
        self._clear()
        return read_batch(self._layout, columns, positions, self._rejects)

    def _columns(self) -> list[pa.Array]:
        columns = list(zip(*self._rows, strict=True)) or [()] * self._width
        return [pa.array(columns[index], pa.string()) for index in self._indices]

    def _mend(self) -> None:
        """Rejects rows with invalid UTF-8 in a kept column, and puts NUL back into the others."""
        rows, lines, positions = self._rows, self._lines, self._positions
        self._rows, self._positions = [], []
        for fields, record, position in zip(rows, lines, positions, strict=True):
            restored = _with_nul(fields)
            errors = [
                f"column {column.name!r}: {invalid}"
                for column, index in zip(self._layout.fields, self._indices, strict=True)
                if (invalid := _not_utf8(restored[index]))
            ]
            if errors:
                self._rejects.add(position, _raw(record), "; ".join(errors))
            else:
                self._rows.append(restored)
                self._positions.append(position)


def _raw(lines: list[str]) -> bytes:
    """Returns a record as it is in the file, without its last line ending."""
    record = "".join(lines).removesuffix("\n").removesuffix("\r")
    return record.encode("utf-8", "surrogateescape")


def _reader(split: _Split) -> FormatReader:
    return FormatReader(partial(_heads, split=split), whole_file, partial(_read, split=split))


CSV = _reader(_split_csv)
"""Reads CSV."""

TSV = _reader(_split_tsv)
"""Reads TSV."""
