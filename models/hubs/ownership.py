"""Whose the cache of presets is: nobody else may be able to change what is in it.

Whoever can write to it can put other weights in place of those that were checked when they were
fetched, and manifests that agree with them.
"""

import os
import stat
from pathlib import Path

from models.errors import PresetError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_own(cache: Path, used: Path) -> None:
    """Checks that only this user, and root, can change what is used of the cache.

    Inside of a folder that is closed to others, it does not matter what they could do there. On
    systems without POSIX permissions nothing is checked.

    Args:
        cache: The folder of the cache.
        used: A folder in it, all of which is used. Neither need exist.

    Raises:
        PresetError: A folder or file belongs to another user, or others can write to it.
    """
    if not hasattr(os, "geteuid"):
        return
    on_the_way = [cache / parent for parent in reversed(used.relative_to(cache).parents)]
    is_open = True
    for folder in (*on_the_way, used):
        mode = _checked_mode(cache, folder, is_open)
        if mode is None:
            return
        is_open = is_open and bool(mode & _OTHERS)
    for path in sorted(used.rglob("*")):
        _checked_mode(cache, path, is_open)


def _checked_mode(cache: Path, path: Path, is_open: bool) -> int | None:
    """Returns the mode of a folder or file in a cache; `None` if there is none.

    Args:
        cache: The folder of the cache.
        path: What to look at.
        is_open: Whether others can come to it.
    """
    try:
        state = path.stat()
        owners = {state.st_uid, path.lstat().st_uid}
    except FileNotFoundError:
        return None
    if strangers := owners - {os.geteuid(), 0}:
        raise _error(
            cache,
            f"{path} belongs to another user, with the id {strangers.pop()}: let the environment "
            "variable TEXTBEAM_CACHE name a folder of your own",
        )
    # In a sticky folder, others can add to what is there, but not replace it.
    is_sticky = stat.S_ISDIR(state.st_mode) and state.st_mode & stat.S_ISVTX
    if is_open and state.st_mode & _OTHERS_WRITE and not is_sticky:
        raise _error(cache, f"other users can write to {path}: run chmod -R go-w {cache}")
    return state.st_mode


def _error(cache: Path, problem: str) -> PresetError:
    return PresetError(f"the cache of presets {cache} is not used: {problem}")


def make_own(cache: Path, folder: Path) -> None:
    """Makes the folder of the cache, closed to others, and one in it, no more open than that."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=stat.S_IMODE(cache.stat().st_mode) & 0o755, exist_ok=True)


def close_to_writers(folder: Path) -> None:
    """Takes from others the right to write to a folder of this user's and to what is in it.

    A umask may give a group that right for everything that is made.
    """
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS_WRITE:
            path.chmod(mode & ~_OTHERS_WRITE)
