"""Which columns a reader yields, and the batches it yields them in."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from transforms.errors import InputError
from transforms.reading.column_names import ColumnNames, find_column
from transforms.reading.dialect import UTF_8
from transforms.reading.encoding import from_utf_8
from transforms.reading.partitions import folder_scalar, folder_values
from transforms.rejected import rejected_batch
from transforms.schemas import POSITION, SOURCE

BATCH_ROWS = 2048
"""Rows of a record batch: enough to sort by length for micro-batches with little padding."""

BATCH_BYTES = 4 << 20
"""Bytes of text at which a record batch ends even if it has fewer rows than `BATCH_ROWS`."""


@dataclass(frozen=True)
class InputColumn:
    """A column of the input that the output keeps.

    Attributes:
        name: Its name in the files.
        output_name: Its name in the output.
        type: Its Arrow type.
        is_optional: Whether a file may lack it, whose rows have null there.
    """

    name: str
    output_name: str
    type: pa.DataType
    is_optional: bool = False


@dataclass(frozen=True)
class Layout:
    """The columns of the rows that are read.

    Attributes:
        fields: The kept columns of the input, in the order of the first file.
        text_column: Name of the column with the text, in the files.
        text_pair_column: Name of the column with the second text of a pair, or None.
        all_columns: Whether `fields` is meant to be all columns, so that a row with more is
            wrong.
        unread: Names of columns that a file may have and that are not read, since the file's
            folders give them.
    """

    fields: tuple[InputColumn, ...]
    text_column: str
    text_pair_column: str | None
    all_columns: bool
    unread: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """What comes of reading: the kept columns, then `source` and `position`."""
        columns = [pa.field(column.output_name, column.type) for column in self.fields]
        return pa.schema([*columns, SOURCE, POSITION])

    @property
    def renamed(self) -> dict[str, str]:
        """Output names of the columns that could not keep theirs, by their names in the files."""
        return {
            column.name: column.output_name
            for column in self.fields
            if column.name != column.output_name
        }

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Names in the files of the text column and, for pairs, of the second one."""
        pair = () if self.text_pair_column is None else (self.text_pair_column,)
        return (self.text_column, *pair)

    @property
    def output_text_column(self) -> str:
        """Name of the text column in the output."""
        return self.renamed.get(self.text_column, self.text_column)

    @property
    def output_text_pair_column(self) -> str | None:
        """Name of the column with the second text in the output, or None."""
        if self.text_pair_column is None:
            return None
        return self.renamed.get(self.text_pair_column, self.text_pair_column)

    @property
    def known_names(self) -> frozenset[str]:
        """Names of all columns that a file is known to have, whether they are read or not."""
        return frozenset((*(column.name for column in self.fields), *self.unread))

    def beside_folders(self, path: str) -> tuple["Layout", dict[str, pa.Scalar]]:
        """Returns the layout without the columns that the folders of a file give, and their values.

        The texts are always those of the file.

        Args:
            path: The file.

        Returns:
            What is to be read from the file, and the values by their names in the output.
        """
        values = folder_values(path)
        kept, unread, given = [], [], {}
        for column in self.fields if values else ():
            name = None if column.name in self.text_columns else find_column(column.name, values)
            if name is None:
                kept.append(column)
            else:
                unread.append(column.name)
                given[column.output_name] = folder_scalar(values[name], column.type)
        if not given:
            return self, {}
        return replace(self, fields=tuple(kept), unread=tuple(unread)), given

    def of_file(self, names: Collection[str], path: str) -> "Layout":
        """Returns the layout with the columns that a file has, as they are spelled there.

        Args:
            names: Names of the file's columns.
            path: The file.

        Raises:
            InputError: It lacks one that it had when the run was planned.
        """
        spelled: dict[str, str] = {}
        of_file = ColumnNames(names)
        for column in self.fields:
            if (own := of_file.find(column.name)) is not None:
                spelled[column.name] = own
            elif not column.is_optional:
                raise InputError(f"{path!r} no longer has the column {column.name!r}")
        fields = [column for column in self.fields if column.name in spelled]
        pair = self.text_pair_column
        return replace(
            self,
            fields=tuple(replace(column, name=spelled[column.name]) for column in fields),
            text_column=spelled[self.text_column],
            text_pair_column=None if pair is None else spelled[pair],
        )


@dataclass(frozen=True)
class ReadBatch:
    """Rows that were read, and rows that were rejected, each in file order.

    Attributes:
        rows: A record batch in the layout's schema; as a reader yields it, without the columns that
            the file lacks.
        rejected: A record batch in the schema `REJECTED`.
        stored_bytes: Bytes of the file, as stored, that were read for them.
    """

    rows: pa.RecordBatch
    rejected: pa.RecordBatch
    stored_bytes: float = 0

    @property
    def num_rows(self) -> int:
        """Number of rows that were found, rejected ones included."""
        return self.rows.num_rows + self.rejected.num_rows

    def of_bytes(self, stored_bytes: float) -> "ReadBatch":
        """Returns the batch with the bytes that were read for it."""
        return replace(self, stored_bytes=stored_bytes)

    def completed(self, layout: Layout, given: Mapping[str, pa.Scalar]) -> "ReadBatch":
        """Returns the batch with all columns of a layout.

        Args:
            layout: The layout.
            given: Values that all rows have, by the names of their columns in the output; columns
                that the batch lacks else are null.
        """
        if self.rows.schema.equals(layout.schema):
            return self
        names, length = set(self.rows.schema.names), self.rows.num_rows
        columns = [
            self.rows.column(wanted.name)
            if wanted.name in names
            else pa.repeat(given[wanted.name], length)
            if wanted.name in given
            else pa.nulls(length, wanted.type)
            for wanted in layout.schema
        ]
        return replace(self, rows=pa.RecordBatch.from_arrays(columns, schema=layout.schema))

    def head(self, count: int) -> "ReadBatch":
        """Returns the first `count` rows in file order, rejected ones included."""
        if count >= self.num_rows:
            return self
        rows, rejected = (
            batch.column(POSITION.name).to_numpy() for batch in (self.rows, self.rejected)
        )
        end = np.sort(np.concatenate([rows, rejected]))[count]
        return ReadBatch(
            self.rows.slice(0, int(np.searchsorted(rows, end))),
            self.rejected.slice(0, int(np.searchsorted(rejected, end))),
            self.stored_bytes,
        )


@dataclass
class Rejects:
    """Collects the rejected rows of a batch.

    Attributes:
        source: Path of the file that is being read.
        encoding: Its encoding; what is added of it as UTF-8 is kept as it stands in the file.
    """

    source: str
    encoding: str = UTF_8
    positions: list[int] = field(default_factory=list)
    raws: list[bytes | None] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, position: int, raw: bytes | None, error: str) -> None:
        """Adds a row: its position, what was read, and what is wrong with it."""
        self.positions.append(position)
        self.raws.append(None if raw is None else from_utf_8(raw, self.encoding))
        self.errors.append(error)

    def take(self) -> pa.RecordBatch:
        """Returns the collected rows, in file order, and forgets them."""
        order = sorted(range(len(self.positions)), key=self.positions.__getitem__)
        batch = rejected_batch(
            [self.source] * len(order),
            [self.positions[i] for i in order],
            [self.raws[i] for i in order],
            "read",
            [self.errors[i] for i in order],
        )
        self.positions, self.raws, self.errors = [], [], []
        return batch


def read_batch(
    layout: Layout, columns: list[pa.Array], positions: np.ndarray, rejects: Rejects
) -> ReadBatch:
    """Assembles a batch, and takes the rows that were rejected on the way.

    Args:
        layout: The columns that the batch has.
        columns: The values of `layout.fields`.
        positions: int64 positions of the rows in the file.
        rejects: The rejected rows, with the path of the file.
    """
    source = pa.repeat(pa.scalar(rejects.source, pa.string()), len(positions))
    place = pa.array(positions, pa.int64())
    rows = pa.RecordBatch.from_arrays([*columns, source, place], schema=layout.schema)
    return ReadBatch(rows, rejects.take())


def rejected_only(layout: Layout, rejects: Rejects) -> ReadBatch:
    """Returns a batch with nothing but the rejected rows."""
    empty = [pa.nulls(0, column.type) for column in layout.fields]
    return read_batch(layout, empty, np.empty(0, np.int64), rejects)


def batch_bounds(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """Cuts rows into runs of at most `BATCH_ROWS` rows and about `BATCH_BYTES` of text.

    Args:
        lengths: Bytes of text in each row.

    Yields:
        The first row of each run, and the row after its last.
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    start, before = 0, 0
    while start < len(ends):
        by_bytes = int(np.searchsorted(ends, before + BATCH_BYTES, side="right"))
        stop = min(max(by_bytes, start + 1), start + BATCH_ROWS, len(ends))
        yield start, stop
        start, before = stop, int(ends[stop - 1])
