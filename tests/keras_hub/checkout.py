"""What is needed of a checkout of Keras Hub, laid out in a folder of its own."""

import io
import subprocess
import tarfile
from pathlib import Path

from models.families.record import FAMILIES

_MODELS = "keras_hub/src/models"
_BASE = "keras_hub/src/tests"
_NEEDED = [f"{_BASE}/test_case.py", f"{_BASE}/test_data/xlm_roberta_test_vocab.spm"]


def lay_out(source: Path, folder: Path) -> list[Path]:
    """Copies the tests of the families, and what they are built on, into a folder.

    Args:
        source: A checkout of Keras Hub, or a bare repository, of which HEAD counts.
        folder: An empty folder.

    Returns:
        The modules of tests in it.

    Raises:
        ValueError: It is neither, or lacks the tests.
    """
    wanted = [*_NEEDED, *(f"{_MODELS}/{family}" for family in FAMILIES)]
    _unpack(source, wanted, folder)
    modules = sorted((folder / _MODELS).glob("*/*_test.py"))
    if not modules or not all((folder / name).is_file() for name in _NEEDED):
        raise ValueError(f"{source} holds no tests of Keras Hub: its package comes without them")
    return modules


def _unpack(source: Path, wanted: list[str], folder: Path) -> None:
    if (source / wanted[0]).is_file():
        for name in wanted:
            for path in [source / name] if (source / name).is_file() else (source / name).glob("*"):
                if path.suffix in (".py", ".spm"):
                    target = folder / path.relative_to(source)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(path.read_bytes())
        return
    command = ["git", "-C", str(source), "archive", "HEAD", "--", *wanted]
    try:
        archive = subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise ValueError(
            f"{source} is neither a checkout of Keras Hub nor a git directory"
        ) from None
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
