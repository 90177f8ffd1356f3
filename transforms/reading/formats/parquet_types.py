"""The types of a Parquet file's columns: what pyarrow makes of them, and what it would lose.

https://parquet.apache.org/docs/file-format/types/logicaltypes/ describes the types.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.reading.formats.typed_columns import with_children

# Those that come out as they are; pyarrow takes all others for their bytes, without a word.
_KEPT = frozenset(
    {"None", "String", "Enum", "Decimal", "Date", "Time", "Timestamp", "Int", "Null", "JSON"}
    | {"UUID", "Float16"}
)
_ARROW_SCHEMA = b"ARROW:schema"


class StoredTypes(NamedTuple):
    """The columns of a file.

    Attributes:
        types: Their types by name; where pyarrow reads the strings of an enumeration as bytes, they
            are strings here.
        faults: Why some of them cannot be kept, by name.
        int96: Names of those with timestamps in 96 bits.
    """

    types: dict[str, pa.DataType]
    faults: dict[str, str]
    int96: tuple[str, ...]


class _Leaf(NamedTuple):
    """A stored column: the values of a column, or of a part of one that is nested."""

    physical: str
    logical: str


def stored_types(file: pq.ParquetFile) -> StoredTypes:
    """Returns the columns of a file."""
    leaves = map(_leaf, map(file.schema.column, range(len(file.schema))))
    is_arrows = _ARROW_SCHEMA in (file.metadata.metadata or {})
    types: dict[str, pa.DataType] = {}
    faults: dict[str, str] = {}
    int96 = []
    for field in file.schema_arrow:
        found: list[_Leaf] = []
        types[field.name] = _retyped(field.type, leaves, found)
        for leaf in found:
            if fault := _fault(leaf, is_arrows):
                faults[field.name] = fault
        if any(leaf.physical == "INT96" for leaf in found):
            int96.append(field.name)
    return StoredTypes(types, faults, tuple(int96))


def _leaf(column: pq.ColumnSchema) -> _Leaf:
    return _Leaf(column.physical_type, str(column.logical_type))


def _retyped(type_: pa.DataType, leaves: Iterator[_Leaf], found: list[_Leaf]) -> pa.DataType:
    """Returns a column's type, and takes its stored columns from all of them into `found`."""
    if isinstance(type_, pa.BaseExtensionType):
        _retyped(type_.storage_type, leaves, found)
        return type_
    if pa.types.is_list_view(type_) or pa.types.is_large_list_view(type_):
        _retyped(type_.value_type, leaves, found)
        return type_
    if pa.types.is_nested(type_):
        return with_children(type_, lambda inner: _retyped(inner, leaves, found))
    leaf = next(leaves, _Leaf("", "None"))
    found.append(leaf)
    return pa.string() if leaf.logical == "Enum" and pa.types.is_binary(type_) else type_


def _fault(leaf: _Leaf, is_arrows: bool) -> str | None:
    """Returns what the output would lose of a stored column, or None.

    Args:
        leaf: The stored column.
        is_arrows: Whether Arrow wrote the file. Its times have no zone, whatever older versions of
            it say in the file.
    """
    kind = leaf.logical.partition("(")[0]
    if kind not in _KEPT:
        name = "a type that is not known here" if kind == "Undefined" else f"{kind.upper()} values"
        return f"holds {name}, of which the output could keep the bytes but not the type"
    if kind == "Time" and "isAdjustedToUTC=true" in leaf.logical and not is_arrows:
        return "holds times of day in UTC, and the output could keep them but not their zone"
    return None
