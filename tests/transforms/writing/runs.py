"""Runs without Beam or a model: what the steps of a pipeline do to an output folder."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from tests.transforms.writing.results import SCHEMA
from transforms.files import CorpusFile
from transforms.reading.units import Unit
from transforms.unit_batch import UnitBatch
from transforms.writing.chunk import ChunkWriter
from transforms.writing.folder import open_folder
from transforms.writing.manifest import read_manifest
from transforms.writing.output import OutputPlan, Todo, reserve_output
from transforms.writing.publish import publish
from transforms.writing.schemas import OutputSchemas

METADATA = {"preset": "tiny"}


def file_of(source: str, version: str = "") -> CorpusFile:
    """A file of which nothing is on any disk, so that nothing is compared with it either."""
    return CorpusFile(source, 10, version, "fingerprint")


def batches_of(
    unit: Unit, rows: Sequence[pa.RecordBatch], rejected: Sequence[pa.RecordBatch] = ()
) -> Iterator[UnitBatch]:
    """What comes to be written for a unit: the rows of its files, then those that were rejected."""
    sources = [file.path for file in unit.files]
    start = 0
    for batch in rows:
        if (source := source_of(batch)) in sources:
            yield UnitBatch(
                batch, counts={"padded_tokens": 3}, unit=unit, start=start,
                num_read=len(batch), stored_bytes=5, source=source,
            )  # fmt: skip
            start += len(batch)
    nothing = pa.RecordBatch.from_pylist([], SCHEMA)
    for batch in rejected:
        if (source := source_of(batch)) in sources:
            yield UnitBatch(
                nothing, batch, unit=unit, start=start, num_read=len(batch), source=source
            )
            start += len(batch)
    yield UnitBatch(nothing, unit=unit, start=start, is_last=True)


def source_of(batch: pa.RecordBatch) -> str | None:
    return batch["source"][0].as_py() if len(batch) else None


class SmallRun:
    """A run over batches, each of which is of one file; every file is a unit."""

    def __init__(
        self,
        output: Any,
        rows: Sequence[pa.RecordBatch] = (),
        rejected: Sequence[pa.RecordBatch] = (),
        *,
        if_exists: Any = "error",
        versions: Mapping[str, str] | None = None,
        unit_bytes: int = 1000,
        facts: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] = METADATA,
        output_format: str = "parquet",
        **options: Any,
    ) -> None:
        self.output = str(output)
        self.rows, self.rejected, self.facts = rows, rejected, facts or {}
        sources = [source_of(batch) for batch in (*rows, *rejected)]
        names = list(dict.fromkeys(source for source in sources if source)) or ["empty"]
        files = self.files_of(names, versions or {})
        self.reservation = reserve_output(
            self.output, if_exists=if_exists, metadata=metadata, files=files,
            output_format=output_format, **options,
        )  # fmt: skip
        self.schemas = OutputSchemas(SCHEMA, metadata, "label", output_format)
        try:
            self.todo: Todo = self.reservation.compare(files)
            new = tuple(Unit((file,)) for file in self.todo.unplanned)
            self.units = (*self.todo.kept, *new)
            self.reservation.fitted(SCHEMA)
            self.is_to_do = self.reservation.start(SCHEMA, self.todo, new, unit_bytes)
        except BaseException:
            self.reservation.close(finished=False)
            raise

    @staticmethod
    def files_of(names: Sequence[str], versions: Mapping[str, str]) -> list[CorpusFile]:
        return [file_of(name, versions.get(name, "")) for name in names]

    @property
    def plan(self) -> OutputPlan:
        return self.reservation.plan

    def work(self, unit: Unit | None = None, stop: int | None = None) -> None:
        """Writes units; of each only the first batches, if so told."""
        for each in self.units if unit is None else [unit]:
            chunk = None
            for batch in list(batches_of(each, self.rows, self.rejected))[:stop]:
                if chunk is None:
                    chunk = ChunkWriter(
                        open_folder(self.output), self.plan.run_id, self.schemas, batch,
                        self.plan.unit_bytes,
                    )  # fmt: skip
                chunk.add(batch)
                if batch.is_last or chunk.is_full:
                    chunk.commit(batch.is_last)
                    chunk = None

    def publish(self) -> dict[str, Any]:
        return publish(self.plan, self.schemas, self.facts)

    def finish(self) -> dict[str, Any]:
        """Does all that is left; returns the manifest."""
        self.work()
        manifest = self.publish()
        self.reservation.close(finished=True)
        assert read_manifest(self.output) == manifest
        return manifest


def run(output: Any, rows=(), rejected=(), **options: Any) -> dict[str, Any]:
    """Does what a run does; returns the manifest."""
    return SmallRun(output, rows, rejected, **options).finish()
