"""Parts: the Parquet files that a result is made of; how they are written, counted and named."""

import hashlib
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.counters import Counters, most_common, sum_counters
from transforms.writing.folder import RUN_ID, NewFile, OutputFolder

REJECTED_FOLDER = "rejected"
"""The folder, inside the output folder, that holds the parts with rejected rows."""

# A row group is what a reader decodes at a time, and what a chunk holds before it writes. Rows:
# 131,072, near DuckDB's 122,880, and enough for readers to skip by statistics. Bytes, of Arrow
# memory: 64 MiB, reached first by rows that carry vectors.
ROW_GROUP_ROWS = 128 * 1024
ROW_GROUP_BYTES = 64 * 1024**2

# Bytes of a file after which a chunk ends: few enough files for object stores to
# list, each small enough for one reader.
PART_BYTES = 256 * 1024**2

_BLOCK_BYTES = 1 << 20  # read at a time for a digest

# A column is dictionary-encoded when at most half of this many of its first rows are distinct.
_DICTIONARY_SAMPLE_ROWS = 16 * 1024

# Error messages can quote the row, and be as many as the rows: limits on the characters of each and
# on the messages of a part.
_ERROR_CHARACTERS = 300
_ERRORS_IN_PART = 200

_NAME = re.compile(rf"({REJECTED_FOLDER}/)?part-\d{{5,}}-of-\d{{5,}}(-{RUN_ID})?\.parquet")


@dataclass(frozen=True)
class Part:
    """A finished Parquet file that is not published yet.

    Attributes:
        path: Its name in the output folder.
        rejected: Whether its rows are rejected ones.
        rows: Number of rows.
        bytes: Size of the file.
        sha256: Digest of the file.
        counters: What the manifest adds up over all parts.
    """

    path: str
    rejected: bool
    rows: int
    bytes: int
    sha256: str
    counters: Counters


def part_name(rejected: bool, index: int, total: int, appended_by: str | None) -> str:
    """Returns the name of a published part in the output folder.

    Args:
        rejected: Whether its rows are rejected ones.
        index: Its place among the parts of its kind, from 0.
        total: How many of its kind there are, those of earlier runs included.
        appended_by: Id of the run, if other runs have written to the folder before.
    """
    folder = f"{REJECTED_FOLDER}/" if rejected else ""
    suffix = f"-{appended_by}" if appended_by else ""
    return f"{folder}part-{index:05d}-of-{total:05d}{suffix}.parquet"


def result_files(folder: OutputFolder) -> dict[str, int]:
    """Returns the size, in bytes, of each published part by its name in the output folder."""
    names = folder.files() | folder.files(REJECTED_FOLDER)
    return {name: size for name, size in names.items() if _NAME.fullmatch(name)}


def digest_of(folder: OutputFolder, name: str) -> tuple[int, str]:
    """Returns the size of a file in bytes, and its digest."""
    size, digest = 0, hashlib.sha256()
    with folder.open(name) as file:
        while block := file.read(_BLOCK_BYTES):
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()


class PartWriter:
    """Writes one Parquet file, in row groups sized for its readers; the first one creates it.

    Args:
        folder: The output folder.
        parts_folder: Name of the folder in it where the parts of the run are.
        schema: Columns and key-value metadata of the file.
        rejected: Whether its rows are rejected ones.
        count: Counts what the manifest says about the rows of a row group.
    """

    def __init__(
        self,
        folder: OutputFolder,
        parts_folder: str,
        schema: pa.Schema,
        rejected: bool,
        count: Callable[[pa.Table], Counters],
    ) -> None:
        self._folder = folder
        self._path = f"{parts_folder}/{uuid.uuid4().hex}.parquet"
        self.schema = schema
        self._rejected = rejected
        self._count = count
        self._batches: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._rows = 0
        self._counters: Counters = {}
        self._file: _HashingFile | None = None
        self._parquet: pq.ParquetWriter | None = None

    @property
    def is_full(self) -> bool:
        """Whether the next row belongs in another chunk."""
        return self._file is not None and self._file.bytes >= PART_BYTES

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds one or more rows; they reach the file with their row group."""
        self._batches.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        if self._waiting_rows >= ROW_GROUP_ROWS or self._waiting_bytes >= ROW_GROUP_BYTES:
            self._write_row_group()

    def close(self) -> Part:
        """Finishes the file, which has the columns even if no row was written."""
        if self._batches or self._parquet is None:
            self._write_row_group()
        assert self._parquet is not None
        assert self._file is not None
        self._parquet.close()
        self._file.close()
        return Part(
            path=self._path,
            rejected=self._rejected,
            rows=self._rows,
            bytes=self._file.bytes,
            sha256=self._file.hexdigest(),
            counters=self._counters,
        )

    def abandon(self) -> None:
        """Gives up the file, and removes it if storage still lets us."""
        if self._file is None:
            return
        with suppress(Exception):
            self._file.abandon()
        with suppress(Exception):
            if self._parquet is not None:
                self._parquet.close()
        with suppress(Exception):
            self._folder.remove([self._path])

    def _write_row_group(self) -> None:
        table = pa.Table.from_batches(self._batches, self.schema)
        if self._parquet is None:
            self._file = _HashingFile(self._folder.create(self._path))
            self._parquet = pq.ParquetWriter(
                self._file,
                self.schema,
                compression="zstd",
                use_dictionary=_repetitive_columns(table),
                write_statistics=[f.name for f in self.schema if not pa.types.is_nested(f.type)],
            )
        if table.num_rows:
            self._parquet.write_table(table, row_group_size=table.num_rows)
            self._counters = sum_counters([self._counters, self._count(table)])
            if "errors" in self._counters:
                self._counters["errors"] = most_common(self._counters["errors"], _ERRORS_IN_PART)
        self._rows += table.num_rows
        self._batches, self._waiting_rows, self._waiting_bytes = [], 0, 0


class _HashingFile:
    """A write-only file that knows its length and digest so far.

    It has what `pyarrow.PythonFile` needs of a file to write to: `closed` and `write`.
    """

    closed = False

    def __init__(self, file: NewFile) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._abandoned = False
        self.bytes = 0

    def write(self, content: bytes) -> int:
        if not self._abandoned:
            self._file.write(content)
            self._sha256.update(content)
            self.bytes += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()

    def abandon(self) -> None:
        """Closes without publishing: an upload to an object store is cancelled."""
        self._abandoned = True
        getattr(self._file, "terminate", self._file.close)()

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def _repetitive_columns(table: pa.Table) -> list[str]:
    """Returns the columns whose values recur: labels and paths, not texts and vectors."""
    sample = table.slice(0, _DICTIONARY_SAMPLE_ROWS)
    return [name for name in table.column_names if _is_repetitive(sample[name])]


def _is_repetitive(column: pa.ChunkedArray) -> bool:
    if pa.types.is_dictionary(column.type):
        return True
    try:
        return 2 * pc.count_distinct(column, mode="all").as_py() <= len(column)
    except pa.ArrowNotImplementedError:  # nested types
        return False


def count_results(table: pa.Table, label_column: str | None = None) -> Counters:
    """Counts tokens and truncated rows, if there are such columns, and rows by label."""
    counters: Counters = {}
    if "num_tokens" in table.column_names:
        counters["tokens"] = pc.sum(table["num_tokens"]).as_py()
    if "truncated" in table.column_names:
        counters["truncated"] = pc.sum(table["truncated"]).as_py()
    if label_column is not None:
        labels = table[label_column]
        if pa.types.is_list(labels.type):  # several labels per row, with their scores
            labels = pc.struct_field(pc.list_flatten(labels), "label")
        counters["labels"] = _count_values(labels)
    return counters


def count_rejected(table: pa.Table) -> Counters:
    """Counts rejected rows by stage and by error message."""
    errors = pc.utf8_slice_codeunits(table["error"], 0, _ERROR_CHARACTERS)
    return {"stages": _count_values(table["stage"]), "errors": _count_values(errors)}


def _count_values(column: pa.ChunkedArray) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column).to_pylist()}
