"""An output folder on this machine."""

import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from transforms.writing.folder import RUN_ID, RUNS

# What a file system answers that has no hard links, or not enough of them.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.ENOSYS)


class LocalFolder:
    """See `transforms.writing.folder.OutputFolder`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._root = Path(path)

    def check_no_file(self) -> None:
        if self._root.exists() and not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, and must be a folder")
        if self._root.is_symlink() and not self._root.exists():
            target = os.readlink(self._root)
            raise FileNotFoundError(
                errno.ENOENT, f"it is a link to {target!r}, which does not exist"
            )

    def first_missing(self) -> str | None:
        missing = [path for path in (self._root, *self._root.parents) if not path.exists()]
        return str(missing[-1]) if missing else None

    def files(self, subfolder: str = "", prefix: str = "") -> dict[str, int]:
        place = f"{subfolder}/" if subfolder else ""
        try:
            entries = [e for e in os.scandir(self._root / subfolder) if e.name.startswith(prefix)]
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {place + e.name: e.stat().st_size for e in entries if e.is_file()}

    def run_ids(self) -> list[str]:
        try:
            return sorted(n for n in os.listdir(self._root / RUNS) if re.fullmatch(RUN_ID, n))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def age(self, name: str) -> float | None:
        try:
            return time.time() - (self._root / name).stat().st_mtime
        except FileNotFoundError:
            return None

    def create(self, name: str) -> "_SyncedFile":
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return _SyncedFile(path, "wb")

    def create_new(self, name: str, content: bytes) -> bool:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._write_unfinished(content)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            try:
                with _SyncedFile(path, "xb") as file:
                    file.write(content)
            except FileExistsError:
                return False
        finally:
            unfinished.unlink(missing_ok=True)
        _sync(path.parent)
        return True

    def open(self, name: str) -> BinaryIO:
        return open(self._root / name, "rb")

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write_whole(self, name: str, content: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._write_unfinished(content)
        try:
            os.replace(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync(path.parent)

    def touch(self, name: str) -> None:
        os.utime(self._root / name)

    def link(self, names: Mapping[str, str]) -> None:
        folders = set()
        for new, old in names.items():
            path = self._root / new
            path.parent.mkdir(exist_ok=True)
            folders.add(path.parent)
            self._link(self._root / old, path)
        for folder in folders:
            _sync(folder)

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self._root / name).unlink(missing_ok=True)

    def remove_tree(self, name: str) -> None:
        path = self._root / name
        with suppress(FileNotFoundError):  # another process removes it too
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def remove_if_empty(self, name: str = "") -> None:
        with suppress(OSError):
            (self._root / name).rmdir()

    def remove_created(self, highest: str) -> None:
        with suppress(OSError):
            for path in (self._root, *self._root.parents):
                path.rmdir()
                if str(path) == highest:
                    break

    def _link(self, old: Path, new: Path) -> None:
        if new.exists() and new.samefile(old):
            return
        unfinished = self._root / RUNS / f"unfinished-{uuid.uuid4().hex}"
        try:
            os.link(old, unfinished)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copyfile(old, unfinished)
            with open(unfinished, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(unfinished, new)

    def _write_unfinished(self, content: bytes) -> Path:
        """Returns a new file, whole and on the disk, that no reader looks for."""
        unfinished = self._root / RUNS / f"unfinished-{uuid.uuid4().hex}"
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _SyncedFile(unfinished, "wb") as file:
                file.write(content)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
        return unfinished


class _SyncedFile:
    """A file for writing that is on the disk when it is closed."""

    def __init__(self, path: Path, mode: str) -> None:
        self._file = open(path, mode)  # noqa: SIM115 (closed by close)

    def __enter__(self) -> "_SyncedFile":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def write(self, content: bytes) -> int:
        return self._file.write(content)

    def close(self) -> None:
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


def _sync(folder: Path) -> None:
    """Puts the names in a folder on the disk."""
    with suppress(OSError):  # some file systems cannot, and need not
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
