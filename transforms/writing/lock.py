"""The lock of an output folder: one run at a time may write to it.

Locks are numbered files. Whoever creates the next number, which only one can, has the folder; its
owner keeps it fresh. A lock whose owner has died, or has been silent for minutes, is passed over.
"""

import json
import math
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from transforms.errors import OutputError
from transforms.writing.folder import RUNS, OutputFolder, open_folder

# Seconds without a sign of life after which an owner that cannot be asked counts as dead. A job
# elsewhere gives none between its submission and the first rows of its first worker.
_SILENT_SECONDS = 5 * 60
_SILENT_SECONDS_ELSEWHERE = 30 * 60

_BEAT_SECONDS = 60
_NAME = re.compile(rf"{RUNS}/lock-(\d{{6}})\.json")
_TRIES = 10

# Tokens of the locks of this process, which may run several commands.
_HELD: set[str] = set()


@dataclass(frozen=True)
class Lock:
    """The right to write to a folder.

    Attributes:
        number: Number of its file.
        token: What is in that file and nowhere else.
    """

    number: int
    token: str


def take_lock(
    folder: OutputFolder,
    run_id: str,
    elsewhere: bool = False,
    given_up: Collection[str] = (),
) -> Lock:
    """Takes the lock of a folder.

    Args:
        folder: The output folder.
        run_id: The run that will write to it.
        elsewhere: Whether the run may go on when this process has ended.
        given_up: Tokens of locks whose owners are known to have ended.

    Raises:
        OutputError: Another run has it.
    """
    token = secrets.token_hex(8)
    owner = {
        "run_id": run_id,
        "host": _host(),
        "pid": None if elsewhere else os.getpid(),
        "birth": _birth(os.getpid()),
        "token": token,
        "silent_seconds": _SILENT_SECONDS_ELSEWHERE if elsewhere else _SILENT_SECONDS,
    }
    for _ in range(_TRIES):
        numbers = _numbers(folder)
        if numbers and _owner(folder, numbers[-1], given_up) == "alive":
            raise OutputError(
                f"--output={folder.path} is being written by another run: wait for it, or give "
                "another folder"
            )
        number = numbers[-1] + 1 if numbers else 1
        if folder.create_new(_name(number), json.dumps(owner).encode()):
            _HELD.add(token)
            folder.remove([_name(other) for other in numbers])
            return Lock(number, token)
    raise OutputError(f"--output={folder.path}: others take its lock again and again")


def has_lock(folder: OutputFolder, lock: Lock) -> bool:
    """Returns whether a lock is there, and no later one."""
    return max(_numbers(folder), default=0) == lock.number and _is_there(folder, lock)


def release_lock(folder: OutputFolder, lock: Lock) -> None:
    """Gives a lock back, if it is still there."""
    if _is_there(folder, lock):
        folder.remove([_name(lock.number)])
    folder.remove_if_empty(RUNS)
    _HELD.discard(lock.token)


def _is_there(folder: OutputFolder, lock: Lock) -> bool:
    try:
        return json.loads(folder.read(_name(lock.number)) or b"")["token"] == lock.token
    except (ValueError, LookupError, TypeError):
        return False


def unfinished_files(folder: OutputFolder) -> list[str]:
    """Returns what processes that died have left in `RUNS` besides locks and runs."""
    return [name for name in folder.files(RUNS) if not _NAME.fullmatch(name)]


class Heartbeat:
    """Keeps a lock fresh, from a thread, until it is stopped or not used for long.

    Args:
        path: The output folder.
        lock: Its lock.
        idle_seconds: How long it goes on without being used.
    """

    def __init__(self, path: str, lock: Lock, idle_seconds: float = math.inf) -> None:
        self._path = path
        self._name = _name(lock.number)
        self._idle_seconds = idle_seconds
        self._stop = threading.Event()
        self._last_used = time.monotonic()
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def use(self) -> None:
        """Says that the work goes on."""
        self._last_used = time.monotonic()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()

    def _run(self) -> None:
        folder = open_folder(self._path)
        while not self._stop.wait(_BEAT_SECONDS):
            if time.monotonic() - self._last_used > self._idle_seconds:
                return
            with suppress(Exception):  # the next one may succeed, and publishing looks again
                age = folder.age(self._name)
                # Many workers may do this; a bucket takes one write a second for an object.
                if age is not None and age > _BEAT_SECONDS / 2:
                    folder.touch(self._name)


@contextmanager
def kept_fresh(path: str, lock: Lock) -> Iterator[None]:
    """Keeps a lock fresh for as long as the context lasts."""
    heartbeat = Heartbeat(path, lock)
    try:
        yield
    finally:
        heartbeat.stop()


def _name(number: int) -> str:
    return f"{RUNS}/lock-{number:06d}.json"


def _numbers(folder: OutputFolder) -> list[int]:
    found = (_NAME.fullmatch(name) for name in folder.files(RUNS))
    return sorted(int(match[1]) for match in found if match)


def _owner(
    folder: OutputFolder, number: int, given_up: Collection[str]
) -> Literal["alive", "dead"]:
    age = folder.age(_name(number))
    content = folder.read(_name(number))
    if age is None or content is None:
        return "dead"  # it has just given the lock back
    try:
        owner = json.loads(content)
        if owner["token"] in given_up:
            return "dead"
        if owner["token"] in _HELD:
            return "alive"
        if owner["host"] == _host() and owner["pid"] is not None and owner["birth"] is not None:
            return "alive" if _birth(int(owner["pid"])) == owner["birth"] else "dead"
        return "dead" if age > float(owner["silent_seconds"]) else "alive"
    except (ValueError, LookupError, TypeError):  # not whole
        return "dead" if age > _SILENT_SECONDS else "alive"


def _host() -> str:
    """Returns what tells whose process ids are ours: a machine, and a container on it."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _birth(pid: int) -> str | None:
    """Returns when a process started, in clock ticks since boot: pids are reused."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]
