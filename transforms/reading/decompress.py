"""Reading a file through its compression, which the suffix of its name indicates."""

import bz2
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import zstandard

from transforms.files import CorpusFile, name_of, open_binary, path_of


class BrokenStreamError(Exception):
    """A compressed stream that ends early or holds something else; the message says where."""


class _Decoder(Protocol):
    """What zlib's and bz2's decompressors have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _ZstdDecoder:
    """A zstd frame behind the interface of zlib; it holds what was not asked for yet."""

    def __init__(self) -> None:
        # Frames of `zstd --long=31` have a window of 2 GiB, and say so before it is allocated.
        self._frame = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        self._held = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._frame.eof and not self._held

    @property
    def needs_input(self) -> bool:
        return not self._held

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        held = self._held or memoryview(self._frame.decompress(data))
        cut = len(held) if max_length < 0 else max_length
        self._held = held[cut:]
        return bytes(held[:cut])


@dataclass(frozen=True)
class _Codec:
    name: str
    decoder: Callable[[], _Decoder]
    error: type[Exception]
    piece: int  # compressed bytes fed at a time


_CODECS = {
    ".gz": _Codec("gzip", lambda: zlib.decompressobj(31), zlib.error, 64 << 10),
    ".bz2": _Codec("bzip2", bz2.BZ2Decompressor, OSError, 64 << 10),
    # 4 KiB of zstd hold 128 MiB at most, which bounds the memory that a hostile file can take.
    ".zst": _Codec("zstd", _ZstdDecoder, zstandard.ZstdError, 4 << 10),
}


def compression_suffix(path: str) -> str:
    """Returns the suffix of a path that indicates its compression, or an empty string."""
    return next((s for s in _CODECS if name_of(path).lower().endswith(s)), "")


def decompressed_head(suffix: str, head: bytes, count: int) -> bytes:
    """Returns up to `count` bytes of what the beginning of a compressed file unpacks to, if any."""
    codec = _CODECS[suffix]
    with suppress(codec.error, EOFError):
        return codec.decoder().decompress(head.lstrip(b"\0") if suffix == ".gz" else head, count)
    return b""


class InputStream:
    """The decompressed content of a file; consecutive members or frames are joined.

    Args:
        file: The file; the suffix of its path indicates the compression.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, file: CorpusFile | str) -> None:
        self.consumed = 0
        """Bytes of the file, as stored, that have been read so far."""
        self._raw = open_binary(file)
        self._codec = _CODECS.get(compression_suffix(path_of(file)))
        self._decoder: _Decoder | None = None
        self._fed = b""  # compressed bytes that no decoder has taken yet
        self._length = 0
        self._broken: BrokenStreamError | None = None

    def seek(self, offset: int) -> None:
        """Moves to a byte of the file, as stored; of a compressed one, where a frame begins."""
        self._raw.seek(offset)
        self._decoder, self._fed = None, b""

    def read(self, size: int) -> bytes:
        """Reads the next bytes.

        Args:
            size: Bytes wanted.

        Returns:
            That many bytes, or a few more; fewer only before the end or a break in the stream.

        Raises:
            BrokenStreamError: The stream is broken here; everything before has been returned.
            OSError: The storage failed.
        """
        if self._codec is None:
            return self._read_raw(size)
        parts: list[bytes] = []
        missing = size
        while missing > 0 and self._broken is None:
            try:
                part = self._decompress(self._codec, missing)
            except BrokenStreamError as error:
                self._broken = error
                break
            if part is None:
                break
            parts.append(part)
            missing -= len(part)
            self._length += len(part)
        content = b"".join(parts)
        if self._broken is not None and not content:
            raise self._broken
        return content

    def _read_raw(self, size: int) -> bytes:
        data = self._raw.read(size)
        self.consumed += len(data)
        return data

    def _decompress(self, codec: _Codec, size: int) -> bytes | None:
        """Returns more of the content, possibly nothing yet, or None at its end."""
        hungry = not self._fed and getattr(self._decoder, "needs_input", True)
        data = self._read_raw(codec.piece) if hungry else self._fed
        if self._decoder is None:
            if codec.name == "gzip":
                data = data.lstrip(b"\0")  # padding between members, which gzip itself skips
            if not data:
                self._fed = b""
                return None if hungry else b""
            self._decoder = codec.decoder()
        elif hungry and not data:
            raise BrokenStreamError(
                f"the {codec.name} stream ends early, after {self._length:,} bytes of content"
            )
        try:
            part = self._decoder.decompress(data, size)
        except codec.error as error:
            raise BrokenStreamError(
                f"the {codec.name} stream is corrupt after {self._length:,} bytes of content: "
                f"{error}"
            ) from error
        if self._decoder.eof:
            self._fed = self._decoder.unused_data
            self._decoder = None
        else:
            self._fed = getattr(self._decoder, "unconsumed_tail", b"")
        return part

    def close(self) -> None:
        """Closes the file."""
        self._raw.close()

    def __enter__(self) -> "InputStream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
