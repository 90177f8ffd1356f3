"""The output folder, on a local disk or on any storage that Beam knows, behind one interface.

Local folders are handled without importing Beam: a usage error must not wait for that.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from models.hubs.google_errors import explained
from transforms.errors import OutputError, WriteError

RUN_ID = r"\d{8}t\d{6}-[0-9a-f]{6}"
"""Pattern of the name of a run."""

RUNS = "_runs"
"""The folder, inside the output folder, with all that is not published."""

# Remote storage fails with exceptions of these packages, which are not all OSErrors.
_STORAGE_PACKAGES = ("google.", "requests.", "botocore.", "azure.")


class NewFile(Protocol):
    """A file that is being written."""

    def write(self, content: bytes, /) -> int:
        """Writes all of the content."""

    def close(self) -> None:
        """Ends the file, which is then stored."""


class OutputFolder(Protocol):
    """Files of one folder, by their names relative to it. Raises what its storage raises."""

    path: str

    def check_no_file(self) -> None:
        """Raises an OSError if the path names a file, or a dangling link."""

    def first_missing(self) -> str | None:
        """Returns the topmost of the folder and its parents that has yet to be created."""

    def files(self, subfolder: str = "", prefix: str = "") -> dict[str, int]:
        """Returns name and size, in bytes, of the files directly in the folder or a subfolder.

        Args:
            subfolder: The subfolder.
            prefix: How the names of the files begin.
        """

    def run_ids(self) -> list[str]:
        """Returns the names of the runs that have a folder in `RUNS`, the oldest first."""

    def age(self, name: str) -> float | None:
        """Returns the seconds since a file was last written, or None if there is none."""

    def create(self, name: str) -> "NewFile":
        """Opens a new file for writing, with the folders above it."""

    def create_new(self, name: str, content: bytes) -> bool:
        """Writes a small file unless there is one of that name; returns whether it did."""

    def open(self, name: str) -> BinaryIO:
        """Opens a file for reading."""

    def read(self, name: str) -> bytes | None:
        """Returns the content of a small file, or None when there is none."""

    def write_whole(self, name: str, content: bytes) -> None:
        """Writes a small file, or replaces it; no reader ever sees part of it."""

    def touch(self, name: str) -> None:
        """Makes a small file as if it had been written now."""

    def link(self, names: Mapping[str, str]) -> None:
        """Lets files appear under more names: the new one, and the one that each has."""

    def remove(self, names: Sequence[str]) -> None:
        """Removes files that exist."""

    def remove_tree(self, name: str) -> None:
        """Removes everything under a name, if anything is there."""

    def remove_if_empty(self, name: str = "") -> None:
        """Removes a folder that holds nothing."""

    def remove_created(self, highest: str) -> None:
        """Removes the folder and its parents up to `highest`, as far as they are empty."""


def open_folder(output: str) -> OutputFolder:
    """Returns the folder at a path or URL, whether or not it exists yet.

    Raises:
        OutputError: Nothing can be written there, or not as safely as is promised.
        InputError: A package is missing.
    """
    if re.match(r"[a-zA-Z][-a-zA-Z0-9+.]*://", output):
        if output.endswith("://"):  # without its slashes it would be a local folder
            raise OutputError(f"{output} names no bucket or folder")
        from transforms.storage import stores

        scheme = output.partition("://")[0].lower()
        if scheme == "gs":
            from transforms.storage.google_folder import GoogleFolder

            return GoogleFolder(output.rstrip("/"))
        if scheme == "s3" and stores.store_of(output):
            from transforms.storage.s3_folder import S3Folder

            return S3Folder(output.rstrip("/"))
        if scheme in stores.SCHEMES:
            raise OutputError(
                f"cannot use --output={output}: results are written to a folder on this machine, "
                "in gs:// or in s3://; give one of these, and copy it"
            )
        from transforms.writing.remote_folder import RemoteFolder

        return RemoteFolder(output.rstrip("/"))
    from transforms.writing.local_folder import LocalFolder

    return LocalFolder(os.path.abspath(os.path.expanduser(output)))


@contextmanager
def storage_errors(
    action: str, kind: type[OutputError | WriteError] = OutputError
) -> Iterator[None]:
    """Turns what storage raises into one error that says `cannot <action>: <reason>`.

    Args:
        action: What was being done.
        kind: The error: an `OutputError` before any work, a `WriteError` during a run.
    """
    try:
        yield
    except Exception as error:
        of_storage = type(error).__module__.startswith(_STORAGE_PACKAGES)
        if not isinstance(error, OSError) and not of_storage:
            raise
        raise kind(f"cannot {action}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if (found := explained(error)) is not None:
        return found[1]
    details = getattr(error, "exception_details", None)  # BeamIOError: one entry per file
    if isinstance(details, dict) and details:
        first = next(iter(details.values()))
        return _reason(first) if isinstance(first, BaseException) else f"status {first}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
