"""What parts the fields of a CSV file, and what quotes them, by the head of the file.

The header is the best evidence: the fields that it has between commas, or between other characters,
are those that the records after it must have. What stays ambiguous is a comma and a double quote.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from transforms.reading.dialect import Dialect, spoken

DELIMITERS = (",", ";", "\t", "|")
"""The delimiters that are looked for."""

QUOTES = ('"', "'")
"""The quotes that are looked for."""

_RECORDS = 1000  # looked at
_MOST = 0.8  # share of the records that another delimiter than the comma must fit
_HALF = 0.5
_NEARLY_ALL = 0.9
_FEWEST = 2  # records that it takes to speak against a header
_NAMED = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


def named_delimiter(line: str) -> str | None:
    """Returns the delimiter that a first line such as `sep=;`, as spreadsheets write it, names."""
    found = _NAMED.fullmatch(line)
    return found[1] if found else None


def find_dialect(head: str, asked: Dialect) -> Dialect:
    """Finds the delimiter and the quote of a CSV file.

    Args:
        head: Its first lines; the last one may not be whole.
        asked: What the user said of it.

    Returns:
        The dialect, with the encoding of `asked`.
    """
    lines = list(io.StringIO(head, newline="\n"))
    named = named_delimiter(lines[0]) if lines else None
    if named is not None:
        asked, lines = asked.over(Dialect(delimiter=named)), lines[1:]
    if asked.delimiter is not None and asked.quote is not None:
        return asked
    fallback = asked.over(Dialect(delimiter=DELIMITERS[0], quote=QUOTES[0]))
    delimiters = DELIMITERS if asked.delimiter is None else (asked.delimiter,)
    plain = [_fit(lines, Dialect(None, mark, fallback.quote)) for mark in delimiters]
    best = _best(plain)
    if asked.quote is None:
        other = [_fit(lines, Dialect(None, mark, QUOTES[1])) for mark in delimiters]
        quoted = [fit for fit in other if fit.is_quoted_throughout]
        if quoted:
            best = _best(quoted)
        elif best.records and best.share < _HALF:
            able = [fit for fit in other if fit.speaks_for_itself and _quotes(lines, fit.dialect)]
            best = max(able, key=_Fit.rank, default=best)
    return best.dialect.over(fallback)


def _best(fits: "list[_Fit]") -> "_Fit":
    """Returns the dialect that fits, the first one unless another is clearly right."""
    first, *others = fits
    if first.width > 1:
        if first.share >= _HALF or not first.records:
            return first
        return max((fit for fit in others if fit.speaks_for_itself), key=_Fit.rank, default=first)
    able = [
        fit
        for fit in others
        if fit.width > 1
        and (not fit.records or fit.share >= _MOST or fit.share > max(_HALF, first.share))
    ]
    ranked = sorted(able, key=_Fit.rank, reverse=True)
    if not ranked or (len(ranked) > 1 and ranked[0].rank() == ranked[1].rank()):
        return first
    return ranked[0]


@dataclass(frozen=True)
class _Fit:
    """How well the head of a file fits a dialect.

    Attributes:
        dialect: The dialect, without an encoding.
        width: Number of fields in the header.
        records: Number of records after it.
        share: Share of them that have as many fields.
        is_quoted_throughout: Whether every field of the header is quoted.
    """

    dialect: Dialect
    width: int
    records: int
    share: float
    is_quoted_throughout: bool

    def rank(self) -> tuple[float, int]:
        return self.share, self.width

    @property
    def speaks_for_itself(self) -> bool:
        """Whether it fits so well that it may contradict commas in the header."""
        return self.width > 1 and self.records >= _FEWEST and self.share >= _NEARLY_ALL


def _fit(lines: list[str], dialect: Dialect) -> _Fit:
    records = _records(lines, dialect)
    header = next(records, [])
    widths = [len(record) for record in records]
    share = widths.count(len(header)) / len(widths) if widths else 0.0
    return _Fit(dialect, len(header), len(widths), share, _is_quoted(lines, dialect, len(header)))


def _quotes(lines: list[str], dialect: Dialect) -> bool:
    """Returns whether most lines have a field that begins with the quote."""
    quote, mark = dialect.quote or "", dialect.delimiter or ""
    begun = [line for line in lines if line.startswith(quote) or mark + quote in line]
    return len(begun) >= _HALF * len(lines)


def _is_quoted(lines: list[str], dialect: Dialect, width: int) -> bool:
    line = next((line for line in lines if line.strip()), "").rstrip("\r\n")
    quote, mark = dialect.quote or "\0", dialect.delimiter or ","
    inner = f"{quote}{mark}{quote}"
    is_enclosed = len(line) > 1 and line.startswith(quote) and line.endswith(quote)
    return is_enclosed and line.count(inner) == width - 1


def _records(lines: list[str], dialect: Dialect) -> Iterator[list[str]]:
    """Yields the first records, the unreadable ones as empty; the last, if not whole, is left out.

    Args:
        lines: The lines of a head.
        dialect: How they are read.
    """
    rest, count = iter(lines), 0
    while count < _RECORDS:
        try:
            for record in split_records(rest, dialect):
                if record:
                    yield record
                    count += 1
                if count == _RECORDS:
                    return
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                return
            yield []
            count += 1


def split_records(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    """Splits lines into records of fields.

    Args:
        lines: The lines; those that are taken when a record comes out are the record's.
        dialect: What parts and quotes the fields.

    Raises:
        csv.Error: A record cannot be read.
    """
    delimiter = dialect.delimiter or DELIMITERS[0]
    if not dialect.quote:
        return _split_plain(lines, delimiter)
    # Strict, or a stray quote would merge two records into one that looks right.
    return csv.reader(lines, strict=True, delimiter=delimiter, quotechar=dialect.quote)


def _split_plain(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    for line in lines:
        record = line.removesuffix("\n").removesuffix("\r")
        yield record.split(delimiter) if record else []


def hint_of(names: list[str], dialect: Dialect) -> str:
    """Returns what to try if a header lacks a column, or an empty string."""
    others = [
        mark
        for mark in DELIMITERS
        if mark != dialect.delimiter and any(mark in name for name in names)
    ]
    if not others:
        return ""
    is_one = "is one field" if len(names) == 1 else f"has {len(names)} fields"
    return (
        f"; parted by {spoken(dialect.delimiter or ',')} the header {is_one}: if the fields are "
        f"parted by {spoken(others[0])}, say so with --delimiter={_typed(others[0])}"
    )


def _typed(delimiter: str) -> str:
    """Returns a delimiter as one would type it in a shell."""
    return {"\t": "tab"}.get(delimiter, f"'{delimiter}'")
