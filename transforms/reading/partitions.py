"""Columns that the names of folders give: `lang=en/part.parquet`, as Hive lays out tables.

Every folder of a path counts, also those before a wildcard, so that `source` shows where the values
of a row are from.
"""

import os
import re
from collections.abc import Collection
from datetime import date
from urllib.parse import unquote_to_bytes

import pyarrow as pa

from transforms.reading.column_names import folded

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
"""What a folder is named for a value that is null."""

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INT64 = range(-(1 << 63), 1 << 63)


def folder_values(path: str) -> dict[str, str | None]:
    """Returns the values that the folders of a path give, by the names of their columns.

    Of two folders for one column, the inner one counts. Names and values are percent-decoded.
    """
    values: dict[str, str | None] = {}
    spelled: dict[str, str] = {}
    for folder in path.replace(os.sep, "/").split("/")[:-1]:
        encoded, is_column, value = folder.partition("=")
        if is_column and (name := _decoded(encoded)):
            name = spelled.setdefault(folded(name), name)
            values[name] = None if value == NULL_FOLDER else _decoded(value)
    return values


def _decoded(encoded: str) -> str:
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return encoded


def folder_type(values: Collection[str | None]) -> pa.DataType:
    """Returns the type of a column of folders: int64 or date32 if all values fit, else string."""
    found = [value for value in values if value is not None]
    if found and all(map(_is_integer, found)):
        return pa.int64()
    if found and all(map(_is_date, found)):
        return pa.date32()
    return pa.string()


def _is_integer(value: str) -> bool:
    return _INTEGER.fullmatch(value) is not None and int(value) in _INT64


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def folder_scalar(value: str | None, type_: pa.DataType) -> pa.Scalar:
    """Returns the value of a folder in the type of its column.

    Raises:
        ValueError: The type cannot hold it.
    """
    if value is None or pa.types.is_string(type_):
        return pa.scalar(value, type_)
    own = folder_type([value])
    typed = date.fromisoformat(value) if pa.types.is_date(own) else value
    return pa.scalar(int(value) if pa.types.is_integer(own) else typed, own).cast(type_)
