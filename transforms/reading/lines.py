"""Cutting the content of a file into blocks of whole lines."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from transforms.files import CorpusFile, path_of
from transforms.reading.decompress import BrokenStreamError, InputStream, compression_suffix
from transforms.reading.dialect import UTF_8
from transforms.reading.encoding import (
    BYTE_ORDER_MARKS,
    WIDTHS,
    line_starts,
    newline_of,
    to_utf_8,
)
from transforms.reading.frames import Frame, frames
from transforms.reading.readers import FileRange, whole_file

BLOCK_BYTES = 4 << 20
"""Bytes read at a time: thousands of lines, so that the cost per block does not matter."""

LINE_BYTES = 64 << 20
"""About the longest line that is read: that of a book is a few megabytes."""

_KEPT_OF_LONG_LINE = 1 << 20
_LEAST_READ = 64 << 10


@dataclass(frozen=True)
class LineBlock:
    r"""Consecutive whole lines, or one line that could not be read.

    Attributes:
        offset: Where the block begins in the decompressed file. A byte order mark is not part of
            the first line.
        data: The lines, each with its `\n`; the last line of a file may have none. UTF-8, or what
            was invalid in the file.
        fault: What is wrong with the line in `data`, or None. If the stream breaks off, `data` is
            what there is of the last line, and empty if the break is between two lines.
        stored_bytes: Bytes of the file, as stored, that were read for the block.
        starts: Where each line begins in the decompressed file, int64; None if it is where it
            begins in `data`, after `offset`: the file is in UTF-8.
    """

    offset: int
    data: bytes
    fault: str | None = None
    stored_bytes: float = 0
    starts: np.ndarray | None = None

    def in_utf_8(self, encoding: str) -> "LineBlock":
        """Returns the block that the bytes of a file in another encoding are."""
        starts = self.offset + line_starts(self.data, encoding)
        return replace(self, data=to_utf_8(self.data, encoding), starts=starts)


def line_blocks(
    file: CorpusFile | str,
    start: int = 0,
    stop: int | None = None,
    block_bytes: int = BLOCK_BYTES,
    encoding: str = UTF_8,
    stored_start: int = 0,
) -> Iterator[LineBlock]:
    r"""Reads the lines whose first byte lies in a range of a file.

    Consecutive ranges give every line exactly once. Only `\n` ends a line; a `\r` before it is
    kept.

    Args:
        file: The file; the suffix of its path indicates the compression.
        start: First byte of the range in the decompressed file.
        stop: The byte after the range, or None for the rest of the file.
        block_bytes: Bytes read at a time.
        encoding: The encoding of the file.
        stored_start: Of a compressed file, where the frame begins whose content begins one byte
            before `start`.

    Yields:
        Blocks of about `block_bytes`, or more if a line is longer.

    Raises:
        OSError: The file cannot be opened, or the storage failed.
    """
    with InputStream(file) as stream:
        cutter = _Cutter(stream, stop, block_bytes, encoding)
        is_compressed = bool(compression_suffix(path_of(file)))
        first = 0
        if start:
            try:
                found = cutter.seek(start, stored_start if is_compressed else None)
            except BrokenStreamError:
                return  # the range before reports it, which ends with the line that is sought
            if found is None:
                return
            first = found
        is_range = not is_compressed and (bool(start) or stop is not None)
        counted = first if is_range else 0
        for block in cutter.blocks():
            # What was read past the end of a range is for the next range to count.
            reached = block.offset + len(block.data) if is_range else stream.consumed
            counted_block = replace(block, stored_bytes=reached - counted)
            yield counted_block if encoding == UTF_8 else counted_block.in_utf_8(encoding)
            counted = reached


def split_lines(file: CorpusFile, unit_bytes: int) -> Iterator[FileRange]:
    """Cuts a file of lines into byte ranges; a compressed one only where frames of zstd begin."""
    width = WIDTHS.get(file.dialect.encoding or UTF_8, 1)
    if not compression_suffix(file.path):
        step = max(unit_bytes - unit_bytes % width, width)
        for start in range(0, file.size, step):
            yield FileRange(file, start, min(start + step, file.size))
    elif compression_suffix(file.path) == ".zst" and width == 1:
        yield from _split_frames(file, unit_bytes)
    else:
        yield from whole_file(file, unit_bytes)


def lines_around(file: CorpusFile, start: int, stop: int) -> FileRange:
    """Returns the range of the lines that begin in a range of bytes.

    Args:
        file: A file of lines that is not compressed.
        start: First byte; a multiple of the bytes of a character where all have several.
        stop: The one after the last.
    """
    return FileRange(file, start, stop)


def _split_frames(file: CorpusFile, unit_bytes: int) -> Iterator[FileRange]:
    """Cuts a file into ranges of whole frames.

    The line that begins with a frame is of the range before: whether it is a line of its own only
    the end of the frame before shows.
    """
    begin = Frame(0, -1)
    for frame in frames(file):
        if frame.stored - begin.stored >= unit_bytes and frame.content > begin.content + 1:
            yield FileRange(file, begin.content + 1, frame.content + 1, stored_start=begin.stored)
            begin = frame
    yield FileRange(file, begin.content + 1, stored_start=begin.stored)


class _Cutter:
    """Cuts a stream into blocks; holds the beginning of a line until its end arrives."""

    def __init__(
        self, stream: InputStream, stop: int | None, block_bytes: int, encoding: str
    ) -> None:
        self._stream = stream
        self._offset = 0  # offset of what is held
        self._stop = stop
        self._block_bytes = block_bytes
        self._width = WIDTHS.get(encoding, 1)
        self._newline = newline_of(encoding)
        self._mark = BYTE_ORDER_MARKS.get(encoding, b"")
        self._ahead = b""  # read, but not looked at
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._skipping = False  # inside a line that is too long

    def seek(self, start: int, stored_start: int | None = None) -> int | None:
        """Moves to the first line that begins at or after `start`.

        Args:
            start: A byte of the decompressed file.
            stored_start: Of a compressed file, where the content before `start` begins.

        Returns:
            Where it begins; None if no line begins before the end of the range.
        """
        position = start - self._width  # a line begins at `start` if one ends before
        self._stream.seek(position if stored_start is None else stored_start)
        while self._stop is None or position < self._stop - self._width:
            data = self._whole(self._stream.read(_LEAST_READ))
            if not data:
                return None
            end = self._after_newline(data)
            position += end or len(data)
            if end:
                self._offset, self._ahead = position, data[end:]
                return position if self._stop is None or position < self._stop else None
        return None

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
            end = self._after_newline(data, max(self._stop - self._width - position, 0))
            if end:
                return end, True
        end = data.rfind(self._newline)
        while end % self._width and end >= 0:
            end = data.rfind(self._newline, 0, end + len(self._newline) - 1)
        return end + len(self._newline) if end >= 0 else 0, False

    def _after_newline(self, data: bytes, start: int = 0) -> int:
        """Returns the end of the first newline at or after a place, or 0 if there is none."""
        end = data.find(self._newline, start)
        while end % self._width and end >= 0:
            end = data.find(self._newline, end + 1)
        return end + len(self._newline) if end >= 0 else 0

    def _whole(self, data: bytes) -> bytes:
        """Returns data that ends with a whole unit of the encoding, unless the file does not."""
        while self._width > 1 and data and len(data) % self._width:
            more = self._stream.read(self._width - len(data) % self._width)
            if not more:
                break
            data += more
        return data

    def _read(self) -> bytes:
        data = self._read_stream()
        is_head = self._offset == self._held_bytes == 0
        if is_head and self._mark and data.startswith(self._mark):
            self._offset = len(self._mark)
            data = data[len(self._mark) :] or self._read_stream()
        while self._skipping and data:
            end = self._after_newline(data)
            self._offset += end or len(data)
            self._skipping = not end
            if end and self._stop is not None and self._offset >= self._stop:
                return b""
            data = (data[end:] if end else b"") or self._read_stream()
        return data

    def _read_stream(self) -> bytes:
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        size = self._block_bytes
        if self._stop is not None:
            missing = self._stop - self._offset - self._held_bytes
            size = min(size, max(missing, _LEAST_READ))
        return self._whole(self._stream.read(size))
