"""An output folder in Google Cloud Storage.

Beam's own file system for it copies and removes one object after another.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.cloud import storage

from transforms.files import open_binary
from transforms.storage.ahead import in_order
from transforms.storage.google import RETRY, GoogleStore, bucket_of, create_new, in_words
from transforms.storage.object_folder import ObjectFolder
from transforms.writing.folder import RUN_ID, RUNS

_PART_BYTES = 16 << 20  # sent at a time of what is longer
_MOST_REMOVED = 100  # with one request


class GoogleFolder(ObjectFolder):
    """See `transforms.writing.folder.OutputFolder`."""

    def __init__(self, path: str) -> None:
        self._bucket, name = bucket_of(path)
        super().__init__(path, GoogleStore(), self._bucket.name)
        self._prefix = f"{name}/" if name else ""

    def run_ids(self) -> list[str]:
        with in_words():
            listing = self._bucket.list_blobs(
                prefix=f"{self._prefix}{RUNS}/",
                delimiter="/",
                fields="prefixes,nextPageToken",
                retry=RETRY,
            )
            deque(listing, maxlen=0)
        found = (folder.split("/")[-2] for folder in listing.prefixes)
        return sorted(name for name in found if re.fullmatch(RUN_ID, name))

    def age(self, name: str) -> float | None:
        with in_words():
            blob = self._bucket.get_blob(self._prefix + name, retry=RETRY)
        return None if blob is None else time.time() - float(blob.updated.timestamp())

    def create(self, name: str) -> "_Upload":
        return _Upload(self._blob(name))

    def create_new(self, name: str, content: bytes) -> bool:
        with in_words():
            return create_new(f"{self.path}/{name}", content)

    def open(self, name: str) -> BinaryIO:
        return open_binary(f"{self.path}/{name}")

    def read(self, name: str) -> bytes | None:
        with in_words():
            try:
                content: bytes = self._blob(name).download_as_bytes(retry=RETRY)
            except NotFound:
                return None
        return content

    def write_whole(self, name: str, content: bytes) -> None:
        with in_words():
            self._blob(name).upload_from_string(content, retry=RETRY)

    def touch(self, name: str) -> None:
        with in_words(), suppress(NotFound, PreconditionFailed):
            blob = self._bucket.get_blob(self._prefix + name, retry=RETRY)
            if blob is None:
                return
            # What another has removed or replaced meanwhile does not come back.
            same = blob.generation
            content = blob.download_as_bytes(if_generation_match=same, retry=RETRY)
            blob.upload_from_string(content, if_generation_match=same, retry=RETRY)

    def link(self, names: Mapping[str, str]) -> None:
        _each(list(names), lambda new: self._copy(names[new], new))

    def _copy(self, old: str, new: str) -> None:
        source, copy, token = self._blob(old), self._blob(new), None
        while True:  # one request, but for an object that must change its place
            with in_words():
                token, *_ = copy.rewrite(source, token=token, retry=RETRY)
            if token is None:
                return

    def remove(self, names: Sequence[str]) -> None:
        _each(
            [names[start : start + _MOST_REMOVED] for start in range(0, len(names), _MOST_REMOVED)],
            self._remove,
        )

    def _remove(self, names: Sequence[str]) -> None:
        # If one of them is gone, or the storage fails, each is removed by itself.
        with suppress(GoogleAPIError, OSError):
            with self._bucket.client.batch():
                for name in names:
                    self._blob(name).delete()
            return
        with in_words():
            for name in names:
                try:
                    self._blob(name).delete(retry=RETRY)
                except NotFound:
                    continue

    def remove_tree(self, name: str) -> None:
        found = self._under(name, deep=True)
        self.remove([each for each in found if f"{each}/".startswith(f"{name}/")])

    def remove_if_empty(self, name: str = "") -> None:
        pass

    def remove_created(self, highest: str) -> None:
        pass

    def _blob(self, name: str) -> storage.Blob:
        return self._bucket.blob(self._prefix + name)


def _each(items: Sequence[Any], work: Callable[[Any], None]) -> None:
    deque(in_order(items, work), maxlen=0)


class _Upload:
    """An object that is being written; it is there, whole, once it is closed."""

    def __init__(self, blob: storage.Blob) -> None:
        self._blob = blob
        self._held = bytearray()
        self._writer: Any = None
        self._is_open = True

    def write(self, content: bytes) -> int:
        self._held += content
        if len(self._held) >= _PART_BYTES:
            self._send()
        return len(content)

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        with in_words():
            if self._writer is None:
                self._blob.upload_from_string(bytes(self._held), retry=RETRY)
                return
        self._send()
        with in_words():
            self._writer.close()

    def terminate(self) -> None:
        """Gives up what is written."""
        self._is_open = False
        if self._writer is not None:
            with in_words():
                self._writer.terminate()

    def _send(self) -> None:
        with in_words():
            if self._writer is None:
                self._writer = self._blob.open("wb", chunk_size=_PART_BYTES, retry=RETRY)
            self._writer.write(bytes(self._held))
        self._held.clear()
