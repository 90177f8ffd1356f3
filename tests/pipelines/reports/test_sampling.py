"""Samples of results: the same each time, from all over, without reading all."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.reports import sampling
from pipelines.reports.result import read_result
from pipelines.reports.sampling import TEXT_CHARACTERS, sample_rows
from tests.pipelines.reports.test_classified import labelled
from tests.pipelines.reports.written import write_result
from transforms.writing.folder import open_folder
from transforms.writing.formats.record import OUTPUT_FORMATS

WANTED = pa.schema([("position", pa.int64())])


def parts_of(folder, sizes, group_rows):
    """Parts in Parquet with row groups of so many rows, and how a manifest lists them."""
    listed, start = [], 0
    for i, size in enumerate(sizes):
        name = f"part-{i:05d}.parquet"
        table = pa.table({"position": pa.array(range(start, start + size), pa.int64())})
        pq.write_table(table, folder / name, row_group_size=group_rows)
        listed.append({"path": name, "rows": size})
        start += size
    return listed


def positions(folder, parts, limit, seed=0):
    opened = open_folder(str(folder))
    found = sample_rows(opened, OUTPUT_FORMATS["parquet"], parts, WANTED, limit, seed)
    assert found.total == sum(part["rows"] for part in parts)
    return found.rows["position"].to_pylist()


def test_all_rows_are_taken_if_there_are_no_more(tmp_path):
    parts = parts_of(tmp_path, [5, 0, 7], 2)
    assert positions(tmp_path, parts, 12) == list(range(12))
    assert positions(tmp_path, [], 12) == []


@pytest.mark.parametrize("sizes", [[50_000], [1_000] * 50, [10, 40_000, 9_990]])
def test_a_sample_is_even_in_order_and_the_same_again(tmp_path, sizes):
    parts = parts_of(tmp_path, sizes, 700)
    found = positions(tmp_path, parts, 2_000)
    assert len(found) == 2_000
    assert found == sorted(set(found))
    assert found == positions(tmp_path, parts, 2_000)
    assert found != positions(tmp_path, parts, 2_000, seed=1)
    # From both halves and all quarters; more is not promised of groups that are few.
    assert np.histogram(found, 4, (0, 50_000))[0].min() > 100


def test_of_many_row_groups_few_are_read(tmp_path, monkeypatch):
    parts = parts_of(tmp_path, [100_000], 500)
    read = []
    iter_batches = pq.ParquetFile.iter_batches

    def counted(self, *args, row_groups, **options):
        read.extend(row_groups)
        return iter_batches(self, *args, row_groups=row_groups, **options)

    monkeypatch.setattr(sampling.pq.ParquetFile, "iter_batches", counted)
    assert len(positions(tmp_path, parts, 2_000)) == 2_000
    assert len(read) == 16


def test_small_groups_are_read_until_there_are_enough(tmp_path):
    parts = parts_of(tmp_path, [10_000], 20)
    assert len(positions(tmp_path, parts, 2_000)) == 2_000


@pytest.mark.parametrize("output_format", ["parquet", "csv", "jsonl"])
def test_a_result_of_any_format_is_sampled(tmp_path, output_format):
    rows = labelled(3_000)
    rows["text"] = ["long " * 1_000, *rows["text"][1:]]
    write_result(tmp_path / "out", rows, output_format=output_format, batch_rows=500)
    result = read_result(str(tmp_path / "out"), ["classify", "embed"], 400)
    assert len(result.rows) == 400
    assert not result.sample.is_all
    at = result.rows["position"].to_pylist()
    assert at == sorted(set(at))
    assert result.rows["label"].to_pylist() == [rows["label"][i] for i in at]
    whole = read_result(str(tmp_path / "out"), ["classify", "embed"])
    assert whole.sample.is_all
    assert len(whole.rows["text"][0].as_py()) == TEXT_CHARACTERS


@pytest.mark.parametrize("store", ["gcs_bucket", "s3_bucket"])
def test_a_result_in_a_bucket_is_sampled(request, store):
    output = f"{request.getfixturevalue(store)}/out"
    write_result(output, labelled(300), rejected={"why": 2})
    result = read_result(output, ["classify", "embed"], 100)
    assert len(result.rows) == 100
    assert result.rejected.rows["error"].to_pylist() == ["why", "why"]
