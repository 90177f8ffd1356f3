"""Presets among the models on Kaggle: `kaggle://owner/model/framework/variation[/version]`."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import requests
from kagglehub.clients import build_kaggle_client
from kagglehub.handle import ModelHandle
from kagglehub.integrity import get_md5_checksum_from_response
from kagglesdk.models.types.model_api_service import (
    ApiDownloadModelInstanceVersionRequest,
    ApiGetModelInstanceRequest,
    ApiListModelInstanceVersionFilesRequest,
)
from requests.adapters import HTTPAdapter

from models.errors import PresetError
from models.hubs.checksums import checksums
from models.hubs.remote import RemoteFile, RemoteUri, Snapshot, explained, retry_if_lost

_BLOCK = 1 << 20
_FILES_A_PAGE = 100
# Seconds to connect, and between two blocks.
_TIMEOUTS = (10, 30)
# What a connection that is lost, or silent for too long, raises.
_LOST = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


class KaggleSnapshot(Snapshot):
    """A version of a model.

    Credentials are found where `kagglehub` looks for them: `KAGGLE_API_TOKEN`, `KAGGLE_USERNAME`
    and `KAGGLE_KEY`, or a file in `~/.kaggle/`. Public models need none.

    Args:
        remote: A `kaggle://` URI; without a version, the latest one is used.

    Raises:
        PresetError: There is no such model or version, or Kaggle does not answer.
    """

    def __init__(self, remote: RemoteUri) -> None:
        self._remote = remote
        parts = remote.parts
        try:
            handle = ModelHandle(
                parts["owner"], parts["model"], parts["framework"], parts["variation"], None
            )
            self._names: dict[str, Any] = {
                "owner_slug": handle.owner,
                "model_slug": handle.model,
                "framework": handle.framework_enum(),
                "instance_slug": handle.variation,
            }
        except ValueError:
            raise remote.error(f"Kaggle has no framework {parts['framework']!r}") from None
        with explained(remote, _explain), _client() as client:
            self._version = int(parts["version"]) if "version" in parts else self._newest(client)
            self.source = f"kaggle://{handle}/{self._version}"
            self.files = list(self._list(client))

    def _request(self, kind: type, **fields: Any) -> Any:
        request = kind()
        for name, value in {**self._names, **fields}.items():
            setattr(request, name, value)
        return request

    def _newest(self, client: Any) -> int:
        request = self._request(ApiGetModelInstanceRequest)
        return client.models.model_api_client.get_model_instance(request).version_number

    def _list(self, client: Any) -> Iterator[RemoteFile]:
        page = None
        while page is None or page != "":
            request = self._request(
                ApiListModelInstanceVersionFilesRequest,
                version_number=self._version,
                page_size=_FILES_A_PAGE,
            )
            if page:
                request.page_token = page
            answer = client.models.model_api_client.list_model_instance_version_files(request)
            for file in answer.files:
                yield RemoteFile(file.name, int(file.size or 0))
            page = answer.next_page_token or ""

    def download(self, files: Iterable[RemoteFile], folder: Path) -> None:
        """Downloads files into a folder; see `Snapshot.download`."""
        with explained(self._remote, _explain), _client() as client:
            for file in files:
                self._download(client, file, folder / file.name)

    def _download(self, client: Any, file: RemoteFile, path: Path) -> None:
        """Fetches one file; after a lost connection, it resumes where it stopped."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        expected = retry_if_lost(
            lambda: self._append(client, file, part), lambda error: isinstance(error, _LOST)
        )
        if expected is not None and checksums(part, ["md5"])["md5"] != expected:
            part.unlink()
            raise self._remote.error(f"{file.name} is damaged: its checksum is not Kaggle's")
        part.replace(path)

    def _append(self, client: Any, file: RemoteFile, part: Path) -> str | None:
        """Writes what a file still lacks; returns the whole file's checksum, if Kaggle gives it."""
        request = self._request(
            ApiDownloadModelInstanceVersionRequest, version_number=self._version, path=file.name
        )
        with client.models.model_api_client.download_model_instance_version(request) as whole:
            whole.raise_for_status()
            expected = get_md5_checksum_from_response(whole)
            done = part.stat().st_size if part.is_file() else 0
            total = int(whole.headers.get("Content-Length", file.size))
            if done == total:
                return expected
            if not done or done > total or whole.headers.get("Accept-Ranges") != "bytes":
                _write(whole, part, "wb")
                return expected
        # The URL that Kaggle redirected us to is signed, so it needs no credentials.
        rest = {"Range": f"bytes={done}-"}
        with requests.get(whole.url, stream=True, timeout=_TIMEOUTS, headers=rest) as answer:
            answer.raise_for_status()
            _write(answer, part, "ab" if answer.status_code == requests.codes.partial else "wb")
        return expected


class _WithTimeouts(HTTPAdapter):
    """Sends every request with our timeouts."""

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        return super().send(request, *args, **{**options, "timeout": _TIMEOUTS})


@contextlib.contextmanager
def _client() -> Iterator[Any]:
    """Creates Kaggle's client, which by default would wait forever for an answer."""
    with build_kaggle_client() as client:
        session = client.http_client()._session
        for scheme in ("https://", "http://"):
            session.mount(scheme, _WithTimeouts())
        yield client


def _write(answer: requests.Response, path: Path, mode: str) -> None:
    with path.open(mode) as stream:
        for block in answer.iter_content(_BLOCK):
            stream.write(block)


def _explain(remote: RemoteUri, error: Exception) -> PresetError:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        if status == requests.codes.not_found:
            return remote.error("Kaggle has no such model or version")
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            return remote.error(
                "no such model on Kaggle, or no access to it: accept its terms on its page, then "
                "set KAGGLE_API_TOKEN"
            )
        return remote.unreachable(f"Kaggle answered {status}")
    return remote.unreachable(error)
