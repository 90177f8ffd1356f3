"""Which card a process computes on, where a machine has several."""

import os
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

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

    Each process of a user takes one that no other has, for as long as it lives; when all are taken,
    or nothing can be written, cards are shared. Otherwise all would compute on the first, and the
    libraries would take memory on each.

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
    try:
        folder = folder or Path(tempfile.gettempdir()) / f"textbeam-cards-{os.getuid()}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _claimed(count, folder)
    except OSError:  # nothing may be written there
        return os.getpid() % count


def _claimed(count: int, folder: Path) -> int:
    for number in range(count):
        lock = FileLock(folder / f"{number}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        _held.append(lock)
        return number
    return os.getpid() % count
