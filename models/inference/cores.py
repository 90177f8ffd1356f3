"""How many cores a process may take: those that it is let use, less what others like it take.

What lets a process use fewer cores than the machine has: its affinity, the quota of its control
group, and what is known beforehand of the worker processes of the machine (`divide`). Beyond that,
the processes that compute leave a sign in a folder of the machine (`Signs`), and share each core
evenly with those that have been at work on it lately.
"""

import atexit
import contextlib
import json
import os
import stat
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_GROUPS = Path("/sys/fs/cgroup")
_GROUP_OF_PROCESS = Path("/proc/self/cgroup")
_BOOT = Path("/proc/sys/kernel/random/boot_id")

# How often a process at work says so, and looks for others, in seconds.
_EVERY = 1.0

# A process that has not said so for this long is not at work: longer than a micro-batch of the
# largest model takes on a core.
_AT_WORK = 30.0


def usable() -> frozenset[int]:
    """Returns the cores, by number, on which the scheduler lets this process run."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def quota() -> float | None:
    """Returns the cores' worth of time that the control group has, or None if it is not limited.

    It is the least of the quotas of the group and of those that it is in, of either version
    (https://docs.kernel.org/admin-guide/cgroup-v2.html, cpu.max).
    """
    lines = _groups_of_process().splitlines()
    return min((value for line in lines for value in _quotas(line)), default=None)


def _groups_of_process() -> str:
    """Returns what the kernel says of the control groups of this process, whose names are bytes."""
    with contextlib.suppress(OSError):
        return _GROUP_OF_PROCESS.read_text("utf-8", "surrogateescape")
    return ""


def _quotas(line: str) -> Iterator[float]:
    """Yields the quotas of the group in a line of `/proc/self/cgroup`, and of those around it."""
    _, controllers, path = line.split(":", 2)
    if controllers and "cpu" not in controllers.split(","):
        return
    root = _GROUPS / controllers
    group = root / path.lstrip("/")
    # In a container the path may be the host's, of which the container sees the end as its root.
    for folder in (group, *group.parents):
        with contextlib.suppress(OSError, ValueError):
            if controllers:
                names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                limit, period = (float((folder / name).read_text()) for name in names)
            else:
                limit, period = map(float, (folder / "cpu.max").read_text().split())
            if limit > 0:
                yield limit / period
        if folder == root:
            break


@dataclass(frozen=True)
class Process:
    """A process that computes.

    Attributes:
        cores: The cores, by number, on which it may run.
        group: Its control group.
    """

    cores: frozenset[int]
    group: str = ""

    @classmethod
    def this(cls) -> "Process":
        """Returns the one that this is."""
        return cls(usable(), _groups_of_process())


def share(process: Process, others: list[Process], limit: float | None = None) -> float:
    """Returns how many cores are a process's if each core is shared evenly.

    Args:
        process: The process.
        others: Those that are at work beside it.
        limit: The quota of its control group, which those of them in it share.
    """
    cores = sum(1 / (1 + sum(core in each.cores for each in others)) for core in process.cores)
    if limit is not None:
        cores = min(cores, limit / (1 + sum(each.group == process.group for each in others)))
    return cores


class Signs:
    """What the processes of a machine that compute leave for each other: a file each.

    A process at work renews its file; one that has not been renewed for a while is of a process
    that is idle, or was killed. Without a folder that is this user's own, every process believes
    that it is alone.

    Args:
        folder: Where the files are. Other machines may have it too, as they may a `TMPDIR` on a
            cluster's storage, and those of their processes do not count.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._machine = _machine()
        self._pid = os.getpid()
        self._own = folder / f"{self._pid}-{uuid.uuid4().hex[:8]}.json"

    def renew(self, process: Process) -> list[Process]:
        """Says that this process is at work, and returns the others that are."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if not _is_own(self._folder.lstat()):
                return []
            self._write(process)
            return list(self._others())
        except OSError:
            return []

    @property
    def are_ours(self) -> bool:
        """Whether this process made them, and not one that it was forked from."""
        return self._pid == os.getpid()

    def remove(self) -> None:
        """Says that this process is not at work any more."""
        if self.are_ours:
            with contextlib.suppress(OSError):
                self._own.unlink()

    def _write(self, process: Process) -> None:
        if self._own.exists():
            os.utime(self._own)
            return
        written = self._own.with_suffix(".new")
        sign = {
            "machine": self._machine,
            "cores": sorted(process.cores),
            "group": process.group,
        }
        try:
            written.write_text(json.dumps(sign))
            written.rename(self._own)
        except OSError:  # the disk may be full
            written.unlink(missing_ok=True)
            raise
        atexit.unregister(self.remove)  # it is back after a suspension
        atexit.register(self.remove)

    def _others(self) -> Iterator[Process]:
        now = time.time()
        for path in self._folder.glob("*.json"):
            # A process may end meanwhile, and take its file along.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                if path == self._own:
                    continue
                if abs(now - path.stat().st_mtime) < _AT_WORK:
                    saved = json.loads(path.read_text())
                    if saved["machine"] == self._machine:
                        yield Process(frozenset(saved["cores"]), saved["group"])
                else:
                    path.unlink()


def _is_own(folder: os.stat_result) -> bool:
    """Returns whether a folder is this user's, and nobody else's; the group it may inherit."""
    is_private = folder.st_mode & ~stat.S_ISGID == stat.S_IFDIR | 0o700
    return not hasattr(os, "getuid") or (is_private and folder.st_uid == os.getuid())


def _machine() -> str:
    """Returns what tells this machine from others, and its containers not from each other."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text().strip()
    return ""


@dataclass
class _State:
    """What a process knows of its cores."""

    processes: int = 1
    share: float | None = None
    looked: float = 0.0
    signs: Signs | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_state = _State()


def _release() -> None:
    """Lets a forked process look: a thread that it does not have may have been at it."""
    _state.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release)


def divide(processes: int) -> None:
    """Divides the cores of the machine by the worker processes that are known to share them.

    Args:
        processes: How many there are, this one included.
    """
    _state.processes = max(1, processes)
    _state.share = None


def own() -> int:
    """Returns how many cores are this process's, whether others are at work or not.

    The same each time that the same work is done on machines of a kind.
    """
    cores = min(len(usable()), (os.cpu_count() or 1) / _state.processes)
    limit = quota()
    return max(1, round(cores if limit is None else min(cores, limit)))


def now() -> float:
    """Returns how many cores are this process's at this time, maybe a part of one.

    Says to others that this process is at work. Looks for them at most once a second.
    """
    with _state.lock:
        at = time.monotonic()
        if _state.share is None or at - _state.looked >= _EVERY:
            _state.looked = at
            if _state.signs is None or not _state.signs.are_ours:
                _state.signs = Signs(_folder())
            process = Process.this()
            cores = share(process, _state.signs.renew(process), quota())
            _state.share = min(cores, own())
        return _state.share


def _folder() -> Path:
    """Returns where the signs are; where none can be if nothing may be written anywhere."""
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    try:
        temporary = tempfile.gettempdir()
    except FileNotFoundError:  # each is read-only, or full
        temporary = os.devnull
    return Path(temporary) / f"textbeam-cores{user}"


class CorePool(ThreadPoolExecutor):
    """Threads of which as many work at a time as this process has cores then, or a multiple.

    Args:
        name: What the threads' names begin with.
        threads_a_core: How many work for each core.
    """

    def __init__(self, name: str, threads_a_core: int = 1) -> None:
        self._threads_a_core = threads_a_core
        self._turn = threading.Condition()
        self._working = 0
        super().__init__(threads_a_core * own(), thread_name_prefix=name)

    def width(self) -> int:
        """Returns how many threads may work now."""
        return max(1, round(self._threads_a_core * now()))

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Calls a function in a thread, when it is its turn."""
        return super().submit(self._in_turn, function, *args, **kwargs)

    def _in_turn(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        with self._turn:
            while self._working >= self.width():
                self._turn.wait(_EVERY)  # others may have left meanwhile
            self._working += 1
        try:
            return function(*args, **kwargs)
        finally:
            with self._turn:
                self._working -= 1
                self._turn.notify()
