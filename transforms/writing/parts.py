"""Parts: the files that a result is made of; how they are written, counted and named."""

import hashlib
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from transforms.counters import Counters, most_common, sum_counters
from transforms.schemas import NUM_TOKENS, TRUNCATED
from transforms.writing.folder import RUN_ID, NewFile, OutputFolder
from transforms.writing.formats.part_format import PartEncoder, StoredRows
from transforms.writing.formats.record import OUTPUT_FORMATS, OutputFormat

REJECTED_FOLDER = "rejected"
"""The folder, inside the output folder, that holds the parts with rejected rows."""

# A row group of Parquet is what a reader decodes at a time, and what a chunk holds before it
# writes; text is written as it comes. Rows: 131,072, near DuckDB's 122,880, and enough for readers
# to skip by statistics. Bytes, of Arrow memory: 64 MiB, reached first by rows that carry vectors.
ROW_GROUP_ROWS = 128 * 1024
ROW_GROUP_BYTES = 64 * 1024**2

# Bytes of a file after which a chunk ends: few enough files for object stores to
# list, each small enough for one reader.
PART_BYTES = 256 * 1024**2

_BLOCK_BYTES = 1 << 20  # read at a time for a digest

# Error messages can quote the row, and be as many as the rows: limits on the characters of each and
# on the messages of a part.
_ERROR_CHARACTERS = 300
_ERRORS_IN_PART = 200

_EXTENSIONS = "|".join(re.escape(record.extension) for record in OUTPUT_FORMATS.values())
_NAME = re.compile(rf"({REJECTED_FOLDER}/)?part-\d{{5,}}-of-\d{{5,}}(-{RUN_ID})?({_EXTENSIONS})")


@dataclass(frozen=True)
class Part:
    """A finished file that is not published yet.

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


def part_name(
    rejected: bool, index: int, total: int, appended_by: str | None, extension: str
) -> str:
    """Returns the name of a published part in the output folder.

    Args:
        rejected: Whether its rows are rejected ones.
        index: Its place among the parts of its kind, from 0.
        total: How many of its kind there are, those of earlier runs included.
        appended_by: Id of the run, if other runs have written to the folder before.
        extension: That of its format.
    """
    folder = f"{REJECTED_FOLDER}/" if rejected else ""
    suffix = f"-{appended_by}" if appended_by else ""
    return f"{folder}part-{index:05d}-of-{total:05d}{suffix}{extension}"


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
    """Writes one file, Parquet in row groups sized for its readers; the first rows create it.

    Args:
        folder: The output folder.
        parts_folder: Name of the folder in it where the parts of the run are.
        schema: Columns and key-value metadata of the file.
        rejected: Whether its rows are rejected ones.
        count: Counts what the manifest says about rows.
        output_format: The format.
    """

    def __init__(
        self,
        folder: OutputFolder,
        parts_folder: str,
        schema: pa.Schema,
        rejected: bool,
        count: Callable[[pa.Table], Counters],
        output_format: OutputFormat,
    ) -> None:
        self._folder = folder
        self._format = output_format
        self._path = f"{parts_folder}/{uuid.uuid4().hex}{output_format.extension}"
        self.schema = schema
        self._rejected = rejected
        self._count = count
        self._batches: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._rows = 0
        self._counters: Counters = {}
        self._file: _HashingFile | None = None
        self._encoder: PartEncoder | None = None

    @property
    def is_full(self) -> bool:
        """Whether the next row belongs in another chunk."""
        return self._file is not None and self._file.bytes >= PART_BYTES

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds one or more rows; those of Parquet reach the file with their row group."""
        self._batches.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        is_full = self._waiting_rows >= ROW_GROUP_ROWS or self._waiting_bytes >= ROW_GROUP_BYTES
        if is_full or self._format.is_text:
            self._write_waiting()

    def write_stored(self, rows: StoredRows) -> None:
        """Adds rows of an earlier part, as they are; they are not counted but by their number."""
        if rows.records is None:
            self.write(rows.columns.cast(self.schema))
        else:
            self._open(self.schema.empty_table()).write_stored(rows)
            self._rows += rows.num_rows

    def close(self) -> Part:
        """Finishes the file, which has the columns even if no row was written."""
        if self._batches or self._encoder is None:
            self._write_waiting()
        assert self._encoder is not None
        assert self._file is not None
        self._encoder.close()
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
            if self._encoder is not None:
                self._encoder.close()
        with suppress(Exception):
            self._folder.remove([self._path])

    def _open(self, first: pa.Table) -> PartEncoder:
        if self._encoder is None:
            self._file = _HashingFile(self._folder.create(self._path))
            self._encoder = self._format.load().encoder(self._file, self.schema, first)
        return self._encoder

    def _write_waiting(self) -> None:
        table = pa.Table.from_batches(self._batches, self.schema)
        encoder = self._open(table)
        if table.num_rows:
            encoder.write(table)
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


def count_results(table: pa.Table, label_column: str | None = None) -> Counters:
    """Counts tokens and truncated rows, if there are such columns, and rows by label."""
    counters: Counters = {}
    for counter, field in (("tokens", NUM_TOKENS), ("truncated", TRUNCATED)):
        if field.name in table.column_names and table[field.name].type == field.type:
            counters[counter] = pc.sum(table[field.name]).as_py() or 0
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
