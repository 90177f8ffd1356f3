"""The blocks of an Avro file, found again after damage by the sync marker that ends each of them.

A block (https://avro.apache.org/docs/1.12.0/specification/#object-container-files) has the number
of its rows and bytes, the rows, possibly compressed, and the marker: the file's own 16 bytes.
"""

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import zstandard
from fastavro import parse_schema, schemaless_reader

BLOCK_BYTES = 256 << 20
"""The longest block that is read, compressed or not; writers make blocks of kilobytes."""

_MAGIC = b"Obj\x01"
_HEADER = parse_schema(
    {
        "type": "record",
        "name": "Header",
        "fields": [
            {"name": "magic", "type": {"type": "fixed", "name": "Magic", "size": len(_MAGIC)}},
            {"name": "meta", "type": {"type": "map", "values": "bytes"}},
            {"name": "marker", "type": {"type": "fixed", "name": "Marker", "size": 16}},
        ],
    }
)
_HEADER_BYTES = (64 << 10, 16 << 20)  # read at first, and at most
_SEARCHED_BYTES = 1 << 20
_PIECE_BYTES = 1 << 20
_EMPTY_BYTES = 64  # more than any codec takes for no rows
_NUMBER_BYTES = 10  # the most that Avro takes for 64 bits


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Attributes:
        schema: Schema of the rows, as written.
        codec: What the blocks are compressed with; one that can be read.
        marker: The bytes that end each block.
        size: Bytes of the header.
    """

    schema: Any
    codec: str
    marker: bytes
    size: int


@dataclass(frozen=True)
class Block:
    """Rows that are compressed together, and what cannot be read after them.

    Attributes:
        offset: Its first byte in the file.
        end: The byte where the next block begins.
        num_rows: How many rows it says it has.
        content: The rows as stored; empty if they were not asked for.
        lost: What is wrong between the rows and `end`, where an unknown number of rows may be
            lost; or None.
    """

    offset: int
    end: int
    num_rows: int
    content: bytes = b""
    lost: str | None = None

    @property
    def numbers(self) -> int:
        """How many row numbers it takes up: one for all that is lost after its rows."""
        return self.num_rows + (self.lost is not None)


def read_header(stream: BinaryIO) -> Header:
    """Reads the header of a file, from its beginning.

    Raises:
        ValueError: It is not valid, or the blocks are compressed with an unknown codec.
    """
    stream.seek(0)
    head = b""
    for size in _HEADER_BYTES:
        head += stream.read(size - len(head))
        if not head.startswith(_MAGIC):
            raise ValueError("it does not begin as an Avro file does")
        try:
            return _parsed_header(head)
        except EOFError:
            continue
    raise ValueError("its header breaks off")


def _parsed_header(head: bytes) -> Header:
    source = io.BytesIO(head)
    try:
        found: Any = schemaless_reader(source, _HEADER, None)
        meta = found["meta"]
        schema = json.loads(meta["avro.schema"])
    except EOFError:
        raise
    except Exception as error:  # whatever the decoder raises on damage
        raise ValueError(f"its header is damaged: {type(error).__name__}: {error}") from error
    codec = meta.get("avro.codec", b"null").decode("utf-8", "backslashreplace")
    if codec not in _CODECS:
        raise ValueError(
            f"its blocks are compressed with {codec!r}, and only {', '.join(_CODECS)} can be read"
        )
    return Header(schema, codec, found["marker"], source.tell())


def read_blocks(
    stream: BinaryIO, header: Header, start: int, stop: int | None, with_content: bool = True
) -> Iterator[Block]:
    """Reads the blocks that begin in a range of a file.

    If a block has no marker at its end, the next one begins after the next marker.

    Args:
        stream: The file.
        header: Header of the file.
        start: Where a block begins, or 0.
        stop: The end of the range, or None for the rest of the file.
        with_content: Whether to read the rows, or to skip them.
    """
    offset = max(start, header.size)
    stream.seek(offset)
    while stop is None or offset < stop:
        block = _read_block(stream, header, offset, with_content)
        if block is None:
            return
        yield block
        offset = block.end


def _read_block(stream: BinaryIO, header: Header, offset: int, with_content: bool) -> Block | None:
    """Returns the block at the stream's position, and leaves the stream at the block's end."""
    first = stream.read(1)
    if not first:
        return None
    try:
        num_rows, num_bytes = _read_number(stream, first), _read_number(stream)
    except EOFError:
        num_rows = num_bytes = -1
    begin = stream.tell()
    if not (0 <= num_rows <= BLOCK_BYTES and 0 <= num_bytes <= BLOCK_BYTES):
        end = _seek_marker(stream, header.marker, offset)
        return Block(offset, end, 0, lost=f"no block can be read from byte {offset} to {end}")
    if with_content:
        content = stream.read(num_bytes)
    else:
        content = b""
        stream.seek(begin + num_bytes)
    if stream.read(len(header.marker)) == header.marker:
        end = begin + num_bytes + len(header.marker)
        lost = None
        if num_rows == 0 and num_bytes > _EMPTY_BYTES:
            lost = f"the block at byte {offset} says that it has no rows, but has {num_bytes} bytes"
        return Block(offset, end, num_rows, content, lost)
    end = _seek_marker(stream, header.marker, begin)
    lost = f"the block at byte {offset} has no end, and rows may be lost up to byte {end}"
    return Block(offset, end, num_rows, content, lost)


def _read_number(stream: BinaryIO, first: bytes = b"") -> int:
    """Reads a number as Avro writes it: 7 bits per byte, lowest first, the sign in the lowest bit.

    Raises:
        EOFError: The file ends within it, or it has no end.
    """
    value = 0
    for place in range(_NUMBER_BYTES):
        octet = (place == 0 and first) or stream.read(1)
        if not octet:
            break
        value |= (octet[0] & 0x7F) << (7 * place)
        if octet[0] < 0x80:
            return (value >> 1) ^ -(value & 1)
    raise EOFError


def _seek_marker(stream: BinaryIO, marker: bytes, start: int) -> int:
    """Moves past the next marker, or to the end of the file, and returns that position."""
    stream.seek(start)
    held, offset = b"", start
    while data := stream.read(_SEARCHED_BYTES):
        held += data
        found = held.find(marker)
        if found >= 0:
            end = offset + found + len(marker)
            stream.seek(end)
            return end
        offset += max(len(held) - len(marker) + 1, 0)
        held = held[-len(marker) + 1 :]
    return offset + len(held)


def decompressed(codec: str, content: bytes) -> tuple[bytes, str | None]:
    """Decompresses the rows of a block.

    Args:
        codec: The codec in the header.
        content: The rows as stored.

    Returns:
        As many bytes as can be recovered, and what is wrong with the rest, or None.
    """
    try:
        found = _CODECS[codec](content)
    except (
        ValueError,
        OSError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        zstandard.ZstdError,
    ) as error:
        return b"", f"the {codec} data of the block cannot be read: {error}"
    if len(found) > BLOCK_BYTES:
        return found, f"the block is longer than {BLOCK_BYTES:,} bytes"
    return found, None


def _inflate(content: bytes) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, BLOCK_BYTES + 1)


def _unzstd(content: bytes) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    pieces, missing = [], BLOCK_BYTES + 1
    with decompressor.stream_reader(io.BytesIO(content), read_across_frames=True) as reader:
        while missing > 0 and (piece := reader.read(_PIECE_BYTES)):
            pieces.append(piece)
            missing -= len(piece)
    return b"".join(pieces)


def _unsnappy(content: bytes) -> bytes:
    """Decompresses Snappy data, which begin with their length and, in Avro, end with a checksum."""
    data, checksum = content[:-4], content[-4:]
    size = 0
    for place, octet in enumerate(data[:5]):
        size |= (octet & 0x7F) << (7 * place)
        if octet < 0x80:
            break
    if size > BLOCK_BYTES:
        raise ValueError(f"it says that it is {size:,} bytes long")
    found: bytes = pa.decompress(data, size, codec="snappy", asbytes=True)
    if zlib.crc32(found) != int.from_bytes(checksum, "big"):
        raise ValueError("its checksum is wrong")
    return found


_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": _inflate,
    "bzip2": lambda content: bz2.BZ2Decompressor().decompress(content, BLOCK_BYTES + 1),
    "xz": lambda content: lzma.LZMADecompressor().decompress(content, BLOCK_BYTES + 1),
    "snappy": _unsnappy,
    "zstandard": _unzstd,
}
