"""How many bytes the columns of a Parquet file take when they are decoded, found before that.

pyarrow aborts the process when it is asked for the metadata of a damaged column, and decodes a file
of kilobytes into gigabytes. So the footer and the heads of pages are read here:
https://parquet.apache.org/docs/file-format/ describes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

import pyarrow as pa

from transforms.reading.stored.thrift import read_struct

PAGE_BYTES = 256 << 20
"""The longest page that is decoded, and the longest dictionary; writers make pages of megabytes."""

DECODED_BYTES = 64 << 20
"""About what is decoded at a time, if no single value is longer."""

MOST_LEVELS = 100
"""Levels of a schema; pyarrow overflows the stack, and with it the process, at some thousands."""

# Lists that take this many times what is stored of them are refused: where one of them ends is
# known only when it is decoded.
_MOST_EXPANSION = 1000

# Numbers of fields in their structs, and of values in their enumerations.
_SCHEMA, _ROW_GROUPS = 2, 4
_NUM_CHILDREN = 5
_CHUNKS, _NUM_ROWS = 1, 3
_COLUMN = 3
_CODEC, _NUM_VALUES, _UNPACKED, _PACKED, _DATA_OFFSET, _DICTIONARY_OFFSET = 4, 5, 6, 7, 9, 11
_PAGE_KIND, _PAGE_UNPACKED, _PAGE_PACKED = 1, 2, 3
_OF_DATA, _OF_DICTIONARY, _OF_DATA_V2 = 5, 7, 8
_DICTIONARY_PAGE = 2
_DELTA_BYTE_ARRAY = 7
_GZIP, _BROTLI, _ZSTD = 2, 4, 6
_CODECS = {0: None, 1: "snappy", _GZIP: "gzip", _BROTLI: "brotli", _ZSTD: "zstd", 7: "lz4_raw"}

_HEAD_BYTES = (256, 64 << 10, 16 << 20)  # of a page: read at first, then more, and at most
_LENGTH_BYTES = 4  # before each string
_FOOTER_TAIL = 8  # the footer's length, and the magic bytes
_MAGIC = b"PAR1"


class UnboundedColumnError(Exception):
    """A column that would take too much when it is decoded; the message says why."""


@dataclass(frozen=True)
class Chunk:
    """A column in a row group, as the footer describes it.

    Attributes:
        start: Its first byte.
        stop: The byte after it.
        unpacked: Bytes that it takes when it is not compressed.
        num_values: How many values it says it has.
        codec: The number of its compression.
    """

    start: int
    stop: int
    unpacked: int
    num_values: int
    codec: int


@dataclass(frozen=True)
class Group:
    """A row group, as the footer describes it.

    Attributes:
        num_rows: How many rows it says it has.
        chunks: Its columns in the order of the schema; None for one whose description is damaged.
    """

    num_rows: int
    chunks: tuple[Chunk | None, ...]

    @property
    def stored_bytes(self) -> int:
        """Bytes that it takes in the file."""
        return sum(chunk.stop - chunk.start for chunk in self.chunks if chunk)


def read_groups(source: BinaryIO) -> tuple[Group, ...]:
    """Reads the row groups from the footer of a file.

    Returns:
        The row groups; none for a file that has no footer, as pyarrow will say.

    Raises:
        ValueError: The footer is damaged, or its schema would overflow pyarrow's stack.
    """
    length = source.seek(0, 2) or source.tell()
    source.seek(max(length - _FOOTER_TAIL, 0))
    tail = source.read(_FOOTER_TAIL)
    footer_bytes = int.from_bytes(tail[:4], "little")
    if not tail.endswith(_MAGIC) or footer_bytes > length - _FOOTER_TAIL:
        return ()
    source.seek(length - _FOOTER_TAIL - footer_bytes)
    return _groups(source.read(footer_bytes), length)


@lru_cache(maxsize=4)
def _groups(footer: bytes, length: int) -> tuple[Group, ...]:
    try:
        fields, _ = read_struct(footer)
        depth = _depth([element.get(_NUM_CHILDREN, 0) for element in fields[_SCHEMA]])
        groups = tuple(_group(group, length) for group in fields[_ROW_GROUPS])
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("the footer is damaged") from error
    if depth > MOST_LEVELS:
        raise ValueError(f"its schema is nested {depth:,} levels deep, more than {MOST_LEVELS}")
    if sum(group.num_rows for group in groups) >= 1 << 62:
        raise ValueError("the footer is damaged: it says that there are 2^62 rows")
    return groups


def _depth(children: list[int]) -> int:
    """Returns how deep a tree is, given how many children each node has, parents first."""
    deepest, missing = 0, [1]  # how many nodes are still to come on each level
    for count in children:
        while len(missing) > 1 and missing[-1] == 0:
            missing.pop()
        missing[-1] -= 1
        if count > 0:
            missing.append(count)
            deepest = max(deepest, len(missing) - 1)
    return deepest


def _group(fields: dict[int, Any], length: int) -> Group:
    num_rows = int(fields[_NUM_ROWS])
    if num_rows < 0:
        raise ValueError(f"a row group of {num_rows} rows")
    return Group(num_rows, tuple(_chunk(chunk, length) for chunk in fields[_CHUNKS]))


def _chunk(fields: dict[int, Any], length: int) -> Chunk | None:
    try:
        found = fields[_COLUMN]
        start = min(found[_DATA_OFFSET], found.get(_DICTIONARY_OFFSET) or found[_DATA_OFFSET])
        stop = start + found[_PACKED]
        unpacked, num_values = found[_UNPACKED], found[_NUM_VALUES]
        chunk = Chunk(start, stop, max(unpacked, 0), max(num_values, 0), found[_CODEC])
    except (LookupError, TypeError, AttributeError):
        return None
    return chunk if 0 <= start <= stop <= length else None


@dataclass
class _Page:
    """A page.

    Attributes:
        offset: Where its content begins.
        kind: The number of its kind.
        unpacked: Bytes of it when it is not compressed.
        packed: Bytes of it in the file.
        num_values: How many values it has.
        encoding: The number of their encoding.
    """

    offset: int
    kind: int
    unpacked: int
    packed: int
    num_values: int
    encoding: int


def rows_at_a_time(
    source: BinaryIO, group: Group, chunk: Chunk, width: int | None, is_list: bool, most: int
) -> int:
    """Returns how many rows of a column take at most about `DECODED_BYTES` when decoded.

    Args:
        source: The file.
        group: The row group.
        chunk: The column in it.
        width: Bytes of each value; None for strings.
        is_list: Whether a row may have any number of values, rather than one.
        most: The most rows to read at a time.

    Raises:
        UnboundedColumnError: A page or a value would take more than `PAGE_BYTES`, lists are far
            longer than what is stored, or there are more values than rows.
    """
    values_a_row = max(chunk.num_values / max(group.num_rows, 1), 1)
    longest = width or 0  # what one value can take, however little is stored of it
    largest, total = 0.0, 0.0  # bytes of an average value of a page, and of all
    num_values = 0
    for page in _pages(source, chunk):
        if page.unpacked > PAGE_BYTES:
            raise UnboundedColumnError(f"a page says that it is {page.unpacked:,} bytes long")
        if page.kind == _DICTIONARY_PAGE:
            if width is None and page.unpacked * most * values_a_row > DECODED_BYTES:
                longest = _longest(source, chunk, page)
            continue
        # In one encoding, a value may repeat all of those before it.
        shared = 1 if page.encoding == _DELTA_BYTE_ARRAY else max(page.num_values, 1)
        each = max(page.unpacked / shared, longest)
        largest, total = max(largest, each), total + page.num_values * each
        num_values += page.num_values
    if not is_list and num_values > group.num_rows:
        raise UnboundedColumnError(
            f"its pages have {num_values:,} values for {group.num_rows:,} rows"
        )
    if longest > PAGE_BYTES:
        raise UnboundedColumnError(f"a value takes {longest:,} bytes")
    if is_list and total > max(PAGE_BYTES, _MOST_EXPANSION * (chunk.stop - chunk.start)):
        raise UnboundedColumnError(
            f"{chunk.stop - chunk.start:,} bytes of lists may take {int(total):,} when decoded"
        )
    return max(int(min(most, DECODED_BYTES / max(largest * values_a_row, longest, 1))), 1)


def _longest(source: BinaryIO, chunk: Chunk, page: _Page) -> int:
    """Returns the length of the longest string in a dictionary, or an upper bound of it."""
    name = _CODECS.get(chunk.codec, "")
    source.seek(page.offset)
    content = source.read(page.packed)
    try:
        if name:
            content = pa.decompress(content, page.unpacked, codec=name, asbytes=True)
    except (pa.ArrowException, OSError, ValueError):
        return page.unpacked
    if name == "":
        return page.unpacked
    longest, at, end = 0, 0, len(content)
    while at + _LENGTH_BYTES <= end:
        length = int.from_bytes(content[at : at + _LENGTH_BYTES], "little")
        longest = max(longest, length)
        at += _LENGTH_BYTES + length
    return min(longest, page.unpacked)


def _pages(source: BinaryIO, chunk: Chunk) -> Iterator[_Page]:
    """Yields the pages of a column.

    It ends where there is no page: pyarrow says what is wrong there.
    """
    at = chunk.start
    while at < chunk.stop:
        page = _page(source, at, chunk.stop)
        if page is None or page.packed < 0 or page.unpacked < 0:
            return
        yield page
        at = page.offset + page.packed


def _page(source: BinaryIO, at: int, stop: int) -> _Page | None:
    for size in _HEAD_BYTES:
        source.seek(at)
        head = source.read(min(size, stop - at))
        try:
            fields, end = read_struct(head)
            inner: dict[int, Any] = next(
                (fields[n] for n in (_OF_DATA, _OF_DICTIONARY, _OF_DATA_V2) if n in fields), {}
            )
            encoding = inner.get(4 if _OF_DATA_V2 in fields else 2, 0)
            sizes = [fields[_PAGE_UNPACKED], fields[_PAGE_PACKED], inner.get(1, 0), encoding]
            return _Page(at + end, fields[_PAGE_KIND], *map(int, sizes))
        except IndexError:
            if len(head) < size:
                return None
        except (KeyError, TypeError, AttributeError, ValueError):
            return None
    return None
