"""A run of the command without Beam's runner and without a model: everything else is real.

Files are planned, read, written and published by the code that commands use; the steps of the
pipeline are called one after another.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from transforms.progress import RunProgress
from transforms.read import _ReadUnit
from transforms.reading.corpus import find_files, plan_corpus
from transforms.reading.units import plan_units, unit_bytes_of
from transforms.unit_batch import Reading, UnitBatch
from transforms.write import _WriteUnits
from transforms.writing.interrupts import wait_for_work
from transforms.writing.manifest import read_manifest
from transforms.writing.output import reserve_output
from transforms.writing.publish import publish
from transforms.writing.records import UnitsToDo
from transforms.writing.schemas import OutputSchemas, check_writable

ADDED = [pa.field("num_tokens", pa.int32()), pa.field("truncated", pa.bool_())]


class FastWriter(_WriteUnits):
    """Without the thread of a heartbeat: a process that is to be forked has one thread."""

    def setup(self) -> None:
        pass


def null_run(
    inputs: Sequence[str],
    output: str,
    if_exists: Any = "error",
    unit_bytes: int | None = None,
    output_format: str = "parquet",
) -> dict[str, Any]:
    """Does what a command does; returns the manifest.

    Raises:
        UserError: As the command would.
    """
    files = find_files(inputs)
    settings = {
        "text_column": "text", "text_pair_column": None, "limit": None,
        "output_format": output_format,
    }  # fmt: skip
    reservation = reserve_output(
        output,
        if_exists=if_exists,
        settings=settings,
        output_format=output_format,
        files=files,
    )
    finished = False
    try:
        todo = reservation.compare(files)
        if todo.files or reservation.earlier is None:
            corpus = plan_corpus(todo.files)
            check_writable({c.name: c.type for c in corpus.fields}, output_format)
            schema = reservation.fitted(pa.schema([*corpus.schema, *ADDED]))
            size = unit_bytes or unit_bytes_of(corpus)
            units = plan_units(corpus.only(todo.unplanned), unit_bytes=size)
            if reservation.start(schema, todo, units, size):
                plan = reservation.plan
                schemas = OutputSchemas(schema, {"preset": "none"}, None, output_format)
                work = UnitsToDo(plan.folder, plan.run_id)
                reader = _ReadUnit(corpus, work, RunProgress())
                writer = FastWriter(plan, schemas)
                for unit in work.pending():
                    for batch in reader.process((unit, Reading())):
                        list(writer.process(_with_counts(batch)))
                publish(plan, schemas, {})
        finished = True
    finally:
        wait_for_work()
        reservation.close(finished)
    manifest = read_manifest(output)
    assert manifest is not None
    return manifest


def _with_counts(batch: UnitBatch) -> UnitBatch:
    """Adds the columns that Tokenize would add."""
    rows = batch.rows
    for field, value in zip(ADDED, (1, False), strict=True):
        rows = rows.append_column(field, pa.repeat(pa.scalar(value, field.type), len(rows)))
    return batch.with_rows(rows)
