"""Writing results: batches to parts, published when all are there.

Each unit of input is written by the worker that reads it, chunk by chunk; a record makes a chunk
count (`transforms.writing.chunk`). When all units are done, a single final step reads the records
and publishes the parts (`transforms.writing.publish`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.typehints.decorators import no_annotations

from transforms.errors import WriteError
from transforms.quantizing.stored import load_ranges
from transforms.unit_batch import UnitBatch
from transforms.writing.chunk import ChunkWriter
from transforms.writing.folder import OutputFolder, open_folder, storage_errors
from transforms.writing.lock import Heartbeat
from transforms.writing.manifest import MANIFEST_KEYS
from transforms.writing.output import OutputPlan
from transforms.writing.publish import publish
from transforms.writing.schemas import OutputSchemas

# Seconds after which a worker with nothing to write no longer says that the run is alive.
_IDLE_SECONDS = 3600


class WriteUnits(beam.PTransform):
    """Writes batches to the output folder of a plan, and publishes them.

    The counts of the batches may have `padded_tokens` (the manifest's `tokens.padded`) and others,
    which the manifest lists as its `counters`.

    A first run names its parts `part-00000-of-00004.parquet`, or with the extension of another
    format. Parts of later runs continue the numbering, so that they sort after the earlier ones,
    and carry the run's id, so that two runs never share a name:
    `part-00004-of-00006-<run id>.parquet`.

    In the workers it raises `WriteError` if storage refuses a write or another run changed the
    folder, `ChangedInputError` if a file is not what it was, `RuntimeError` if rows were lost or
    doubled on the way (nothing is published), and `TypeError` if a record batch has columns other
    than the schema's.

    Args:
        plan: From a `transforms.writing.output.Reservation` that was started.
        schemas: Columns of the parts.
        facts: Facts about the command, put at the top level of the manifest.

    Raises:
        ValueError: A fact has a name that the manifest uses itself.
    """

    def __init__(self, plan: OutputPlan, schemas: OutputSchemas, facts: Mapping[str, Any]) -> None:
        super().__init__()
        reserved = sorted(facts.keys() & MANIFEST_KEYS)
        if reserved:
            raise ValueError(f"the manifest has its own {', '.join(reserved)}")
        self._plan = plan
        self._schemas = schemas
        self._facts = dict(facts)

    @no_annotations
    def expand(self, batches: beam.PCollection[UnitBatch]) -> beam.PCollection[dict[str, Any]]:
        """Returns a PCollection whose one element is the manifest."""
        plan, schemas, facts = self._plan, self._schemas, self._facts
        return (
            batches
            | "Write" >> beam.ParDo(_WriteUnits(self._plan, self._schemas))
            | "ToOneKey" >> beam.WithKeys(None)
            | "AllUnits" >> beam.GroupByKey()
            | "Publish" >> beam.Map(lambda _: publish(plan, schemas, facts))
        )


class _WriteUnits(beam.DoFn):
    """Writes the batches of units, and emits the name of each unit that is done."""

    def __init__(self, plan: OutputPlan, schemas: OutputSchemas) -> None:
        self._plan = plan
        self._schemas = schemas
        self._described: OutputSchemas | None = None
        self._chunk: ChunkWriter | None = None
        self._heartbeat: Heartbeat | None = None

    def setup(self) -> None:
        self._heartbeat = Heartbeat(self._plan.folder, self._plan.lock, _IDLE_SECONDS)

    def start_bundle(self) -> None:
        self._abandon()

    def process(self, batch: UnitBatch) -> Iterator[str]:
        if self._heartbeat is not None:
            self._heartbeat.use()
        if self._chunk is not None and not self._chunk.follows(batch):
            raise RuntimeError(
                "batches of a unit came apart: the runner must keep reading, tokenizing, inference "
                "and writing together on one worker"
            )
        with storage_errors(f"write to {self._plan.folder}", WriteError):
            if self._chunk is None:
                folder = open_folder(self._plan.folder)
                self._chunk = ChunkWriter(
                    folder,
                    self._plan.run_id,
                    self._described_in(folder),
                    batch,
                    self._plan.unit_bytes,
                )
            self._chunk.add(batch)
            if batch.is_last or self._chunk.is_full:
                self._chunk.commit(batch.is_last)
                self._chunk = None
        if batch.is_last:
            yield batch.unit.name

    def _described_in(self, folder: OutputFolder) -> OutputSchemas:
        """Returns the schemas with what is found out only when the run is on."""
        if self._described is None:
            has_ranges, run_id = self._schemas.has_ranges, self._plan.run_id
            ranges = load_ranges(folder, run_id) if has_ranges else None
            self._described = self._schemas.with_ranges(ranges)
        return self._described

    def teardown(self) -> None:
        self._abandon()
        if self._heartbeat is not None:
            self._heartbeat.stop()

    def _abandon(self) -> None:
        if self._chunk is not None:
            self._chunk.abandon()
            self._chunk = None
