"""Rows of a result as a table, and as JSON."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa

from pipelines.reporting.json_lines import unobeyed
from pipelines.reporting.shown import printable
from transforms.writing.formats.json_forms import json_values

if TYPE_CHECKING:
    from rich.table import Table

_TEXT_CHARACTERS = 120


def table_of(*columns: str) -> "Table":
    """Returns a table without lines; the first column has numbers, the others texts."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        is_text = column not in (columns[0], "where")
        table.add_column(
            printable(column),
            justify="right" if column == columns[0] else "left",
            no_wrap=not is_text,
            ratio=None if not is_text else 1,
        )
    return table


def cells_of(row: Mapping[str, Any], text_columns: Sequence[str]) -> list[Any]:
    """Returns the cells of a row: its texts, shortened, and where it came from."""
    from rich.text import Text

    texts = [Text(printable(str(row[name]), _TEXT_CHARACTERS)) for name in text_columns]
    return [*texts, Text(where(row))]


def where(row: Mapping[str, Any]) -> str:
    """Returns the name of a row's file, and its place there."""
    return printable(f"{os.path.basename(row['source'])}:{row['position']}")


def rows_as_json(table: pa.Table) -> list[dict[str, Any]]:
    """Returns rows with the values that JSONL would have."""
    columns = [json_values(column.combine_chunks()) for column in table.columns]
    names = table.column_names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def print_json(found: Mapping[str, Any]) -> None:
    """Prints one JSON object."""
    print(unobeyed(orjson.dumps(found, None, orjson.OPT_SERIALIZE_NUMPY).decode()))
