"""An output folder on a file system with real folders that Beam knows, such as HDFS."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from transforms.errors import OutputError
from transforms.writing.folder import RUN_ID, RUNS


class RemoteFolder:
    """See `transforms.writing.folder.OutputFolder`."""

    def __init__(self, path: str) -> None:
        from apache_beam.io.filesystem import CompressionTypes
        from apache_beam.io.filesystems import FileSystems

        self.path = path
        self._systems = FileSystems
        self._plain = CompressionTypes.UNCOMPRESSED
        try:
            FileSystems.get_filesystem(path)
        except ValueError as error:
            raise OutputError(f"cannot use --output={path}: {error}") from error

    def check_no_file(self) -> None:
        pass  # the file system tells when a folder is to be made there

    def first_missing(self) -> str | None:
        return None  # no folder is removed

    def files(self, subfolder: str = "", prefix: str = "") -> dict[str, int]:
        pattern = _literal(f"{subfolder}/{prefix}" if subfolder else prefix) + "*"
        return {name: size for name, (size, _) in self._match(pattern).items()}

    def run_ids(self) -> list[str]:
        names = {name.split("/")[1] for name in self._match(f"{RUNS}/**")}
        return sorted(name for name in names if re.fullmatch(RUN_ID, name))

    def age(self, name: str) -> float | None:
        found = self._match(_literal(name))
        return time.time() - found[name][1] if name in found else None

    def create(self, name: str) -> BinaryIO:
        return self._systems.create(self._full(name), compression_type=self._plain)

    def create_new(self, name: str, content: bytes) -> bool:
        # Beam's other file systems have no such operation: of two that create at the same moment
        # the later wins, and the earlier one's parts are never listed.
        if self._systems.exists(self._full(name)):
            return False
        self.write_whole(name, content)
        return True

    def open(self, name: str) -> BinaryIO:
        return self._systems.open(self._full(name), compression_type=self._plain)

    def read(self, name: str) -> bytes | None:
        if not self._systems.exists(self._full(name)):
            return None
        with self.open(name) as file:
            return file.read()

    def write_whole(self, name: str, content: bytes) -> None:
        unfinished = f"{RUNS}/unfinished-{time.time_ns():x}"
        self._write(unfinished, content)
        self.remove([name])  # these file systems refuse to rename over a file
        self._make_folder(name)
        self._systems.rename([self._full(unfinished)], [self._full(name)])

    def touch(self, name: str) -> None:
        content = self.read(name)
        if content is not None:
            self._write(name, content)

    def link(self, names: Mapping[str, str]) -> None:
        if not names:
            return
        self.remove(list(names))
        for new in names:
            self._make_folder(new)
        old = [self._full(name) for name in names.values()]
        self._systems.copy(old, [self._full(name) for name in names])

    def remove(self, names: Sequence[str]) -> None:
        # These refuse to remove what is not there.
        names = [name for name in names if self._systems.exists(self._full(name))]
        if names:
            self._systems.delete([_literal(self._full(name)) for name in names])

    def remove_tree(self, name: str) -> None:
        pattern = _literal(name)
        # Either the file or, with all that is in it, the folder.
        self.remove(list(self._match(pattern) or self._match(f"{pattern}/**")))

    def remove_if_empty(self, name: str = "") -> None:
        pass

    def remove_created(self, highest: str) -> None:
        pass

    def _make_folder(self, name: str) -> None:
        parent = self._full(name).rpartition("/")[0]
        if not self._systems.exists(parent):
            self._systems.mkdirs(parent)

    def _full(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _write(self, name: str, content: bytes) -> None:
        file = self.create(name)
        file.write(content)
        file.close()

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
