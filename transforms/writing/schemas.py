"""The columns that reach the output, of rows and of rejected rows."""

from collections.abc import Mapping
from functools import partial

import pyarrow as pa

from transforms.rejected import REJECTED
from transforms.writing.folder import OutputFolder
from transforms.writing.parts import PartWriter, count_rejected, count_results

_DROPPED = ("token_ids", "segment_ids")  # only the stages between reading and writing need them


def written_schema(schema: pa.Schema) -> pa.Schema:
    """Returns the columns that reach the output, without the metadata that came with them."""
    return pa.schema([field for field in schema if field.name not in _DROPPED])


class OutputSchemas:
    """What the parts of a run have in common.

    Args:
        schema: Columns of the record batches that come to be written.
        metadata: Key-value metadata of every part.
        label_column: Column whose values the manifest counts: strings, or lists of structs with a
            string `label`.
    """

    def __init__(
        self, schema: pa.Schema, metadata: Mapping[str, str], label_column: str | None = None
    ) -> None:
        self.rows = written_schema(schema).with_metadata(dict(metadata))
        self.rejected = REJECTED.with_metadata(dict(metadata))
        self.count_results = partial(count_results, label_column=label_column)

    def part_writer(self, folder: OutputFolder, parts_folder: str, rejected: bool) -> PartWriter:
        """Returns a writer of a new part.

        Args:
            folder: The output folder.
            parts_folder: Name of the folder in it where the parts of the run are.
            rejected: Whether its rows are rejected ones.
        """
        if rejected:
            return PartWriter(folder, parts_folder, self.rejected, True, count_rejected)
        return PartWriter(folder, parts_folder, self.rows, False, self.count_results)

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
