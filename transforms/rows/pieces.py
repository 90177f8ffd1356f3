"""What workers have written of a pipeline of one's own, and how it becomes a result."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from models.errors import UserError
from transforms.errors import OutputError, WriteError
from transforms.reading.units import Unit
from transforms.rows.fitting import as_arguments
from transforms.unit_batch import Reading
from transforms.writing.finishing import finish_publishing, to_be_published
from transforms.writing.folder import open_folder, storage_errors
from transforms.writing.lock import release_lock
from transforms.writing.manifest import last_run, load_manifest, schema_in
from transforms.writing.output import Todo, reserve_output
from transforms.writing.publish import publish
from transforms.writing.records import Record
from transforms.writing.run_plan import IfExists, run_folder, started_of
from transforms.writing.schemas import OutputSchemas

_HAND_ON = "hand on every batch of ReadCorpus"

METADATA = {"written_by": "WriteResults"}
"""By this a folder is told from a command's, whose rows are all of one model."""


@dataclass(frozen=True)
class Destination:
    """Where `WriteResults` writes to, and how."""

    output: str
    output_format: str
    if_exists: IfExists

    def schemas(self, schema: pa.Schema) -> OutputSchemas:
        """Returns what parts with these columns have in common."""
        return OutputSchemas(schema, METADATA, output_format=self.output_format)


@dataclass(frozen=True, order=True)
class Span:
    """Rows of a unit that came to be written, one after another.

    Attributes:
        unit: Name of the unit.
        start: The first row that was read.
        stop: The one after the last.
        is_last: Whether the unit ends there.
        reading: What the unit is one of.
    """

    unit: str
    start: int
    stop: int
    is_last: bool
    reading: Reading = field(compare=False)


@dataclass
class Piece:
    """Rows that one worker has written.

    Attributes:
        record: Their parts and counts.
        schema: Their columns, if there are any.
        empty: The columns of a batch without rows, which tell more than nothing.
        spans: Where rows are from, if they were read from files.
        units: The units of these spans, by their names.
    """

    record: Record
    schema: pa.Schema | None
    empty: pa.Schema | None
    spans: list[Span] = field(default_factory=list)
    units: dict[str, Unit] = field(default_factory=dict)


def ordered(schema: pa.Schema, earlier: Mapping[str, Any] | None) -> pa.Schema:
    """Returns columns in the order in which an earlier result has them, if it has just these."""
    if earlier is None or set(earlier["columns"]) != set(schema.names):
        return schema
    return pa.schema([schema.field(name) for name in earlier["columns"]])


def publish_pieces(
    run_id: str,
    pieces: Iterable[Piece],
    asked: Destination,
    given: pa.Schema | None,
    are_read: bool = False,
) -> dict[str, Any]:
    """Makes what all workers have written the result in the folder; returns the manifest.

    A runner may do this again: what workers have written stays until it is published, unless the
    columns or the folder forbid that.

    Args:
        run_id: The run.
        pieces: What was written.
        asked: Where to.
        given: The columns, if they are known.
        are_read: Whether it is known that all rows were read from files, in batches.
    """
    folder = open_folder(asked.output)
    with storage_errors(f"finish {asked.output}", WriteError):
        if to_be_published(folder, run_id) is not None:
            finish_publishing(folder, run_id)
        earlier = load_manifest(folder, broken_as_empty=asked.if_exists == "overwrite")
        if earlier is not None and last_run(earlier) == run_id:
            folder.remove_tree(run_folder(run_id))
            return earlier
    found = sorted(pieces, key=_place)
    _check_whole([span for piece in found for span in piece.spans], are_read)
    schema = _common_schema(found, given, earlier if asked.if_exists == "append" else None)
    units = {name: unit for piece in found for name, unit in piece.units.items()}
    with as_arguments():
        reservation = reserve_output(
            asked.output,
            if_exists=asked.if_exists,
            settings={"run": run_id},
            metadata=METADATA,
            output_format=asked.output_format,
            elsewhere=True,
            run_id=run_id,
        )
        try:
            reservation.fitted(schema)
            files = {file.path: file for unit in units.values() for file in unit.files}
            todo = Todo(tuple(files.values()))
            reservation.start(schema, todo, tuple(units.values()), 0)
            plan = replace(reservation.plan, started=started_of(run_id))
            records = [piece.record for piece in found]
            manifest = publish(plan, asked.schemas(schema), {}, records)
        except BaseException as error:
            with suppress(OutputError), storage_errors("clean up"):
                # A storage that failed, the cause, may do better the next time, which needs the
                # parts: if there is none, another run removes them.
                if isinstance(error, UserError) and error.__cause__ is None:
                    folder.remove_tree(run_folder(run_id))
                release_lock(folder, reservation.plan.lock)
            raise
        reservation.close(finished=True)
    return manifest


def _place(piece: Piece) -> tuple[str, int, int, str]:
    """Returns what sorts pieces as their rows are in files, if they are from any."""
    for span in piece.spans[:1]:
        unit = piece.units[span.unit]
        return unit.files[0].path if unit.files else "", unit.start, span.start, piece.record.unit
    return "", 0, 0, piece.record.unit


def _common_schema(
    pieces: Sequence[Piece], given: pa.Schema | None, earlier: Mapping[str, Any] | None
) -> pa.Schema:
    """Returns the columns of all parts.

    Raises:
        UserError: They are not the same everywhere, or there are no rows that tell them.
    """
    known = [piece.schema for piece in pieces if piece.schema is not None]
    known = known or [piece.empty for piece in pieces if piece.empty is not None][:1]
    if not known:
        if earlier is not None:
            return schema_in(earlier)
        if given is None:
            raise UserError(
                "no row came to be written, and nothing else tells the columns of the result: give "
                "schema=, a pyarrow.Schema, to WriteResults"
            )
        return ordered(given, earlier)
    for other in known[1:]:
        if not other.equals(known[0]):
            before, now = ({f.name: str(f.type) for f in each} for each in (known[0], other))
            name = next(name for name in {**before, **now} if before.get(name) != now.get(name))
            raise UserError(
                f"column {name!r} is {before.get(name, 'missing')} in some record batches and "
                f"{now.get(name, 'missing')} in others: give schema=, a pyarrow.Schema, to "
                "WriteResults"
            )
    return known[0]


def _check_whole(spans: Sequence[Span], are_read: bool) -> None:
    """Raises `WriteError` if batches that were read are not among those written."""
    ends: dict[str, Span] = {}
    for span in sorted(spans):
        before = ends[span.unit].stop if span.unit in ends else 0
        if span.start != before:
            raise WriteError(
                f"{abs(span.start - before)} rows that were read did not come to be written, or "
                f"twice: {_HAND_ON}, and take rows out with batch.reject(…)"
            )
        ends[span.unit] = span
    if not all(span.is_last for span in ends.values()):
        raise WriteError(
            "a part of a file that was read did not come to be written to its end: "
            f"{_HAND_ON}, the last one without rows, too"
        )
    for reading, count in Counter(span.reading for span in ends.values()).items():
        if count < reading.num_units:
            raise WriteError(
                f"nothing of {reading.num_units - count} of the {reading.num_units} parts that a "
                f"corpus was read in came to be written: {_HAND_ON}"
            )
    if are_read and not spans:
        raise WriteError(f"nothing of what was read came to be written: {_HAND_ON}")
