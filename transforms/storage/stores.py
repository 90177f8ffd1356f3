"""What the stores that are not a local disk have in common: finding, and reading in ranges."""

import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import BinaryIO, Protocol, TypeVar, cast

from models.errors import did_you_mean
from models.faults import PAUSES
from transforms.errors import InputError
from transforms.files import CorpusFile, HeldFile, map_files
from transforms.storage.globs import PARTITIONED, beside_partitions, is_wild, regex

# More files than this are looked up by listing the folder above them, fewer one by one.
_FEW = 8

_READ_BYTES = 4 << 20  # asked for at a time: a tenth of a second, beside which a request is little
_LITTLE_BYTES = 64 << 10

_T = TypeVar("_T")


class StoreError(OSError):
    """A store that did not do what it was asked for, and may the next time."""


class Store(Protocol):
    """A kind of store.

    What is not there raises a `FileNotFoundError`, what is not allowed a `PermissionError`, and all
    else that fails a `StoreError`.

    Attributes:
        can_list: Whether there are folders to look into.
        is_pinned: Whether `fetch` gives the version of a file that it is asked for, or none.
    """

    can_list: bool
    is_pinned: bool

    def root(self, path: str) -> str:
        """Returns the part of a path, up to a slash, that has no wildcards, such as the bucket.

        Raises:
            InputError: The path is none of this store's.
        """

    def find(self, path: str) -> CorpusFile | None:
        """Returns a file as it is now, with its version and fingerprint, or None."""

    def files_under(self, prefix: str, deep: bool) -> Iterable[CorpusFile]:
        """Returns the files whose paths begin with a prefix.

        Args:
            prefix: A path of which the last name may be the beginning of one.
            deep: Whether to list what is in subfolders too.
        """

    def open(self, file: CorpusFile) -> BinaryIO:
        """Opens a file, which may show only when it is read that it is gone."""

    def fetch(self, file: CorpusFile, start: int, stop: int) -> bytes:
        """Returns some bytes of a file, at least one.

        Raises:
            ChangedInputError: It is not of this version any more.
            OSError: The store failed.
        """


@dataclass(frozen=True)
class Scheme:
    """What paths begin with that belong to a store.

    Attributes:
        form: How they are written, for messages.
        store: Where its class is, as `module.Name` of the package `transforms`.
        package: What must be installed for it, or an empty string.
    """

    form: str
    store: str
    package: str = ""


_AZURE = ("storage.azure.AzureStore", "azure-storage-blob azure-identity")

SCHEMES = {
    "gs": Scheme("gs://bucket/path", "storage.google.GoogleStore"),
    "s3": Scheme("s3://bucket/path", "storage.s3.S3Store", "boto3"),
    "az": Scheme("az://container/path", *_AZURE),
    "abfs": Scheme("abfs://container@account.dfs.core.windows.net/path", *_AZURE),
    "abfss": Scheme("abfss://container@account.dfs.core.windows.net/path", *_AZURE),
    "https": Scheme("https://host/path", "storage.web.WebStore"),
    "http": Scheme("http://host/path", "storage.web.WebStore"),
    "hf": Scheme("hf://datasets/owner/name[@revision]/path", "storage.hub.HubStore"),
}
"""The stores by the schemes of their paths; Beam knows others."""

_OF_BEAM = {"hdfs": ("hdfs", "'apache-beam[hadoop]'")}  # with a module and its package


def store_of(path: str) -> Store | None:
    """Returns the store that a path with a scheme belongs to; None if it is left to Beam.

    Raises:
        InputError: A package is missing, or there is no such scheme.
    """
    name = path.partition("://")[0].lower()
    if name in SCHEMES:
        return _store(name)
    if name in _OF_BEAM:
        module, package = _OF_BEAM[name]
        if find_spec(module) is None:
            raise InputError(_needs(name, package))
        return None
    if name == "file":
        raise InputError(f"{path!r}: write the path of a file on this machine without file://")
    forms = ", ".join(scheme.form for scheme in SCHEMES.values())
    near = did_you_mean(f"{name}://", [f"{known}://" for known in SCHEMES])
    raise InputError(f"{path!r} has a scheme that is not known; {near}paths are local, {forms}")


@cache
def _store(name: str) -> Store:
    scheme = SCHEMES[name]
    module, _, kind = scheme.store.rpartition(".")
    try:
        found = getattr(import_module(f"transforms.{module}"), kind)
    except ModuleNotFoundError as error:
        if not scheme.package or (error.name or "").partition(".")[0] in ("transforms", "models"):
            raise
        raise InputError(_needs(name, scheme.package)) from None
    return cast(Store, found())


def _needs(name: str, package: str) -> str:
    return f"{name}:// paths need another package: pip install {package}"


def match(store: Store, pattern: str) -> list[CorpusFile]:
    """Returns the visible files in a store that a path, a glob or a folder stands for.

    Raises:
        InputError: There are none, or the store does not tell.
    """
    with lookup_errors(pattern):
        root = store.root(pattern)
        exact = None if pattern.endswith("/") else again(lambda: store.find(pattern))
        if exact is not None:
            return [exact]
        if not store.can_list:
            raise InputError(f"no such file: {pattern!r}")
        return again(lambda: _match(store, root, pattern))


def _match(store: Store, root: str, pattern: str) -> list[CorpusFile]:
    parts = [part for part in pattern.removeprefix(root).split("/") if part]
    base = root
    while parts and (not is_wild(parts[0]) or _has_folder(store, f"{base}{parts[0]}/")):
        base += parts.pop(0) + "/"
    wanted = parts or ["*"]
    deep = len(wanted) > 1 or "**" in wanted[0]
    start = base + _plain_start(wanted[0])
    matches = regex(wanted).match
    found = [file for file in store.files_under(start, deep) if matches(file.path[len(base) :])]
    if not parts:
        below = (
            file
            for file in store.files_under(base, deep=True)
            if PARTITIONED.match(file.path[len(base) :])
        )
        if found and next(below, None) is not None:
            raise InputError(beside_partitions(base))
        found = found or list(below)
    if found:
        return found
    nothing = f"no file matches {pattern!r}"
    if not parts and _has_folder(store, base):
        nothing += f" directly; to include its subfolders, write {base + '**'!r}"
    raise InputError(nothing)


def _has_folder(store: Store, prefix: str) -> bool:
    return next(iter(store.files_under(prefix, deep=True)), None) is not None


def _plain_start(part: str) -> str:
    """Returns the beginning of a part up to its first wildcard."""
    return next((part[:end] for end in range(len(part)) if is_wild(part[end])), part)


def find(store: Store, path: str) -> CorpusFile:
    """Returns a file as it is now.

    Raises:
        OSError: The store failed; `FileNotFoundError` if it is not there.
    """
    found = again(lambda: store.find(path))
    if found is None:
        raise FileNotFoundError(f"no such file: {path}")
    return found


def fetched(store: Store, file: CorpusFile, start: int, stop: int) -> bytes:
    """Returns some bytes of a file; what fails is tried again a few times.

    Raises:
        ChangedInputError: It is not of this version any more.
        OSError: The store failed.
    """

    def fetch() -> bytes:
        content = store.fetch(file, start, stop)
        if len(content) != stop - start:
            raise StoreError(f"{file.path!r}: {len(content):,} bytes came for {stop - start:,}")
        return content

    return again(fetch)


def look_up(store: Store, paths: Sequence[str]) -> dict[str, CorpusFile]:
    """Returns files as they are now, by their paths; those that are gone are left out."""
    by_root: dict[str, set[str]] = {}
    for path in paths:
        by_root.setdefault(store.root(path), set()).add(path)
    found = [file for wanted in by_root.values() for file in _look_up(store, wanted)]
    return {file.path: file for file in found}


def _look_up(store: Store, wanted: set[str]) -> list[CorpusFile]:
    if len(wanted) > _FEW and store.can_list:
        return again(lambda: _listed(store, wanted))
    files = [CorpusFile(path, 0) for path in sorted(wanted)]
    found = map_files(files, lambda file: again(lambda: store.find(file.path)))
    return [file for file in found if file is not None]


def _listed(store: Store, wanted: set[str]) -> list[CorpusFile]:
    first, last = min(wanted), max(wanted)
    same = (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    shared = first[: next(same, len(first))]
    return [file for file in store.files_under(shared, deep=True) if file.path in wanted]


@contextmanager
def lookup_errors(path: str) -> Iterator[None]:
    """Says of what goes wrong in a store that it was looked up, before any work."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot look up {path!r}: {error}") from error


def again(work: Callable[[], _T]) -> _T:
    """Does some work, and again after a pause if the store failed.

    Args:
        work: The work, which may be done several times.
    """
    for pause in PAUSES:
        try:
            return work()
        except StoreError:
            time.sleep(pause)
    return work()


def open_ranges(store: Store, file: CorpusFile) -> BinaryIO:
    """Opens a file of which parts are fetched as they are read; not what is at hand of it.

    Who has some of it at hand will want little more.
    """
    size = _LITTLE_BYTES if isinstance(file, HeldFile) else _READ_BYTES
    return cast(BinaryIO, io.BufferedReader(_RangedFile(store, file), size))


class _RangedFile(io.RawIOBase):
    """A file of a store."""

    def __init__(self, store: Store, file: CorpusFile) -> None:
        self._store = store
        self._file = file
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._file.size}[whence]
        if origin + offset < 0:
            raise OSError(f"cannot seek to {origin + offset}")
        self._place = origin + offset
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # narrower
        stop = min(self._place + len(buffer), self._file.size)
        if stop <= self._place:
            return 0
        content = self._held(stop) or fetched(self._store, self._file, self._place, stop)
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def _held(self, stop: int) -> bytes:
        """Returns what is at hand from here on."""
        file = self._file
        if not isinstance(file, HeldFile) or not file.start <= self._place < file.stop:
            return b""
        return file.content[self._place - file.start : stop - file.start]
