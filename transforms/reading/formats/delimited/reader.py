"""CSV and TSV: a header, then one record of strings per row.

CSV is quoted as in RFC 4180, so that a record may span lines; what parts and quotes its fields is
found out. TSV has tabs and no quoting: a line is a record, whatever is in it.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa

from models.errors import quoted
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.reading.decompress import compression_suffix
from transforms.reading.dialect import UTF_8, Dialect
from transforms.reading.encoding import not_text, to_utf_8, without_mark
from transforms.reading.encoding_evidence import find_encoding, take_sample
from transforms.reading.formats.delimited import records
from transforms.reading.formats.delimited.around import records_around
from transforms.reading.formats.delimited.boundaries import Limits, boundaries
from transforms.reading.formats.delimited.dialect import find_dialect, hint_of
from transforms.reading.formats.delimited.records import NUL, NUL_STAND_IN, Record, Records
from transforms.reading.layout import (
    BATCH_BYTES,
    BATCH_ROWS,
    Layout,
    ReadBatch,
    Rejects,
    read_batch,
)
from transforms.reading.lines import line_blocks
from transforms.reading.readers import FileRange, FormatReader, Head, whole_file

_HEADER_BLOCK_BYTES = 64 << 10


def _csv_dialect(file: CorpusFile, asked: Dialect) -> Dialect:
    """Finds out how a CSV file is written, by its head and, for the encoding, more of it."""
    sample = take_sample(file)
    encoding = find_encoding(sample, asked.encoding)
    head = without_mark(sample.head, encoding)
    text = head if encoding == UTF_8 else to_utf_8(head, encoding)
    found = find_dialect(text.decode("utf-8", "replace"), asked)
    return Dialect(encoding).over(found)


def _tsv_dialect(file: CorpusFile, asked: Dialect) -> Dialect:
    """Finds out the encoding of a TSV file; its fields are parted by tabs and not quoted."""
    encoding = find_encoding(take_sample(file), asked.encoding)
    return Dialect(encoding).over(asked).over(Dialect(None, "\t", ""))


def _heads(files: Sequence[CorpusFile], headers: Sequence[list[str] | None]) -> list[Head]:
    return [
        Head(file.path, dict.fromkeys(names, pa.string()), hint=hint_of(names, file.dialect))
        for file, names in zip(files, headers, strict=True)
        if names is not None
    ]


def _read_header(file: CorpusFile) -> list[str] | None:
    """Reads the column names of a file.

    Args:
        file: The file, with its dialect.

    Returns:
        The names, or None if the file has only blank lines.

    Raises:
        InputError: There is no whole header, or its names are not text or not unique.
    """
    part = FileRange(file)
    header = Records(part, _HEADER_BLOCK_BYTES).header()
    return None if header is None else _column_names(part, header)


def _split(file: CorpusFile, range_bytes: int) -> Iterator[FileRange]:
    """Cuts a file where records begin, which takes reading it once; a compressed one stays whole.

    So does one whose delimiter is no ASCII, and what follows a record of megabytes.
    """
    dialect = file.dialect
    if compression_suffix(file.path) or not (dialect.delimiter or ",").isascii():
        yield from whole_file(file, range_bytes)
        return
    head = Records(FileRange(file), _HEADER_BLOCK_BYTES)
    head.header()
    blocks = line_blocks(file, encoding=dialect.encoding or UTF_8)
    longest = min(records.FIELD_CHARACTERS, records.RECORD_CHARACTERS)
    limits = Limits(longest, records.MOST_FIELDS)
    start, first_row = 0, 0
    for found in boundaries(blocks, dialect, range_bytes, limits):
        if found.records >= head.num_before_rows:
            yield FileRange(file, start, found.offset, first_row)
            start, first_row = found.offset, found.records - head.num_before_rows
    yield FileRange(file, start, None, first_row)


def _read(layout: Layout, part: FileRange) -> Iterator[ReadBatch]:
    """Reads a range of a file whose header was found to have the columns of the layout.

    A quote that is never closed costs the line that it is in; reading goes on with the next.

    Args:
        layout: The columns, all strings.
        part: The range, which begins and ends with records.

    Yields:
        Batches whose `position` is the row number, from 0, rejected rows included.

    Raises:
        InputError: The header is not what it was when the run was planned.
    """
    records = Records(part)
    if part.start:
        names = _read_header(part.file)
    else:
        header = records.header()
        names = None if header is None else _column_names(part, header)
    if names is None:
        return
    table = _Table(layout, part, names)
    for record in records:
        if table.add(record):
            yield table.take().of_bytes(records.take_stored_bytes())
    if table.num_rows:
        yield table.take().of_bytes(records.take_stored_bytes())


def _around(file: CorpusFile, start: int, stop: int) -> FileRange:
    """Returns the range of the records that begin in a range of bytes; see `records_around`."""
    names = _read_header(file)
    return records_around(file, start, stop, len(names or ()))


def _column_names(part: FileRange, record: Record) -> list[str]:
    """Returns the names in a header; a column without one is called by its number, from 0."""
    fields, _, error = record
    path = part.path
    if error:
        raise InputError(f"cannot read the header of {path!r}: {error}")
    names = _with_nul(fields)
    for number, name in enumerate(names, 1):
        if invalid := _not_text(name, part.dialect.encoding or UTF_8):
            raise InputError(f"the name of column {number} of {path!r} is not text: {invalid}")
    taken = set(names)
    names = [name or _free_name(f"column{number}", taken) for number, name in enumerate(names)]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(
            f"the header of {path!r} names {quoted(twice)} more than once: give each column a name "
            "of its own"
        )
    return names


def _free_name(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _with_nul(fields: list[str]) -> list[str]:
    """Returns fields with NUL put back where it was."""
    return [field.replace(NUL_STAND_IN, NUL) for field in fields]


def _not_text(value: str, encoding: str) -> str | None:
    return not_text(value.encode("utf-8", "surrogateescape"), encoding)


class _Table:
    """Collects the rows of a batch."""

    def __init__(self, layout: Layout, part: FileRange, names: list[str]) -> None:
        self._layout = layout = layout.of_file(names, part.path)
        self._width = len(names)
        indices = {name: index for index, name in enumerate(names)}
        self._indices = [indices[column.name] for column in layout.fields]
        self._rejects = Rejects(part.path, part.dialect.encoding or UTF_8)
        self._found = part.first_row  # rows of the file so far
        self._clear()

    def _clear(self) -> None:
        self.num_rows = 0
        self._characters = 0
        self._rows: list[list[str]] = []
        self._lines: list[list[str]] = []
        self._positions: list[int] = []

    def add(self, record: Record) -> bool:
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
                if (invalid := _not_text(restored[index], self._rejects.encoding))
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


CSV = FormatReader(
    lambda files: _read_header, _heads, _split, _read, dialect=_csv_dialect, around=_around
)
"""Reads CSV."""

TSV = FormatReader(
    lambda files: _read_header, _heads, _split, _read, dialect=_tsv_dialect, around=_around
)
"""Reads TSV."""
