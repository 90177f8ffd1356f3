"""Checksums of files, of the kinds that hubs report."""

import base64
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def _git_blob(size: int) -> Any:
    """Git's name for a file's content: a SHA-1 over its size and its bytes."""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _crc32c(size: int) -> Any:
    import google_crc32c

    return google_crc32c.Checksum()


_NEW: dict[str, Callable[[int], Any]] = {
    "sha256": lambda size: hashlib.sha256(),
    "md5": lambda size: hashlib.md5(usedforsecurity=False),
    "git": _git_blob,
    "crc32c": _crc32c,
}
# Google writes its checksums in base64; all others are hexadecimal.
_BASE64 = ("md5", "crc32c")


def checksums(path: Path, kinds: Iterable[str]) -> dict[str, str]:
    """Computes several checksums of a file while reading it once.

    Args:
        path: The file.
        kinds: Any of `sha256` and `git` (the SHA-1 by which Git names content), both hexadecimal,
            and `md5` and `crc32c`, both in base64, as Google writes them.

    Returns:
        The checksum of each kind.
    """
    size = path.stat().st_size
    running = {kind: _NEW[kind](size) for kind in kinds}
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            for checksum in running.values():
                checksum.update(block)
    return {
        kind: base64.b64encode(checksum.digest()).decode()
        if kind in _BASE64
        else checksum.digest().hex()
        for kind, checksum in running.items()
    }
