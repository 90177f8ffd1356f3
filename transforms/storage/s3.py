"""Amazon S3, and what speaks its protocol: `s3://bucket/path`.

Beam's own file system for it is not used: it tells no ETag, copies without an error what cannot be
copied, and has no way to create an object only if there is none.
"""

import functools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from urllib3.exceptions import HTTPError

from models.hubs.remote import in_short
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.storage.stores import StoreError, open_ranges
from transforms.versions import ChangedInputError

_SCHEME = "s3://"
_CONNECTIONS = 32  # threads that may wait at once

# What tells that the keys are wrong, beside the statuses 401 and 403.
_DENIED = {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "TokenRefreshRequired"}


class S3Store:
    """See `transforms.storage.stores.Store`.

    Keys, profiles, regions and other endpoints are found where Amazon's tools look for them:
    `AWS_PROFILE`, `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `~/.aws`, the role of a machine. Without
    keys only what is public is seen.
    """

    can_list = True
    is_pinned = True

    def root(self, path: str) -> str:
        """Returns the part of a path that names the bucket."""
        bucket = split(path)[0]
        if not bucket:
            raise InputError(f"{path!r} names no bucket")
        return f"{_SCHEME}{bucket}/"

    def find(self, path: str) -> CorpusFile | None:
        """Returns an object, or None."""
        bucket, key = split(path)
        if not key:
            return None
        try:
            with explained():
                found = client().head_object(Bucket=bucket, Key=key)
        except FileNotFoundError:
            return None
        return _file(path, found["ContentLength"], found["ETag"])

    def files_under(self, prefix: str, deep: bool) -> Iterable[CorpusFile]:
        """Returns objects; those whose names end in a slash stand for folders, and are none."""
        bucket = split(prefix)[0]
        for page in pages(prefix, deep):
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/"):
                    yield _file(f"{_SCHEME}{bucket}/{item['Key']}", item["Size"], item["ETag"])

    def open(self, file: CorpusFile) -> BinaryIO:
        """Opens an object."""
        return open_ranges(self, file)

    def fetch(self, file: CorpusFile, start: int, stop: int) -> bytes:
        """Returns some bytes; see `transforms.storage.stores.Ranges`."""
        bucket, key = split(file.path)
        with explained():
            try:
                found = client().get_object(
                    Bucket=bucket, Key=key, Range=f"bytes={start}-{stop - 1}", IfMatch=file.version
                )
            except ClientError as error:
                if status_of(error) not in (412, 416):
                    raise
                problem = f"the input {file.path!r} changed while it was read"
                raise ChangedInputError.of(problem) from None
            content: bytes = found["Body"].read()
            return content


def _file(path: str, size: int, etag: str) -> CorpusFile:
    return CorpusFile(path, size, etag, f"etag:{etag}")


def split(path: str) -> tuple[str, str]:
    """Returns the bucket of a path, and the key of its object."""
    bucket, _, key = path[len(_SCHEME) :].partition("/")
    return bucket, key


def pages(prefix: str, deep: bool) -> Iterator[dict[str, Any]]:
    """Yields the answers to a listing of the objects whose paths begin with a prefix."""
    bucket, key = split(prefix)
    delimiter = {} if deep else {"Delimiter": "/"}
    with explained():
        listing = client().get_paginator("list_objects_v2")
        yield from listing.paginate(Bucket=bucket, Prefix=key, **delimiter)


def client() -> Any:
    """Returns this process's client, which threads may share."""
    return _client(os.getpid(), os.environ.get("AWS_ENDPOINT_URL", ""))


@functools.cache
def _client(pid: int, endpoint: str) -> Any:
    session = boto3.session.Session()
    settings: dict[str, Any] = {"max_pool_connections": _CONNECTIONS}
    if session.get_credentials() is None:
        settings["signature_version"] = UNSIGNED
    retries = {"mode": "standard", "max_attempts": 4}
    return session.client("s3", config=Config(retries=retries, **settings))


def status_of(error: ClientError) -> int:
    """Returns the status of the answer that an error is made of."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def explained() -> Iterator[None]:
    """Turns what the client raises into an `OSError` that says what can be done."""
    try:
        yield
    except ClientError as error:
        status, code = status_of(error), error.response.get("Error", {}).get("Code", "")
        if status == 404:
            missing = "bucket" if code == "NoSuchBucket" else "object"
            raise FileNotFoundError(f"no such {missing}") from None
        if status in (401, 403) or code in _DENIED:
            raise PermissionError(
                f"Amazon S3 denies access ({code}): set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            ) from None
        raise StoreError(f"Amazon S3 answered {status} ({code})") from None
    except NoCredentialsError:
        raise PermissionError(
            "no keys for Amazon S3: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except (BotoCoreError, HTTPError) as error:
        raise StoreError(f"Amazon S3 does not answer: {in_short(str(error))}") from None
