"""Copies of a preset's folder, on this machine or in a bucket, for jobs to read."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from models.errors import UserError
from models.hubs.checksums import checksums
from models.hubs.remote import RemoteUri

# The file that makes a folder a preset: it comes last, so that no job takes half a copy for one.
_LAST = "config.json"


def copy_preset(folder: Path, output: str) -> bool:
    """Copies a preset's folder; an output that is equal already is left alone.

    Args:
        folder: The preset's folder.
        output: The folder to make, local or `gs://…`.

    Returns:
        Whether anything was copied.

    Raises:
        UserError: Something else is there, or the output cannot be written to.
    """
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    if "://" in output:
        return _copy_to_bucket(files, output)
    try:
        return _copy_to_folder(files, Path(output))
    except OSError as error:
        raise UserError(f"--output={output} cannot be written ({error.strerror})") from None


def _copy_to_folder(files: Mapping[str, Path], output: Path) -> bool:
    if output.exists():
        if not output.is_dir():
            raise UserError(f"--output={output} is a file, not a folder")
        found = {
            path.relative_to(output).as_posix(): path
            for path in output.rglob("*")
            if path.is_file()
        }
        if found:
            _check_equal(str(output), _digests(found, "sha256"), _digests(files, "sha256"))
            return False
    partial = output.with_name(f".{output.name}.partial-{os.getpid()}")
    try:
        for name, path in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, partial / name)
        partial.replace(output)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return True


def _copy_to_bucket(files: Mapping[str, Path], output: str) -> bool:
    if not output.startswith("gs://"):
        raise UserError(f"--output={output} is neither a local folder nor gs://bucket/path")
    from models.hubs import buckets

    remote = RemoteUri.parse(output)
    expected = _digests(files, "crc32c")
    found = {name: blob.crc32c for name, blob in buckets.list_blobs(remote).items()}
    missing = files.keys() - found.keys()
    # Without its configuration it is what an interrupted copy left; it is completed.
    if found:
        _check_equal(output, found, expected, partial=_LAST in missing)
    if not missing:
        return False
    buckets.upload(remote, {name: files[name] for name in missing - {_LAST}})
    buckets.upload(remote, {name: files[name] for name in missing & {_LAST}})
    written = {name: blob.crc32c for name, blob in buckets.list_blobs(remote).items()}
    _check_equal(output, written, expected)
    return True


def _digests(files: Mapping[str, Path], kind: str) -> dict[str, str]:
    return {name: checksums(path, [kind])[kind] for name, path in files.items()}


def _check_equal(
    output: str, found: Mapping[str, str], expected: Mapping[str, str], partial: bool = False
) -> None:
    """Raises `UserError` unless the same files are there, or with `partial` some of them."""
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name) and not (partial and name not in found):
            how = (
                "has no" if name not in found else "has a" if name not in expected else "differs in"
            )
            raise UserError(
                f"--output={output} exists and is another preset: it {how} {name}; choose another "
                "folder, or remove that one"
            )
