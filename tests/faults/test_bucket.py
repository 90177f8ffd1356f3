"""Runs into a bucket whose requests fail: refused, cut off, or done without an answer."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import UserError
from tests.faults.null_run import null_run
from tests.pipelines.command_runs import ROOT
from tests.storage_proxy import StorageProxy
from transforms.verification import repair, verify
from transforms.writing.folder import open_folder

FAULTS = [429, 503, "cut", "lost"]


def rows_in(output: str) -> Counter:
    """The rows that a reader of all visible parts sees."""
    folder = open_folder(output)
    found: Counter = Counter()
    for name in folder.files():
        if name.startswith("part-"):
            content = pa.BufferReader(folder.read(name))
            table = pq.read_table(content, columns=["source", "position"])
            found.update(zip(*(column.to_pylist() for column in table), strict=True))
    return found


@pytest.fixture(params=["gcs", "s3"])
def proxy(request) -> Iterator[StorageProxy]:
    """What stands before the bucket; it is sound again when the test ends."""
    found = request.getfixturevalue(f"{request.param}_proxy")
    plain = found.fault
    yield found
    found.fault = plain


@pytest.fixture
def bucket(request, proxy: StorageProxy) -> str:
    return request.getfixturevalue(f"{request.node.callspec.params['proxy']}_bucket")


def fail(proxy: StorageProxy, share: float, seed: int) -> None:
    """Lets a share of the requests fail."""
    generator = random.Random(seed)
    proxy.fault = lambda method, path: (
        generator.choice(FAULTS) if generator.random() < share else None
    )


def test_a_lost_answer_to_a_creation_is_not_taken_for_another_s(proxy, bucket):
    folder = open_folder(bucket)
    left = iter(["lost"])
    proxy.fault = lambda method, path: next(left, None) if method in ("POST", "PUT") else None
    assert folder.create_new("lock", b"mine")
    assert next(left, None) is None
    assert not folder.create_new("lock", b"another's")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_requests_that_fail_lose_and_double_nothing(tmp_path, proxy, bucket, seed):
    for name, count in {"a": 50, "b": 8}.items():
        (tmp_path / f"{name}.txt").write_text("".join(f"{name} {i}\n" for i in range(count)))
    output = f"{bucket}/out"
    null_run([str(tmp_path)], output, unit_bytes=150)
    (tmp_path / "b.txt").write_text("changed\nrows\n")
    (tmp_path / "c.txt").write_text("new\n")
    fail(proxy, 0.03, seed)
    for _ in range(20):
        try:
            manifest = null_run([str(tmp_path)], output, "update", unit_bytes=150)
            break
        except (UserError, OSError):
            assert max(rows_in(output).values(), default=1) == 1
    fail(proxy, 0, seed)
    assert manifest["rows"]["written"] == 53
    assert sum(rows_in(output).values()) == 53
    found = verify(output, [str(tmp_path)])
    assert (found.problems, found.notes) == ([], [])
    assert open_folder(output).files("_runs") == {}


PARTS = 60
UPDATE = """
import sys
from tests.faults.null_run import null_run
null_run([sys.argv[1]], sys.argv[2], "update", unit_bytes=10)
"""


def is_copy(method: str, path: str) -> bool:
    """Whether a request gives a part its name."""
    return "/rewriteTo/" in path or (method == "PUT" and "/part-" in path and "_runs" not in path)


def kill_at_copy(proxy: StorageProxy, count: int, *arguments: str) -> None:
    """Updates a result in another process, and kills that when it gives the n-th part its name."""
    command = [sys.executable, "-c", UPDATE, *arguments]
    is_running, copies = threading.Event(), iter(range(1, PARTS + 1))

    def kill(method: str, path: str) -> str | None:
        if is_copy(method, path) and next(copies) == count:
            is_running.wait()
            process.kill()
            return "lost"
        return None

    proxy.fault = kill
    with subprocess.Popen(command, cwd=ROOT, env=os.environ, stderr=subprocess.PIPE) as process:
        is_running.set()
        assert process.wait(timeout=300) < 0, process.stderr.read()
    proxy.fault = lambda method, path: None
    while proxy.at_once:  # what it had asked for is still being done
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("end", "count"),
    [
        ("update", PARTS // 2),
        ("repair", PARTS // 2),
        *(
            pytest.param(end, count, marks=pytest.mark.slow)
            for end in ("update", "repair")
            for count in (1, PARTS - 1, PARTS)
        ),
    ],
)
def test_a_kill_while_parts_are_copied_loses_and_doubles_nothing(
    tmp_path, proxy, bucket, end, count
):
    inputs, output = tmp_path / "in", f"{bucket}/out"
    inputs.mkdir()
    for number in range(2):
        (inputs / f"{number:02}.txt").write_text("former")
    null_run([str(inputs)], output)
    for number in range(PARTS):
        (inputs / f"{number:02}.txt").write_text(f"row {number:03}\n")
    kill_at_copy(proxy, count, str(inputs), output)
    seen = rows_in(output)
    assert max(seen.values()) == 1
    assert len(seen) < PARTS or count > PARTS - 32
    if end == "update":
        null_run([str(inputs)], output, "update", unit_bytes=10)
    else:
        assert repair(output) == "finished the publishing of a run that had died"
    assert rows_in(output) == Counter({(str(file), 0): 1 for file in inputs.iterdir()})
    found = verify(output, [str(inputs)])
    assert (found.problems, found.notes) == ([], [])
    assert open_folder(output).files("_runs") == {}
    assert open_folder(output).run_ids() == []
