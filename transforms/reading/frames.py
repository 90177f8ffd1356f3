"""The frames of a zstd file, each of which can be decompressed without those before it.

The format is that of RFC 8878. A frame that says how long its content is shows where the content of
the next one begins; `zstd` says so when it compresses a file, as does the seekable format, whose
table is a frame to be skipped. Only the headers of frames and of their blocks are looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from zstandard import CONTENTSIZE_UNKNOWN, ZstdError, get_frame_parameters

from transforms.files import CorpusFile, open_binary

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPED = range(0x184D2A50, 0x184D2A60)  # numbers of frames that are no content
_LONGEST_HEADER = 18
_READ_BYTES = 1 << 20
_SINGLE_BYTE = 1  # the type of a block of one byte, repeated


@dataclass(frozen=True)
class Frame:
    """A frame with content.

    Attributes:
        stored: Its first byte in the file.
        content: The first byte of its content in that of the file.
    """

    stored: int
    content: int


def frames(file: CorpusFile | str) -> list[Frame]:
    """Returns the frames of a file that have content, as far as their headers tell.

    Raises:
        OSError: The file cannot be read.
    """
    found: list[Frame] = []
    with open_binary(file) as stream:
        reader = _Reader(stream)
        content = 0
        for stored, size in _walk(reader):
            if size != 0:
                found.append(Frame(stored, content))
            if size is None:
                break
            content += size
    return found


def _walk(reader: "_Reader") -> Iterator[tuple[int, int | None]]:
    """Yields the place of each frame and the size of its content, None if it is not said."""
    place = 0
    while head := reader.at(place, _LONGEST_HEADER):
        if int.from_bytes(head[:4], "little") in _SKIPPED:
            place += 8 + int.from_bytes(head[4:8], "little")
            continue
        try:
            parameters = get_frame_parameters(head)
        except ZstdError:
            return
        size = parameters.content_size
        yield place, None if size == CONTENTSIZE_UNKNOWN else size
        end = _end_of_blocks(reader, place + _header_bytes(head))
        if end is None:
            return
        place = end + (4 if parameters.has_checksum else 0)


def _header_bytes(head: bytes) -> int:
    descriptor = head[4]
    is_single = descriptor >> 5 & 1
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    content = (is_single, 2, 4, 8)[descriptor >> 6]
    return len(_MAGIC) + 1 + (1 - is_single) + dictionary + content


def _end_of_blocks(reader: "_Reader", place: int) -> int | None:
    """Returns where the last block of a frame ends, or None if the file ends before."""
    while True:
        head = int.from_bytes(reader.at(place, 3), "little")
        is_last, kind, size = head & 1, head >> 1 & 3, head >> 3
        place += 3 + (1 if kind == _SINGLE_BYTE else size)
        if place > reader.size:
            return None
        if is_last:
            return place


class _Reader:
    """Bytes of a file, of which a piece is held."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2) or file.tell()
        self._place = 0
        self._piece = b""

    def at(self, place: int, size: int) -> bytes:
        """Returns bytes from a place on, fewer at the end of the file."""
        begin = place - self._place
        if begin < 0 or begin + size > len(self._piece):
            self._file.seek(place)
            self._place, begin = place, 0
            self._piece = self._file.read(_READ_BYTES)
        return self._piece[begin : begin + size]
