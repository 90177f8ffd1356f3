"""Cutting the content of a file into blocks of whole lines."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from transforms.files import CorpusFile
from transforms.reading.decompress import BrokenStreamError, InputStream, compression_suffix
from transforms.reading.readers import FileRange, whole_file

BLOCK_BYTES = 4 << 20
"""Bytes read at a time: thousands of lines, so that the cost per block does not matter."""

LINE_BYTES = 64 << 20
"""About the longest line that is read: that of a book is a few megabytes."""

_KEPT_OF_LONG_LINE = 1 << 20
_LEAST_READ = 64 << 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class LineBlock:
    r"""Consecutive whole lines, or one line that could not be read.

    Attributes:
        offset: Where the block begins in the decompressed file. A byte order mark is not part of
            the first line.
        data: The lines, each with its `\n`; the last line of a file may have none.
        fault: What is wrong with the line in `data`, or None. If the stream breaks off, `data` is
            what there is of the last line, and empty if the break is between two lines.
        stored_bytes: Bytes of the file, as stored, that were read for the block.
    """

    offset: int
    data: bytes
    fault: str | None = None
    stored_bytes: float = 0


def line_blocks(
    path: str,
    start: int = 0,
    stop: int | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[LineBlock]:
    r"""Reads the lines whose first byte lies in a range of a file.

    Consecutive ranges give every line exactly once. Only `\n` ends a line; a `\r` before it is
    kept.

    Args:
        path: The file; its suffix indicates the compression.
        start: First byte of the range; 0 for a compressed file.
        stop: The byte after the range, or None for the rest of the file.
        block_bytes: Bytes read at a time.

    Yields:
        Blocks of about `block_bytes`, or more if a line is longer.

    Raises:
        OSError: The file cannot be opened, or the storage failed.
    """
    with InputStream(path) as stream:
        if start and _is_utf16(stream.read(_LEAST_READ)):
            return  # the range that begins at 0 reports it
        first = _first_line(stream, start, stop) if start else 0
        if first is None:
            return
        is_range = bool(start) or stop is not None
        counted = first if is_range else 0
        for block in _Cutter(stream, first, stop, block_bytes).blocks():
            # What was read past the end of a range is for the next range to count.
            reached = block.offset + len(block.data) if is_range else stream.consumed
            yield replace(block, stored_bytes=reached - counted)
            counted = reached


def split_lines(file: CorpusFile, unit_bytes: int) -> Iterator[FileRange]:
    """Cuts a file of lines into byte ranges; a compressed file stays whole."""
    if compression_suffix(file.path):
        yield from whole_file(file, unit_bytes)
    else:
        for start in range(0, file.size, unit_bytes):
            yield FileRange(file.path, start, min(start + unit_bytes, file.size))


def _is_utf16(head: bytes) -> bool:
    """Returns whether a file with this head is UTF-16: it has its byte order mark and a NUL."""
    return head.startswith(_UTF16_MARKS) and b"\0" in head[:_LEAST_READ]


def _first_line(stream: InputStream, start: int, stop: int | None) -> int | None:
    """Moves to the first line that begins at or after `start`; None if none does before `stop`."""
    position = start - 1  # a line begins at `start` if the byte before ends one
    stream.seek(position)
    while stop is None or position < stop - 1:
        data = stream.read(_LEAST_READ)
        if not data:
            return None
        end = data.find(b"\n")
        if end >= 0:
            first = position + end + 1
            stream.seek(first)
            return first if stop is None or first < stop else None
        position += len(data)
    return None


class _Cutter:
    """Cuts a stream into blocks; holds the beginning of a line until its end arrives."""

    def __init__(
        self, stream: InputStream, offset: int, stop: int | None, block_bytes: int
    ) -> None:
        self._stream = stream
        self._offset = offset  # offset of what is held
        self._stop = stop
        self._block_bytes = block_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._skipping = False  # inside a line that is too long

    def blocks(self) -> Iterator[LineBlock]:
        is_last = False
        while not is_last:
            try:
                data = self._read()
            except BrokenStreamError as error:
                yield self._take(str(error))
                return
            if not data:
                break
            cut, is_last = self._cut(data)
            if cut:
                self._hold(data[:cut])
                yield self._take()
            if not is_last:
                self._hold(data[cut:])
            if self._held_bytes > LINE_BYTES:
                yield self._take(f"the line is longer than {LINE_BYTES:,} bytes")
                self._skipping = True
        if self._held:
            yield self._take()

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.append(data)
            self._held_bytes += len(data)

    def _take(self, fault: str | None = None) -> LineBlock:
        kept = _KEPT_OF_LONG_LINE if self._held_bytes > LINE_BYTES and fault else None
        block = LineBlock(self._offset, b"".join(self._held)[:kept], fault)
        self._offset += self._held_bytes
        self._held, self._held_bytes = [], 0
        return block

    def _cut(self, data: bytes) -> tuple[int, bool]:
        """Returns the end of the last whole line in `data`, and whether it is the range's last."""
        position = self._offset + self._held_bytes
        if self._stop is not None and position + len(data) >= self._stop:
            # The range's last line ends at the first newline that is not before its last byte.
            end = data.find(b"\n", max(self._stop - 1 - position, 0))
            if end >= 0:
                return end + 1, True
        return data.rfind(b"\n") + 1, False

    def _read(self) -> bytes:
        data = self._read_stream()
        if self._offset == self._held_bytes == 0 and _is_utf16(data):
            raise BrokenStreamError(
                "the text is UTF-16, and only UTF-8 can be read: convert it, for example with iconv"
            )
        if self._offset == self._held_bytes == 0 and data.startswith(_BYTE_ORDER_MARK):
            self._offset = len(_BYTE_ORDER_MARK)
            data = data[len(_BYTE_ORDER_MARK) :] or self._read_stream()
        while self._skipping and data:
            end = data.find(b"\n") + 1
            self._offset += end or len(data)
            self._skipping = not end
            if end and self._stop is not None and self._offset >= self._stop:
                return b""
            data = (data[end:] if end else b"") or self._read_stream()
        return data

    def _read_stream(self) -> bytes:
        size = self._block_bytes
        if self._stop is not None:
            missing = self._stop - self._offset - self._held_bytes
            size = min(size, max(missing, _LEAST_READ))
        return self._stream.read(size)
