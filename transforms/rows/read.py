"""Reading files in a pipeline of one's own."""

import copy
import os
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PBegin, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from typing_extensions import Self

from models.errors import UserError
from transforms.read import ReadUnits
from transforms.reading.corpus import find_files, plan_corpus
from transforms.reading.dialect import Dialect
from transforms.reading.encoding import named_encoding
from transforms.rows.fitting import as_arguments, check_positive
from transforms.rows.inference import REJECTED
from transforms.rows.kinds import RejectedRow, shown
from transforms.unit_batch import UnitBatch


class ReadCorpus(beam.PTransform):
    """Reads files of text, JSONL, CSV, TSV, Parquet, Avro or Arrow, as the commands do.

    What comes out are batches: `batch.rows` is a `pyarrow.RecordBatch` with the columns of the
    files and with `source` and `position`, by which a row can be found again; the rows that could
    not be read travel along in `batch.rejected`. `ClassifyText` and `EmbedText` add columns to
    them, `WriteResults` writes both. A step of one's own changes rows with `batch.with_rows(rows)`,
    and takes rows out with `batch.reject(…)`, so that they are written as rejected ones.

    >>> import apache_beam as beam
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     rows = pipeline | ReadCorpus("pipelines/sample/reviews.jsonl", limit=2, as_rows=True)
    ...     _ = rows | beam.Map(lambda row: print(row["product"], row["position"]))
    Mountain lodge 0
    Film: Grandmother's Heist 187

    Args:
        input: A file, glob or folder, or several.
        input_format: `text`, `jsonl`, `csv`, `tsv`, `parquet`, `avro` or `arrow`; by the files'
            extensions if None.
        text_column: The column with the text; rows without one are rejected.
        text_pair_column: The column with the second text, for pairs.
        columns: The columns to keep besides the text; all if None.
        encoding: Of text, JSONL, CSV and TSV; found out for each file if None.
        delimiter: The character between the fields of CSV and TSV; found out if None.
        quote: The character around such fields; empty for none, found out if None.
        limit: Read only this many rows, the first.
        as_rows: Whether to give each row as a `dict` instead.

    Raises:
        UserError: An argument is wrong.
    """

    def __init__(
        self,
        input: str | Sequence[str],  # noqa: A002 - the name of the flag
        *,
        input_format: str | None = None,
        text_column: str = "text",
        text_pair_column: str | None = None,
        columns: Sequence[str] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        quote: str | None = None,
        limit: int | None = None,
        as_rows: bool = False,
    ) -> None:
        super().__init__()
        inputs = [input] if isinstance(input, str) else list(input)
        for path in inputs:
            if not isinstance(path, str):
                raise UserError(f"ReadCorpus takes paths, globs and folders, not {path!r}")
        if isinstance(columns, str):
            raise UserError(f"columns is a list of names, not {columns!r}: give [{columns!r}]")
        for name, mark in (("delimiter", delimiter), ("quote", quote)):
            if mark is not None and len(mark) != 1 and (name, mark) != ("quote", ""):
                raise UserError(f"{name} must be one character, not {mark!r}")
        if encoding is not None:
            try:
                encoding = named_encoding(encoding)
            except ValueError as error:
                raise UserError(f"encoding {error}") from None
        check_positive("limit", limit)
        self._inputs = [os.path.expanduser(path) for path in inputs]
        self._arguments: dict[str, Any] = {
            "input_format": input_format,
            "text_column": text_column,
            "text_pair_column": text_pair_column,
            "columns": columns,
            "dialect": Dialect(encoding, delimiter, quote),
        }
        self._limit = limit
        self._as_rows = as_rows
        self._gives_rejected = False

    def with_exception_handling(self) -> Self:
        """Returns the transform with a second output: the rows that could not be read.

        It is for `as_rows`, where the first such row ends the pipeline else; batches have theirs
        with them.

        Returns:
            A transform that gives a pair: the rows, and a `RejectedRow` for each of the others,
            whose `row` has `source`, `position` and the bytes that were read as `raw`.
        """
        if not self._as_rows:
            raise UserError(
                "the batches of ReadCorpus carry their rejected rows with them, as batch.rejected; "
                "with_exception_handling is for as_rows=True"
            )
        handling = copy.copy(self)
        handling._gives_rejected = True
        return handling

    @no_annotations
    def expand(self, begin: PBegin) -> Any:
        """Returns the batches or rows.

        Raises:
            UserError: A file does not exist, cannot be read or lacks a column.
        """
        if not isinstance(begin, (PBegin, beam.Pipeline)):
            raise UserError("ReadCorpus begins a pipeline: pipeline | ReadCorpus(…)")
        with as_arguments():
            corpus = plan_corpus(find_files(self._inputs), **self._arguments)
        batches = begin | "Files" >> ReadUnits(corpus, self._limit)
        if not self._as_rows:
            return batches
        rows = beam.ParDo(_Rows(self._gives_rejected)).with_output_types(dict[str, Any])
        if not self._gives_rejected:
            return batches | "Rows" >> rows
        outputs = batches | "Rows" >> rows.with_outputs(REJECTED, main="rows")
        outputs[REJECTED].element_type = Any
        return outputs


class _Rows(beam.DoFn):
    def __init__(self, gives_rejected: bool) -> None:
        self._gives_rejected = gives_rejected

    def process(self, batch: UnitBatch) -> Iterator[Any]:
        yield from batch.rows.to_pylist()
        for row in batch.rejected.to_pylist():
            place = {name: row[name] for name in ("source", "position", "raw")}
            rejected = RejectedRow(place, row["stage"], row["error"])
            if not self._gives_rejected:
                raise UserError(
                    f"a row cannot be read ({rejected.error}): {shown(place)}; to go on without "
                    "such rows, take them apart: rows, rejected = pipeline | ReadCorpus(…, "
                    "as_rows=True).with_exception_handling()"
                )
            yield TaggedOutput(REJECTED, rejected)
