"""Files of data sets on the Hugging Face Hub: `hf://datasets/owner/name[@revision]/path`."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers

from models.hubs.remote import in_short
from transforms.errors import InputError
from transforms.files import CorpusFile
from transforms.storage.stores import SCHEMES, StoreError, open_ranges
from transforms.storage.web import fetch_range

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_ROOT = re.compile(
    rf"hf://datasets/(?P<repository>{_NAME}/{_NAME})"
    r"(?:@(?P<revision>refs/(?:convert|pr)/[^/@]+|~parquet|[^/@]+))?/"
)
# Where the hub keeps what it has converted to Parquet itself.
_CONVERTED = {"~parquet": "refs/convert/parquet"}


class _Place(NamedTuple):
    root: str
    repository: str
    revision: str
    path: str


class HubStore:
    """See `transforms.storage.stores.Store`.

    `HF_ENDPOINT` names another hub, and `HF_TOKEN` gives access to what is private.
    """

    can_list = True
    is_pinned = False  # the hub and the store behind it name a content each in its own way

    def root(self, path: str) -> str:
        """Returns the part of a path that names the data set."""
        return _place(path).root

    def find(self, path: str) -> CorpusFile | None:
        """Returns a file of a data set, or None."""
        place = _place(path)
        with _explained(place):
            found = _api().get_paths_info(
                place.repository, [place.path], repo_type="dataset", revision=place.revision
            )
        return next((_file(place, item) for item in found if isinstance(item, RepoFile)), None)

    def files_under(self, prefix: str, deep: bool) -> Iterable[CorpusFile]:
        """Returns files; a prefix stands for the folder that it is in."""
        place = _place(prefix)
        folder = place.path.rpartition("/")[0]
        with _explained(place):
            try:
                found = list(
                    _api().list_repo_tree(
                        place.repository,
                        folder or None,
                        recursive=deep,
                        repo_type="dataset",
                        revision=place.revision,
                    )
                )
            except EntryNotFoundError:
                return []
        files = [_file(place, item) for item in found if isinstance(item, RepoFile)]
        return [file for file in files if file.path.startswith(prefix)]

    def open(self, file: CorpusFile) -> BinaryIO:
        """Opens a file."""
        return open_ranges(self, file)

    def fetch(self, file: CorpusFile, start: int, stop: int) -> bytes:
        """Returns some bytes; see `transforms.storage.stores.Ranges`."""
        place = _place(file.path)
        url = hf_hub_url(
            place.repository,
            place.path,
            repo_type="dataset",
            revision=place.revision,
            endpoint=_endpoint(),
        )
        unversioned = CorpusFile(file.path, file.size)
        return fetch_range(url, unversioned, start, stop, build_hf_headers())


def _place(path: str) -> _Place:
    match = _ROOT.match(path)
    if match is None:
        raise InputError(
            f"{path!r} is no path at the Hugging Face Hub, which is {SCHEMES['hf'].form}"
        )
    revision = unquote(match["revision"] or "main")
    revision = _CONVERTED.get(revision, revision)
    return _Place(match[0], match["repository"], revision, path[match.end() :])


def _file(place: _Place, found: RepoFile) -> CorpusFile:
    digest = f"sha256:{found.lfs.sha256}" if found.lfs else f"git:{found.blob_id}"
    return CorpusFile(place.root + found.path, found.size, digest, digest)


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")  # the library itself reads it only once


def _api() -> HfApi:
    return HfApi(endpoint=_endpoint())


@contextmanager
def _explained(place: _Place) -> Iterator[None]:
    """Turns what the library raises into an error that says what can be done."""
    try:
        yield
    except EntryNotFoundError:
        raise
    except GatedRepoError:
        raise PermissionError(
            "its owner grants access on request: ask for it on the hub's page, then set HF_TOKEN"
        ) from None
    except RepositoryNotFoundError:
        raise FileNotFoundError(
            f"no data set {place.repository!r}; if it is private, set HF_TOKEN to a token that can "
            "read it"
        ) from None
    except RevisionNotFoundError:
        raise FileNotFoundError(f"no revision {place.revision!r} in this data set") from None
    except OfflineModeIsEnabled:
        raise PermissionError("HF_HUB_OFFLINE forbids all requests: unset it") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        kind = StoreError if status == 429 or status >= 500 else PermissionError
        raise kind(f"the hub answered {status}") from None
    except Exception as error:  # of whichever client the library has
        raise StoreError(f"the hub does not answer: {in_short(str(error))}") from None
