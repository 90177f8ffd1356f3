"""Runs into a bucket whose requests fail: refused, cut off, or done without an answer."""

import random
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import UserError
from tests.faults.null_run import null_run
from tests.storage_proxy import StorageProxy
from transforms.verification import verify
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
