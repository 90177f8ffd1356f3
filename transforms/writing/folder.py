"""The output folder, on a local disk or on any storage that Beam knows, behind one interface.

Local folders are handled without importing Beam: a usage error must not wait for that.
"""

import errno
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from transforms.errors import OutputError

RUN_ID = r"\d{8}t\d{6}-[0-9a-f]{6}"
"""Pattern of the name of a run."""

_TEMPORARY = re.compile(rf"_temporary-({RUN_ID})(\.json)?")
_OWNER = "_owner.json"

# Remote storage fails with exceptions of these packages, which are not all OSErrors.
_STORAGE_PACKAGES = ("google.", "requests.", "botocore.", "azure.")


class OutputFolder(Protocol):
    """Files of one folder, by their names relative to it. Raises what its storage raises."""

    path: str

    def check_no_file(self) -> None:
        """Raises an OSError if the path names a file, or a dangling link."""

    def first_missing(self) -> str | None:
        """Returns the topmost of the folder and its parents that has yet to be created."""

    def files(self, subfolder: str = "") -> dict[str, int]:
        """Returns name and size, in bytes, of the files directly in the folder or a subfolder."""

    def temporaries(self) -> dict[str, float]:
        """Returns the temporary folders of all runs, and the Unix time of their last change."""

    def owner(self, temporary: str) -> Literal["alive", "dead", "unknown"]:
        """Says whether the process that owns a temporary folder is still running."""

    def reserve(self, temporary: str) -> None:
        """Creates a temporary folder, and proves that it can be written to."""

    def create(self, name: str) -> BinaryIO:
        """Opens a new file for writing, with the folders above it."""

    def read(self, name: str) -> bytes | None:
        """Returns the content of a small file, or None when there is none."""

    def write_whole(self, name: str, content: bytes, temporary: str) -> None:
        """Writes a small file, which no reader ever sees in part."""

    def rename(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Moves files, replacing those that have the new names."""

    def remove(self, names: Sequence[str]) -> None:
        """Removes files that exist."""

    def remove_tree(self, name: str) -> None:
        """Removes everything under a name, if anything is there."""

    def remove_if_empty(self, name: str = "") -> None:
        """Removes a folder that holds nothing."""

    def remove_created(self, highest: str) -> None:
        """Removes the folder and its parents up to `highest`, as far as they are empty."""


def open_folder(output: str) -> OutputFolder:
    """Returns the folder at a path or URL, whether or not it exists yet."""
    if re.match(r"[a-zA-Z][-a-zA-Z0-9+.]*://", output):
        if output.endswith("://"):  # without its slashes it would be a local folder
            raise OutputError(f"{output} names no bucket or folder")
        return _RemoteFolder(output.rstrip("/"))
    return _LocalFolder(os.path.abspath(os.path.expanduser(output)))


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turns what storage raises into one `OutputError` that says `cannot <action>: <reason>`."""
    try:
        yield
    except Exception as error:
        of_storage = type(error).__module__.startswith(_STORAGE_PACKAGES)
        if not isinstance(error, OSError) and not of_storage:
            raise
        raise OutputError(f"cannot {action}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    details = getattr(error, "exception_details", None)  # BeamIOError: one entry per file
    if isinstance(details, dict) and details:
        first = next(iter(details.values()))
        return _reason(first) if isinstance(first, BaseException) else f"status {first}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


class _LocalFolder:
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

    def files(self, subfolder: str = "") -> dict[str, int]:
        prefix = f"{subfolder}/" if subfolder else ""
        try:
            entries = list(os.scandir(self._root / subfolder))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {prefix + e.name: e.stat().st_size for e in entries if e.is_file()}

    def temporaries(self) -> dict[str, float]:
        found = {}
        for path in self._root.iterdir():
            if _TEMPORARY.fullmatch(path.name):
                with suppress(FileNotFoundError):  # its run has just finished
                    inside = path.iterdir() if path.is_dir() else ()
                    found[path.name] = max(p.stat().st_mtime for p in (path, *inside))
        return found

    def owner(self, temporary: str) -> Literal["alive", "dead", "unknown"]:
        try:
            owner = json.loads((self._root / temporary / _OWNER).read_bytes())
            host, pid, birth = owner["host"], int(owner["pid"]), owner["birth"]
        except (OSError, ValueError, LookupError, TypeError):
            return "unknown"  # it died before it wrote this, or has just finished
        if host != socket.gethostname():
            return "unknown"
        # This process may rerun what failed before; it never writes for two runs at a time.
        if pid == os.getpid() or birth != _birth(pid):
            return "dead"
        return "alive" if _is_running(pid) else "dead"

    def reserve(self, temporary: str) -> None:
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "birth": _birth(os.getpid())}
        (self._root / temporary).mkdir(parents=True)
        (self._root / temporary / _OWNER).write_text(json.dumps(owner))

    def create(self, name: str) -> BinaryIO:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "wb")

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write_whole(self, name: str, content: bytes, temporary: str) -> None:
        unfinished = self._root / f"{temporary}.json"
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self._root / name)

    def rename(self, pairs: Sequence[tuple[str, str]]) -> None:
        for old, new in pairs:
            (self._root / new).parent.mkdir(exist_ok=True)
            os.replace(self._root / old, self._root / new)

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self._root / name).unlink(missing_ok=True)

    def remove_tree(self, name: str) -> None:
        path = self._root / name
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


def _birth(pid: int) -> str | None:
    """Returns when a process started, in clock ticks since boot: pids are reused."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is running, as another user
        return True
    return True


class _RemoteFolder:
    """A folder of any file system that Beam knows."""

    def __init__(self, path: str) -> None:
        from apache_beam.io.filesystem import CompressionTypes
        from apache_beam.io.filesystems import FileSystems

        self.path = path
        self._systems = FileSystems
        self._plain = CompressionTypes.UNCOMPRESSED
        try:
            self._is_object_store = not FileSystems.get_filesystem(path).has_dirs()
        except ValueError as error:
            raise OutputError(f"cannot use --output={path}: {error}") from error

    def check_no_file(self) -> None:
        if self._is_object_store and self._systems.exists(self.path):
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, and must be a folder")

    def first_missing(self) -> str | None:
        return None  # object stores have no folders to remove

    def files(self, subfolder: str = "") -> dict[str, int]:
        pattern = f"{subfolder}/*" if subfolder else "*"
        return {name: size for name, (size, _) in self._match(pattern).items()}

    def temporaries(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, (_, modified) in self._match("_temporary-**").items():
            temporary = name.partition("/")[0]
            if _TEMPORARY.fullmatch(temporary):
                found[temporary] = max(modified, found.get(temporary, 0.0))
        return found

    def owner(self, temporary: str) -> Literal["alive", "dead", "unknown"]:
        return "unknown"

    def reserve(self, temporary: str) -> None:
        probe = f"{temporary}/{_OWNER}"
        self._write(probe, b"")
        self.remove([probe])

    def create(self, name: str) -> BinaryIO:
        return self._systems.create(self._full(name), compression_type=self._plain)

    def read(self, name: str) -> bytes | None:
        if not self._systems.exists(self._full(name)):
            return None
        with self._systems.open(self._full(name), compression_type=self._plain) as file:
            return file.read()

    def write_whole(self, name: str, content: bytes, temporary: str) -> None:
        if self._is_object_store:  # an object appears whole, when its writer is closed
            self._write(name, content)
        else:
            self._write(f"{temporary}.json", content)
            self.rename([(f"{temporary}.json", name)])

    def rename(self, pairs: Sequence[tuple[str, str]]) -> None:
        if not pairs:
            return
        if not self._is_object_store:  # these refuse to rename over a file
            self.remove([new for _, new in pairs if self._systems.exists(self._full(new))])
        old, new = zip(*((self._full(old), self._full(new)) for old, new in pairs), strict=True)
        self._systems.rename(list(old), list(new))

    def remove(self, names: Sequence[str]) -> None:
        if names:
            self._systems.delete([_literal(self._full(name)) for name in names])

    def remove_tree(self, name: str) -> None:
        pattern = _literal(name)
        # Either the file or, with all that is in it, the folder; object stores have no folders.
        self.remove(list(self._match(pattern) or self._match(f"{pattern}/**")))

    def remove_if_empty(self, name: str = "") -> None:
        pass

    def remove_created(self, highest: str) -> None:
        pass

    def _full(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _write(self, name: str, content: bytes) -> None:
        with self.create(name) as file:
            file.write(content)

    def _match(self, pattern: str) -> dict[str, tuple[int, float]]:
        prefix = self.path + "/"
        (result,) = self._systems.match([_literal(prefix) + pattern])
        return {
            m.path.removeprefix(prefix): (m.size_in_bytes, m.last_updated_in_seconds)
            for m in result.metadata_list
        }


def _literal(path: str) -> str:
    """Returns the pattern that matches this path alone."""
    return re.sub(r"[*?[]", lambda match: f"[{match[0]}]", path)
