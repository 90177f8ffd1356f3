import json
import tracemalloc

import numpy as np
import pytest

from models.quantization import Ranges, from_int8, to_int8
from tests.transforms.vectors.folders import random_vectors, write_vectors
from transforms.errors import OutputError
from transforms.vectors import stored as stored_module
from transforms.vectors.stored import BLOCK_BYTES, open_vectors

VECTORS = random_vectors(2500, 16)
FORMATS = ("parquet", "csv", "jsonl")
DTYPES = ("float32", "float16", "int8", "binary")


def read_back(dtype: str) -> np.ndarray:
    """What a reader gets of `VECTORS`."""
    if dtype == "int8":
        ranges = Ranges.of(VECTORS)
        return from_int8(to_int8(VECTORS, ranges), ranges)
    if dtype == "binary":
        return np.where(VECTORS > 0, np.float32(1), np.float32(-1))
    return VECTORS.astype(dtype).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 100 vectors of 16 numbers."""
    monkeypatch.setattr(stored_module, "BLOCK_BYTES", 100 * 16 * 4)


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_hold_every_vector_once_in_order(small_blocks, tmp_path, output_format, dtype):
    folder = write_vectors(tmp_path / "out", VECTORS, dtype=dtype, output_format=output_format)
    stored = open_vectors(str(folder))
    assert (stored.num_rows, stored.dimensions, stored.dtype) == (2500, 16, dtype)
    blocks = list(stored.blocks(["text"]))
    assert max(len(block.vectors) for block in blocks) <= 100
    row = 0
    for block in blocks:
        assert block.first == row
        row += len(block.vectors)
        assert block.columns.num_rows == len(block.vectors)
    np.testing.assert_array_equal(np.concatenate([b.vectors for b in blocks]), read_back(dtype))
    texts = [text for block in blocks for text in block.columns.column("text").to_pylist()]
    assert texts == [f"text {row}" for row in range(2500)]


@pytest.mark.parametrize("first", [0, 1, 999, 1000, 1001, 2499, 2500])
def test_blocks_begin_at_any_row(small_blocks, tmp_path, first):
    stored = open_vectors(str(write_vectors(tmp_path / "out", VECTORS)))
    blocks = list(stored.blocks(first=first))
    assert sum(len(block.vectors) for block in blocks) == 2500 - first
    if blocks:
        assert blocks[0].first == first
        np.testing.assert_array_equal(np.concatenate([b.vectors for b in blocks]), VECTORS[first:])


@pytest.mark.parametrize("output_format", FORMATS)
def test_rows_come_in_the_order_that_they_are_asked_for(tmp_path, output_format):
    folder = write_vectors(tmp_path / "out", VECTORS, output_format=output_format)
    stored = open_vectors(str(folder))
    numbers = [2499, 0, 1000, 999, 17, 18]
    table = stored.rows(numbers)
    assert table.column("position").to_pylist() == numbers
    assert table.column_names == ["text", "source", "position"]
    assert stored.rows([]).num_rows == 0
    assert stored.rows([5], ["text"]).to_pylist() == [{"text": "text 5"}]


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        (
            [3, -1],
            IndexError,
            r"has no row -1 \(faiss pads with -1 what it did not find\): its 2,500",
        ),
        ([-2], IndexError, "has no row -2: its 2,500 rows are counted from 0"),
        ([0, 2500], IndexError, "has no row 2500: its 2,500 rows are counted from 0"),
        (np.uint64([2**63]), IndexError, "has no row 9223372036854775808: "),
        ([1.5], TypeError, "are a list of integers, and not an array of the shape .* float64"),
        ([[1, 2]], TypeError, r"are a list of integers, and not an array of the shape \(1, 2\)"),
    ],
    ids=str,
)
def test_rows_that_are_not_there_are_refused(tmp_path, numbers, error, message):
    stored = open_vectors(str(write_vectors(tmp_path / "out", VECTORS)))
    with pytest.raises(error, match=message):
        stored.rows(numbers)


def test_a_part_without_a_wanted_row_is_not_opened(tmp_path):
    folder = write_vectors(tmp_path / "out", VECTORS)
    (folder / "part-00000.parquet").unlink()
    stored = open_vectors(str(folder))
    assert stored.rows([1500, 2400]).column("position").to_pylist() == [1500, 2400]
    assert next(stored.blocks(first=1000)).first == 1000


@pytest.mark.parametrize(("rows", "width"), [(40_000, 256), (2_500, 4096)], ids=["long", "wide"])
@pytest.mark.parametrize("dtype", ["float32", "binary"])
def test_memory_is_that_of_a_block(tmp_path, rows, width, dtype):
    vectors = random_vectors(rows, width)
    assert vectors.nbytes > 4 * BLOCK_BYTES
    folder = write_vectors(
        tmp_path / "out", vectors, dtype=dtype, part_rows=rows, group_rows=rows // 10
    )
    stored = open_vectors(str(folder))
    most = 0
    tracemalloc.start()  # sees the arrays of NumPy, and what is read of files
    for block in stored.blocks():
        most = max(most, block.vectors.nbytes, block.columns.nbytes)
        del block
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most <= BLOCK_BYTES
    assert peak <= 2.5 * BLOCK_BYTES


def test_a_row_without_a_vector_is_not_a_number(tmp_path):
    is_there = np.arange(2500) % 7 > 0
    folder = write_vectors(
        tmp_path / "out", VECTORS, is_there=is_there, output_format="jsonl"
    )  # Arrow reads no such column of Parquet
    stored = open_vectors(str(folder))
    found = np.concatenate([block.vectors for block in stored.blocks()])
    assert np.isnan(found[~is_there]).all()
    np.testing.assert_array_equal(found[is_there], VECTORS[is_there])


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_result_without_rows_has_no_blocks(tmp_path, output_format, dtype):
    folder = write_vectors(
        tmp_path / "out",
        np.zeros((0, 16), np.float32),
        dtype="float32" if dtype == "int8" else dtype,
        output_format=output_format,
    )
    stored = open_vectors(str(folder))
    assert sum(len(block.vectors) for block in stored.blocks()) == 0
    assert stored.rows([]).num_rows == 0


# Refusals


def test_a_folder_without_a_result_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"holds no result, for it has no _MANIFEST\.json"):
        open_vectors(str(tmp_path))
    with pytest.raises(OutputError, match="holds no result"):
        open_vectors(str(tmp_path / "nothing"))


def test_a_run_that_has_not_finished_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "_runs" / "20260101t000000-000000").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"has not finished: wait .*--if_exists=update"):
        open_vectors(str(tmp_path))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda manifest: manifest["metadata"].clear(), "holds no vectors"),
        (lambda manifest: manifest.update(format_version=2), "of format version 2"),
        (lambda manifest: manifest.update(arrow_schema="x"), "damaged 'arrow_schema'"),
    ],
    ids=["labels", "version", "schema"],
)
def test_a_manifest_of_something_else_is_refused(tmp_path, damage, message):
    folder = write_vectors(tmp_path / "out", VECTORS)
    manifest = json.loads((folder / "_MANIFEST.json").read_text())
    damage(manifest)
    (folder / "_MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(OutputError, match=message):
        open_vectors(str(folder))


@pytest.mark.parametrize("damage", ["gone", "cut", "shorter", "longer"])
def test_parts_that_are_not_what_the_manifest_says_are_told_by_name(tmp_path, damage):
    folder = write_vectors(tmp_path / "out", VECTORS)
    part = folder / "part-00001.parquet"
    if damage == "gone":
        part.unlink()
    elif damage == "cut":
        part.write_bytes(part.read_bytes()[:-100])
    else:
        rows = 900 if damage == "shorter" else 1100
        write_vectors(tmp_path / "other", random_vectors(rows, 16), part_rows=rows)
        part.write_bytes((tmp_path / "other" / "part-00000.parquet").read_bytes())
    stored = open_vectors(str(folder))
    with pytest.raises(OutputError, match=r"part-00001\.parquet.*begin again"):
        list(stored.blocks())
    with pytest.raises(OutputError, match=r"part-00001\.parquet"):
        stored.rows([1999])
