"""Which state of a file a run was planned with, and whether it is still that.

A version is what the storage says of a file: on this machine the times of its last modification and
change and its inode, in Google Cloud Storage its generation, in Amazon S3, in Azure and on web
servers its ETag, at the Hugging Face Hub its digest, elsewhere the time of its last update.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from models.errors import RunError
from transforms.errors import InputError
from transforms.files import CorpusFile, is_remote, local_file, map_files

_SAMPLE_BYTES = 64 << 10


class ChangedInputError(RunError):
    """A file is no longer what it was when the run was planned."""

    @classmethod
    def of(cls, problem: str) -> "ChangedInputError":
        """Returns the error for a problem, with what becomes of the run."""
        return cls(f"{problem}: nothing is published; run it on what is there now")


def with_fingerprints(files: Sequence[CorpusFile]) -> tuple[CorpusFile, ...]:
    """Returns files with their fingerprints."""
    return tuple(map_files(files, _with_fingerprint))


def is_unchanged(before: CorpusFile, now: CorpusFile) -> bool:
    """Returns whether a file is what it was.

    Renaming a local file, or changing its permissions, changes the last part of its version alone;
    then its fingerprint decides.

    Args:
        before: The file with its version and fingerprint.
        now: The same file with its version.
    """
    if (before.size, before.version) == (now.size, now.version):
        return True
    if is_remote(before.path) or before.size != now.size:
        return False
    if before.version.rpartition(":")[0] != now.version.rpartition(":")[0]:
        return False
    return before.fingerprint == fingerprint(now)


def check_unchanged(files: Sequence[CorpusFile]) -> None:
    """Checks that files are what they were when the run was planned.

    Args:
        files: Files with their versions and fingerprints; one without a version is not checked.

    Raises:
        ChangedInputError: One is not.
        OSError: The storage failed.
    """
    known = [file for file in files if file.version]
    now = _look_up(known)
    for file in known:
        if file.path not in now:
            problem = f"the input {file.path!r} was removed during the run"
        elif not is_unchanged(file, now[file.path]):
            sizes = f"{file.size:,} bytes then, {now[file.path].size:,} now"
            problem = f"the input {file.path!r} changed after the run was planned ({sizes})"
        else:
            continue
        raise ChangedInputError.of(problem)


def check_before_reading(files: Sequence[CorpusFile]) -> None:
    """Checks what `check_unchanged` does of files that reading would not find to be others.

    A store that is asked for a version gives no other one.
    """
    check_unchanged([file for file in files if not _is_pinned(file.path)])


def _is_pinned(path: str) -> bool:
    if not is_remote(path):
        return False
    from transforms.storage import stores

    store = stores.store_of(path)
    return store is not None and store.is_pinned


def _look_up(files: Sequence[CorpusFile]) -> dict[str, CorpusFile]:
    """Returns files as they are now, by their paths; those that are gone are left out."""
    found: dict[str, CorpusFile] = {}
    by_scheme: dict[str, list[str]] = {}
    for file in files:
        if is_remote(file.path):
            by_scheme.setdefault(file.path.partition("://")[0], []).append(file.path)
        else:
            with suppress(FileNotFoundError):
                found[file.path] = local_file(file.path)
    for paths in by_scheme.values():
        found |= _look_up_remote(paths)
    return found


def _look_up_remote(paths: Sequence[str]) -> dict[str, CorpusFile]:
    """Returns files of one scheme as they are now."""
    from transforms.storage import stores

    store = stores.store_of(paths[0])
    if store is not None:
        return stores.look_up(store, paths)
    from apache_beam.io.filesystems import FileSystems

    found = {}
    for path in paths:
        with suppress(FileNotFoundError):
            status = FileSystems.get_filesystem(path).metadata(path)
            version = str(status.last_updated_in_seconds)
            found[path] = CorpusFile(path, status.size_in_bytes, version)
    return found


def _with_fingerprint(file: CorpusFile) -> CorpusFile:
    try:
        return file if file.fingerprint else replace(file, fingerprint=fingerprint(file))
    except FileNotFoundError:
        raise InputError(f"{file.path!r} vanished while the run was planned: try again") from None


def fingerprint(file: CorpusFile) -> str:
    """Returns a string that changes when a file's content does, without reading all of it.

    Returns:
        For a local file, `sha256-sampled:` and a digest of the size and of the first, middle and
        last 64 KiB; elsewhere, the checksum that the store keeps.
    """
    if is_remote(file.path):
        from apache_beam.io.filesystems import FileSystems

        return str(FileSystems.checksum(file.path))
    digest = hashlib.sha256(f"{file.size}\n".encode())
    with open(file.path, "rb") as content:
        for start in (0, (file.size - _SAMPLE_BYTES) // 2, file.size - _SAMPLE_BYTES):
            content.seek(max(start, 0))
            digest.update(content.read(_SAMPLE_BYTES))
    return f"sha256-sampled:{digest.hexdigest()}"
