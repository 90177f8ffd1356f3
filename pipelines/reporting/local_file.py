"""A file on this machine that is whole, or as it was."""

import os
from pathlib import Path


class LocalFile:
    """A file that a command writes at its end; a pipe or a device is written to as it is.

    Args:
        path: Where; of a link the file that it leads to.
    """

    def __init__(self, path: str) -> None:
        # What is there by another name, such as standard error, is not ours to replace; nor can a
        # pipe be opened by the name that its link leads to.
        is_stream = os.path.abspath(path).startswith(("/dev/", "/proc/"))
        self._path = Path(path) if is_stream else Path(path).resolve()
        self._is_file = not is_stream and (self._path.is_file() or not self._path.exists())

    def read(self, size: int) -> bytes | None:
        """Returns the first bytes of the file that is there, if there is one.

        Raises:
            OSError: It cannot be read.
        """
        if not self._is_file or not self._path.exists():
            return None
        with self._path.open("rb") as file:
            return file.read(size)

    def write(self, content: bytes) -> None:
        """Writes all of it; whoever reads a file meanwhile sees the one before.

        Raises:
            OSError: It cannot be written.
        """
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
        """Removes the file before work begins, if it can be written.

        Raises:
            OSError: It cannot be.
        """
        if self._is_file:
            self.write(b"")
            self._path.unlink(missing_ok=True)
