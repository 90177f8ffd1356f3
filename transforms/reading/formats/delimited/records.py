"""The records of a delimited file, one by one; one that cannot be read comes with its error."""

import csv
import io
import sys
from collections.abc import Iterator

from transforms.reading.dialect import UTF_8
from transforms.reading.formats.delimited.dialect import named_delimiter, split_records
from transforms.reading.lines import BLOCK_BYTES, LineBlock, line_blocks
from transforms.reading.readers import FileRange

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

Record = tuple[list[str], list[str], "str | None"]
"""Fields, the lines that they are from, and what is wrong with them."""

NUL = "\0"

NUL_STAND_IN = "\ud800" if sys.version_info < (3, 11) else NUL
"""What stands for NUL in fields: Python 3.10's csv module refuses it.

Decoding UTF-8 never gives this lone surrogate.
"""


class Records:
    """The records of a range of a file.

    Args:
        part: The range, with its dialect.
        block_bytes: Bytes read at a time.
    """

    def __init__(self, part: FileRange, block_bytes: int = BLOCK_BYTES) -> None:
        csv.field_size_limit(FIELD_CHARACTERS)
        self._dialect = part.dialect
        encoding = part.dialect.encoding or UTF_8
        self._blocks = line_blocks(part.file, part.start, part.stop, block_bytes, encoding)
        self.num_before_rows = 1
        """Records before the first row, once the header was read."""
        self._lines: Iterator[str] = iter(())
        self._again: list[str] = []  # lines to read again, the last one first
        self._record: list[str] = []  # lines of the record that is being read
        self._characters = 0  # in them
        self._fault: LineBlock | None = None
        self._ended = False
        self._bytes_a_character = 0.0  # of the file, as stored
        self._stored_bytes = 0.0

    def header(self) -> Record | None:
        """Returns the first record, which names the columns; None if there are only blank lines."""
        records = iter(self)
        first = next(records, None)
        if first is None or first[2] is not None or not self._dialect.quote:
            return first
        # A line such as `sep=;` before it is what a spreadsheet says of the file.
        if named_delimiter("".join(first[1])) != self._dialect.delimiter:
            return first
        self.num_before_rows += 1
        return next(records, None)

    def take_stored_bytes(self) -> float:
        """Returns the bytes of the file that have been used up since the last call."""
        taken, self._stored_bytes = self._stored_bytes, 0.0
        return taken

    def __iter__(self) -> Iterator[Record]:
        while not self._ended:
            try:
                for fields in split_records(self._feed(), self._dialect):
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
                yield line if NUL_STAND_IN == NUL else line.replace(NUL, NUL_STAND_IN)
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
        if len(line) > MOST_FIELDS and line.count(self._dialect.delimiter or ",") > MOST_FIELDS:
            raise csv.Error(f"a line has more than {MOST_FIELDS:,} delimiters")

    def _unreadable(self, error: str) -> Record:
        if "field limit" in error and len(self._record) > 1:
            return self._unclosed(f"{FIELD_CHARACTERS:,} characters")
        lines, self._record = self._record, []
        for words, meaning in _MEANINGS.items():
            if words in error:
                return [], lines, meaning.format(limit=FIELD_CHARACTERS)
        return [], lines[:1], error

    def _unclosed(self, within: str) -> Record:
        """Gives up the line with the quote, and has the lines after it read again.

        They are read again only once: a line that leaves a quote open would, as the inside of the
        first quote, have closed that one.
        """
        line, *rest = self._record
        self._record = []
        self._again += reversed(rest)
        self._ended = self._ended and not rest
        return [], [line], f"a quote is opened that is not closed before the end of {within}"

    def _broken_off(self, fault: LineBlock) -> Record:
        lines, self._record, self._fault = self._record, [], None
        return [], [*lines, _decoded(fault.data)], fault.fault


def _decoded(data: bytes) -> str:
    """Returns text whose invalid bytes can be found and written back."""
    return data.decode("utf-8", "surrogateescape")
