"""Where the record batches of an Arrow file are, and how many rows each has.

pyarrow says neither without reading a batch. The footer and the head of a batch are flatbuffers:
https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format lists their tables, and
https://flatbuffers.dev/internals/ describes how tables are stored.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = b"ARROW1"
"""The bytes that an Arrow file, unlike a stream, begins and ends with."""

# Positions of fields in their tables.
_FOOTER_DICTIONARIES, _FOOTER_BATCHES = 2, 3
_MESSAGE_HEAD = 2
_BATCH_ROWS, _BATCH_COLUMNS = 0, 1

_BLOCK_FORMAT = "<qixxxxq"  # offset, bytes of its head, bytes of its body
CONTINUATION = 0xFFFFFFFF
"""What is before the length of a head, in files of Arrow 0.15 and later."""

_MOST_ROWS = 1 << 40  # of a batch: more than fit into any memory


@dataclass(frozen=True)
class StoredBatch:
    """A record batch as it is stored.

    Attributes:
        num_rows: How many rows it has; 1 if that information is damaged.
        num_bytes: Bytes that it takes in the file.
        offset: Where it begins.
    """

    num_rows: int
    num_bytes: int
    offset: int


def stored_batches(source: BinaryIO, start: int = 0, stop: int | None = None) -> list[StoredBatch]:
    """Finds the record batches of a file.

    Args:
        source: The file, whose footer pyarrow found to be valid.
        start: First batch.
        stop: The batch after the last, or None for all the rest.
    """
    length, footer = _footer(source)
    blocks = list(_blocks(footer, _FOOTER_BATCHES))[start:stop]
    return [
        StoredBatch(
            _num_rows(source, offset, head_bytes, length),
            min(max(head_bytes + body_bytes, 0), length),
            max(offset, 0),
        )
        for offset, head_bytes, body_bytes in blocks
    ]


def stored_dictionaries(source: BinaryIO) -> list[int]:
    """Returns where the dictionaries of a file begin."""
    _, footer = _footer(source)
    return [max(offset, 0) for offset, _, _ in _blocks(footer, _FOOTER_DICTIONARIES)]


def _footer(source: BinaryIO) -> tuple[int, bytes]:
    """Returns the length of a file, and its footer."""
    length = source.seek(0, 2) or source.tell()
    tail = struct.calcsize("<i") + len(MAGIC)
    source.seek(length - tail)
    (footer_bytes,) = struct.unpack("<i", source.read(tail)[: -len(MAGIC)])
    source.seek(length - tail - footer_bytes)
    return length, source.read(footer_bytes)


def _blocks(footer: bytes, kind: int) -> Iterator[tuple[int, int, int]]:
    field = field_of(footer, target_of(footer, 0), kind)
    if field is not None:
        vector = target_of(footer, field)
        (count,) = struct.unpack_from("<I", footer, vector)
        size = struct.calcsize(_BLOCK_FORMAT)
        for number in range(count):
            yield struct.unpack_from(_BLOCK_FORMAT, footer, vector + 4 + number * size)


def _num_rows(source: BinaryIO, offset: int, head_bytes: int, length: int) -> int:
    """Returns the number of rows that a batch and its first column agree on, or 1."""
    if not (0 <= head_bytes <= length and 0 <= offset <= length - head_bytes):
        return 1
    source.seek(offset)
    head = source.read(head_bytes)
    try:
        (first,) = struct.unpack_from("<I", head)
        head = head[8 if first == CONTINUATION else 4 :]
        message = target_of(head, 0)
        batch = target_of(head, field_of(head, message, _MESSAGE_HEAD))
        columns = target_of(head, field_of(head, batch, _BATCH_COLUMNS))
        field = field_of(head, batch, _BATCH_ROWS)
        num_rows = 0 if field is None else struct.unpack_from("<q", head, field)[0]
        of_column = struct.unpack_from("<q", head, columns + 4)[0]
    except (struct.error, ValueError):
        return 1
    return num_rows if _MOST_ROWS >= num_rows == of_column >= 0 else 1


def target_of(data: bytes, field: int | None) -> int:
    """Returns the position of the table or vector that a field points to."""
    if field is None:
        raise ValueError("no such field")
    return field + struct.unpack_from("<I", data, field)[0]


def field_of(data: bytes, table: int, place: int) -> int | None:
    """Returns the position of a field of a table, or None if the field has its default."""
    layout = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, layout)
    entry = 4 + 2 * place
    offset = struct.unpack_from("<H", data, layout + entry)[0] if entry < size else 0
    return table + offset if offset else None
