"""An output folder in Amazon S3, or in what speaks its protocol."""

import re
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from transforms.errors import OutputError
from transforms.files import open_binary
from transforms.storage.ahead import in_order
from transforms.storage.object_folder import ObjectFolder
from transforms.storage.s3 import S3Store, client, explained, pages, split, status_of
from transforms.storage.stores import again
from transforms.writing.folder import RUN_ID, RUNS

# Bytes of a part of an upload, of which there are at most 10,000.
_PART_BYTES = 16 << 20
_MOST_REMOVED = 1000  # with one request

# Buckets that were seen to create an object only if there is none.
_conditional: set[str] = set()


class S3Folder(ObjectFolder):
    """See `transforms.writing.folder.OutputFolder`."""

    def __init__(self, path: str) -> None:
        self._bucket, key = split(path)
        super().__init__(path, S3Store(), self._bucket)
        self._prefix = f"{key}/" if key else ""

    def run_ids(self) -> list[str]:
        found = (
            folder["Prefix"].split("/")[-2]
            for page in pages(f"{self.path}/{RUNS}/", deep=False)
            for folder in page.get("CommonPrefixes", ())
        )
        return sorted(name for name in found if re.fullmatch(RUN_ID, name))

    def age(self, name: str) -> float | None:
        try:
            with explained():
                found = client().head_object(**self._at(name))
        except FileNotFoundError:
            return None
        return time.time() - float(found["LastModified"].timestamp())

    def create(self, name: str) -> "_Upload":
        return _Upload(self._at(name))

    def create_new(self, name: str, content: bytes) -> bool:
        created = again(lambda: self._create(name, content))
        if not created:
            # A lost answer makes the client try again and find its own object there.
            return self.read(name) == content
        if self._bucket not in _conditional:
            if again(lambda: self._create(name, content)):
                self.remove([name])
                raise OutputError(
                    f"cannot use --output={self.path}: this store writes over what is there though "
                    "it was told not to (If-None-Match), and two runs could mix their results; "
                    "give a folder on this machine or in gs://, and copy it"
                )
            _conditional.add(self._bucket)
        return True

    def _create(self, name: str, content: bytes) -> bool:
        """Creates an object unless there is one; returns whether it did."""
        with explained():  # a conflict with others at this moment, 409, is tried again
            try:
                client().put_object(**self._at(name), Body=content, IfNoneMatch="*")
            except ClientError as error:
                if status_of(error) != 412:
                    raise
                return False
        return True

    def open(self, name: str) -> BinaryIO:
        return open_binary(f"{self.path}/{name}")

    def read(self, name: str) -> bytes | None:
        try:
            with explained():
                content: bytes = client().get_object(**self._at(name))["Body"].read()
        except FileNotFoundError:
            return None
        return content

    def write_whole(self, name: str, content: bytes) -> None:
        with explained():
            client().put_object(**self._at(name), Body=content)

    def touch(self, name: str) -> None:
        try:
            self._copy(name, name, MetadataDirective="REPLACE")
        except FileNotFoundError:  # nor does it come back, if another has just removed it
            return

    def link(self, names: Mapping[str, str]) -> None:
        deque(in_order(list(names), lambda new: self._copy(names[new], new)), maxlen=0)

    def _copy(self, old: str, new: str, **options: str) -> None:
        with explained():
            client().copy_object(**self._at(new), CopySource=self._at(old), **options)

    def remove(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), _MOST_REMOVED):
            keys = [{"Key": self._prefix + name} for name in names[start : start + _MOST_REMOVED]]
            with explained():
                removed = client().delete_objects(
                    Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True}
                )
            for failed in removed.get("Errors", ()):
                raise OSError(f"{failed['Key']} cannot be removed: {failed['Message']}")

    def remove_tree(self, name: str) -> None:
        self.remove([name, *self._under(f"{name}/", deep=True)])
        for upload in self._unfinished(f"{self._prefix}{name}/"):
            with explained():
                client().abort_multipart_upload(
                    Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )

    def _unfinished(self, prefix: str) -> Iterable[dict[str, Any]]:
        """Returns the uploads that processes that died have left: their parts cost money."""
        with explained():
            listing = client().get_paginator("list_multipart_uploads")
            found = listing.paginate(Bucket=self._bucket, Prefix=prefix)
            return [upload for page in found for upload in page.get("Uploads", ())]

    def remove_if_empty(self, name: str = "") -> None:
        pass

    def remove_created(self, highest: str) -> None:
        pass

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}


class _Upload:
    """An object that is being written; it is there, whole, once it is closed."""

    def __init__(self, place: Mapping[str, str]) -> None:
        self._place = dict(place)
        self._held = bytearray()
        self._id: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._is_open = True

    def write(self, content: bytes) -> int:
        self._held += content
        while len(self._held) >= _PART_BYTES:
            self._send(bytes(self._held[:_PART_BYTES]))
            del self._held[:_PART_BYTES]
        return len(content)

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        with explained():
            if self._id is None:
                client().put_object(**self._place, Body=bytes(self._held))
                return
            if self._held:
                self._send(bytes(self._held))
            client().complete_multipart_upload(
                **self._place, UploadId=self._id, MultipartUpload={"Parts": self._parts}
            )

    def terminate(self) -> None:
        """Gives up what is written."""
        self._is_open = False
        if self._id is not None:
            with explained():
                client().abort_multipart_upload(**self._place, UploadId=self._id)

    def _send(self, content: bytes) -> None:
        with explained():
            if self._id is None:
                self._id = client().create_multipart_upload(**self._place)["UploadId"]
            number = len(self._parts) + 1
            sent = client().upload_part(
                **self._place, UploadId=self._id, PartNumber=number, Body=content
            )
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})
