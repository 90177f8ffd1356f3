"""A sample of the rows of a result, without reading all of it."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.errors import OutputError
from transforms.writing.folder import OutputFolder
from transforms.writing.formats.record import OutputFormat

ROWS = 20_000
"""Rows of a result that a page looks at."""

TEXT_CHARACTERS = 2_000
"""Characters of a text that are kept of a sampled row."""

# A sample comes from at least so many places if there are as many: row groups of Parquet, and
# parts of text, which are read from one end to the other.
_ROW_GROUPS = 16
_TEXT_PARTS = 4

_BATCH_ROWS = 4_096


@dataclass(frozen=True)
class Sample:
    """Rows of a result.

    Attributes:
        rows: The rows, in their order; of texts and bytes `TEXT_CHARACTERS`.
        total: How many rows the result has.
    """

    rows: pa.Table
    total: int

    @property
    def is_all(self) -> bool:
        """Whether no row was left out."""
        return len(self.rows) == self.total


def sample_rows(
    folder: OutputFolder,
    part_format: OutputFormat,
    parts: Sequence[Mapping[str, Any]],
    wanted: pa.Schema,
    limit: int,
    seed: int,
) -> Sample:
    """Returns rows of parts, evenly from those of them that are read.

    Args:
        folder: The output folder.
        part_format: The format of the parts.
        parts: The parts, as the manifest lists them.
        wanted: The columns.
        limit: How many rows; all if there are no more.
        seed: Chooses which.

    Raises:
        OutputError: A part is damaged.
    """
    random = np.random.default_rng(seed)
    filled = [part for part in parts if part["rows"]]
    total = sum(part["rows"] for part in filled)
    chosen = filled
    if total > limit:
        chosen = _choose_parts(
            filled, limit, _TEXT_PARTS if part_format.is_text else _ROW_GROUPS, random
        )
    quotas = _shares([part["rows"] for part in chosen], limit)
    batches: list[pa.RecordBatch] = []
    for part, quota in zip(chosen, quotas, strict=True):
        with _part_errors(f"{folder.path}/{part['path']}"), folder.open(part["path"]) as file:
            if part_format.is_text:
                rows = (each.columns for each in part_format.load().rows(file, wanted))
                found = _take(rows, _places(part["rows"], quota, random))
            else:
                groups = math.ceil(_ROW_GROUPS / len(chosen)) if total > limit else None
                found = _from_groups(file, wanted, quota, groups, random)
            batches += map(_shortened, found)
    table = pa.Table.from_batches(batches) if batches else _shortened_schema(wanted).empty_table()
    return Sample(table, total)


@contextmanager
def _part_errors(place: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, pa.ArrowException) as error:
        raise OutputError(
            f"cannot read {place}: {error}; if a run has written to the folder meanwhile, begin "
            "again, and else python -m pipelines.verify says what is wrong with it"
        ) from None


def _choose_parts(
    parts: Sequence[Mapping[str, Any]], limit: int, at_least: int, random: np.random.Generator
) -> list[Mapping[str, Any]]:
    chosen: list[int] = []
    rows = 0
    for index in random.permutation(len(parts)):
        if len(chosen) >= at_least and rows >= limit:
            break
        chosen.append(int(index))
        rows += parts[index]["rows"]
    return [parts[index] for index in sorted(chosen)]


def _shares(sizes: Sequence[int], limit: int) -> list[int]:
    """Returns how many to take of each size, so that all are taken alike and `limit` in all."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(sizes) else 0
    if total <= limit:
        return list(sizes)
    bounds = [0, *(int(end) * limit // total for end in ends)]
    return [stop - start for start, stop in itertools.pairwise(bounds)]


def _places(rows: int, quota: int, random: np.random.Generator) -> np.ndarray:
    if quota >= rows:
        return np.arange(rows)
    return np.sort(random.choice(rows, quota, replace=False))


def _from_groups(
    file: BinaryIO,
    wanted: pa.Schema,
    quota: int,
    groups: int | None,
    random: np.random.Generator,
) -> Iterator[pa.RecordBatch]:
    """Yields rows of a part in Parquet, from as many of its row groups; from all if None."""
    with pq.ParquetFile(file) as parquet:
        sizes = [
            parquet.metadata.row_group(i).num_rows for i in range(parquet.metadata.num_row_groups)
        ]
        chosen = list(range(len(sizes)))
        if groups is not None and len(sizes) > groups:
            order = [int(i) for i in random.permutation(len(sizes))]
            while len(order) > groups and sum(sizes[i] for i in order[:-1]) >= quota:
                order.pop()
            chosen = sorted(order)
        quotas = _shares([sizes[i] for i in chosen], quota)
        for group, share in zip(chosen, quotas, strict=True):
            batches = parquet.iter_batches(_BATCH_ROWS, row_groups=[group], columns=wanted.names)
            rows = (batch.select(wanted.names) for batch in batches)
            yield from _take(rows, _places(sizes[group], share, random))


def _take(batches: Iterator[pa.RecordBatch], places: np.ndarray) -> Iterator[pa.RecordBatch]:
    """Yields the rows at places, which are in order; no batch after the last is read."""
    before = 0
    if not len(places):
        return
    for batch in batches:
        low, high = np.searchsorted(places, [before, before + batch.num_rows])
        if high > low:
            yield batch.take(pa.array(places[low:high] - before))
        before += batch.num_rows
        if high == len(places):
            return


def _shortened_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def _shortened(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns rows of which texts are short: a text may have megabytes."""
    columns = []
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.utf8_slice_codeunits(column, 0, TEXT_CHARACTERS)
        elif pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            column = pc.binary_slice(column, 0, 4 * TEXT_CHARACTERS)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=_shortened_schema(batch.schema))
