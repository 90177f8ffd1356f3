"""Where the records of a delimited file begin, found without splitting them into fields.

A quote opens a field only at its beginning, and a newline ends a record only outside of quotes. So
where quotes come in pairs, each in a place where it may stand, counting them tells whether a
newline is inside of one, and NumPy counts a block at a time. Where a quote stands elsewhere, such
as that of an inch, or a carriage return alone, records are parsed until they are past it. The
boundaries are those that the reader finds, which begins anew with each record.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transforms.reading.dialect import Dialect
from transforms.reading.formats.delimited.dialect import split_records
from transforms.reading.lines import LineBlock

_NEWLINE, _RETURN = ord("\n"), ord("\r")
_LONGEST_STRETCH = 4096  # records parsed in a row


@dataclass(frozen=True)
class Limits:
    """At what the reader gives up a record, and reads the lines after its first one again.

    Attributes:
        record: Characters of a field or a record; from one of so many bytes on nothing is found.
        fields: Delimiters on a line.
    """

    record: int
    fields: int


@dataclass(frozen=True)
class Boundary:
    """The beginning of a record.

    Attributes:
        offset: Its first byte in the decompressed file.
        records: How many records that are not blank come before it in the file.
    """

    offset: int
    records: int


def boundaries(
    blocks: Iterator[LineBlock], dialect: Dialect, range_bytes: int, limits: Limits
) -> Iterator[Boundary]:
    """Finds the first record of each range of a file.

    Args:
        blocks: The lines of the file, from its beginning.
        dialect: What parts and quotes its fields; both are ASCII.
        range_bytes: Bytes of a range.
        limits: At what the reader gives up a record.

    Yields:
        The boundaries, in order; the beginning of the file is none.
    """
    csv.field_size_limit(limits.record)
    held, held_places, records, target = b"", np.empty(0, np.int64), 0, range_bytes
    for block in blocks:
        if block.fault is not None:
            return
        lines = _Lines(held + block.data, dialect)
        if block.starts is None:
            places = block.offset - len(held) + lines.begins
        else:
            places = np.concatenate([held_places, block.starts])
        ends, is_blank, is_all = lines.records(limits)
        begins = np.concatenate([[0], ends + 1])  # line numbers; the last may be of the next block
        before = records + np.concatenate([[0], np.cumsum(~is_blank)])
        here = places[begins[:-1] if begins[-1] == len(places) else begins]
        while True:
            first = int(np.searchsorted(here, target))
            if first == len(here):
                break
            yield Boundary(int(here[first]), int(before[first]))
            target = (int(here[first]) // range_bytes + 1) * range_bytes
        if not is_all:
            return
        records = int(before[-1])
        held, held_places = lines.after(int(begins[-1])), places[begins[-1] :]
        if len(held) > limits.record:
            return


class _Lines:
    """Consecutive lines, of which the first begins a record."""

    def __init__(self, data: bytes, dialect: Dialect) -> None:
        self._data = data
        self._dialect = dialect
        self._octets = np.frombuffer(data, np.uint8)
        self._newlines = np.flatnonzero(self._octets == _NEWLINE)
        self._bounds = np.concatenate([[0], self._newlines + 1])

    @property
    def begins(self) -> np.ndarray:
        """Where each line begins."""
        return self._bounds[:-1] if self._bounds[-1] == len(self._data) else self._bounds

    def after(self, line: int) -> bytes:
        """Returns what is left from a line on."""
        return self._data[int(self._bounds[line]) :]

    def records(self, limits: Limits) -> tuple[np.ndarray, np.ndarray, bool]:
        """Finds the records that end here.

        Returns:
            The numbers of the lines that end one; which of them are blank; and whether these are
            all that there are, rather than those before one that the reader may give up.
        """
        ends, is_blank, is_all = self._ends()
        begins = np.concatenate([[0], ends + 1])
        sizes = np.diff(self._bounds[begins])
        most = self._first_given_up(limits)
        wrong = np.flatnonzero((sizes > limits.record) | (ends >= most))
        if len(wrong):
            return ends[: wrong[0]], is_blank[: wrong[0]], False
        return ends, is_blank, is_all and most > len(self._newlines)

    def _first_given_up(self, limits: Limits) -> int:
        """Returns the number of the first line with too many delimiters, or one past the last."""
        delimiter = (self._dialect.delimiter or ",").encode()
        stops = np.append(self._newlines, len(self._data))
        for line in np.flatnonzero(stops - self._bounds > limits.fields):
            count = self._data.count(delimiter, self._bounds[line], stops[line])
            if count > limits.fields:
                return int(line)
        return len(self._newlines) + 1

    def _ends(self) -> tuple[np.ndarray, np.ndarray, bool]:
        if not self._dialect.quote:
            ends = np.arange(len(self._newlines))
            return ends, self._are_blank(0, ends), True
        found: list[tuple[np.ndarray, np.ndarray]] = []
        quotes, strange = self._quotes(ord(self._dialect.quote))
        before = np.searchsorted(quotes, self._newlines)
        line, stretch = 0, 1
        while True:
            begin = int(self._bounds[line])
            parity = int(np.searchsorted(quotes, begin)) % 2
            at = int(np.searchsorted(strange[parity], begin))
            stop = int(strange[parity][at]) if at < len(strange[parity]) else len(self._data)
            until = int(np.searchsorted(self._newlines, stop))
            ends = line + np.flatnonzero(before[line:until] % 2 == parity)
            found.append((ends, self._are_blank(line, ends)))
            line = int(ends[-1]) + 1 if len(ends) else line
            if stop == len(self._data):
                break
            parsed, is_all = self._parsed(line, stop, stretch)
            found.append(parsed)
            line = int(parsed[0][-1]) + 1 if len(parsed[0]) else line
            if is_all is not None:
                return *_joined(found), is_all
            stretch = min(2 * stretch, _LONGEST_STRETCH)
        return *_joined(found), True

    def _quotes(self, quote: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Finds the quotes that may open or close a field, and where counting them does not do.

        Returns:
            The places of the quotes; and the places at which records must be parsed: first those if
            an even number of the quotes stand before the quote that opens a field, and then those
            if an odd number do.
        """
        octets, delimiter = self._octets, ord(self._dialect.delimiter or ",")
        quotes = np.flatnonzero(octets == quote)
        ahead = octets[quotes - 1]
        ahead[quotes == 0] = _NEWLINE
        behind = octets[np.minimum(quotes + 1, len(octets) - 1)]
        behind[quotes == len(octets) - 1] = _NEWLINE
        may_open = (ahead == delimiter) | (ahead == _NEWLINE) | (ahead == quote)
        may_close = (behind == delimiter) | (behind == _NEWLINE) | (behind == quote)
        may_close |= behind == _RETURN
        is_proper = may_open | may_close
        # Outside of quotes it is a letter of its field, such as that of an inch.
        within = quotes[~is_proper]
        quotes, may_open, may_close = (x[is_proper] for x in (quotes, may_open, may_close))
        alone = self._returns_alone()
        is_even = np.arange(len(quotes)) % 2 == 0
        within_inside = np.searchsorted(quotes, within) % 2 == 1
        alone_inside = np.searchsorted(quotes, alone) % 2 == 1
        strange = (
            (
                quotes[~np.where(is_even, may_open, may_close)],
                within[within_inside],
                alone[~alone_inside],
            ),
            (
                quotes[~np.where(is_even, may_close, may_open)],
                within[~within_inside],
                alone[alone_inside],
            ),
        )
        first, second = (np.sort(np.concatenate(places)) for places in strange)
        return quotes, (first, second)

    def _returns_alone(self) -> np.ndarray:
        """Returns the places of carriage returns that no newline follows."""
        if b"\r" not in self._data:
            return np.empty(0, np.int64)
        returns = np.flatnonzero(self._octets == _RETURN)
        follows = self._octets[np.minimum(returns + 1, len(self._octets) - 1)]
        return returns[follows != _NEWLINE]

    def _are_blank(self, line: int, ends: np.ndarray) -> np.ndarray:
        """Returns which records have nothing in them; the first begins with a line."""
        begins = self._bounds[np.concatenate([[line], ends[:-1] + 1])][: len(ends)]
        sizes = self._newlines[ends] - begins
        return (sizes == 0) | ((sizes == 1) & (self._octets[begins] == _RETURN))

    def _parsed(
        self, line: int, stop: int, stretch: int
    ) -> tuple[tuple[np.ndarray, np.ndarray], bool | None]:
        """Parses records from a line on, as the reader does, until they are past a place.

        Returns:
            The lines that end them and which are blank; and, if it came to the end of the lines or
            to a field that the reader may give up, what `records` is to return as its last.
        """
        ends: list[int] = []
        is_blank: list[bool] = []
        source = _Source(self._data, self._bounds, len(self._newlines), line)
        while True:
            try:
                for fields in split_records(source, self._dialect):
                    if source.is_at_end:
                        break
                    ends.append(source.line - 1)
                    is_blank.append(not fields)
                    if len(ends) >= stretch and self._bounds[source.line] > stop:
                        return _pair(ends, is_blank), None
            except csv.Error as error:
                if "field limit" in str(error):
                    return _pair(ends, is_blank), False
                if not source.is_at_end:
                    ends.append(source.line - 1)
                    is_blank.append(False)
                    if len(ends) >= stretch and self._bounds[source.line] > stop:
                        return _pair(ends, is_blank), None
                    continue
            return _pair(ends, is_blank), True


class _Source:
    """The lines of data as text, from one on; what matters of them is ASCII."""

    def __init__(self, data: bytes, begins: np.ndarray, stop: int, line: int) -> None:
        self._data = data
        self._begins = begins
        self._stop = stop
        self.line = line
        self.is_at_end = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.line == self._stop:
            self.is_at_end = True
            raise StopIteration
        begin, end = self._begins[self.line : self.line + 2]
        self.line += 1
        # Python 3.10's csv module refuses NUL.
        return self._data[begin:end].decode("latin-1").replace("\0", " ")


def _pair(ends: list[int], is_blank: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(ends, np.int64), np.array(is_blank, bool)


def _joined(found: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    ends, is_blank = zip(*found, strict=True)
    return np.concatenate(ends), np.concatenate(is_blank)
