"""Where records begin in the middle of a delimited file, told from what is around it.

A newline may stand in a quoted field, and only what is before it would show for certain whether it
does. But from a line that begins a record on, all records have as many fields as the header, each
with its quotes in pairs; from another line, hardly ever.
"""

import csv
import io
from collections.abc import Iterator

from transforms.files import CorpusFile
from transforms.reading.dialect import UTF_8, Dialect
from transforms.reading.formats.delimited.dialect import split_records
from transforms.reading.formats.delimited.records import FIELD_CHARACTERS
from transforms.reading.lines import line_blocks
from transforms.reading.readers import FileRange

_BLOCK_BYTES = 64 << 10
# For the beginning of a record: fewer if there are records that no line begins well.
_LINES_TRIED, _LINES_TRIED_FIRST = 1 << 14, 256
_RECORDS_CHECKED = 16  # after each


def records_around(file: CorpusFile, start: int, stop: int, width: int) -> FileRange:
    """Returns the range of the records that begin in a range of bytes.

    If no line there looks like the beginning of a record, the first one is taken to be one.

    Args:
        file: A file that is not compressed, with its dialect.
        start: First byte.
        stop: The one after the last.
        width: Fields of a record.
    """
    csv.field_size_limit(FIELD_CHARACTERS)
    lines = _Lines(file, start)
    line = _first_record(lines, file.dialect, width) if start else 0
    begin = lines.place(line) if start else start
    while (place := lines.place(line)) is not None and place < stop:
        line = _record(lines, file.dialect, line)[1]
    end = lines.place(line)
    last = file.size if end is None else end
    return FileRange(file, last if begin is None else begin, last)


def _first_record(lines: "_Lines", dialect: Dialect, width: int) -> int:
    """Returns the first line from which all records look whole, or else most of them."""
    best, most = 0, _RECORDS_CHECKED // 2
    for first in range(_LINES_TRIED):
        if lines.place(first) is None or (first >= _LINES_TRIED_FIRST and best):
            break
        whole, checked = _num_whole(lines, dialect, width, first)
        if whole == checked:
            return first
        if whole > most:
            best, most = first, whole
    return best


def _num_whole(lines: "_Lines", dialect: Dialect, width: int, first: int) -> tuple[int, int]:
    """Returns how many records from a line on look whole, and of how many; of one if it does not.

    Args:
        lines: The lines.
        dialect: What parts and quotes fields.
        width: Fields of a record.
        first: The line.
    """
    line, whole, checked = first, 0, 0
    while checked < _RECORDS_CHECKED and lines.place(line) is not None:
        fields, after = _record(lines, dialect, line)
        quotes = lines.count(dialect.quote, line, after) if dialect.quote else 0
        is_blank = fields == []
        if fields is not None and quotes % 2 == 0 and (is_blank or len(fields) == width):
            whole += 1
        checked += 1
        if not whole:
            break
        line = after
    return whole, checked


def _record(lines: "_Lines", dialect: Dialect, line: int) -> tuple[list[str] | None, int]:
    """Returns the fields of the record that begins with a line, or None, and the line after it."""
    source = lines.from_line(line)
    try:
        fields = next(split_records(source, dialect), [])
        return fields, max(source.line, line + 1)
    except csv.Error:
        return None, line + 1


class _Lines:
    """The lines of a file from a byte on, read when they are asked for."""

    def __init__(self, file: CorpusFile, start: int) -> None:
        encoding = file.dialect.encoding or UTF_8
        self._blocks = line_blocks(file, start, None, _BLOCK_BYTES, encoding)
        self._texts: list[str] = []
        self._places: list[int] = []

    def place(self, line: int) -> int | None:
        """Returns the byte of the file with which a line begins; None if there is no such line."""
        return self._places[line] if self._has(line) else None

    def text(self, line: int) -> str | None:
        """Returns a line; None if there is no such line."""
        return self._texts[line] if self._has(line) else None

    def count(self, mark: str, start: int, stop: int) -> int:
        """Returns how often a character is in some lines."""
        return sum(text.count(mark) for text in self._texts[start:stop])

    def from_line(self, line: int) -> "_Source":
        """Returns an iterator of the lines from one on."""
        return _Source(self, line)

    def _has(self, line: int) -> bool:
        while line >= len(self._places):
            block = next(self._blocks, None)
            if block is None or block.fault is not None:
                return False
            offset = block.offset
            for number, content in enumerate(io.BytesIO(block.data)):
                # Python 3.10's csv module refuses NUL.
                self._texts.append(content.decode("utf-8", "replace").replace("\0", " "))
                place = offset if block.starts is None else int(block.starts[number])
                self._places.append(place)
                offset += len(content)
        return True


class _Source(Iterator[str]):
    """The lines from one on, for the csv module."""

    def __init__(self, lines: _Lines, line: int) -> None:
        self._lines = lines
        self.line = line

    def __next__(self) -> str:
        text = self._lines.text(self.line)
        if text is None:
            raise StopIteration
        self.line += 1
        return text
