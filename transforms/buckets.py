"""What Beam's file systems cannot do in Google Cloud Storage: versions, creating only if absent."""

import functools
import os
from collections.abc import Sequence

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from transforms.files import CorpusFile

_SCHEME = "gs://"
# More files than this are looked up by listing the folder above them, fewer one by one.
_FEW = 8
_RETRY = DEFAULT_RETRY.with_timeout(120)
_FIELDS = "items(name,size,generation,crc32c),nextPageToken"


@functools.cache
def _client(pid: int) -> storage.Client:
    """Returns this process's client; without credentials it sees only what is public."""
    try:
        return storage.Client(project=None)
    except DefaultCredentialsError:
        return storage.Client.create_anonymous_client()


def _bucket(path: str) -> tuple[storage.Bucket, str]:
    """Returns the bucket of a `gs://` path, and the name of its object."""
    bucket, _, name = path.removeprefix(_SCHEME).partition("/")
    return _client(os.getpid()).bucket(bucket), name


def look_up(paths: Sequence[str]) -> dict[str, CorpusFile]:
    """Returns objects as they are now, by their `gs://` paths; those that are gone are left out."""
    found: dict[str, CorpusFile] = {}
    by_bucket: dict[str, set[str]] = {}
    for path in paths:
        by_bucket.setdefault(path.removeprefix(_SCHEME).partition("/")[0], set()).add(path)
    for bucket, wanted in by_bucket.items():
        if len(wanted) <= _FEW:
            for path in wanted:
                try:
                    found[path] = current(path)
                except FileNotFoundError:
                    continue
            continue
        prefix = os.path.commonprefix([_bucket(path)[1] for path in wanted])  # noqa: RUF071 (of characters)
        for blob in _client(os.getpid()).list_blobs(
            bucket, prefix=prefix, fields=_FIELDS, retry=_RETRY
        ):
            path = f"{_SCHEME}{bucket}/{blob.name}"
            if path in wanted:
                found[path] = _file(path, blob)
    return found


def current(path: str) -> CorpusFile:
    """Returns an object as it is now.

    Raises:
        FileNotFoundError: It is gone.
    """
    bucket, name = _bucket(path)
    blob = bucket.get_blob(name, retry=_RETRY)
    if blob is None:
        raise FileNotFoundError(f"no such object: {path}")
    return _file(path, blob)


def create_new(path: str, content: bytes) -> bool:
    """Creates an object unless there is one of this name; returns whether it did.

    A lost answer makes the client try again and find its own object there; whose it is, its
    content says.
    """
    bucket, name = _bucket(path)
    try:
        bucket.blob(name).upload_from_string(content, if_generation_match=0, retry=_RETRY)
    except PreconditionFailed:
        try:
            return bucket.blob(name).download_as_bytes(retry=_RETRY) == content
        except NotFound:
            return False
    return True


def _file(path: str, blob: storage.Blob) -> CorpusFile:
    return CorpusFile(path, blob.size, str(blob.generation), f"crc32c:{blob.crc32c}")
