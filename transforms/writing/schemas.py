"""The columns that reach the output, of rows and of rejected rows."""

import copy
import json
from collections.abc import Mapping
from functools import partial

import pyarrow as pa

from models.quantization import Ranges
from transforms.errors import OutputError
from transforms.rejected import REJECTED, REJECTED_AS_TEXT, rejected_as_text
from transforms.schemas import POSITION, SOURCE
from transforms.writing.folder import OutputFolder
from transforms.writing.formats.json_forms import unwritable
from transforms.writing.formats.record import DEFAULT_FORMAT, OUTPUT_FORMATS
from transforms.writing.parts import PartWriter, count_rejected, count_results

_COUNTED_REJECTED = ("stage", "error")
_DROPPED = ("token_ids", "segment_ids")  # only the stages between reading and writing need them


def written_schema(schema: pa.Schema) -> pa.Schema:
    """Returns the columns that reach the output, without the metadata that came with them."""
    return pa.schema([field for field in schema if field.name not in _DROPPED])


def check_writable(types: Mapping[str, pa.DataType], output_format: str) -> None:
    """Checks that the values of columns can be written exactly.

    Args:
        types: Types of input columns, by name.
        output_format: One of `OUTPUT_FORMATS`.

    Raises:
        OutputError: A column has no form in a format of text.
    """
    record = OUTPUT_FORMATS[output_format]
    if not record.is_text:
        return  # a column that Parquet cannot hold is found when the input is planned
    for name, type_ in types.items():
        if fault := unwritable(type_):
            raise OutputError(
                f"column {name!r} {fault}, which has no exact form in {record.title}: name the "
                f"columns to keep with --columns to leave it out, or give "
                f"--output_format={DEFAULT_FORMAT}"
            )


class OutputSchemas:
    """What the parts of a run have in common.

    Args:
        schema: Columns of the record batches that come to be written.
        metadata: Key-value metadata of every part.
        label_column: Column whose values the manifest counts: strings, or lists of structs with a
            string `label`.
        output_format: One of `OUTPUT_FORMATS`.
        has_ranges: Whether there are vectors of bytes, whose ranges are found when the run is on.
    """

    def __init__(
        self,
        schema: pa.Schema,
        metadata: Mapping[str, str],
        label_column: str | None = None,
        output_format: str = DEFAULT_FORMAT,
        has_ranges: bool = False,
    ) -> None:
        self.has_ranges = has_ranges
        self.format = OUTPUT_FORMATS[output_format]
        self.rows = written_schema(schema).with_metadata(dict(metadata))
        rejected = REJECTED_AS_TEXT if self.format.is_text else REJECTED
        self.rejected = rejected.with_metadata(dict(metadata))
        self.count_results = partial(count_results, label_column=label_column)
        self._counted = ("num_tokens", "truncated", label_column)

    def with_ranges(self, ranges: Ranges | None) -> "OutputSchemas":
        """Returns them with the ranges of vectors in the metadata of the rows' parts.

        Args:
            ranges: The ranges; nothing is said of those of no rows.
        """
        if ranges is None or not ranges.rows:
            return self
        told = copy.copy(self)
        told.rows = self.rows.with_metadata(
            {**(self.rows.metadata or {}), "ranges": json.dumps(ranges.as_json())}
        )
        return told

    def part_writer(self, folder: OutputFolder, parts_folder: str, rejected: bool) -> PartWriter:
        """Returns a writer of a new part.

        Args:
            folder: The output folder.
            parts_folder: Name of the folder in it where the parts of the run are.
            rejected: Whether its rows are rejected ones.
        """
        if rejected:
            schema, count = self.rejected, count_rejected
        else:
            schema, count = self.rows, self.count_results
        return PartWriter(folder, parts_folder, schema, rejected, count, self.format)

    def counted(self, rejected: bool) -> pa.Schema:
        """Returns the columns that rows are counted by, and told apart.

        Args:
            rejected: Whether the rows are rejected ones.
        """
        schema = self.rejected if rejected else self.rows
        names = {SOURCE.name, POSITION.name, *(_COUNTED_REJECTED if rejected else self._counted)}
        return pa.schema([field for field in schema if field.name in names])

    def project(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the columns to write; a batch with other columns is a mistake in a stage.

        Raises:
            TypeError: The batch has other columns.
        """
        given = {field.name: field.type for field in written_schema(batch.schema)}
        expected = {field.name: field.type for field in self.rows}
        if given != expected:
            wrong = [
                f"{name}: {given.get(name, 'missing')}, not {expected.get(name, 'written')}"
                for name in {**expected, **given}
                if given.get(name) != expected.get(name)
            ]
            raise TypeError(f"a record batch has other columns than the output: {'; '.join(wrong)}")
        return pa.RecordBatch.from_arrays([batch.column(n) for n in expected], schema=self.rows)

    def project_rejected(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns rejected rows of the schema `REJECTED` with the columns to write."""
        return rejected_as_text(batch) if self.format.is_text else batch
