"""The summary of a run as a file, for programs that do not read what a command prints."""

import os

from models.errors import RunError, UserError
from pipelines.reporting.local_file import LocalFile
from transforms.writing.folder import open_folder, storage_errors


class SummaryFile:
    """A file that is whole and of this run, or not there.

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
            UserError: Nothing can be written there.
        """
        with storage_errors(self._what):
            self._file.begin()

    def write(self, summary: str) -> None:
        """Writes the summary, one line of JSON.

        Raises:
            RunError: It cannot be written; the run is done all the same.
        """
        try:
            with storage_errors(self._what):
                self._file.write(f"{summary}\n".encode())
        except UserError as error:
            raise RunError(f"the run is done, and its summary is lost: {error}") from error


class _StoredFile:
    """A file in a store, which shows only whole ones."""

    def __init__(self, path: str) -> None:
        folder, _, self._name = path.rpartition("/")
        self._folder = open_folder(folder)

    def write(self, content: bytes) -> None:
        self._folder.write_whole(self._name, content)

    def begin(self) -> None:
        self.write(b"")
        self._folder.remove([self._name])
