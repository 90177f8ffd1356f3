"""The summary of a run as a file, for programs that do not read what a command prints."""

import os
from pathlib import Path

from models.errors import RunError, UserError
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
        self._file: _LocalFile | _StoredFile
        self._file = _StoredFile(path) if "://" in path else _LocalFile(path)

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


class _LocalFile:
    """A file on this machine; a pipe or a device is written to as it is."""

    def __init__(self, path: str) -> None:
        self._path = Path(path).resolve()
        # What is there by another name, such as standard error, is not ours to replace.
        is_stream = os.path.abspath(path).startswith(("/dev/", "/proc/"))
        self._is_file = not is_stream and (self._path.is_file() or not self._path.exists())

    def write(self, content: bytes) -> None:
        if not self._is_file:
            with self._path.open("ab") as stream:
                stream.write(content)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            unfinished.write_bytes(content)
            unfinished.replace(self._path)
        finally:
            unfinished.unlink(missing_ok=True)

    def begin(self) -> None:
        if self._is_file:
            self.write(b"")
            self._path.unlink(missing_ok=True)


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
