"""What a format of parts can do, and what is read from a part again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import pyarrow as pa


class Sink(Protocol):
    """A file that is being written."""

    closed: bool

    def write(self, content: bytes, /) -> int:
        """Writes all of the content, and returns its length."""


@dataclass(frozen=True)
class StoredRows:
    """Rows of a part that are read again.

    Attributes:
        columns: The columns that were asked for; of Parquet all, if rows are to be kept.
        records: In formats of text each row as it is in the file, line ending included; else None.
    """

    columns: pa.RecordBatch
    records: pa.Array | None = None

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return self.columns.num_rows

    def filter(self, is_kept: pa.Array) -> "StoredRows":
        """Returns the rows for which a bool array is true."""
        records = None if self.records is None else self.records.filter(is_kept)
        return StoredRows(self.columns.filter(is_kept), records)


class PartEncoder(Protocol):
    """Writes the rows of one part."""

    def write(self, table: pa.Table) -> None:
        """Writes rows, in Parquet as a row group."""

    def write_stored(self, rows: StoredRows) -> None:
        """Writes rows that `PartFormat.rows` gave, byte for byte; for formats of text."""

    def close(self) -> None:
        """Writes what belongs after the last row; the file is not closed."""


class PartFormat(Protocol):
    """How a format is written and read."""

    def encoder(self, sink: Sink, schema: pa.Schema, first: pa.Table) -> PartEncoder:
        """Begins a part.

        Args:
            sink: The file.
            schema: Columns and key-value metadata of the part.
            first: The first rows that will be written, which the encoder may look at.
        """

    def columns(self, part: BinaryIO) -> dict[str, str] | list[str] | None:
        """Returns the columns of a part: types by name, or names alone in formats of text.

        None stands for a part of JSONL without rows, which has no names either.
        """

    def columns_of(self, schema: pa.Schema) -> dict[str, str] | list[str]:
        """Returns what `columns` says of a part with these columns."""

    def rows(self, part: BinaryIO, wanted: pa.Schema, whole: bool = False) -> Iterator[StoredRows]:
        """Reads a part, a few megabytes at a time.

        Args:
            part: The file.
            wanted: Columns to read, with their types.
            whole: Whether the rows are to be written again, whole.

        Raises:
            ValueError: It is no part with these columns; `pa.ArrowInvalid` and
                `orjson.JSONDecodeError` are of this kind.
            OSError: It cannot be read.
        """
