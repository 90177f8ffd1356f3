"""Parts in Parquet: types, statistics and key-value metadata included."""

import io
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.writing.formats.part_format import PartEncoder, PartFormat, Sink, StoredRows

# A column is dictionary-encoded when at most half of this many of its first rows are distinct.
_DICTIONARY_SAMPLE_ROWS = 16 * 1024

# What is read of a part at a time, as far as it knows how wide its rows are: vectors are wide.
_READ_BYTES = 8 << 20
_READ_ROWS = 64 * 1024


class _Encoder:
    """Writes each table as a row group."""

    def __init__(self, sink: Sink, schema: pa.Schema, first: pa.Table) -> None:
        self._parquet = pq.ParquetWriter(
            sink,
            schema,
            compression="zstd",
            use_dictionary=_repetitive_columns(first),
            write_statistics=[f.name for f in schema if not pa.types.is_nested(f.type)],
        )

    def write(self, table: pa.Table) -> None:
        self._parquet.write_table(table, row_group_size=table.num_rows)

    def write_stored(self, rows: StoredRows) -> None:
        raise NotImplementedError("rows of Parquet are encoded anew, by `write`")

    def close(self) -> None:
        self._parquet.close()


class _Parquet:
    def encoder(self, sink: Sink, schema: pa.Schema, first: pa.Table) -> PartEncoder:
        return _Encoder(sink, schema, first)

    def columns(self, part: BinaryIO) -> dict[str, str]:
        return {field.name: str(field.type) for field in pq.read_schema(part)}

    def columns_of(self, schema: pa.Schema) -> dict[str, str]:
        part = io.BytesIO()  # Parquet has no seconds, for example: it makes milliseconds of them
        pq.ParquetWriter(part, schema).close()
        return self.columns(part)

    def rows(self, part: BinaryIO, wanted: pa.Schema, whole: bool = False) -> Iterator[StoredRows]:
        with pq.ParquetFile(part) as file:
            lacking = [name for name in wanted.names if name not in file.schema_arrow.names]
            if lacking:
                raise ValueError(f"it lacks the column {lacking[0]!r}")
            names = None if whole else wanted.names
            for index in range(file.num_row_groups):
                most = _rows_at_a_time(file.metadata.row_group(index), names)
                # What is asked for is fetched as one: of all row groups it would be the part.
                for batch in file.iter_batches(most, row_groups=[index], columns=names):
                    yield StoredRows(batch if whole else batch.select(wanted.names).cast(wanted))


def _rows_at_a_time(group: pq.RowGroupMetaData, names: list[str] | None) -> int:
    """Returns how many rows of some columns, all if `None`, are about `_READ_BYTES`."""
    chunks = [group.column(column) for column in range(group.num_columns)]
    size = sum(
        chunk.total_uncompressed_size
        for chunk in chunks
        if names is None or chunk.path_in_schema.partition(".")[0] in names
    )
    return max(1, min(_READ_ROWS, _READ_BYTES * group.num_rows // max(1, size)))


def _repetitive_columns(table: pa.Table) -> list[str]:
    """Returns the columns whose values recur: labels, paths and bytes, not texts and floats."""
    sample = table.slice(0, _DICTIONARY_SAMPLE_ROWS)
    # Parquet stores a byte in four, which compress less well than places in a dictionary.
    bytes_ = [f"{f.name}.list.element" for f in table.schema if _is_list_of_bytes(f.type)]
    return [*(name for name in table.column_names if _is_repetitive(sample[name])), *bytes_]


def _is_list_of_bytes(type_: pa.DataType) -> bool:
    is_list = pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_)
    return is_list and type_.value_type in (pa.int8(), pa.uint8())


def _is_repetitive(column: pa.ChunkedArray) -> bool:
    if pa.types.is_dictionary(column.type):
        return True
    try:
        return 2 * pc.count_distinct(column, mode="all").as_py() <= len(column)
    except pa.ArrowNotImplementedError:  # nested types
        return False


PARQUET: PartFormat = _Parquet()
"""Writes and reads Parquet."""
