"""Finding and opening files, on this machine and in cloud storage.

Local paths go through the standard library, and paths with a scheme (`gs://`, `s3://`) through
Beam's file systems. Beam takes seconds to import, so it is imported only for such a path.
"""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from models.errors import nearest
from models.redaction import has_secret, redacted
from transforms.errors import InputError
from transforms.reading.dialect import UNKNOWN, Dialect

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_GLOB_CHARACTERS = re.compile(r"[*?\[]")
_HIDDEN = ("_", ".")
_WAITING = 16  # threads, which wait for storage rather than compute

_T = TypeVar("_T")


@dataclass(frozen=True)
class CorpusFile:
    """An input file.

    Attributes:
        path: Its path, as the user wrote it.
        size: Its size in bytes, as stored.
        version: What the storage says of the state of its content; see `transforms.versions`.
        fingerprint: Digest of samples of its content, or the checksum that its store keeps; empty
            until a run is planned.
        dialect: How its characters are written; nothing is known of it until a run is planned.
    """

    path: str
    size: int
    version: str = ""
    fingerprint: str = ""
    dialect: Dialect = UNKNOWN


def is_remote(path: str) -> bool:
    """Returns whether a path has a scheme, and so must be opened by Beam."""
    return _SCHEME.match(path) is not None


def secret_in(path: str) -> str | None:
    """Returns what is wrong with a remote path that holds a password, a token or a signature.

    Rows and the manifest name paths, so such a one must not be used.
    """
    if not is_remote(path) or not has_secret(path):
        return None
    return (
        f"{redacted(path)!r} holds a password, a token or a signature, which the output would "
        "name: leave it out, and let the environment give access"
    )


def match(pattern: str) -> list[CorpusFile]:
    """Finds the files that a path, a glob or a folder stands for.

    Args:
        pattern: A file, a folder (the files directly in it), or a glob, where `**` crosses
            folders. Names that begin with `_` or `.` are skipped in folders, and in globs whose
            last part does not begin with either.

    Returns:
        The files, sorted by path.

    Raises:
        InputError: Nothing is there, or what is there cannot be read.
    """
    if not pattern:
        raise InputError("an input path is empty; give a file, a glob or a folder")
    if problem := secret_in(pattern):
        raise InputError(f"the input {problem}")
    found = _match_remote(pattern) if is_remote(pattern) else _match_local(pattern)
    return sorted(found, key=lambda file: file.path)


def map_files(files: Sequence[CorpusFile], look: Callable[[CorpusFile], _T]) -> list[_T]:
    """Returns what a function finds in each file; it waits for several files at once."""
    with ThreadPoolExecutor(_WAITING) as pool:
        return list(pool.map(look, files))


def distinct(files: Iterable[CorpusFile]) -> tuple[CorpusFile, ...]:
    """Returns each file once, under its first path; `a.txt` and `./a.txt` are the same file."""
    found: dict[str, CorpusFile] = {}
    for file in files:
        path = file.path
        found.setdefault(path if is_remote(path) else os.path.abspath(path), file)
    return tuple(found.values())


def open_binary(path: str) -> BinaryIO:
    """Opens a seekable file for reading, without any decompression.

    Raises:
        OSError: It cannot be opened; `FileNotFoundError` if it does not exist.
    """
    if not is_remote(path):
        return open(path, "rb")
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def _match_local(pattern: str) -> list[CorpusFile]:
    if os.path.isdir(pattern):
        paths = [os.path.join(pattern, name) for name in os.listdir(pattern)]
        nothing = f"the folder {pattern!r} has no visible files directly in it"
        if any(os.path.isdir(path) for path in paths):
            nothing += f"; to include its subfolders, write {os.path.join(pattern, '**')!r}"
    elif os.path.exists(pattern):
        return [_local_file(pattern)]
    elif _GLOB_CHARACTERS.search(pattern):
        paths = glob.glob(pattern, recursive=True)
        nothing = f"no file matches {pattern!r}"
    else:
        _check_link(pattern)
        raise InputError(f"no such file or folder: {pattern!r}{_near(pattern)}")
    visible = [path for path in paths if _is_visible(path, pattern) and not os.path.isdir(path)]
    if not visible:
        raise InputError(nothing)
    return [_local_file(path) for path in visible]


def _local_file(path: str) -> CorpusFile:
    _check_link(path)
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the path {os.fsencode(path)!r} is not UTF-8, and the output names the file of every "
            "row: rename it"
        ) from None
    if not os.path.isfile(path):
        raise InputError(
            f"{path!r} is a pipe or a device, and an input is read more than once: write its "
            "content to a file first"
        )
    if not os.access(path, os.R_OK):
        raise InputError(f"no permission to read {path!r}")
    return local_file(path)


def local_file(path: str) -> CorpusFile:
    """Returns a file on this machine as it is now.

    Its version is the time of its last modification, its inode, and the time of the last change of
    either content or inode, in nanoseconds.

    Raises:
        OSError: It is gone.
    """
    now = os.stat(path)
    return CorpusFile(path, now.st_size, f"{now.st_mtime_ns}:{now.st_ino}:{now.st_ctime_ns}")


def _check_link(path: str) -> None:
    """Raises `InputError` for a dangling symbolic link: its rows would be missing silently."""
    if os.path.islink(path) and not os.path.exists(path):
        raise InputError(f"{path!r} is a link to {os.readlink(path)!r}, which does not exist")


def _near(path: str) -> str:
    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return f": there is no folder {folder!r}"
    near = nearest(name, names)
    return f"; did you mean {os.path.join(folder, near)!r}?" if near else ""


def _is_visible(path: str, pattern: str) -> bool:
    name, asked = re.split(r"[/\\]", path)[-1], re.split(r"[/\\]", pattern)[-1]
    return bool(name) and (not name.startswith(_HIDDEN) or asked.startswith(_HIDDEN))


def _match_remote(pattern: str) -> list[CorpusFile]:
    with _lookup_errors(pattern):
        if _GLOB_CHARACTERS.search(pattern):
            found = _match_with_beam(pattern)
        else:
            exact = [] if pattern.endswith("/") else _match_with_beam(pattern)
            if exact:
                return exact
            pattern = pattern.rstrip("/") + "/*"
            found = _match_with_beam(pattern)
    visible = [file for file in found if _is_visible(file.path, pattern)]
    if not visible:
        raise InputError(f"no file matches {pattern!r}")
    return visible


def _match_with_beam(pattern: str) -> list[CorpusFile]:
    from apache_beam.io.filesystems import FileSystems

    return [
        CorpusFile(file.path, file.size_in_bytes, str(file.last_updated_in_seconds))
        for file in FileSystems.match([pattern])[0].metadata_list
    ]


@contextmanager
def _lookup_errors(path: str) -> Iterator[None]:
    from apache_beam.io.filesystem import BeamIOError

    try:
        yield
    except (BeamIOError, ValueError) as error:
        raise InputError(f"cannot look up {path!r}: {error}") from error
