"""Writing the rows of a pipeline of one's own to a folder that is whole, or as it was before."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsIter, AsSingleton
from apache_beam.transforms.window import GlobalWindow, GlobalWindows
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from models.errors import UserError, quoted
from transforms.counters import Counters, sum_counters
from transforms.errors import OutputError, WriteError
from transforms.reading.layout import BATCH_ROWS
from transforms.reading.units import Unit
from transforms.rows.counting import counts_beside_columns
from transforms.rows.fitting import as_arguments, check_choice
from transforms.rows.kinds import TEXTS, UNIT_BATCHES, BatchesOfRows, kind_for, kind_of
from transforms.rows.pieces import METADATA, Destination, Piece, Span, ordered, publish_pieces
from transforms.rows.types import arrow_rows, fitted, schema_of_rows
from transforms.unit_batch import UnitBatch
from transforms.writing.folder import open_folder, storage_errors
from transforms.writing.formats.record import DEFAULT_FORMAT, OUTPUT_FORMATS
from transforms.writing.manifest import load_manifest
from transforms.writing.parts import PartWriter
from transforms.writing.records import Record, Timeline
from transforms.writing.recovery import unfinished_runs
from transforms.writing.request import Request, check_name
from transforms.writing.run_plan import IfExists, new_run_id, run_folder
from transforms.writing.schemas import OutputSchemas, check_writable, written_schema

_IF_EXISTS = tuple(each for each in get_args(IfExists) if each != "update")


class WriteResults(beam.PTransform):
    """Writes rows to a folder of Parquet, CSV or JSONL, with a manifest.

    Rows may be `dict`, `beam.Row`, named tuples or data classes, `pyarrow.RecordBatch`, or what
    `ReadCorpus` gives, whose rejected rows go to `rejected/` in the folder. Readers see the whole
    result or none: parts get their names and `_MANIFEST.json` is replaced when all rows are there.
    A pipeline that fails leaves an earlier result as it was.

    >>> import tempfile, apache_beam as beam
    >>> folder = tempfile.mkdtemp()
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     rows = pipeline | beam.Create([beam.Row(id=1, text="A fine day.")])
    ...     manifest = rows | WriteResults(folder, output_format="csv")
    ...     _ = manifest | beam.Map(lambda written: print(written["rows"]["written"]))
    1

    Args:
        output: The folder, local or in `gs://` or `s3://`.
        output_format: `parquet`, `csv` or `jsonl`.
        if_exists: What to do if the folder holds results: `error`, `overwrite` or `append`.
        schema: The columns. Needed for dicts, whose columns nothing else tells; else what the
            schema of the rows or the first record batch says.

    Raises:
        UserError: An argument is none of its choices.
    """

    def __init__(
        self,
        output: str,
        *,
        output_format: str = DEFAULT_FORMAT,
        if_exists: IfExists = "error",
        schema: pa.Schema | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(output, str) or not output.strip():
            raise UserError(f"WriteResults takes a folder first, not {output!r}")
        check_choice("output_format", output_format, tuple(OUTPUT_FORMATS))
        if if_exists == "update":
            raise UserError(
                "if_exists='update' is for the commands, which know what each row was made of; "
                "here it is 'error', 'overwrite' or 'append'"
            )
        check_choice("if_exists", if_exists, _IF_EXISTS)
        if schema is not None and not isinstance(schema, pa.Schema):
            raise UserError(f"schema is a pyarrow.Schema, not {schema!r}")
        self._output = output
        self._format = output_format
        self._if_exists = if_exists
        self._schema = schema

    @no_annotations
    def expand(self, rows: beam.PCollection) -> beam.PCollection[dict[str, Any]]:
        """Returns a PCollection whose one element is the manifest.

        Raises:
            UserError: The folder holds results that are to stay, its name cannot be taken, or the
                columns are not known.
        """
        if not rows.is_bounded:
            raise UserError(
                "WriteResults publishes a result when all rows are there, and these never end: "
                "write them with a sink for streams, such as beam.io.WriteToBigQuery"
            )
        schema = self._schema
        kind = kind_of(rows.element_type)
        if schema is None and kind is not None and not isinstance(kind, BatchesOfRows):
            schema = schema_of_rows(rows.element_type)
            if schema is None:
                what = "texts" if kind is TEXTS else "dicts"
                raise UserError(
                    f"the rows are {what}, and nothing tells their columns: give schema=, such as "
                    'pa.schema([("id", pa.int64()), ("label", pa.string())])'
                )
        with as_arguments():
            if schema is not None:
                _check_columns(schema, self._format)
            self._check_folder()
        asked = Destination(self._output, self._format, self._if_exists)
        begin = rows.pipeline | "Begin" >> beam.Create([None])
        run = begin | "Run" >> beam.Map(lambda _: new_run_id())
        pieces = (
            rows
            | "InOneWindow" >> beam.WindowInto(GlobalWindows())
            | "Write" >> beam.ParDo(_WriteRows(asked, schema), AsSingleton(run))
        )
        return run | "Publish" >> beam.Map(
            publish_pieces, AsIter(pieces), asked, schema, are_read=kind is UNIT_BATCHES
        )

    def _check_folder(self) -> None:
        """Raises `OutputError` if a folder may not be called so, or not be written to as it is."""
        check_name(self._output)
        folder = open_folder(self._output)
        request = Request(
            output=self._output,
            if_exists=self._if_exists,
            settings={},
            metadata=METADATA,
            output_format=self._format,
            replace_if=None,
            paths=frozenset(),
        )
        with storage_errors(f"use --output={self._output}"):
            folder.check_no_file()
            if self._if_exists != "overwrite":
                earlier = load_manifest(folder)
                if earlier is not None and self._if_exists == "error":
                    rows_there = earlier.get("rows", {}).get("written", "unknown")
                    raise OutputError(
                        f"{self._output} holds results already ({rows_there} rows): give "
                        "if_exists='overwrite' or 'append', or another folder"
                    )
                request.resolve(folder, earlier, None)
            if self._if_exists == "error" and (unfinished := unfinished_runs(folder)):
                raise OutputError(
                    f"{self._output} holds a run that did not finish ({quoted(unfinished)}): "
                    "finish it with its command or with pipelines.verify, give "
                    "if_exists='overwrite', which removes it, or another folder"
                )


class _WriteRows(beam.DoFn):
    """Writes the rows of a bundle to parts, and emits what it wrote."""

    def __init__(self, asked: Destination, schema: pa.Schema | None) -> None:
        self._asked = asked
        self._given = schema
        self._writers: dict[bool, PartWriter] = {}

    def start_bundle(self) -> None:
        self._abandon()
        self._begin()

    def process(self, element: Any, run_id: str) -> Iterator[Piece]:
        self._run_id = run_id
        kind = kind_for(element, "WriteResults")
        with storage_errors(f"write to {self._asked.output}", WriteError):
            if not isinstance(kind, BatchesOfRows):
                self._taken += 1
                self._waiting.append(kind.as_fields(element, "text"))
                if len(self._waiting) >= BATCH_ROWS:
                    self._write_waiting()
            elif kind is UNIT_BATCHES:
                self._taken += element.num_read
                self._write_unit(element)
            else:
                self._taken += element.num_rows
                self._write(element)
            if any(writer.is_full for writer in self._writers.values()):
                yield self._piece()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        with storage_errors(f"write to {self._asked.output}", WriteError):
            if self._writers or self._spans or self._waiting:
                window = GlobalWindow()
                yield WindowedValue(self._piece(), window.max_timestamp(), (window,))

    def teardown(self) -> None:
        self._abandon()

    def _begin(self) -> None:
        self._schema = self._given
        self._schemas: OutputSchemas | None = None
        self._writers = {}
        self._taken = 0
        self._timeline = Timeline()
        self._waiting: list[Mapping[str, Any]] = []
        self._spans: list[Span] = []
        self._units: dict[str, Unit] = {}
        self._empty: pa.Schema | None = None
        self._files: Counter[str] = Counter()
        self._counts: Counters = {}

    def _write_waiting(self) -> None:
        if self._waiting:
            if self._given is None:
                raise UserError(
                    "nothing tells the columns of the rows: give schema=, a pyarrow.Schema, to "
                    "WriteResults"
                )
            rows, self._waiting = self._waiting, []
            self._write(arrow_rows(rows, self._given))

    def _write_unit(self, batch: UnitBatch) -> None:
        written, rejected = batch.rows.num_rows, batch.rejected.num_rows
        if written + rejected != batch.num_read:
            raise UserError(
                f"{batch.num_read} rows of {batch.source!r} were read, and {written} came to be "
                f"written and {rejected} to be rejected: take rows out with batch.reject(…), so "
                "that the manifest counts them"
            )
        self._write(batch.rows)
        if rejected:
            schemas = self._schemas_of(batch.rows.schema)
            self._writer(True).write(schemas.project_rejected(batch.rejected))
            self._timeline.add(rejected)
        elif not written:
            self._empty = batch.rows.schema.remove_metadata()
        name = batch.unit.name
        self._units[name] = batch.unit
        stop = batch.start + batch.num_read
        self._spans.append(Span(name, batch.start, stop, batch.is_last, batch.reading))
        self._counts = sum_counters([self._counts, counts_beside_columns(batch)])
        if batch.num_read:
            self._files[batch.source] += batch.num_read

    def _write(self, rows: pa.RecordBatch) -> None:
        if rows.num_rows:
            schemas = self._schemas_of(rows.schema)
            assert self._schema is not None
            self._writer(False).write(schemas.project(fitted(rows, self._schema)))
            self._timeline.add(rows.num_rows)

    def _schemas_of(self, schema: pa.Schema) -> OutputSchemas:
        """Returns what the parts have in common, of which the first rows tell the columns."""
        if self._schemas is None:
            with as_arguments():
                if self._schema is None:
                    _check_columns(schema, self._asked.output_format)
                    self._schema = schema.remove_metadata()
                if self._asked.if_exists == "append":
                    folder = open_folder(self._asked.output)
                    self._schema = ordered(self._schema, load_manifest(folder))
            self._schemas = self._asked.schemas(self._schema)
        return self._schemas

    def _writer(self, rejected: bool) -> PartWriter:
        if rejected not in self._writers:
            assert self._schemas is not None
            self._writers[rejected] = self._schemas.part_writer(
                open_folder(self._asked.output), f"{run_folder(self._run_id)}/parts", rejected
            )
        return self._writers[rejected]

    def _piece(self) -> Piece:
        """Closes the parts and returns what is in them."""
        self._write_waiting()
        parts = [writer.close() for writer in self._writers.values()]
        written = sum(part.rows for part in parts)
        if written != self._taken:
            raise RuntimeError(
                f"{self._taken} rows came to be written, and {written} are: nothing is published; "
                "this is a bug in the program"
            )
        record = Record(
            unit=uuid.uuid4().hex[:20],
            start=0,
            stop=written,
            is_last=True,
            files=dict(self._files),
            counts=self._counts,
            parts=parts,
            timeline=self._timeline.points,
        )
        has_rows = False in self._writers
        piece = Piece(
            record, self._schema if has_rows else None, self._empty, self._spans, self._units
        )
        self._begin()
        return piece

    def _abandon(self) -> None:
        for writer in self._writers.values():
            writer.abandon()
        self._writers = {}


def _check_columns(schema: pa.Schema, output_format: str) -> None:
    """Raises `UserError` if columns cannot be written as they are."""
    check_writable({column.name: column.type for column in schema}, output_format)
    if dropped := [name for name in schema.names if name not in written_schema(schema).names]:
        raise UserError(f"{quoted(dropped)} are names of the stages' own: call the columns else")
    if len(set(schema.names)) < len(schema.names):
        raise UserError(f"two columns have one name: {', '.join(schema.names)}")
