"""Runs into a bucket whose requests fail: refused, cut off, or done without an answer."""

import random
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import UserError
from tests.faults.null_run import null_run
from tests.gcs_proxy import StorageProxy
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


@pytest.fixture
def fail(gcs_proxy: StorageProxy):
    """Lets a share of the requests fail until the test ends."""
    plain = gcs_proxy.fault

    def begin(share: float, seed: int, kinds=tuple(FAULTS)) -> None:
        generator = random.Random(seed)
        gcs_proxy.fault = lambda method, path: (
            generator.choice(kinds) if generator.random() < share else None
        )

    yield begin
    gcs_proxy.fault = plain


def test_a_lost_answer_to_a_creation_is_not_taken_for_another_s(gcs_proxy, gcs_bucket):
    folder = open_folder(gcs_bucket)
    plain, left = gcs_proxy.fault, iter(["lost"])
    gcs_proxy.fault = lambda method, path: next(left, None) if "upload" in path else None
    try:
        assert folder.create_new("lock", b"mine")
        assert not folder.create_new("lock", b"another's")
    finally:
        gcs_proxy.fault = plain


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_requests_that_fail_lose_and_double_nothing(tmp_path, gcs_bucket, fail, seed):
    for name, count in {"a": 50, "b": 8}.items():
        (tmp_path / f"{name}.txt").write_text("".join(f"{name} {i}\n" for i in range(count)))
    output = f"{gcs_bucket}/out"
    null_run([str(tmp_path)], output, unit_bytes=150)
    (tmp_path / "b.txt").write_text("changed\nrows\n")
    (tmp_path / "c.txt").write_text("new\n")
    fail(0.03, seed)
    for _ in range(20):
        try:
            manifest = null_run([str(tmp_path)], output, "update", unit_bytes=150)
            break
        except (UserError, OSError):
            assert max(rows_in(output).values(), default=1) == 1
    fail(0, seed)
    assert manifest["rows"]["written"] == 53
    assert sum(rows_in(output).values()) == 53
    found = verify(output, [str(tmp_path)])
    assert (found.problems, found.notes) == ([], [])
    assert open_folder(output).files("_runs") == {}
