"""Presets in repositories on the Hugging Face Hub: `hf://owner/name[@revision]`."""

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from huggingface_hub import HfApi, ModelInfo
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
from models.hubs.remote import (
    RemoteFile,
    RemoteUri,
    Snapshot,
    converting,
    explained,
    retry_if_lost,
    unread_weights,
)

# The account that offers weights in safetensors, and the title of its pull requests.
_BOT = "SFconvertbot"
_TITLE = "Adding `safetensors` variant of this model"
_MAIN = "main"

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
            info = self._info(revision)
            if revision in (None, _MAIN) and _unread(info):
                info = self._converted(info.sha) or info
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

        self.advice = _advice(self._repository, info)

    def _info(self, revision: str | None) -> ModelInfo:
        return self._api.model_info(
            self._repository, revision=revision, timeout=_TIMEOUT, files_metadata=True
        )

    def _converted(self, main: str | None) -> ModelInfo | None:
        """Returns the repository with weights that Hugging Face's bot has turned into safetensors.

        The bot offers them in a pull request, which transformers uses too. It counts if it is the
        bot's, is open, and is one commit on top of the main branch's latest.

        Args:
            main: The main branch's latest commit.
        """
        try:
            for request in self._api.get_repo_discussions(
                self._repository, author=_BOT, discussion_type="pull_request"
            ):
                if (request.author, request.status, request.title) != (_BOT, "open", _TITLE):
                    continue
                revision = f"refs/pr/{request.num}"
                commits = self._api.list_repo_commits(self._repository, revision=revision)
                if len(commits) > 1 and commits[1].commit_id == main:
                    found = self._info(commits[0].commit_id)
                    return None if _unread(found) else found
        except HfHubHTTPError:  # a hub without such requests, or a repository that has none
            return None
        return None

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


def _names(info: ModelInfo) -> set[str]:
    return {file.rfilename for file in info.siblings or []}


def _unread(info: ModelInfo) -> str | None:
    """Returns a file with weights that are not read, if any are in no safe format."""
    return next(iter(unread_weights(_names(info))), None)


def _advice(repository: str, info: ModelInfo) -> str:
    """Returns what to do about weights that are not read; empty if there are none."""
    file = _unread(info)
    if file is None:
        return ""
    if "modules.json" in _names(info):
        code = "from sentence_transformers import SentenceTransformer; "
        code += f'SentenceTransformer("{repository}").save("FOLDER")'
        how = f"`pip install sentence-transformers`, and convert them: python -c '{code}'"
    else:
        architectures = [str(name) for name in (info.config or {}).get("architectures") or []]
        how = converting(file, repository, architectures, "FOLDER", "AutoTokenizer")
    return f"{how}; then give FOLDER as the preset"


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
