"""Azure Blob Storage: `az://container/path`, `abfs://container@account.dfs.core.windows.net/path`.

Beam's own file system for it has another scheme, reads one account alone, whatever a path says, and
tells no ETag.
"""

import functools
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import requests
from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobPrefix, BlobServiceClient
from requests.adapters import HTTPAdapter

from models.hubs.remote import in_short
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.storage.stores import SCHEMES, StoreError, open_ranges
from transforms.versions import ChangedInputError

_CONNECTIONS = 64

_ROOT = re.compile(r"(?:az|abfss?)://(?P<container>[^/@]+)(?:@(?P<account>[^/.@]+)[^/@]*)?/")


class _Place(NamedTuple):
    root: str
    account: str
    container: str
    name: str


class AzureStore:
    """See `transforms.storage.stores.Store`.

    The account is that of the path, else that of `AZURE_STORAGE_ACCOUNT`. Access is given by what
    Azure's command line takes too, `AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_KEY` or
    `AZURE_STORAGE_SAS_TOKEN`, else by a login, a managed identity, or a service principal.
    """

    can_list = True
    is_pinned = True

    def root(self, path: str) -> str:
        """Returns the part of a path that names the container."""
        return _place(path).root

    def find(self, path: str) -> CorpusFile | None:
        """Returns a blob, or None."""
        place = _place(path)
        if not place.name:
            return None
        try:
            with _explained():
                blob = _container(place).get_blob_client(place.name)
                return _file(path, blob.get_blob_properties())
        except FileNotFoundError:
            return None

    def files_under(self, prefix: str, deep: bool) -> Iterable[CorpusFile]:
        """Returns blobs; those that stand for folders are none."""
        place = _place(prefix)
        container = _container(place)
        with _explained():
            listing = container.list_blobs if deep else container.walk_blobs
            for found in listing(name_starts_with=place.name or None):
                if not isinstance(found, BlobPrefix) and not _is_folder(found):
                    yield _file(place.root + found.name, found)

    def open(self, file: CorpusFile) -> BinaryIO:
        """Opens a blob."""
        return open_ranges(self, file)

    def fetch(self, file: CorpusFile, start: int, stop: int) -> bytes:
        """Returns some bytes; see `transforms.storage.stores.Ranges`."""
        place = _place(file.path)
        with _explained():
            try:
                content: bytes = (
                    _container(place)
                    .get_blob_client(place.name)
                    .download_blob(
                        offset=start,
                        length=stop - start,
                        etag=file.version,
                        match_condition=MatchConditions.IfNotModified,
                    )
                    .readall()
                )
            except ResourceModifiedError:
                problem = f"the input {file.path!r} changed while it was read"
                raise ChangedInputError.of(problem) from None
            return content


def _place(path: str) -> _Place:
    match = _ROOT.match(path)
    if match is None:
        raise InputError(
            f"{path!r} is no path in Azure, which is {SCHEMES['az'].form} or {SCHEMES['abfs'].form}"
        )
    account = match["account"] or os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    return _Place(match[0], account, match["container"], path[match.end() :])


def _file(path: str, found: Any) -> CorpusFile:
    etag = found.etag.strip('"')  # with quotes in one answer and without in the other
    return CorpusFile(path, found.size, f'"{etag}"', f"etag:{etag}")


def _is_folder(found: Any) -> bool:
    """Returns whether a blob stands for a folder, which accounts with real folders list too."""
    metadata = found.metadata or {}
    return found.name.endswith("/") or metadata.get("hdi_isfolder", "").lower() == "true"


def _container(place: _Place) -> Any:
    return _service(os.getpid(), place.account).get_container_client(place.container)


@functools.cache
def _service(pid: int, account: str) -> BlobServiceClient:
    connection = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    described = re.search(r"AccountName=([^;]*)", connection, re.IGNORECASE)
    transport = _transport()
    if described and account in ("", described[1]):
        return BlobServiceClient.from_connection_string(connection, transport=transport)
    if not account:
        raise InputError(
            "the path names no account: set AZURE_STORAGE_ACCOUNT or "
            f"AZURE_STORAGE_CONNECTION_STRING, or write {SCHEMES['abfs'].form}"
        )
    key = os.environ.get("AZURE_STORAGE_KEY") or os.environ.get("AZURE_STORAGE_SAS_TOKEN")
    return BlobServiceClient(
        f"https://{account}.blob.core.windows.net",
        key or DefaultAzureCredential(),
        transport=transport,
    )


def _transport() -> RequestsTransport:
    """Returns what threads may share; the client's own has room for ten."""
    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
    session.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
    return RequestsTransport(session=session, session_owner=False)


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what the client raises into an `OSError` that says what can be done."""
    try:
        yield
    except ResourceNotFoundError as error:
        missing = "container" if "ContainerNotFound" in str(error) else "blob"
        raise FileNotFoundError(f"no such {missing}") from None
    except ClientAuthenticationError:
        raise PermissionError(_DENIED) from None
    except HttpResponseError as error:
        if error.status_code in (401, 403):
            raise PermissionError(_DENIED) from None
        raise StoreError(f"Azure answered {error.status_code}") from None
    except AzureError as error:
        raise StoreError(f"Azure does not answer: {in_short(str(error))}") from None


_DENIED = (
    "Azure denies access: run az login, or set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY "
    "or AZURE_STORAGE_SAS_TOKEN"
)
