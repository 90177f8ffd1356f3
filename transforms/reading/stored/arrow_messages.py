"""How many bytes the batches of Arrow files and streams take once they are unpacked.

pyarrow takes the size of an unpacked buffer from the eight bytes before it, so that a file of
kilobytes can ask for any memory.
https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
describes messages.
"""

import struct
from typing import BinaryIO

from transforms.reading.stored.arrow_footer import CONTINUATION, field_of, target_of

UNPACKED_BYTES = 1 << 30
"""Most bytes of a batch that takes far more than what is stored of it."""

MOST_EXPANSION = 64
"""How many times what is stored of it a longer batch may take: several times what text does."""

# Positions of fields in their tables, kinds of messages, and sizes.
_MESSAGE_KIND, _MESSAGE_HEAD, _MESSAGE_BODY_BYTES = 1, 2, 3
_DICTIONARY, _BATCH = 2, 3
_DICTIONARY_DATA = 1
_BATCH_BUFFERS, _BATCH_COMPRESSION = 2, 3
_BUFFER = struct.Struct("<qq")  # where it is in the body, and its bytes there
_SIZE = struct.Struct("<q")


class ExpandingError(Exception):
    """A batch that takes far more than what is stored of it; the message says how much."""


def check_message(source: BinaryIO, offset: int) -> tuple[int, bool]:
    """Checks that what a message unpacks to is within bounds.

    What is not a message is within bounds: pyarrow says what is wrong with it.

    Args:
        source: The file.
        offset: Where the message begins.

    Returns:
        Where the next one begins, and whether this one is a batch of rows.

    Raises:
        ExpandingError: It is not within bounds.
    """
    source.seek(offset)
    start = source.read(8)
    if len(start) < 8:
        return offset, True
    first, second = struct.unpack("<Ii", start)
    skipped, head_bytes = (8, second) if first == CONTINUATION else (4, first)
    source.seek(offset + skipped)
    head = source.read(head_bytes) if 0 < head_bytes < UNPACKED_BYTES else b""
    body = offset + skipped + len(head)
    try:
        message = target_of(head, 0)
        kind_at, bytes_at = (
            field_of(head, message, n) for n in (_MESSAGE_KIND, _MESSAGE_BODY_BYTES)
        )
        kind = head[kind_at] if kind_at is not None else 0
        body_bytes = 0 if bytes_at is None else _SIZE.unpack_from(head, bytes_at)[0]
        table = target_of(head, field_of(head, message, _MESSAGE_HEAD))
        if kind == _DICTIONARY:
            table = target_of(head, field_of(head, table, _DICTIONARY_DATA))
        if kind in (_DICTIONARY, _BATCH):
            _check_batch(source, head, table, body, body_bytes)
    except (struct.error, ValueError, IndexError):
        return offset, True
    return body + max(body_bytes, 0), kind == _BATCH or body_bytes < 0


def check_next_batch(source: BinaryIO) -> None:
    """Checks the messages of a stream up to its next batch of rows, and moves back.

    Raises:
        ExpandingError: One of them unpacks to too much.
    """
    begin = offset = source.tell()
    try:
        is_batch = False
        while not is_batch:
            offset, is_batch = check_message(source, offset)
    finally:
        source.seek(begin)


def _check_batch(source: BinaryIO, head: bytes, table: int, body: int, body_bytes: int) -> None:
    if field_of(head, table, _BATCH_COMPRESSION) is None:
        return
    buffers = target_of(head, field_of(head, table, _BATCH_BUFFERS))
    (count,) = struct.unpack_from("<I", head, buffers)
    unpacked = 0
    for number in range(count):
        place, num_bytes = _BUFFER.unpack_from(head, buffers + 4 + number * _BUFFER.size)
        if num_bytes > _SIZE.size and 0 <= place <= body_bytes:
            source.seek(body + place)
            size = source.read(_SIZE.size)
            if len(size) == _SIZE.size:
                unpacked += max(_SIZE.unpack(size)[0], 0)
    if unpacked > max(UNPACKED_BYTES, MOST_EXPANSION * body_bytes):
        raise ExpandingError(f"its {body_bytes:,} bytes would unpack to {unpacked:,}")
