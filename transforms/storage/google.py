"""Google Cloud Storage: finding files, their versions, and creating only if absent."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

from google.api_core.exceptions import (
    NotFound,
    PreconditionFailed,
    RequestRangeNotSatisfiable,
)
from google.auth.exceptions import TransportError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from models.hubs.google_errors import explained
from models.hubs.google_login import storage_client
from models.hubs.remote import in_short
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.storage.stores import StoreError, open_ranges
from transforms.versions import ChangedInputError

_SCHEME = "gs://"
_CONNECTIONS = 64
_FIELDS = "items(name,size,generation,crc32c),nextPageToken"

_T = TypeVar("_T")


class _Patience:
    """Sends requests that fail again: for minutes, but not if nobody has ever answered.

    Args:
        first: Seconds after which one is given up before any was answered.
        later: Seconds after which one is given up from then on.

    Attributes:
        is_answered: Whether Cloud Storage has answered this process, if only by an error.
    """

    def __init__(self, first: float, later: float) -> None:
        self.is_answered = False
        self._first, self._later = map(DEFAULT_RETRY.with_timeout, (first, later))

    def __call__(self, request: Callable[[], _T]) -> Callable[[], _T]:
        """Returns a request that is sent again as long as it makes sense."""

        def send() -> _T:
            try:
                answer = request()
            except Exception as error:
                self.is_answered |= not _is_silence(error)
                raise
            self.is_answered = True
            return answer

        return lambda: (self._later if self.is_answered else self._first)(send)()


def _is_silence(error: BaseException) -> bool:
    """Returns whether an error says that a connection was not made, or was lost."""
    cause = error.args[0] if isinstance(error, TransportError) and error.args else error
    return isinstance(cause, (OSError, HTTPError))


RETRY = _Patience(10, 120)
"""What requests to Cloud Storage take for `retry`."""


class GoogleStore:
    """See `transforms.storage.stores.Store`."""

    can_list = True
    is_pinned = True

    def root(self, path: str) -> str:
        """Returns the part of a path that names the bucket."""
        bucket = path.removeprefix(_SCHEME).partition("/")[0]
        if not bucket:
            raise InputError(f"{path!r} names no bucket")
        return f"{_SCHEME}{bucket}/"

    def find(self, path: str) -> CorpusFile | None:
        """Returns an object, or None."""
        bucket, name = bucket_of(path)
        with in_words():
            blob = bucket.get_blob(name, retry=RETRY) if name else None
        return None if blob is None else _file(path, blob)

    def files_under(self, prefix: str, deep: bool) -> Iterable[CorpusFile]:
        """Returns objects; those whose names end in a slash stand for folders, and are none."""
        bucket, name = bucket_of(prefix)
        with in_words():
            for blob in bucket.list_blobs(
                prefix=name, delimiter=None if deep else "/", fields=_FIELDS, retry=RETRY
            ):
                if not blob.name.endswith("/"):
                    yield _file(f"{_SCHEME}{bucket.name}/{blob.name}", blob)

    def open(self, file: CorpusFile) -> BinaryIO:
        """Opens an object."""
        return open_ranges(self, file)

    def fetch(self, file: CorpusFile, start: int, stop: int) -> bytes:
        """Returns some bytes; see `transforms.storage.stores.Store`."""
        bucket, name = bucket_of(file.path)
        with in_words():
            try:
                content: bytes = bucket.blob(name).download_as_bytes(
                    start=start,
                    end=stop - 1,
                    raw_download=True,
                    checksum=None,
                    if_generation_match=int(file.version) if file.version else None,
                    retry=RETRY,
                )
            except (PreconditionFailed, RequestRangeNotSatisfiable):
                problem = f"the input {file.path!r} changed while it was read"
                raise ChangedInputError.of(problem) from None
            return content


@contextmanager
def in_words() -> Iterator[None]:
    """Turns what the client raises into an `OSError` that says what can be done."""
    try:
        yield
    except Exception as error:
        found = explained(error)
        if found is None and not isinstance(error, OSError):
            raise
        kind, sentence = found or ("unavailable", f"cannot be read: {in_short(str(error))}")
        if kind == "missing":
            raise FileNotFoundError(sentence) from None
        if kind == "refused":
            raise PermissionError(sentence) from None
        # Who was asked for long already is asked again only if it has answered before.
        raise (StoreError if RETRY.is_answered else OSError)(sentence) from None


@functools.cache
def _client(pid: int) -> storage.Client:
    """Returns this process's client."""
    client = storage_client()
    # Threads share it, and with the usual ten connections some would open new ones all the time.
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))
    return client


def bucket_of(path: str) -> tuple[storage.Bucket, str]:
    """Returns the bucket of a `gs://` path, and the name of its object."""
    bucket, _, name = path.removeprefix(_SCHEME).partition("/")
    return _client(os.getpid()).bucket(bucket), name


def create_new(path: str, content: bytes) -> bool:
    """Creates an object unless there is one of this name; returns whether it did.

    A lost answer makes the client try again and find its own object there; whose it is, its
    content says.
    """
    bucket, name = bucket_of(path)
    try:
        bucket.blob(name).upload_from_string(content, if_generation_match=0, retry=RETRY)
    except PreconditionFailed:
        try:
            return bucket.blob(name).download_as_bytes(retry=RETRY) == content
        except NotFound:
            return False
    return True


def _file(path: str, blob: storage.Blob) -> CorpusFile:
    return CorpusFile(path, blob.size, str(blob.generation), f"crc32c:{blob.crc32c}")
