"""Glob patterns, and finding what they match on this machine.

`*`, `?` and `[…]` stand for characters of one name, and `**` for any, across folders. None of them
matches a hidden name, one that begins with `.` or `_`: jobs keep there what is not finished, or no
data. A folder such as `_day=1` is a partition, and not hidden. What a pattern spells out is found,
hidden or not, and a name that exists as it is written stands for itself, whatever is in it.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from transforms.errors import InputError

_WILD = re.compile(r"[*?\[]")

# Ends in what HDFS calls a file that is being copied.
_HIDDEN = r"(?:\.|_[^/=]*(?:/|\Z)|[^/]*\._COPYING_(?:/|\Z))"
_VISIBLE = rf"(?!{_HIDDEN})"
_SPECIAL = re.compile(r"([\\\[\]&~|^])")


def is_wild(name: str) -> bool:
    """Returns whether a name or a path has a character that means something in a pattern."""
    return _WILD.search(name) is not None


def is_hidden(name: str) -> bool:
    """Returns whether a file or folder is left out unless a pattern spells out its name."""
    return re.match(_HIDDEN, name) is not None


PARTITIONED = re.compile(rf"(?s:(?:{_VISIBLE}[^/=]+=[^/]*/)+{_VISIBLE}[^/]+)\Z")
"""What the paths look like, relative to a folder, of files in its partitions `name=value`."""


def regex(parts: Sequence[str]) -> re.Pattern[str]:
    """Returns what the paths look like that a pattern matches.

    Args:
        parts: The pattern, relative to some folder, cut at its slashes.

    Raises:
        InputError: A range in brackets runs backwards.
    """
    *folders, last = [*parts, "*"] if parts[-1] == "**" else parts
    found = "".join(
        rf"(?:{_VISIBLE}[^/]+/)*" if part == "**" else _translated(part) + "/" for part in folders
    )
    found += _translated(last)
    try:
        return re.compile(rf"(?s:{found})\Z")
    except re.error as error:
        raise InputError(f"{'/'.join(parts)!r} is no pattern: {error.msg}") from None


def _translated(part: str) -> str:
    """Returns the regular expression of a part, one without a slash."""
    found = _VISIBLE if _WILD.match(part) else ""
    place = 0
    while place < len(part):
        character = part[place]
        if part.startswith("**", place):
            found += rf"(?:[^/]|/{_VISIBLE})*"
            place += 1
        elif character == "*":
            found += "[^/]*"
        elif character == "?":
            found += "[^/]"
        elif character == "[" and (end := _end_of_set(part, place)):
            found += _set(part[place + 1 : end])
            place = end
        else:
            found += re.escape(character)
        place += 1
    return found


def _end_of_set(part: str, place: int) -> int:
    """Returns where the bracket is that closes one, or 0; the first character may be a bracket."""
    first = place + 2 if part.startswith("!", place + 1) else place + 1
    return max(part.find("]", first + 1), 0)


def _set(characters: str) -> str:
    is_negated = characters.startswith("!")
    inside = _SPECIAL.sub(r"\\\1", characters[1:] if is_negated else characters)
    return rf"(?!/)[{'^' if is_negated else ''}{inside}]"


class _Entry(NamedTuple):
    name: str
    is_folder: bool
    is_link: bool


def list_folder(folder: str) -> list[_Entry]:
    """Returns what is directly in a local folder, in the order of the names.

    Raises:
        InputError: It cannot be listed.
    """
    try:
        with os.scandir(folder or ".") as entries:
            found = [_Entry(entry.name, _is_folder(entry), entry.is_symlink()) for entry in entries]
    except PermissionError:
        raise InputError(f"no permission to list the folder {folder!r}") from None
    except OSError as error:
        raise InputError(f"cannot list the folder {folder!r}: {error.strerror}") from None
    return sorted(found)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def expand(pattern: str) -> list[str]:
    """Returns the paths on this machine that a pattern matches, folders included, each once.

    A folder that several links lead to is walked through once.

    Raises:
        InputError: A folder cannot be listed.
    """
    root = "/" if pattern.startswith("/") else ""
    parts = [part for part in pattern.split("/") if part]
    return list(dict.fromkeys(_expanded(root, parts)))


def _expanded(base: str, parts: Sequence[str]) -> Iterator[str]:
    part, rest = parts[0], parts[1:]
    path = os.path.join(base, part)
    if not is_wild(part) or _exists(path):
        if not rest:
            yield from [path] if _exists(path) else []
        elif os.path.isdir(path):
            yield from _expanded(path, rest)
    elif part == "**" and rest:
        for folder in _walk(base):
            yield from _expanded(folder, rest)
    elif "**" in part:
        matches = regex(parts).match
        skipped = len(os.path.join(base, ""))
        for folder in _walk(base):
            for entry in list_folder(folder):
                path = os.path.join(folder, entry.name)
                if not entry.is_folder and matches(path[skipped:]):
                    yield path
    else:
        matches = regex([part]).match
        for entry in list_folder(base):
            path = os.path.join(base, entry.name)
            if matches(entry.name) and (entry.is_folder or not rest):
                yield from _expanded(path, rest) if rest else [path]


def in_partitions(folder: str) -> list[str]:
    """Returns the paths of the files in the partitions of a folder on this machine.

    Raises:
        InputError: A folder cannot be listed.
    """
    skipped = len(os.path.join(folder, ""))
    paths = [
        os.path.join(inner, entry.name)
        for inner in _walk(folder, is_chosen=lambda name: "=" in name)
        for entry in list_folder(inner)
        if not entry.is_folder
    ]
    return [path for path in paths if PARTITIONED.match(path[skipped:])]


def beside_partitions(folder: str) -> str:
    """Returns what is said of a folder that has files both directly in it and in partitions."""
    both, few = (os.path.join(folder, end) for end in ("**", "*"))
    return (
        f"the folder {folder!r} has files directly in it and in folders name=value: write {both!r} "
        f"for all of them, or {few!r} for those directly in it"
    )


def _exists(path: str) -> bool:
    """Returns whether there is something, be it a link to nothing.

    Raises:
        InputError: There is no permission to look.
    """
    try:
        os.lstat(path)
    except PermissionError:
        raise InputError(f"no permission to look into {os.path.dirname(path)!r}") from None
    except OSError:
        return False
    return True


def _walk(top: str, is_chosen: Callable[[str], bool] = lambda name: True) -> Iterator[str]:
    """Yields a folder and the visible ones below it, each once.

    Args:
        top: The folder.
        is_chosen: Tells of a name whether to look into the folder.

    Links are followed after all else: so a folder goes by the name that it has without them.
    """
    seen: set[tuple[int, int]] = set()
    links = [top]
    while links:
        waiting = [links.pop(0)]
        while waiting:
            folder = waiting.pop()
            try:
                status = os.stat(folder or ".")
            except OSError:  # it went while the others were looked at, as if a moment earlier
                continue
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            yield folder
            for entry in list_folder(folder):
                if entry.is_folder and not is_hidden(entry.name) and is_chosen(entry.name):
                    queue = links if entry.is_link else waiting
                    queue.append(os.path.join(folder, entry.name))
