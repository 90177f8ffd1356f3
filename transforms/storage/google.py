"""Google Cloud Storage: finding files, their versions, and creating only if absent."""

import functools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from google.api_core.exceptions import (
    NotFound,
    PreconditionFailed,
    RequestRangeNotSatisfiable,
)
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from models.hubs.google_errors import explained
from models.hubs.remote import in_short
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.storage.stores import StoreError, open_ranges
from transforms.versions import ChangedInputError

_SCHEME = "gs://"
RETRY = DEFAULT_RETRY.with_timeout(120)
_CONNECTIONS = 64
_FIELDS = "items(name,size,generation,crc32c),nextPageToken"


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
        raise (PermissionError if kind == "refused" else StoreError)(sentence) from None


@functools.cache
def _client(pid: int) -> storage.Client:
    """Returns this process's client; without credentials it sees only what is public."""
    try:
        client = storage.Client(project=None)
    except DefaultCredentialsError:
        client = storage.Client.create_anonymous_client()
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
