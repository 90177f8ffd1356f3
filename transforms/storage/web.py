"""Files on web servers: `https://host/path`."""

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from models.hubs.remote import in_short
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.storage.stores import StoreError, again, find, open_ranges
from transforms.versions import ChangedInputError

# Seconds to connect, and between two blocks.
_TIMEOUTS = (10, 30)

_BLOCK_BYTES = 1 << 20

# As stored: what a server compressed on the way would have another length.
_AS_STORED = {"Accept-Encoding": "identity"}

# The servers' answers that a later try may not get.
_PASSING = {408, 425, 429, *range(500, 600)}

_UNVERSIONED = "none"  # of a file of which the server tells nothing but the size

_sessions = threading.local()  # a session must not be shared between threads, or processes


class WebStore:
    """See `transforms.storage.stores.Store`. Most servers send ranges of a file, some only all."""

    can_list = False
    is_pinned = True

    def __init__(self) -> None:
        self._described: set[str] = set()
        self._without_ranges: set[str] = set()

    def root(self, path: str) -> str:
        """Returns a path up to its last slash: an asterisk in a URL means itself."""
        if not urlsplit(path).netloc:
            raise InputError(f"{path!r} names no host")
        return path.rpartition("/")[0] + "/"

    def find(self, path: str) -> CorpusFile | None:
        """Returns a file as its server describes it now, or None."""
        return self._describe(path, {})

    def _describe(self, path: str, headers: Mapping[str, str]) -> CorpusFile | None:
        """Asks for the first byte: not every server answers a HEAD."""
        with _answer(path, {**headers, "Range": "bytes=0-0"}) as answer:
            if answer.status_code in (404, 410):
                return None
            is_empty = answer.status_code == 416  # which has no first byte
            if not is_empty:
                _check(answer, path)
            ranges = answer.headers.get("Content-Range", "")
            has_ranges = is_empty or answer.status_code == 206
            size = ranges.rpartition("/")[2] if has_ranges else answer.headers.get("Content-Length")
            if not (size or "").isdigit():
                raise InputError(
                    f"the server does not say how long {path!r} is: download it, and give the file"
                )
            (self._without_ranges.discard if has_ranges else self._without_ranges.add)(path)
            self._described.add(path)
            version = _version(answer)
            return CorpusFile(path, int(size or 0), version, version)

    def files_under(self, prefix: str, deep: bool) -> Iterable[CorpusFile]:
        """Returns nothing: a web server has no folders."""
        return ()

    def is_divisible(self, path: str) -> bool:
        """Returns whether parts of a file can be read without all before them."""
        return path not in self._without_ranges

    def open(self, file: CorpusFile) -> BinaryIO:
        """Opens a file; where its server sends no ranges, it is fetched whole, onto the disk."""
        if file.path not in self._described:  # in another process, before this one began
            find(self, file.path)
        if self.is_divisible(file.path):
            return open_ranges(self, file)
        return again(lambda: _whole(file))

    def fetch(self, file: CorpusFile, start: int, stop: int) -> bytes:
        """Returns some bytes; see `transforms.storage.stores.Ranges`."""
        return fetch_range(file.path, file, start, stop, {})


def fetch_range(
    url: str, file: CorpusFile, start: int, stop: int, headers: Mapping[str, str]
) -> bytes:
    """Returns some bytes of a file.

    Args:
        url: Where it is.
        file: What it is; if it has another version in the answer, it changed.
        start: The first byte; if it is the first of the file, a server may send all of it.
        stop: The one after the last.
        headers: Sent along, to the host of the URL alone.

    Raises:
        ChangedInputError: It is another file now.
        OSError: The server does not send it.
    """
    with _answer(url, {**headers, "Range": f"bytes={start}-{stop - 1}"}) as answer:
        if answer.status_code == 416:
            raise _changed(file)
        _check(answer, file.path)
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        is_range = answer.status_code == 206
        if not is_range and start:
            raise StoreError(f"{file.path!r}: the server sends no ranges any more")
        if (is_range and total not in ("*", str(file.size))) or not _is_of(answer, file):
            raise _changed(file)
        return _content(answer) if is_range else answer.raw.read(stop, decode_content=False)


def _changed(file: CorpusFile) -> ChangedInputError:
    return ChangedInputError.of(f"the input {file.path!r} changed while it was read")


def _is_of(answer: requests.Response, file: CorpusFile) -> bool:
    """Returns whether an answer has a version of a file, if it has any."""
    return file.version in ("", _UNVERSIONED, *_versions(answer)) or not _versions(answer)


def _version(answer: requests.Response) -> str:
    return next(iter(_versions(answer)), _UNVERSIONED)


def _versions(answer: requests.Response) -> list[str]:
    names = {"ETag": "etag", "Last-Modified": "modified"}
    return [
        f"{said}:{answer.headers[name]}" for name, said in names.items() if name in answer.headers
    ]


def _whole(file: CorpusFile) -> BinaryIO:
    """Fetches a file."""
    copy = tempfile.TemporaryFile(prefix="textbeam-")  # noqa: SIM115 (the caller closes it)
    try:
        with _answer(file.path, {}) as answer:
            _check(answer, file.path)
            if not _is_of(answer, file):
                raise _changed(file)
            while block := answer.raw.read(_BLOCK_BYTES, decode_content=False):
                copy.write(block)
        if copy.tell() != file.size:
            raise StoreError(f"{file.path!r}: {copy.tell():,} bytes came of {file.size:,}")
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return cast(BinaryIO, copy)


def _content(answer: requests.Response) -> bytes:
    return b"".join(iter(lambda: answer.raw.read(_BLOCK_BYTES, decode_content=False), b""))


@contextmanager
def _answer(url: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
    """Sends a request; its answer is read in the body of the context."""
    try:
        with _session().get(
            url, headers={**_AS_STORED, **headers}, stream=True, timeout=_TIMEOUTS
        ) as answer:
            yield answer
    except (requests.RequestException, HTTPError) as error:
        raise StoreError(f"no answer from {urlsplit(url).netloc}: {in_short(str(error))}") from None


def _session() -> requests.Session:
    if getattr(_sessions, "pid", None) != os.getpid():
        _sessions.pid = os.getpid()
        _sessions.session = requests.Session()
    return cast(requests.Session, _sessions.session)


def _check(answer: requests.Response, path: str) -> None:
    """Raises an `OSError` for an answer that is not the file."""
    status = answer.status_code
    if status in (200, 206):
        return
    said = f"the server answered {status} {answer.reason or ''}".strip()
    if status in (404, 410):
        raise FileNotFoundError(f"no such file: {path}")
    if status in (401, 403, 407):
        raise PermissionError(f"{said}; a login may be put into ~/.netrc")
    raise StoreError(said) if status in _PASSING else PermissionError(said)
