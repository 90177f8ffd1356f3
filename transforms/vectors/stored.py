"""The vectors of a result, as floats, a block at a time: however many there are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.quantization import BITS_A_NUMBER, Ranges, from_int8
from transforms.errors import OutputError
from transforms.writing.folder import OutputFolder, open_folder, storage_errors
from transforms.writing.manifest import (
    MANIFEST,
    check_version,
    format_of,
    load_manifest,
    manifest_errors,
    ranges_in,
    schema_in,
    text_columns_in,
)

COLUMN = "embedding"
"""The column with the vectors."""

BLOCK_BYTES = 8 << 20
"""Bytes of a block's vectors, as float32: enough for a matrix product, little enough to hold."""


@dataclass(frozen=True)
class VectorBlock:
    """Rows that follow one another in a part.

    Attributes:
        first: The number of the first of them in the result, counted from 0.
        vectors: float32 `[rows, dimensions]`; NaN where a row has none.
        columns: The columns that were asked for.
    """

    first: int
    vectors: np.ndarray
    columns: pa.RecordBatch


@dataclass(frozen=True)
class StoredVectors:
    """A result of `pipelines.embed`.

    Rows have numbers, from 0, in the order of the parts in the manifest.

    Attributes:
        folder: Where it is.
        manifest: What it holds.
        schema: Its columns.
        dtype: Type of the numbers: `float32`, `float16`, `int8` or `binary`.
        dimensions: Numbers of a vector.
        ranges: Between which numbers those of `int8` lie.
    """

    folder: OutputFolder
    manifest: Mapping[str, Any]
    schema: pa.Schema
    dtype: str
    dimensions: int
    ranges: Ranges | None = None

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return sum(part["rows"] for part in self.manifest["parts"])

    @property
    def text_columns(self) -> list[str]:
        """The columns that were embedded."""
        return text_columns_in(self.manifest)

    @property
    def others(self) -> list[str]:
        """The columns beside the vectors."""
        return [name for name in self.schema.names if name != COLUMN]

    def blocks(self, columns: Sequence[str] = (), first: int = 0) -> Iterator[VectorBlock]:
        """Reads vectors, of at most `BLOCK_BYTES` at a time.

        Args:
            columns: Other columns to read along.
            first: The row to begin with; parts before it are not opened.

        Raises:
            OutputError: A part is gone, or is not what the manifest says.
        """
        most = max(1, BLOCK_BYTES // (4 * self.dimensions))
        for start, rows in self._read([COLUMN, *columns], first):
            for offset in range(0, rows.num_rows, most):
                some = rows.slice(offset, most)
                vectors = self.floats(some.column(COLUMN))
                yield VectorBlock(start + offset, vectors, some.select(list(columns)))

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Reads columns, a few megabytes at a time; raises as `blocks` does."""
        return (rows for _, rows in self._read(list(columns), 0))

    def rows(self, numbers: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Reads some rows; opens no part that has none of them, and raises as `blocks` does.

        Args:
            numbers: Their numbers, in any order, none of them twice.
            columns: The columns to read; all but the vectors if `None`.

        Returns:
            The rows in that order.

        Raises:
            IndexError: There is no row of such a number.
            TypeError: They are no list of integers.
        """
        asked = self._checked(numbers)
        names = self.others if columns is None else list(columns)
        schema = pa.schema([self.schema.field(name) for name in names])
        order = np.argsort(asked, kind="stable")
        wanted = asked[order]
        found: list[pa.RecordBatch] = []
        ends = np.cumsum([part["rows"] for part in self.manifest["parts"]])
        for index in np.unique(np.searchsorted(ends, wanted, side="right")).tolist():
            last = wanted[wanted < ends[index]].max(initial=-1)
            for start, rows in self._read_part(index, names):
                inside = wanted[(wanted >= start) & (wanted < start + rows.num_rows)]
                if len(inside):
                    found.append(rows.take(pa.array(inside - start)))
                if start + rows.num_rows > last:
                    break
        table = pa.Table.from_batches(found, schema)
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        return table.take(pa.array(places))

    def _checked(self, numbers: Sequence[int]) -> np.ndarray:
        """Returns the numbers of rows, int64."""
        found = np.asarray(numbers)
        if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
            raise TypeError(
                "numbers of rows are a list of integers, and not an array of the shape "
                f"{found.shape} and the type {found.dtype}"
            )
        outside = found[(found < 0) | (found >= self.num_rows)]
        if outside.size:
            is_padding = " (faiss pads with -1 what it did not find)" if outside[0] == -1 else ""
            raise IndexError(
                f"{self.folder.path} has no row {outside[0]}{is_padding}: its {self.num_rows:,} "
                "rows are counted from 0"
            )
        return found.astype(np.int64)

    def floats(self, column: pa.Array) -> np.ndarray:
        """Returns about the vectors that the model gave, float32 `[rows, dimensions]`.

        Args:
            column: As it is stored. Bits become 1 where they are set and -1 where they are not;
                what is null becomes NaN.
        """
        width = column.type.list_size
        if column.null_count:
            there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
            found = np.full((len(column), self.dimensions), np.nan, np.float32)
            found[there] = self.floats(column.drop_null())
            return found
        numbers = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), width)
        if self.dtype == "int8":
            if self.ranges is None:  # of a folder in which no row has a vector
                return np.zeros((0, self.dimensions), np.float32)
            return from_int8(numbers, self.ranges)
        if self.dtype == "binary":
            bits = np.unpackbits(numbers.view(np.uint8) ^ np.uint8(128), axis=1)
            return bits.astype(np.float32) * 2 - 1
        return numbers.astype(np.float32, copy=False)

    def _read(self, columns: Sequence[str], first: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yields the number of a first row, and rows, from `first` on."""
        end = 0
        for index, part in enumerate(self.manifest["parts"]):
            end += part["rows"]
            if end <= first:
                continue
            for start, rows in self._read_part(index, columns):
                before = max(0, min(first - start, rows.num_rows))
                if before < rows.num_rows:
                    yield start + before, rows.slice(before)

    def _read_part(
        self, index: int, columns: Sequence[str]
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yields the number of a first row, and rows; raises if they are not as many as it says."""
        parts = self.manifest["parts"]
        name, start = parts[index]["path"], sum(part["rows"] for part in parts[:index])
        end = start + parts[index]["rows"]
        wanted = pa.schema([self.schema.field(column) for column in columns])
        with self._read_errors(name), self.folder.open(name) as part:
            for rows in format_of(self.manifest).load().rows(part, wanted):
                if start + rows.num_rows > end:
                    break
                yield start, rows.columns
                start += rows.num_rows
            else:
                if start == end:
                    return
        raise OutputError(
            f"{self.folder.path}/{name} has not the rows that {MANIFEST} says{_AGAIN}"
        )

    @contextmanager
    def _read_errors(self, name: str) -> Iterator[None]:
        place = f"{self.folder.path}/{name}"
        try:
            with storage_errors(f"read {place}"):
                yield
        except OutputError as error:
            raise OutputError(f"{error}{_AGAIN}") from None
        except (ValueError, pa.ArrowException) as error:
            raise OutputError(f"cannot read {place}: {error}{_AGAIN}") from None


_AGAIN = (
    "; if a run has written to the folder meanwhile, begin again, and else python -m "
    "pipelines.verify says what is wrong with it"
)


def open_vectors(output: str) -> StoredVectors:
    """Returns the vectors of a finished result.

    Args:
        output: The output folder of `pipelines.embed`, local, in `gs://` or in `s3://`.

    Raises:
        OutputError: No run has finished there, it has no vectors, or it cannot be read.
    """
    folder = open_folder(output)
    with storage_errors(f"read {output}"):
        manifest = load_manifest(folder)
        if manifest is None:
            raise OutputError(_no_result(folder, output))
    check_version(manifest, output)
    with manifest_errors(output):
        dtype = manifest["metadata"].get("embedding_dtype")
        schema = schema_in(manifest)
        if dtype is None or COLUMN not in schema.names:
            raise OutputError(
                f"{output} holds no vectors that python -m pipelines.embed has written, which says "
                "there by which model they are read"
            )
        width = schema.field(COLUMN).type.list_size
        stored = StoredVectors(
            folder,
            manifest,
            schema,
            dtype,
            width * BITS_A_NUMBER if dtype == "binary" else width,
            ranges_in(manifest) if dtype == "int8" else None,
        )
        for part in manifest["parts"]:
            _ = part["path"], part["rows"]
        _ = stored.text_columns
    return stored


def _no_result(folder: OutputFolder, output: str) -> str:
    """Returns what to say of a folder without a manifest."""
    if folder.run_ids():
        return (
            f"{output} holds a run that has not finished: wait for it or, if it died, finish it "
            "with python -m pipelines.embed and --if_exists=update"
        )
    return (
        f"{output} holds no result, for it has no {MANIFEST}: give the --output of a finished run"
    )
