import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from models.inference import cores
from models.inference.cores import CorePool, Process, Signs, quota, share

ROOT = Path(__file__).parents[3]

ALL = frozenset(range(8))


def of(*numbers: int, group: str = "") -> Process:
    return Process(frozenset(numbers), group)


SHARES = {
    "alone": (Process(ALL), [], None, 8),
    "one of two": (Process(ALL), [Process(ALL)], None, 4),
    "one of eight": (Process(ALL), [Process(ALL)] * 7, None, 1),
    "one of sixteen": (Process(ALL), [Process(ALL)] * 15, None, 0.5),
    "each has its own core": (of(0), [of(1)], None, 1),
    "both on one core": (of(0), [of(0)], None, 0.5),
    "another is pinned": (of(0, 1), [of(0)], None, 1.5),
    "a quota": (Process(ALL), [], 2.5, 2.5),
    "a quota for two": (of(*ALL, group="a"), [of(*ALL, group="a")], 3, 1.5),
    "a quota of one's own": (of(*ALL, group="a"), [of(*ALL, group="b")], 3, 3),
}


@pytest.mark.parametrize("name", SHARES)
def test_each_core_is_shared_evenly_by_those_who_work_on_it(name):
    process, others, limit, expected = SHARES[name]
    assert share(process, others, limit) == expected


QUOTAS = {
    "version 2": ("0::/a/b", {"a/b/cpu.max": "150000 100000"}, 1.5),
    "no limit": ("0::/a/b", {"a/b/cpu.max": "max 100000"}, None),
    "a group around it": (
        "0::/a/b",
        {"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000"},
        2,
    ),
    "a container": ("0::/", {"cpu.max": "300000 100000"}, 3),
    "the host's path": ("0::/../../pod/x", {"cpu.max": "50000 100000"}, 0.5),
    "version 1": (
        "4:memory:/m\n3:cpu,cpuacct:/docker/x\n0::/",
        {
            "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "250000",
            "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000",
        },
        2.5,
    ),
    "version 1, no limit": (
        "3:cpu:/",
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        None,
    ),
    "a name of any bytes": (
        "0::/caf\udce9/b",
        {"caf\udce9/cpu.max": "max 100000", "caf\udce9/b/cpu.max": "50000 100000"},
        0.5,
    ),
    "no groups": ("", {}, None),
    "nothing to read": ("0::/a", {}, None),
}


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Lets a test write what the kernel says of control groups."""

    def write(membership: str, files: dict[str, str]) -> None:
        lines = membership + "\n" * bool(membership)
        (tmp_path / "membership").write_text(lines, "utf-8", "surrogateescape")
        for name, content in files.items():
            (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "groups" / name).write_text(content + "\n")

    monkeypatch.setattr(cores, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(cores, "_GROUP_OF_PROCESS", tmp_path / "membership")
    write.folder = tmp_path
    return write


@pytest.mark.parametrize("name", QUOTAS)
def test_the_quota_of_a_control_group_is_found(name, groups):
    membership, files, expected = QUOTAS[name]
    groups(membership, files)
    assert quota() == expected
    assert Signs(groups.folder / "signs").renew(Process.this()) == []
    assert Signs(groups.folder / "signs").renew(Process.this()) == [Process.this()]


def test_a_system_without_control_groups_has_no_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "_GROUP_OF_PROCESS", tmp_path / "none")
    assert quota() is None


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A process of eight cores that knows nothing of others yet."""
    monkeypatch.setattr(cores, "_state", cores._State())
    monkeypatch.setattr(cores, "_folder", lambda: tmp_path / "signs")
    monkeypatch.setattr(cores, "_EVERY", 0.0)
    monkeypatch.setattr(cores, "usable", lambda: ALL)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    yield tmp_path / "signs"
    if cores._state.signs is not None:
        cores._state.signs.remove()


def test_a_process_alone_has_every_core_that_it_may_use(alone, groups):
    groups("0::/", {"cpu.max": "max 100000"})
    assert (cores.own(), cores.now()) == (8, 8)


def test_a_quota_leaves_fewer(alone, groups):
    groups("0::/", {"cpu.max": "250000 100000"})
    assert (cores.own(), cores.now()) == (2, 2)
    assert CorePool("quota", 2).width() == 4


@pytest.mark.parametrize(("processes", "expected"), [(1, 8), (2, 4), (3, 3), (8, 1), (96, 1)])
def test_what_is_known_of_the_machine_divides_its_cores(processes, expected, alone):
    cores.divide(processes)
    assert (cores.own(), cores.now()) == (expected, expected)
    assert CorePool("divided", 2).width() == 2 * expected


def test_the_division_is_of_the_machine_and_not_of_what_one_process_may_use(alone, monkeypatch):
    monkeypatch.setattr(cores, "usable", lambda: frozenset({3}))
    cores.divide(8)
    assert (cores.own(), cores.now()) == (1, 1)


@pytest.mark.parametrize("others", [1, 3, 7, 15])
def test_streams_and_threads_are_shared_with_others_and_come_back_when_they_leave(others, alone):
    streams, threads = CorePool("streams", 2), CorePool("threads")
    assert (streams.width(), threads.width()) == (16, 8)
    neighbours = [Signs(alone) for _ in range(others)]
    for neighbour in neighbours:
        neighbour.renew(Process(ALL))
    assert streams.width() == 16 // (others + 1)
    assert threads.width() == max(1, 8 // (others + 1))
    assert cores.own() == 8
    for neighbour in neighbours:
        neighbour.remove()
    assert (streams.width(), threads.width()) == (16, 8)


def test_one_that_is_idle_or_was_killed_does_not_count_and_is_forgotten(alone):
    cores.now()
    Signs(alone).renew(Process(ALL))
    assert cores.now() == 4
    (other,) = (path for path in alone.glob("*.json") if path != cores._state.signs._own)
    long_ago = time.time() - 2 * cores._AT_WORK
    os.utime(other, (long_ago, long_ago))
    assert cores.now() == 8
    assert not other.exists()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"machine": "MACHINE", "cores": 3, "group": ""}']
)
def test_a_sign_that_cannot_be_read_does_not_count(content, alone):
    cores.now()
    (alone / "1-a.json").write_text(content.replace("MACHINE", cores._machine()))
    assert cores.now() == 8


def test_a_folder_that_others_may_write_to_is_not_believed(tmp_path):
    folder = tmp_path / "signs"
    folder.mkdir()
    folder.chmod(0o777)
    Signs(folder).renew(Process(ALL))
    assert Signs(folder).renew(Process(ALL)) == []
    assert list(folder.iterdir()) == []


def test_a_folder_that_inherits_its_group_is_ones_own(tmp_path):
    tmp_path.chmod(0o2770)
    Signs(tmp_path / "signs").renew(Process(ALL))
    assert Signs(tmp_path / "signs").renew(Process(ALL)) == [Process(ALL)]


def test_processes_of_other_machines_that_have_the_same_folder_do_not_count(tmp_path, monkeypatch):
    boot = tmp_path / "boot"
    monkeypatch.setattr(cores, "_BOOT", boot)
    boot.write_text("another\n")
    Signs(tmp_path / "signs").renew(Process(ALL))
    boot.write_text("this one\n")
    ours = Signs(tmp_path / "signs")
    assert ours.renew(Process(ALL)) == []
    assert Signs(tmp_path / "signs").renew(Process(ALL)) == [Process(ALL)]
    assert len(list((tmp_path / "signs").glob("*.json"))) == 3


def test_without_a_folder_a_process_is_alone(tmp_path):
    assert Signs(tmp_path / "none" / "signs").renew(Process(ALL)) == []


def test_a_full_disk_keeps_no_beginning_of_a_sign(tmp_path, monkeypatch):
    def fail(path: Path, content: str) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    signs = Signs(tmp_path / "signs")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", fail)
        assert signs.renew(Process(ALL)) == []
    assert list((tmp_path / "signs").iterdir()) == []
    signs.renew(Process(ALL))
    assert Signs(tmp_path / "signs").renew(Process(ALL)) == [Process(ALL)]


def test_where_nothing_may_be_written_a_process_is_alone(alone, monkeypatch):
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setattr(cores, "_state", cores._State())
    assert cores.now() == cores.own()
    assert CorePool("nowhere").submit(int, "7").result(timeout=60) == 7


PROCESS = """
import sys
from models.inference import cores
cores._EVERY = 0.0
for line in sys.stdin:
    cores.divide(int(line))
    print(len(cores.usable()) / cores.now(), flush=True)
"""


class Worker:
    """A process that says by how much its cores are divided, each time that it is asked."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROCESS],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def divisor(self, processes: int = 1) -> float:
        self.process.stdin.write(f"{processes}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


@pytest.mark.skipif(quota() is not None, reason="needs a machine whose cores are not limited")
def test_processes_find_each_other_as_they_come_and_go(tmp_path):
    workers = [Worker(tmp_path) for _ in range(3)]
    try:
        assert workers[0].divisor() == 1
        assert workers[1].divisor() == 2
        assert workers[0].divisor() == 2
        assert workers[2].divisor() == pytest.approx(3)
        assert workers[0].divisor() == pytest.approx(3)
        workers[1].end()
        assert workers[0].divisor() == 2
        workers[2].process.kill()  # without a farewell
        workers[2].end()
        assert workers[0].divisor() == 2
        (folder,) = tmp_path.iterdir()
        for path in folder.iterdir():
            os.utime(path, (1, 1))
        assert workers[0].divisor() == 1
    finally:
        for worker in workers:
            worker.end()
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_one_more(alone):
    assert cores.now() == 8
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if cores.now() == 4 and len(list(alone.glob("*.json"))) == 2 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cores.now() == 4  # the child has said no farewell


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_while_another_thread_looked_does_not_wait_for_it(alone):
    with cores._state.lock:
        child = os.fork()
        if not child:
            signal.alarm(60)
            os._exit(0 if cores.now() == 8 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinities")
def test_a_pinned_process_has_the_cores_that_it_is_pinned_to(tmp_path):
    code = (
        "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from models.inference import cores\n"
        "pool = cores.CorePool('pinned', 2)\nprint(cores.own(), pool.width(), pool._max_workers)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1 2 2\n"


def test_as_many_work_as_it_is_the_turn_of(alone, monkeypatch):
    monkeypatch.setattr(cores, "_EVERY", 0.01)
    width = [2.0]
    monkeypatch.setattr(cores, "now", lambda: width[0])
    begun, go_on = threading.Semaphore(0), threading.Event()

    def work(number: int) -> int:
        begun.release()
        go_on.wait()
        return number

    with CorePool("turns") as pool:
        results = pool.map(work, range(8))
        assert all(begun.acquire(timeout=60) for _ in range(2))
        assert not begun.acquire(timeout=0.1)
        width[0] = 5.0  # others have left
        assert all(begun.acquire(timeout=60) for _ in range(3))
        assert not begun.acquire(timeout=0.1)
        go_on.set()
        assert list(results) == list(range(8))


def test_an_error_leaves_its_turn_to_the_next(alone, monkeypatch):
    monkeypatch.setattr(cores, "now", lambda: 1.0)
    with CorePool("errors") as pool:
        failed = pool.submit(int, "no number")
        assert pool.submit(int, "7").result(timeout=60) == 7
        with pytest.raises(ValueError, match="no number"):
            failed.result()
