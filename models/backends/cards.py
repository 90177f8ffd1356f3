"""The NVIDIA cards of a machine: which one a process computes on, and why it may find none."""

import importlib.util
import os
import tempfile
from pathlib import Path

from filelock import FileLock

from models import backends

_DEVICES = Path("/dev")

# What the driver's module says of itself.
_DRIVER = Path("/proc/driver/nvidia/version")

# What brings the libraries of a card along, and packages of theirs: a backend without them computes
# on the processor. Those of JAX are plugins, one for each version of CUDA.
_LIBRARIES = {
    "tensorflow": ("tensorflow[and-cuda]", ("nvidia.cudnn", "nvidia.cublas")),
    "jax": ("jax[cuda12]", ("jax_cuda12_plugin", "jax_cuda13_plugin")),
}

# Locks of cards are held until this process ends, however it ends.
_held: list[FileLock] = []


def cards(devices: Path = _DEVICES) -> list[Path]:
    """Returns the devices of the NVIDIA cards of this machine.

    Args:
        devices: The folder of devices.
    """
    return sorted(devices.glob("nvidia[0-9]*"), key=lambda card: int(card.name[len("nvidia") :]))


def missing(backend: str, card: Path, driver: Path = _DRIVER) -> str:
    """Returns a sentence on why a backend does not find a card, and what to do.

    Args:
        backend: `tensorflow` or `jax`.
        card: The card's device.
        driver: The file in which the card's driver says its version.
    """
    package, libraries = _LIBRARIES[backend]
    title = {"tensorflow": "TensorFlow", "jax": "JAX"}[backend]
    said = f"{title} computes on the processor, though {card} is a GPU: "
    if not any(map(_is_installed, libraries)):
        pip = f"pip install '{package}=={backends.version_of(backend)}'"
        said += f"the libraries of CUDA are missing, which {pip} installs"
    elif not driver.is_file():
        said += "its driver is not loaded; nvidia-smi says why"
    else:
        said += (
            "its driver may be too old for the libraries of CUDA that are installed, or others "
            "have taken its memory; nvidia-smi tells both"
        )
    return f"{said}. CUDA_VISIBLE_DEVICES=-1 leaves the GPU alone, and says nothing of it"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # what it would be in
        return False


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
