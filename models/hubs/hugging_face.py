"""Presets in repositories on the Hugging Face Hub: `hf://owner/name[@revision]`."""

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from models.errors import PresetError
from models.hubs.remote import RemoteFile, RemoteUri, Snapshot, explained, retry_if_lost

# Seconds to wait for an answer about a repository or a file.
_TIMEOUT = 15


class HuggingFaceSnapshot(Snapshot):
    """A repository at one commit.

    The environment variable `HF_ENDPOINT` names another hub, `HF_TOKEN` gives access to private
    repositories, and `HF_HUB_OFFLINE` forbids all requests.

    Args:
        remote: An `hf://` URI; without a revision, the latest commit on the main branch is used.

    Raises:
        PresetError: There is no such repository or revision, or the hub does not answer.
    """

    def __init__(self, remote: RemoteUri) -> None:
        self._remote = remote
        self._repository = remote.parts["repository"]
        # Read here: the library itself reads it only once, when it is imported.
        self._api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
        revision = remote.parts.get("revision")
        with explained(remote, _explain):
            info = self._api.model_info(
                self._repository, revision=revision, timeout=_TIMEOUT, files_metadata=True
            )
        if info.sha is None:
            raise remote.error("the hub does not report its commit")
        self._commit = info.sha
        self.source = f"hf://{self._repository}@{self._commit}"
        self.files = [
            RemoteFile(
                file.rfilename,
                file.size or 0,
                ("sha256", file.lfs.sha256)
                if file.lfs is not None
                else ("git", file.blob_id)
                if file.blob_id
                else None,
            )
            for file in info.siblings or []
        ]

    def download(self, files: Iterable[RemoteFile], folder: Path) -> None:
        """Downloads files into a folder; see `Snapshot.download`."""
        with explained(self._remote, _explain), _without_bars():
            # An interrupted process left them, and no other process can resume them.
            for orphan in (folder / ".cache").rglob("*.incomplete"):
                orphan.unlink()
            for file in files:
                retry_if_lost(
                    functools.partial(
                        self._api.hf_hub_download,
                        self._repository,
                        file.name,
                        revision=self._commit,
                        local_dir=folder,
                        etag_timeout=_TIMEOUT,
                    ),
                    # The hub's own answers are final: the library has retried where that helps.
                    lambda error: not isinstance(error, HfHubHTTPError),
                )


def _explain(remote: RemoteUri, error: Exception) -> PresetError:
    if isinstance(error, GatedRepoError):
        return remote.error(
            "its owner grants access on request: ask for it on the hub's page, then set HF_TOKEN"
        )
    if isinstance(error, RepositoryNotFoundError):
        return remote.error(
            "no such repository; if it is private, set HF_TOKEN to a token that can read it"
        )
    if isinstance(error, RevisionNotFoundError):
        revision = remote.parts.get("revision")
        return remote.error(f"no revision {revision!r} in this repository")
    if isinstance(error, HfHubHTTPError):
        return remote.unreachable(f"the hub answered {error.response.status_code}")
    return remote.unreachable(_root(error))


def _root(error: BaseException) -> BaseException:
    """Returns the root cause of an error."""
    return _root(error.__cause__) if error.__cause__ is not None else error


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    """Keeps the library's progress bars off the terminal while the body runs."""
    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
