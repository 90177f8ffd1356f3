"""Presets in Google Cloud Storage buckets: `gs://bucket/path`."""

from collections.abc import Iterable
from pathlib import Path

from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from models.errors import PresetError
from models.hubs import google_errors
from models.hubs.google_login import storage_client
from models.hubs.remote import RemoteFile, RemoteUri, Snapshot, explained

_WORKERS = 8
# Larger files are fetched in slices, several at a time.
_SLICED_BYTES = 64 << 20
# Seconds to wait for a bucket to answer before giving up.
_RETRY = DEFAULT_RETRY.with_timeout(20)
_TIMEOUT = 20


class BucketSnapshot(Snapshot):
    """A folder in a bucket.

    Args:
        remote: A `gs://` URI.

    Raises:
        PresetError: There is no such folder, or no access to it.
    """

    def __init__(self, remote: RemoteUri) -> None:
        self._remote = remote
        self.source = remote.text
        self._blobs = list_blobs(remote)
        self.files = [
            RemoteFile(name, blob.size, ("crc32c", blob.crc32c))
            for name, blob in self._blobs.items()
        ]
        if not self.files:
            raise remote.error("no such folder, or an empty one")

    def download(self, files: Iterable[RemoteFile], folder: Path) -> None:
        """Downloads files into a folder; see `Snapshot.download`.

        Here an incomplete file may have its own name too; its checksum gives it away.
        """
        small = []
        with explained(self._remote, _explain):
            for file in files:
                path = folder / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                if file.size <= _SLICED_BYTES:
                    small.append((self._blobs[file.name], str(path)))
                    continue
                transfer_manager.download_chunks_concurrently(
                    self._blobs[file.name],
                    str(path),
                    worker_type=transfer_manager.THREAD,
                    max_workers=_WORKERS,
                    download_kwargs={"timeout": _TIMEOUT, "retry": _RETRY},
                )
            transfer_manager.download_many(
                small,
                raise_exception=True,
                worker_type=transfer_manager.THREAD,
                max_workers=_WORKERS,
                download_kwargs={"timeout": _TIMEOUT, "retry": _RETRY},
            )


def list_blobs(remote: RemoteUri) -> dict[str, storage.Blob]:
    """Returns the blobs of a folder by their paths in it.

    Raises:
        PresetError: There is no such bucket, or no access to it.
    """
    prefix = f"{remote.parts['path']}/"
    with explained(remote, _explain):
        found = storage_client().list_blobs(
            remote.parts["bucket"], prefix=prefix, timeout=_TIMEOUT, retry=_RETRY
        )
        # Some tools keep empty blobs as placeholders for folders.
        return {
            blob.name.removeprefix(prefix): blob for blob in found if not blob.name.endswith("/")
        }


def upload(remote: RemoteUri, files: dict[str, Path]) -> None:
    """Copies files into a folder of a bucket; Cloud Storage checks what it receives.

    Args:
        remote: The folder's `gs://` URI.
        files: The local file for each path in the folder.

    Raises:
        PresetError: There is no such bucket, no access to it, or a file was damaged in transit.
    """
    with explained(remote, _explain_upload):
        bucket = storage_client().bucket(remote.parts["bucket"])
        transfer_manager.upload_many(
            [
                (str(path), bucket.blob(f"{remote.parts['path']}/{name}"))
                for name, path in files.items()
            ],
            raise_exception=True,
            worker_type=transfer_manager.THREAD,
            max_workers=_WORKERS,
            upload_kwargs={"checksum": "crc32c", "timeout": _TIMEOUT, "retry": _RETRY},
        )


def _explain(remote: RemoteUri, error: Exception) -> PresetError:
    if isinstance(error, DataCorruption):
        return remote.error("a file was damaged in transit: its checksum does not match")
    found = google_errors.explained(error, remote.parts["bucket"])
    if found is None or found[0] == "unavailable":
        return remote.unreachable(google_errors.told(error))
    return remote.error(found[1])


def _explain_upload(remote: RemoteUri, error: Exception) -> PresetError:
    found = google_errors.explained(error, remote.parts["bucket"])
    return remote.error(found[1]) if found else _explain(remote, error)
