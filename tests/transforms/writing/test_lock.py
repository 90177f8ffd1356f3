import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from transforms.errors import OutputError
from transforms.writing import lock as locks
from transforms.writing.folder import OutputFolder, open_folder
from transforms.writing.lock import Heartbeat, has_lock, release_lock, take_lock

RUN = "20250102t030405-abcdef"
HOST = locks._host()


@pytest.fixture(params=["local", "gcs_bucket", "s3_bucket"])
def folder(request, tmp_path) -> OutputFolder:
    if request.param == "local":
        return open_folder(str(tmp_path))
    return open_folder(f"{request.getfixturevalue(request.param)}/out")


def test_a_lock_is_one_s_alone_until_it_is_given_back(folder):
    lock = take_lock(folder, RUN)
    assert has_lock(folder, lock)
    with pytest.raises(OutputError, match="being written by another run"):
        take_lock(folder, RUN)
    release_lock(folder, lock)
    assert not has_lock(folder, lock)
    again = take_lock(folder, RUN)
    assert has_lock(folder, again)
    release_lock(folder, lock)  # the number is another's by now
    assert has_lock(folder, again)


def owned(folder: OutputFolder, age: float, **owner) -> None:
    """Puts the lock of another process there."""
    described = {
        "host": "elsewhere", "pid": 1, "birth": "1", "token": "x", "silent_seconds": 300, **owner,
    }  # fmt: skip
    folder.write_whole("_runs/lock-000004.json", json.dumps(described).encode())
    then = time.time() - age
    os.utime(Path(folder.path) / "_runs/lock-000004.json", (then, then))


@pytest.mark.parametrize(
    ("age", "owner", "alive"),
    [
        (10, {}, True),
        (400, {}, False),
        (400, {"silent_seconds": 1800}, True),
        (10, {"host": HOST, "pid": os.getpid(), "birth": "1"}, False),
        (10_000, {"host": HOST, "pid": os.getpid(), "birth": locks._birth(os.getpid())}, True),
        (10, {"host": HOST, "pid": None}, True),
        (10, {"token": None, "host": None}, True),
    ],
)  # fmt: skip
def test_a_lock_is_passed_over_if_its_owner_is_dead_or_silent(tmp_path, age, owner, alive):
    folder = open_folder(str(tmp_path))
    owned(folder, age, **owner)
    if alive:
        with pytest.raises(OutputError, match="being written by another run"):
            take_lock(folder, RUN)
    else:
        assert take_lock(folder, RUN).number == 5
        assert [path.name for path in (tmp_path / "_runs").iterdir()] == ["lock-000005.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"host": 3}'])
def test_a_lock_that_is_not_whole_is_passed_over_after_some_minutes(tmp_path, content):
    folder = open_folder(str(tmp_path))
    folder.write_whole("_runs/lock-000001.json", content)
    with pytest.raises(OutputError, match="another run"):
        take_lock(folder, RUN)
    os.utime(tmp_path / "_runs/lock-000001.json", (0, 0))
    take_lock(folder, RUN)


def test_of_many_at_once_one_gets_the_lock(tmp_path):
    script = f"""
import sys
from transforms.writing.folder import open_folder
from transforms.writing.lock import take_lock
sys.stdin.readline()
try:
    print(take_lock(open_folder({str(tmp_path)!r}), "{RUN}").number, flush=True)
except Exception as error:
    print("refused", flush=True)
sys.stdin.readline()
"""
    owned(open_folder(str(tmp_path)), 400)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    many = [subprocess.Popen([sys.executable, "-c", script], **pipes) for _ in range(8)]
    for process in many:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = sorted(process.stdout.readline().strip() for process in many)
    for process in many:
        process.communicate("\n")
    assert said == ["5", *["refused"] * 7]


def test_a_heartbeat_keeps_a_lock_fresh_until_it_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_BEAT_SECONDS", 0.01)
    folder = open_folder(str(tmp_path))
    lock = take_lock(folder, RUN)
    path = tmp_path / "_runs/lock-000001.json"
    heartbeat = Heartbeat(str(tmp_path), lock)
    os.utime(path, (0, 0))
    deadline = time.monotonic() + 10
    while path.stat().st_mtime == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.stat().st_mtime > 0
    heartbeat.stop()
    time.sleep(0.1)
    os.utime(path, (0, 0))
    time.sleep(0.1)
    assert path.stat().st_mtime == 0


def test_an_unused_heartbeat_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_BEAT_SECONDS", 0.01)
    folder = open_folder(str(tmp_path))
    lock = take_lock(folder, RUN)
    Heartbeat(str(tmp_path), lock, idle_seconds=0)
    time.sleep(0.1)
    path = tmp_path / "_runs/lock-000001.json"
    os.utime(path, (0, 0))
    time.sleep(0.1)
    assert path.stat().st_mtime == 0


def test_a_host_is_a_machine_and_a_container():
    assert locks._host().startswith(socket.gethostname())
