"""The lines that a page shows load the vectors as they are."""

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from models.quantization import Ranges, from_int8, to_bits, to_int8
from pipelines.searching.loading import loading_lines
from tests.transforms.vectors.folders import random_vectors, write_vectors

VECTORS = random_vectors(50, 16)
RANGES = Ranges.of(VECTORS)

STORED = {
    "float32": VECTORS,
    "float16": VECTORS.astype(np.float16),
    "int8": to_int8(VECTORS, RANGES),
    "binary": to_bits(VECTORS),
}
FLOATS = {
    **STORED,
    "int8": from_int8(STORED["int8"], RANGES),
    "binary": np.where(VECTORS > 0, 1, -1),
}


def made_by(lines: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(lines, found)
    return found


@pytest.mark.parametrize("output_format", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("dtype", STORED)
@pytest.mark.parametrize("name", ["out", "it's [a] *folder?"])
def test_the_lines_load_what_is_stored(tmp_path: Path, output_format, dtype, name):
    folder = write_vectors(tmp_path / name, VECTORS, dtype=dtype, output_format=output_format)
    manifest = json.loads((folder / "_MANIFEST.json").read_text())
    lines = loading_lines(str(folder), manifest)
    rows = duckdb.sql(f"select * from ({lines['DuckDB']}) order by position").fetchall()
    assert [row[0] for row in rows] == [f"text {i}" for i in range(50)]
    # Text has the digits that tell one half from the next, which are fewer than a float has.
    rtol = 1e-3 if dtype == "float16" and output_format != "parquet" else 1e-6
    np.testing.assert_allclose(np.array([row[-1] for row in rows]), STORED[dtype], rtol=rtol)
    table = made_by(lines["polars"])["table"]
    np.testing.assert_array_equal(table["embedding"].to_numpy(), STORED[dtype])
    numpy = next(code for title, code in lines.items() if title.startswith("NumPy"))
    np.testing.assert_allclose(made_by(numpy)["vectors"], FLOATS[dtype], rtol=1e-6)


def test_names_of_columns_are_quoted_where_sql_needs_it(tmp_path):
    folder = write_vectors(tmp_path / "out", VECTORS)
    manifest = json.loads((folder / "_MANIFEST.json").read_text())
    lines = loading_lines("gs://bucket/out/", {**manifest, "text_column": 'the "Text"'})
    assert lines["DuckDB"].startswith('select "the ""Text""", source, position,\n')
    assert lines["DuckDB"].endswith("from 'gs://bucket/out/part-*.parquet'")
    assert "open_vectors('gs://bucket/out')" in lines["NumPy"]
