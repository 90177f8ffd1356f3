import errno
import gzip

import numpy as np
import pyarrow as pa
import pytest

from models import faults
from models.errors import RunError
from transforms.quantizing import sample
from transforms.quantizing.sample import all_rows, sampled_rows
from transforms.reading.corpus import plan_corpus
from transforms.reading.units import plan_units
from transforms.versions import ChangedInputError


@pytest.fixture
def sampled(tmp_path, monkeypatch):
    """Source and position of each row of a sample of some size of the files of the test."""

    def take(rows: int, *, unit_bytes: int | None = None, limit: int | None = None, **limits):
        monkeypatch.setattr(sample, "SAMPLE_ROWS", rows)
        for name, value in limits.items():
            monkeypatch.setattr(sample, name, value)
        corpus = plan_corpus([str(tmp_path)])
        units = plan_units(corpus, limit, unit_bytes)
        batches = list(sampled_rows(corpus, units, ["text"]))
        assert all(batch.schema.names == ["text", "source", "position"] for batch in batches)
        names = [name for batch in batches for name in batch["source"].to_pylist()]
        positions = [place for batch in batches for place in batch["position"].to_pylist()]
        found = [(name.rpartition("/")[2], place) for name, place in zip(names, positions)]  # noqa: B905
        assert len(set(found)) == len(found)
        return found

    return take


def write(path, rows: int) -> None:
    path.write_text("".join(f"row {number:05}\n" for number in range(rows)))


def is_spread(positions: list[int], end: int, parts: int = 8) -> bool:
    """Whether each part of a range has about as many as the others."""
    counts = np.histogram(positions, parts, (0, end))[0]
    return counts.min() > 0.5 * len(positions) / parts


def test_a_small_corpus_is_its_own_sample(tmp_path, sampled):
    for name in "abc":
        write(tmp_path / f"{name}.txt", 5)
    expected = [(f"{name}.txt", 10 * row) for name in "abc" for row in range(5)]
    assert sorted(sampled(100)) == expected


def test_rows_come_from_all_over_a_file_and_are_the_same_each_time(tmp_path, sampled):
    write(tmp_path / "a.txt", 20_000)
    found = sampled(400)
    assert len(found) == 400
    assert is_spread([place for _, place in found], 200_000)
    assert sampled(400) == found


def test_rows_come_from_all_units_of_a_file(tmp_path, sampled):
    write(tmp_path / "a.txt", 2_000)
    found = sampled(400, unit_bytes=1_000)
    assert 400 <= len(found) <= 420
    assert is_spread([place for _, place in found], 20_000)


def test_many_small_files_fill_a_sample_that_is_spread_over_them(tmp_path, sampled):
    for number in range(1_000):
        write(tmp_path / f"{number:03}.txt", 2)
    found = sampled(400)
    assert len(found) == 400
    assert is_spread([int(name[:3]) for name, _ in found], 1_000)


def test_of_a_large_file_only_the_beginning_is_read(tmp_path, sampled):
    content = "".join(f"row {number:06}\n" for number in range(600_000)).encode()
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(content, 1))
    places = [place for _, place in sampled(400, _READ_BYTES=1 << 20)]
    assert len(places) == 400
    assert 40_000 < max(places) < len(content) / 2
    assert is_spread(places, max(places))


def test_rows_that_were_rejected_are_not_in_a_sample(tmp_path, sampled):
    (tmp_path / "a.txt").write_bytes(b"fine\n\xff\nfine\n")
    assert sampled(100) == [("a.txt", 0), ("a.txt", 7)]


def test_a_limit_holds_for_a_sample(tmp_path, sampled):
    for name in "ab":
        write(tmp_path / f"{name}.txt", 5)
    found = sampled(100, limit=7)
    assert found == [*(("a.txt", 10 * row) for row in range(5)), ("b.txt", 0), ("b.txt", 10)]
    assert sampled(100, limit=0) == []


def test_empty_files_have_no_sample(tmp_path, sampled):
    (tmp_path / "a.txt").write_text("")
    assert sampled(100) == []


def test_a_file_that_changed_ends_the_run(tmp_path):
    write(tmp_path / "a.txt", 5)
    corpus = plan_corpus([str(tmp_path)])
    write(tmp_path / "a.txt", 6)
    for rows_of in (sampled_rows, all_rows):
        with pytest.raises(ChangedInputError):
            list(rows_of(corpus, plan_units(corpus), ["text"]))


@pytest.mark.parametrize("failures", [1, 9])
def test_storage_that_fails_is_tried_again(tmp_path, monkeypatch, sampled, failures):
    write(tmp_path / "a.txt", 5)
    left = [OSError(errno.EIO, "storage")] * failures
    read_unit = sample.read_unit

    def failing(*given):
        if left:
            raise left.pop()
        return read_unit(*given)

    monkeypatch.setattr(faults, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(sample, "read_unit", failing)
    if failures == 1:
        assert len(sampled(100)) == 5
    else:
        with pytest.raises(RunError, match="reading a sample of the input failed 3 times"):
            sampled(100)


def test_all_rows_are_all_of_them(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.txt", 3)
    corpus = plan_corpus([str(tmp_path)])
    found = pa.Table.from_batches(all_rows(corpus, plan_units(corpus, unit_bytes=8), ["text"]))
    assert found["text"].to_pylist() == ["row 00000", "row 00001", "row 00002"] * 2
