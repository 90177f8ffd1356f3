"""The cache of remote presets: each is fetched to this machine once, complete and checked.

An entry is a folder with `manifest.json`, which has the size and the SHA-256 of every file, and
`preset/`, the files themselves. It is filled under another name and renamed once it is complete, so
that no reader ever sees half a file.
"""

import contextlib
import hashlib
import importlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from models.hubs.checksums import checksums
from models.hubs.ownership import check_own, close_to_writers, make_own
from models.hubs.remote import RemoteFile, RemoteUri, Snapshot, files_of_a_preset

OnProgress = Callable[[int, int], None]
"""Takes the number of bytes fetched so far and the total."""

# Imported when a preset is fetched: each import takes up to a second.
_HUBS = {
    "hf": ("models.hubs.hugging_face", "HuggingFaceSnapshot"),
    "kaggle": ("models.hubs.kaggle", "KaggleSnapshot"),
    "gs": ("models.hubs.buckets", "BucketSnapshot"),
}

_MANIFEST = "manifest.json"
_PRESET = "preset"
# Names the version that an unfinished entry is of: it is not resumed for another one.
_SOURCE = "source"
# Space left free on the disk, in addition to what is fetched.
_SPARE_BYTES = 64 << 20
_SECONDS_BETWEEN_REPORTS = 0.2


def cache_folder() -> Path:
    """Returns the folder of the cache.

    It is the folder that the environment variable `TEXTBEAM_CACHE` names, else `textbeam` in
    `XDG_CACHE_HOME`, else `~/.cache/textbeam`.
    """
    if folder := os.environ.get("TEXTBEAM_CACHE"):
        return Path(folder).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "textbeam"


def cached(uri: str) -> Path | None:
    """Returns the folder of a preset that was fetched before, without using the network.

    If a file is missing or has another size, the whole entry counts as not fetched; `verify` checks
    more closely.

    Args:
        uri: The preset's URI, such as `hf://owner/name`.

    Raises:
        PresetError: The URI has no known form, or another user can write to the cache.
    """
    entry = _entry(RemoteUri.parse(uri))
    manifest = _read_manifest(entry)
    if manifest is None:
        return None
    check_own(cache_folder(), entry)
    folder = entry / _PRESET
    for name, file in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != file["bytes"]:
            return None
    return folder


def fetch(uri: str, on_progress: OnProgress | None = None, *, refresh: bool = False) -> Path:
    """Returns the local folder of a remote preset, fetching it into the cache first if needed.

    What is in the cache is used as it is, without using the network. So a URI without a revision, a
    branch, and a folder in a bucket stay what they were when they were first fetched, until they
    are fetched with `refresh`; the manifest records the commit or version that was found.

    If several processes ask for the same preset, one fetches it and the others wait. After an
    interruption, the next call keeps the files that are complete.

    Args:
        uri: `hf://owner/name[@revision]`, `kaggle://owner/model/framework/variation[/version]` or
            `gs://bucket/path`.
        on_progress: Called from time to time, from a thread of its own, while data arrives.
        refresh: Whether to look for a newer version and fetch it.

    Raises:
        PresetError: The URI has no known form; the preset does not exist, cannot be reached or is
            damaged; or the cache cannot be written, or another user can write to it.
    """
    remote = RemoteUri.parse(uri)
    if not refresh and (folder := cached(uri)):
        return folder
    entry = _entry(remote)
    try:
        make_own(cache_folder(), entry.parent)
        check_own(cache_folder(), entry)
        with FileLock(f"{entry}.lock"):
            if not refresh and (folder := cached(uri)):
                return folder
            _fill(remote, _snapshot(remote), entry, on_progress)
    except OSError as error:
        raise remote.error(
            f"the cache {cache_folder()} cannot be used ({error.strerror or error}); set the "
            "environment variable TEXTBEAM_CACHE to another folder"
        ) from None
    return entry / _PRESET


def verify(uri: str) -> None:
    """Reads every file of a fetched preset and compares it with the manifest.

    Raises:
        PresetError: The preset is not in the cache, or one of its files has been damaged.
    """
    remote = RemoteUri.parse(uri)
    entry = _entry(remote)
    manifest = _read_manifest(entry)
    if manifest is None or cached(uri) is None:
        raise remote.error("is not in the cache, or is incomplete there")
    for name, file in manifest["files"].items():
        if checksums(entry / _PRESET / name, ["sha256"])["sha256"] != file["sha256"]:
            raise remote.error(
                f"{name} in the cache has been damaged since it was fetched; "
                f"python -m pipelines.presets fetch {uri} --refresh repairs it"
            )


def fetch_file(uri: str, name: str) -> bytes | None:
    """Returns one small file of a remote preset, which is not kept; `None` if it has no such file.

    Args:
        uri: As for `fetch`.
        name: The file's path within the preset.

    Raises:
        PresetError: As for `fetch`.
    """
    remote = RemoteUri.parse(uri)
    snapshot = _snapshot(remote)
    found = [file for file in snapshot.files if file.name == name]
    if not found:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        snapshot.download(found, Path(scratch))
        _checked(remote, Path(scratch), found[0])
        return (Path(scratch) / name).read_bytes()


def all_cached() -> list[str]:
    """Returns the URIs of all presets that were fetched before, sorted."""
    found = (_read_manifest(path.parent) for path in cache_folder().glob(f"presets/*/{_MANIFEST}"))
    return sorted(manifest["uri"] for manifest in found if manifest)


def source(uri: str) -> str | None:
    """Returns the URI of a fetched preset with the commit or version that was found."""
    manifest = _read_manifest(_entry(RemoteUri.parse(uri)))
    return manifest["source"] if manifest else None


def _snapshot(remote: RemoteUri) -> Snapshot:
    module, name = _HUBS[remote.scheme]
    return getattr(importlib.import_module(module), name)(remote)


def _entry(remote: RemoteUri) -> Path:
    """Returns the folder of an entry: a readable name, and a digest that makes it unique."""
    digest = hashlib.sha256(remote.text.encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", remote.text)[-80:].strip("-.")
    return cache_folder() / "presets" / f"{readable}-{digest}"


def _read_manifest(entry: Path) -> dict[str, Any] | None:
    try:
        return json.loads((entry / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None


def _fill(
    remote: RemoteUri, snapshot: Snapshot, entry: Path, on_progress: OnProgress | None
) -> None:
    """Makes a new entry; an existing one is replaced at the end."""
    files = files_of_a_preset(remote, snapshot.files, snapshot.advice)
    partial = entry.with_name(f"{entry.name}.partial")
    folder = partial / _PRESET
    _go_on_or_start_anew(partial, snapshot.source)
    _take_over(entry, folder, snapshot.source, files)
    missing = [file for file in files if not _is_intact(folder / file.name, file)]
    for file in missing:
        (folder / file.name).unlink(missing_ok=True)
    total = sum(file.size for file in files)
    _check_space(remote, folder, total)
    with _reports(folder, total, on_progress):
        snapshot.download(missing, folder)
    described = {file.name: _checked(remote, folder, file) for file in files}
    _remove_others(folder, described)
    manifest = {
        "uri": remote.text,
        "source": snapshot.source,
        "fetched": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": described,
    }
    (partial / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    close_to_writers(partial)
    _replace(partial, entry)


def _go_on_or_start_anew(partial: Path, source: str) -> None:
    """Makes the folder to fetch into; anything left there of another version is removed."""
    marker = partial / _SOURCE
    if not marker.is_file() or marker.read_text("utf-8") != source:
        shutil.rmtree(partial, ignore_errors=True)
    (partial / _PRESET).mkdir(parents=True, exist_ok=True)
    marker.write_text(source, "utf-8")
    close_to_writers(partial)
    check_own(cache_folder(), partial)


def _take_over(entry: Path, folder: Path, source: str, files: Sequence[RemoteFile]) -> None:
    """Links the undamaged files of an earlier entry, which need not be fetched again."""
    manifest = _read_manifest(entry)
    if manifest is None:
        return
    for file in files:
        known = manifest["files"].get(file.name)
        if known is None or (file.digest is None and manifest["source"] != source):
            continue
        old, new = entry / _PRESET / file.name, folder / file.name
        if not old.is_file() or checksums(old, ["sha256"])["sha256"] != known["sha256"]:
            continue
        new.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # already there, or a file system without links
            os.link(old, new)


def _is_intact(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.digest is None:
        return True
    kind, value = file.digest
    return checksums(path, [kind])[kind] == value


def _check_space(remote: RemoteUri, folder: Path, total: int) -> None:
    there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    if total - there + _SPARE_BYTES > free:
        raise remote.error(
            f"{(total - there) / 1e9:.1f} GB must be fetched, but the disk of the cache "
            f"{cache_folder()} has {free / 1e9:.1f} GB free; set the environment variable "
            "TEXTBEAM_CACHE to another folder"
        )


def _checked(remote: RemoteUri, folder: Path, file: RemoteFile) -> dict[str, Any]:
    """Returns the manifest's record of a file; a damaged one is removed, to be fetched again."""
    path = folder / file.name
    if not path.resolve().is_relative_to(folder.resolve()):
        path.unlink()
        raise remote.error(f"{file.name} is a link that leads out of the preset")
    found = checksums(path, ["sha256", *([file.digest[0]] if file.digest else [])])
    if file.digest and found[file.digest[0]] != file.digest[1]:
        path.unlink()
        raise remote.error(
            f"{file.name} is damaged: its checksum is not the one that the hub reports; try again"
        )
    return {"bytes": path.stat().st_size, "sha256": found["sha256"]}


def _remove_others(folder: Path, kept: Sequence[str] | dict[str, Any]) -> None:
    """Removes what is not part of the preset: a client's notes, files that it no longer has."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            with contextlib.suppress(OSError):  # one that is not empty
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in kept:
            path.unlink()


def _replace(partial: Path, entry: Path) -> None:
    """Renames a folder to the entry; readers of the old one keep the files they have open."""
    old = entry.with_name(f"{entry.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if entry.exists():
        entry.rename(old)
    partial.rename(entry)
    (entry / _SOURCE).unlink()
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _reports(folder: Path, total: int, on_progress: OnProgress | None) -> Iterator[None]:
    """Reports how much has arrived while the body runs: the clients write to the same folder."""
    if on_progress is None:
        yield
        return
    stop = threading.Event()

    def report() -> None:
        while not stop.wait(_SECONDS_BETWEEN_REPORTS):
            on_progress(min(_bytes_in(folder), total), total)

    on_progress(min(_bytes_in(folder), total), total)
    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    on_progress(total, total)


def _bytes_in(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # renamed or removed between the two calls
            size += path.stat().st_size if path.is_file() else 0
    return size
