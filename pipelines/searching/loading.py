"""The lines that load the vectors of a result elsewhere."""

import os
import re
import shlex
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from transforms.vectors.stored import COLUMN
from transforms.writing.manifest import schema_in

_NUMPY = """import glob, numpy as np, pyarrow.parquet as pq

table = pq.read_table(sorted(glob.glob({parts!r})))
column = table["embedding"].combine_chunks()
vectors = column.flatten().to_numpy().reshape(len(column), -1)"""

_BLOCKS = """import numpy as np
from transforms.vectors.stored import open_vectors

vectors = np.concatenate([block.vectors for block in open_vectors({output!r}).blocks()])"""

_POLARS = {
    "parquet": "table = pl.read_parquet({parts!r})",
    "jsonl": "table = pl.read_ndjson({parts!r}).with_columns(\n"
    '    pl.col("embedding").cast(pl.Array({number}, {width}))\n)',
    "csv": "table = pl.read_csv({parts!r}).with_columns(\n"
    '    pl.col("embedding").str.json_decode(pl.List({read})).cast(pl.Array({number}, {width}))\n'
    ")",
}
_DUCKDB = {
    "parquet": "{parts}",
    "jsonl": "read_json({parts})",
    "csv": "read_csv({parts}, allow_quoted_nulls=false)",
}


def loading_lines(output: str, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Returns lines of a shell, SQL or Python by what they do.

    Args:
        output: The folder of the result, as the user wrote it.
        manifest: Its manifest.
    """
    type_ = schema_in(manifest).field(COLUMN).type
    is_local = "://" not in output
    folder = os.path.abspath(output) if is_local else output.rstrip("/")
    output_format = manifest["output_format"]
    parts = f"{_escaped(folder)}/part-*.{output_format}"
    of_bytes = type_.value_type == pa.int8()
    duckdb_type = "tinyint" if of_bytes else "float"
    source = _DUCKDB[output_format].format(parts=_quoted(parts))
    polars = _POLARS[output_format].format(
        parts=parts,
        width=type_.list_size,
        read="pl.Int8" if of_bytes else "pl.Float32",
        number={pa.int8(): "pl.Int8", pa.float16(): "pl.Float16"}.get(
            type_.value_type, "pl.Float32"
        ),
    )
    plain = output_format == "parquet" and is_local and not of_bytes
    numpy = _NUMPY.format(parts=parts) if plain else _BLOCKS.format(output=folder)
    columns = ", ".join(
        f"{_identifier(name)}" for name in (manifest["text_column"], "source", "position")
    )
    return {
        "Search them": f"python -m pipelines.search {shlex.quote(folder)} 'what to look for'",
        "Find near duplicates": (
            f"python -m pipelines.search {shlex.quote(folder)} --duplicates=0.95"
        ),
        "DuckDB": (
            f"select {columns},\n    embedding::{duckdb_type}[{type_.list_size}] as embedding\n"
            f"from {source}"
        ),
        "polars": f"import polars as pl\n\n{polars}",
        "NumPy" if type_.value_type != pa.int8() else "NumPy, as floats": numpy,
    }


def _escaped(path: str) -> str:
    """Returns a path as the beginning of a glob."""
    return re.sub(r"([*?[])", r"[\1]", path)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'
