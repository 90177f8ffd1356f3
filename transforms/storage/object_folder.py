"""What output folders have in common where a store has objects, and no folders."""

import errno

from transforms.errors import OutputError
from transforms.storage.stores import Store


class ObjectFolder:
    """The part of `transforms.writing.folder.OutputFolder` that a store's listing is enough for.

    Args:
        path: The folder.
        store: The store.
        bucket: Name of its bucket.

    Raises:
        OutputError: It names no bucket.
    """

    def __init__(self, path: str, store: Store, bucket: str) -> None:
        if not bucket:
            raise OutputError(f"{path} names no bucket or folder")
        self.path = path
        self._store = store

    def check_no_file(self) -> None:
        if self._store.find(self.path) is not None:
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, and must be a folder")

    def first_missing(self) -> str | None:
        return None  # there are no folders to remove

    def files(self, subfolder: str = "", prefix: str = "") -> dict[str, int]:
        return self._under(f"{subfolder}/{prefix}" if subfolder else prefix, deep=False)

    def _under(self, prefix: str, deep: bool) -> dict[str, int]:
        """Returns the sizes of the objects whose names in the folder begin so, by these names."""
        found = self._store.files_under(f"{self.path}/{prefix}", deep)
        return {file.path[len(self.path) + 1 :]: file.size for file in found}
