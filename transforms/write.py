"""Writing results: record batches to Parquet parts, published when all are there.

Each bundle writes its own parts into the run's temporary folder. When all are there, a single
final step counts the rows, renames the parts, and writes the manifest last. Parts of bundles that
failed and were retried are never counted; they are removed with the temporary folder.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypedDict

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindow
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from transforms.errors import OutputError
from transforms.rejected import REJECTED
from transforms.writing.folder import open_folder, storage_errors
from transforms.writing.manifest import MANIFEST_KEYS
from transforms.writing.output import OutputPlan, written_schema
from transforms.writing.parts import (
    Counters,
    Part,
    PartWriter,
    count_rejected,
    count_results,
    result_files,
    sum_counters,
)
from transforms.writing.publish import publish


class Streams(TypedDict):
    """The PCollections that `WriteResults` is applied to."""

    rows: beam.PCollection[pa.RecordBatch]
    rejected: Sequence[beam.PCollection[pa.RecordBatch]]
    tallies: Sequence[beam.PCollection[Counters]]


class WriteResults(beam.PTransform):
    """Writes record batches and rejected rows to the output folder of a plan.

    It is applied to a dict of `rows` (a PCollection of record batches), `rejected` (PCollections
    of record batches in the schema `transforms.rejected.REJECTED`, one per stage) and `tallies`
    (PCollections of dicts of counters, summed by key, nested ones too). The tallies must count
    `rows_read`, and may count `padded_tokens` (the manifest's `tokens.padded`), `files` (rows by
    source) and others, which the manifest lists as its `counters`. The result is a PCollection
    with one element, the manifest.

    A first run names its parts `part-00000-of-00004.parquet`. Appended parts continue the
    numbering, so that they sort after the earlier ones, and carry the run's id, so that two runs
    never share a name: `part-00004-of-00006-<run id>.parquet`.

    In the workers it raises `OutputError` if storage refuses a write or another run changed the
    folder, `RuntimeError` if rows were lost or duplicated on the way (nothing is published), and
    `TypeError` if a record batch has columns other than the schema's.

    Args:
        plan: From `transforms.writing.output.prepare_output`.
        schema: Columns of the record batches.
        metadata: Key-value metadata of every part.
        facts: Facts about the command, put at the top level of the manifest; each entry of their
            `inputs` (`source`, `bytes`, `fingerprint`) is given the `rows` of its source.
        label_column: Column whose values the manifest counts: strings, or lists of structs with a
            string `label`.

    Raises:
        OutputError: An input is among the results to overwrite.
        ValueError: A fact has a name that the manifest uses itself.
    """

    def __init__(
        self,
        plan: OutputPlan,
        schema: pa.Schema,
        metadata: Mapping[str, str],
        facts: Mapping[str, Any],
        label_column: str | None = None,
    ) -> None:
        super().__init__()
        reserved = sorted(facts.keys() & MANIFEST_KEYS)
        if reserved:
            raise ValueError(f"the manifest has its own {', '.join(reserved)}")
        self._plan = plan
        self._schema = written_schema(schema).with_metadata(dict(metadata))
        self._rejected_schema = REJECTED.with_metadata(dict(metadata))
        self._facts = dict(facts)
        self._label_column = label_column
        if plan.if_exists == "overwrite":
            _check_inputs_survive(plan, [entry["source"] for entry in facts.get("inputs", [])])

    def _extract_input_pvalues(
        self, streams: Streams
    ) -> tuple[Streams, dict[str, beam.PCollection]]:
        # Beam calls this on transforms with several inputs; by default it treats a list as data.
        inputs = {"rows": streams["rows"]}
        for name in ("rejected", "tallies"):
            inputs |= {f"{name}{i}": stream for i, stream in enumerate(streams[name])}
        tuples = Streams(
            rows=streams["rows"],
            rejected=tuple(streams["rejected"]),
            tallies=tuple(streams["tallies"]),
        )
        return tuples, inputs

    @no_annotations  # Beam has no type hint for a dict of streams
    def expand(self, streams: Streams) -> beam.PCollection[dict[str, Any]]:
        """Returns a PCollection whose one element is the manifest."""
        count = partial(count_results, label_column=self._label_column)
        writer = _WriteParts(self._plan, self._schema, False, count)
        reject_writer = _WriteParts(self._plan, self._rejected_schema, True, count_rejected)
        # Every writer is fused with the stage before it. The local runner would hold a Flatten of
        # record batches in memory; the parts and counters are few.
        small = [streams["rows"] | "WriteParts" >> beam.ParDo(writer)]
        for i, rejected in enumerate(streams["rejected"]):
            small.append(rejected | f"WriteRejected{i}" >> beam.ParDo(reject_writer))
        for i, tallies in enumerate(streams["tallies"]):
            total = beam.CombineGlobally(sum_counters).without_defaults()
            small.append(tallies | f"SumTallies{i}" >> total)
        pipeline = streams["rows"].pipeline
        small.append(pipeline | "NoCounters" >> beam.Create([{}]))  # a run without rows ends, too
        return (
            small
            | "Gather" >> beam.Flatten()
            | "ToOneKey" >> beam.WithKeys(None)
            | "Collect" >> beam.GroupByKey()
            | "Finish" >> beam.ParDo(_Finish(self._plan, self._schema, self._facts))
        )


def _check_inputs_survive(plan: OutputPlan, sources: Iterable[str]) -> None:
    with storage_errors(f"use --output={plan.folder}"):
        replaced = {f"{plan.folder}/{name}" for name in result_files(open_folder(plan.folder))}
    for source in sources:
        if open_folder(source).path in replaced:
            raise OutputError(
                f"--if_exists=overwrite would remove the input {source}: give another --output"
            )


class _WriteParts(beam.DoFn):
    """Writes the record batches of a bundle, and emits a `Part` for each file."""

    def __init__(
        self,
        plan: OutputPlan,
        schema: pa.Schema,
        rejected: bool,
        count: Callable[[pa.Table], Counters],
    ) -> None:
        self._plan = plan
        self._schema = schema
        self._rejected = rejected
        self._count = count
        self._writer: PartWriter | None = None

    def process(self, batch: pa.RecordBatch) -> Iterator[Part]:
        batch = _project(batch, self._schema)
        if batch.num_rows == 0:
            return
        with storage_errors(f"write to {self._plan.folder}"):
            if self._writer is None:
                self._writer = PartWriter(
                    open_folder(self._plan.folder),
                    self._plan.temporary,
                    self._schema,
                    self._rejected,
                    self._count,
                )
            self._writer.write(batch)
        if self._writer.is_full:
            yield self._close(self._writer)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._writer is not None:
            window = GlobalWindow()
            yield WindowedValue(self._close(self._writer), window.max_timestamp(), (window,))

    def teardown(self) -> None:
        if self._writer is not None:
            self._writer.abandon()

    def _close(self, writer: PartWriter) -> Part:
        with storage_errors(f"write to {self._plan.folder}"):
            part = writer.close()
        self._writer = None
        return part


def _project(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Returns the columns of `schema`; a batch with other columns is a mistake in a stage."""
    given = {field.name: field.type for field in written_schema(batch.schema)}
    expected = {field.name: field.type for field in schema}
    if given != expected:
        wrong = [
            f"{name}: {given.get(name, 'missing')}, not {expected.get(name, 'written')}"
            for name in {**expected, **given}
            if given.get(name) != expected.get(name)
        ]
        raise TypeError(f"a record batch has other columns than the output: {'; '.join(wrong)}")
    return pa.RecordBatch.from_arrays([batch.column(n) for n in expected], schema=schema)


class _Finish(beam.DoFn):
    """Publishes the parts of a run, all of them at once."""

    def __init__(self, plan: OutputPlan, schema: pa.Schema, facts: dict[str, Any]) -> None:
        self._plan = plan
        self._schema = schema
        self._facts = facts

    def process(self, element: tuple[None, Iterable[Part | Counters]]) -> Iterator[dict[str, Any]]:
        parts: list[Part] = []
        tallies: list[Counters] = []
        for item in element[1]:
            if isinstance(item, Part):
                parts.append(item)
            else:
                tallies.append(item)
        yield publish(self._plan, self._schema, self._facts, parts, sum_counters(tallies))
