"""Which state of a file a run was planned with, and whether it is still that.

A version is what the storage says of a file: on this machine the times of its last modification and
change and its inode, in Google Cloud Storage its generation, elsewhere the time of its last update.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from models.errors import RunError
from transforms.files import CorpusFile, is_remote, local_file, map_files

_SAMPLE_BYTES = 64 << 10
_GCS = "gs://"


class ChangedInputError(RunError):
    """A file is no longer what it was when the run was planned."""


def with_versions(files: Sequence[CorpusFile]) -> tuple[CorpusFile, ...]:
    """Returns files with their versions, as far as finding the files has not shown them."""
    paths = [file.path for file in files if file.path.startswith(_GCS)]
    if not paths:
        return tuple(files)
    from transforms import buckets

    blobs = buckets.look_up(paths)
    return tuple(blobs.get(file.path, file) for file in files)


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
        raise ChangedInputError(f"{problem}: nothing is published; run it on what is there now")


def _look_up(files: Sequence[CorpusFile]) -> dict[str, CorpusFile]:
    """Returns files as they are now, by their paths; those that are gone are left out."""
    found: dict[str, CorpusFile] = {}
    if in_buckets := [file.path for file in files if file.path.startswith(_GCS)]:
        from transforms import buckets

        found = buckets.look_up(in_buckets)
    for file in files:
        if not file.path.startswith(_GCS):
            with suppress(FileNotFoundError):
                found[file.path] = _current(file.path)
    return found


def _current(path: str) -> CorpusFile:
    if not is_remote(path):
        return local_file(path)
    from apache_beam.io.filesystems import FileSystems

    found = FileSystems.get_filesystem(path).metadata(path)
    return CorpusFile(path, found.size_in_bytes, str(found.last_updated_in_seconds))


def _with_fingerprint(file: CorpusFile) -> CorpusFile:
    return file if file.fingerprint else replace(file, fingerprint=fingerprint(file))


def fingerprint(file: CorpusFile) -> str:
    """Returns a string that changes when a file's content does, without reading all of it.

    Returns:
        For a local file, `sha256-sampled:` and a digest of the size and of the first, middle and
        last 64 KiB; in cloud storage, the checksum that the store keeps.
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
