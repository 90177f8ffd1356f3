"""Finding and opening files, on this machine and in cloud storage.

Local paths go through the standard library, paths with a scheme (`gs://`, `s3://`, `https://`)
through `transforms.storage`, and those that it does not know (`hdfs://`) through Beam's file
systems. Each is imported only for such a path.
"""

import errno
import io
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from models.errors import nearest
from models.redaction import has_secret, redacted
from transforms.errors import InputError
from transforms.reading.dialect import UNKNOWN, Dialect
from transforms.storage.ahead import in_order
from transforms.storage.globs import (
    beside_partitions,
    expand,
    in_partitions,
    is_hidden,
    is_wild,
    list_folder,
)

if TYPE_CHECKING:
    from transforms.storage.web import WebStore

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WEB = ("http://", "https://")
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


@dataclass(frozen=True)
class HeldFile(CorpusFile):
    """A file of which some bytes, as stored, are at hand.

    Attributes:
        start: The first of them.
        content: The bytes.
    """

    start: int = 0
    content: bytes = field(default=b"", compare=False, repr=False)

    @property
    def is_whole(self) -> bool:
        """Whether all of the file is at hand."""
        return len(self.content) == self.size

    @property
    def stop(self) -> int:
        """The byte after those that are at hand."""
        return self.start + len(self.content)


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
        pattern: A file, a folder (the files directly in it, or those in its partitions
            `name=value`; one with both is an error), or a glob; `transforms.storage.globs` has its
            rules. Of a folder too, hidden files are left out.

    Returns:
        The files, each once, sorted by path.

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
    return list(in_order(files, look))


def distinct(files: Iterable[CorpusFile]) -> tuple[CorpusFile, ...]:
    """Returns each file once, under its first path; links lead to the file that they name."""
    identity = _Identity()
    found: dict[str, CorpusFile] = {}
    for file in files:
        found.setdefault(file.path if is_remote(file.path) else identity.of(file.path), file)
    return tuple(found.values())


class _Identity:
    """Tells which file a local path leads to; remembers where folders lead."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: str) -> str:
        """Returns the absolute path of the file, without links."""
        if os.path.islink(path):
            return os.path.realpath(path)
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


def _each_once(paths: Iterable[str]) -> list[str]:
    """Returns one path of each file: the one that is most like its own, without links."""
    identity = _Identity()
    names: dict[str, list[str]] = {}
    for path in paths:
        names.setdefault(identity.of(path), []).append(path)
    return [min(found, key=lambda path: _distance(path, real)) for real, found in names.items()]


def _distance(path: str, real: str) -> tuple[int, str]:
    """Returns what is smaller the more of its end a path has in common with a real path."""
    pairs = zip(reversed(path.split("/")), reversed(real.split("/")), strict=False)
    return -len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))), path


def path_of(file: CorpusFile | str) -> str:
    """Returns the path of a file that may be a path."""
    return file if isinstance(file, str) else file.path


def open_binary(file: CorpusFile | str) -> BinaryIO:
    """Opens a seekable file for reading, without any decompression.

    Args:
        file: The file, of which a store then gives the version that it is said to have; a path
            stands for the file that is there now.

    Raises:
        OSError: It cannot be opened, or be read; `FileNotFoundError` if it does not exist.
        ChangedInputError: It is not of this version any more, which may show only while it is read.
    """
    path = path_of(file)
    if not is_remote(path):
        return open(path, "rb")
    if isinstance(file, HeldFile) and file.is_whole:
        return io.BytesIO(file.content)
    from transforms.storage import stores

    store = stores.store_of(path)
    if store is not None:
        return store.open(stores.find(store, path) if isinstance(file, str) else file)
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def read_head(file: CorpusFile, count: int) -> bytes:
    """Returns the first bytes of a file, as stored, up to `count`.

    Raises:
        OSError: It cannot be read.
    """
    count = min(count, file.size)
    if isinstance(file, HeldFile) and file.start == 0 and count <= file.stop:
        return file.content[:count]
    held = hold(file, 0, count)
    if isinstance(held, HeldFile):
        return held.content
    with open_binary(file) as stream:
        return stream.read(count)


def hold(file: CorpusFile, start: int, stop: int) -> CorpusFile:
    """Returns a file with some of its bytes at hand, fetched at once, if it is in a store.

    Of a file that its server sends only whole, these are none but its first ones.

    Raises:
        ChangedInputError: It is not of this version any more.
        OSError: The store failed.
    """
    if is_remote(file.path) and start < stop and (not start or is_divisible(file.path)):
        from transforms.storage import stores

        store = stores.store_of(file.path)
        if store is not None:
            content = stores.fetched(store, file, start, stop)
            return HeldFile(**{**vars(file), "start": start, "content": content})
    return file


def is_divisible(path: str) -> bool:
    """Returns whether the parts of a file can be read without all that is before them."""
    if not path.startswith(_WEB):
        return True
    from transforms.storage import stores

    return cast("WebStore", stores.store_of(path)).is_divisible(path)


def name_of(path: str) -> str:
    """Returns a path, or URL, up to where its name ends, which says what the file is."""
    return re.split(r"[?#]", path)[0] if path.startswith(_WEB) else path


def _match_local(pattern: str) -> list[CorpusFile]:
    if os.path.isdir(pattern):
        entries = list_folder(pattern)
        inside = [
            os.path.join(pattern, entry.name)
            for entry in entries
            if not entry.is_folder and not is_hidden(entry.name)
        ]
        deeper = in_partitions(pattern)
        if inside and deeper:
            raise InputError(beside_partitions(pattern))
        paths = inside or deeper
        nothing = f"the folder {pattern!r} has no visible files directly in it"
        if any(entry.is_folder and not is_hidden(entry.name) for entry in entries):
            nothing += f"; to include its subfolders, write {os.path.join(pattern, '**')!r}"
    elif os.path.exists(pattern):
        return [_local_file(pattern)]
    elif is_wild(pattern):
        found = expand(pattern)
        paths = [path for path in found if not os.path.isdir(path)]
        nothing = f"no file matches {pattern!r}"
        if found:
            below = os.path.join(pattern, "*")
            nothing += f", only folders; to read the files in them, write {below!r}"
    else:
        _check_link(pattern)
        raise InputError(_missing(pattern))
    if not paths:
        raise InputError(nothing)
    return [_local_file(path) for path in _each_once(paths)]


def _local_file(path: str) -> CorpusFile:
    _check_link(path)
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the path {os.fsencode(path)!r} is not UTF-8, and the output names the file of every "
            "row: rename it"
        ) from None
    try:
        found = local_file(path)
    except FileNotFoundError:
        raise InputError(
            f"{path!r} vanished while the input was looked through: try again"
        ) from None
    if not os.path.isfile(path):
        raise InputError(
            f"{path!r} is a pipe, a socket or a device, and an input is read more than once: write "
            "its content to a file first"
        )
    if not os.access(path, os.R_OK):
        raise InputError(f"no permission to read {path!r}")
    return found


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
    if not os.path.islink(path):
        return
    try:
        os.stat(path)
    except OSError as error:
        leads = f"{path!r} is a link to {os.readlink(path)!r}, which"
        if error.errno == errno.ELOOP:
            raise InputError(f"{leads} leads back to it") from None
        if error.errno == errno.EACCES:
            raise InputError(f"{leads} is in a folder without permission") from None
        raise InputError(f"{leads} does not exist") from None


def _missing(path: str) -> str:
    """Returns what is said of a path where nothing is, with the nearest name."""
    folder, name = os.path.split(path)
    names: list[str] = []
    try:
        os.lstat(path)
    except PermissionError:
        return f"no permission to look into the folder {folder!r} for {name!r}"
    except OSError:
        pass
    nothing = f"no such file or folder: {path!r}"
    if not os.path.isdir(folder or "."):
        return f"{nothing}: there is no folder {folder!r}"
    with suppress(OSError):
        names = os.listdir(folder or ".")
    near = nearest(name, names)
    return f"{nothing}; did you mean {os.path.join(folder, near)!r}?" if near else nothing


def _match_remote(pattern: str) -> list[CorpusFile]:
    from transforms.storage import stores

    store = stores.store_of(pattern)
    if store is not None:
        return stores.match(store, pattern)
    with _lookup_errors(pattern):
        if is_wild(pattern):
            found = _match_with_beam(pattern)
        else:
            exact = [] if pattern.endswith("/") else _match_with_beam(pattern)
            if exact:
                return exact
            pattern = pattern.rstrip("/") + "/*"
            found = _match_with_beam(pattern)
    asked = pattern.rpartition("/")[2]
    visible = [
        file for file in found if not is_hidden(file.path.rpartition("/")[2]) or is_hidden(asked)
    ]
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
