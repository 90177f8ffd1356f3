"""The summary of a run as a file, for programs that do not read what a command prints."""

import json
import os

from models.errors import RunError, UserError
from pipelines.reporting.local_file import LocalFile
from transforms.writing.folder import open_folder, storage_errors

_STATUSES = ("done", "up to date", "planned", "submitted", "written")

# Bytes of what is looked at before it is replaced; a summary with a million labels has less.
_LARGEST = 64 << 20


class SummaryFile:
    """A file that is whole and of this run, or not there; it replaces nothing but a summary.

    Args:
        path: What `--summary_json` names, local or in a store that results may be written to.

    Raises:
        UserError: It is no name of a file, or of one that can be written.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._what = f"write --summary_json={path}"
        name = path.rpartition("/")[2]
        if not name or path.endswith(f"://{name}") or os.path.isdir(path):
            raise UserError(f"--summary_json={path} must name a file")
        self._file: LocalFile | _StoredFile
        self._file = _StoredFile(path) if "://" in path else LocalFile(path)

    def begin(self) -> None:
        """Removes what an earlier run has left there.

        Raises:
            UserError: Nothing can be written there, or something else is there.
        """
        with storage_errors(self._what):
            self._check()
            self._file.begin()

    def write(self, summary: str, done: str | None = None) -> None:
        """Writes the summary.

        Args:
            summary: One line of JSON.
            done: What is done, and stays so, as a message begins; `None` for nothing.

        Raises:
            RunError: It cannot be written.
        """
        try:
            with storage_errors(self._what):
                self._check()  # the run may have made a file of that name
                self._file.write(f"{summary}\n".encode())
        except UserError as error:
            lost = f"{done}, and the summary is lost" if done else "the summary is lost"
            raise RunError(f"{lost}: {error}") from error

    def _check(self) -> None:
        """Raises `UserError` if what is there is something else, such as an input."""
        content = self._file.read(_LARGEST)
        if content is not None and not _is_summary(content):
            raise UserError(
                f"--summary_json={self._path} is there already, and is not the summary of an "
                "earlier run: name another file"
            )


def _is_summary(content: bytes) -> bool:
    """Returns whether a file holds a summary, or nothing."""
    if not content.strip():
        return True
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("status") in _STATUSES


class _StoredFile:
    """A file in a store, which shows only whole ones."""

    def __init__(self, path: str) -> None:
        folder, _, self._name = path.rpartition("/")
        self._folder = open_folder(folder)

    def read(self, size: int) -> bytes | None:
        """Returns what is there, or of what has more bytes that it is too large."""
        found = self._folder.files(prefix=self._name).get(self._name, 0)
        return self._folder.read(self._name) if found <= size else b"too large"

    def write(self, content: bytes) -> None:
        self._folder.write_whole(self._name, content)

    def begin(self) -> None:
        self.write(b"")
        self._folder.remove([self._name])
