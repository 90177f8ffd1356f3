import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from models.backends import cards
from tests.pipelines.command_runs import ENVIRONMENT, ROOT

CLAIM = """
import sys
from pathlib import Path
from models.backends import cards
print(cards.claimed(Path(sys.argv[1]), Path(sys.argv[2])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def devices(tmp_path, monkeypatch) -> Path:
    """A machine with two cards, and what else is beside them."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (folder / name).touch()
    return folder


class _Processes:
    """Processes that hold a card each."""

    def __init__(self, devices: Path, folder: Path) -> None:
        self._command = [sys.executable, "-c", CLAIM, str(devices), str(folder)]
        self._alive: list[subprocess.Popen[str]] = []

    def start(self) -> str:
        environment = {k: v for k, v in ENVIRONMENT.items() if k != "CUDA_VISIBLE_DEVICES"}
        process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._alive.append(process)
        return process.stdout.readline().strip()

    def kill_first(self) -> None:
        process = self._alive.pop(0)
        process.kill()
        process.communicate()

    def close(self) -> None:
        while self._alive:
            self.kill_first()


@pytest.fixture
def processes(devices, tmp_path) -> Iterator[_Processes]:
    found = _Processes(devices, tmp_path / "locks")
    yield found
    found.close()


def test_each_process_of_a_machine_has_a_card_of_its_own(processes):
    assert [processes.start(), processes.start()] == ["0", "1"]
    assert processes.start() in ("0", "1")  # which two share


def test_the_card_of_a_process_that_died_is_free(processes):
    assert [processes.start(), processes.start()] == ["0", "1"]
    processes.kill_first()
    assert processes.start() == "0"


def test_one_card_and_cards_that_the_user_chose_are_left_alone(devices, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "1")
        assert cards.claimed(devices, tmp_path / "locks") is None
    (devices / "nvidia1").unlink()
    assert cards.claimed(devices, tmp_path / "locks") is None
    assert not (tmp_path / "locks").exists()


def test_where_nothing_can_be_written_cards_are_shared(devices, tmp_path):
    (tmp_path / "file").touch()
    assert cards.claimed(devices, tmp_path / "file" / "cards") == os.getpid() % 2


def test_ten_cards_are_in_the_order_of_their_numbers(devices):
    (devices / "nvidia10").touch()
    (devices / "nvidia2").touch()
    assert [card.name for card in cards.cards(devices)] == [
        *("nvidia0", "nvidia1", "nvidia2", "nvidia10")
    ]


@pytest.mark.parametrize(
    ("backend", "variable", "default"),
    [
        ("tensorflow", "TF_FORCE_GPU_ALLOW_GROWTH", "true"),
        ("jax", "XLA_PYTHON_CLIENT_PREALLOCATE", "false"),
    ],
)
def test_memory_of_a_card_is_taken_as_it_is_needed_unless_the_user_says_otherwise(
    backend, variable, default
):
    code = (
        "import os\nfrom models.inference import runtime\nruntime.start()\n"
        f"print(os.environ[{variable!r}])"
    )
    environment = {k: v for k, v in ENVIRONMENT.items() if k != variable}
    for given, expected in (({}, default), ({variable: "asked"}, "asked")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**environment, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", **given},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.stdout.strip() == expected, done.stderr


def test_a_folder_that_others_may_write_to_is_not_used(devices, tmp_path):
    folder = tmp_path / "cards"
    folder.mkdir()
    folder.chmod(0o777)
    assert cards.claimed(devices, folder) in (0, 1)
    assert list(folder.iterdir()) == []


def test_without_a_folder_cards_are_shared(devices, tmp_path):
    (tmp_path / "cards").touch()
    assert cards.claimed(devices, tmp_path / "cards") in (0, 1)


# Cards that are not found


@pytest.fixture
def driver(tmp_path) -> Path:
    path = tmp_path / "version"
    path.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15\n")
    return path


@pytest.mark.parametrize(
    ("backend", "package"), [("tensorflow", "tensorflow[and-cuda]"), ("jax", "jax[cuda12]")]
)
def test_a_backend_without_the_libraries_of_the_card_is_told_what_installs_them(
    backend, package, devices, driver, monkeypatch
):
    monkeypatch.setattr(cards, "_is_installed", lambda module: False)
    pytest.importorskip(backend)
    said = cards.missing(backend, devices / "nvidia0", driver)
    pip = f"pip install '{package}=={metadata.version(backend)}'"
    assert (
        f"though {devices}/nvidia0 is a GPU: the libraries of CUDA are missing, which {pip}" in said
    )
    assert said.endswith("CUDA_VISIBLE_DEVICES=-1 leaves the GPU alone, and says nothing of it")


def test_with_the_libraries_it_is_the_driver(devices, driver, monkeypatch):
    monkeypatch.setattr(cards, "_is_installed", lambda module: True)
    said = cards.missing("tensorflow", devices / "nvidia0", devices / "nothing")
    assert "is a GPU: its driver is not loaded; nvidia-smi says why" in said
    said = cards.missing("tensorflow", devices / "nvidia0", driver)
    assert "its driver may be too old for the libraries of CUDA that are installed" in said


def test_libraries_are_looked_for_without_being_imported():
    assert cards._is_installed("numpy.linalg")
    assert not cards._is_installed("no_such_package.cudnn")
