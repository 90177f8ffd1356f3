"""Which card a process computes on, where a machine has several."""

import os
import tempfile
from pathlib import Path

from filelock import FileLock

_DEVICES = Path("/dev")

# Locks of cards are held until this process ends, however it ends.
_held: list[FileLock] = []


def cards(devices: Path = _DEVICES) -> list[Path]:
    """Returns the devices of the NVIDIA cards of this machine.

    Args:
        devices: The folder of devices.
    """
    return sorted(devices.glob("nvidia[0-9]*"), key=lambda card: int(card.name[len("nvidia") :]))


def claimed(devices: Path = _DEVICES, folder: Path | None = None) -> int | None:
    """Returns the number of the card that this process should compute on.

    Each process of a user takes one that no other has, for as long as it lives; when all are
    taken, or nobody can say which are, cards are shared. Otherwise all would compute on the first,
    and the libraries would take memory on each.

    Args:
        devices: The folder of devices.
        folder: Where processes say which cards they have; by default below the machine's folder
            for temporary files.

    Returns:
        The number; None if there are not several, or `CUDA_VISIBLE_DEVICES` says what to use.
    """
    count = len(cards(devices))
    if count < 2 or "CUDA_VISIBLE_DEVICES" in os.environ:
        return None
    folder = folder or Path(tempfile.gettempdir()) / f"textbeam-cards-{os.getuid()}"
    for number in range(count if _is_private(folder) else 0):
        lock = FileLock(folder / f"{number}.lock")
        try:
            lock.acquire(blocking=False)
        except OSError:  # it is taken (a Timeout is one), or nothing can be written there
            continue
        _held.append(lock)
        return number
    return os.getpid() % count


def _is_private(folder: Path) -> bool:
    """Returns whether a folder, which is made if it is not there, is this user's alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return (found.st_uid, found.st_mode) == (os.getuid(), 0o40700)
