"""Writing a chunk of a unit: its parts, and the record that makes them count."""

from collections import Counter

from transforms.counters import Counters, sum_counters
from transforms.unit_batch import UnitBatch
from transforms.versions import check_unchanged
from transforms.writing.folder import OutputFolder
from transforms.writing.parts import Part, PartWriter
from transforms.writing.records import Record, Timeline
from transforms.writing.run_plan import run_folder
from transforms.writing.schemas import OutputSchemas

# Seconds of computing after which a chunk ends: what a worker that dies takes along at most.
_MOST_SECONDS = 300

# A unit that was cut to size is one chunk, even if its last line is beyond its end.
_SLACK = 1.25


class ChunkWriter:
    """Writes rows of one unit that follow one another.

    Args:
        folder: The output folder.
        run_id: The run.
        schemas: Columns of the parts.
        first: The first batch.
        unit_bytes: About how many bytes of input, as stored, make a chunk.
    """

    def __init__(
        self,
        folder: OutputFolder,
        run_id: str,
        schemas: OutputSchemas,
        first: UnitBatch,
        unit_bytes: int,
    ) -> None:
        self._folder = folder
        self._run_id = run_id
        self._schemas = schemas
        self._unit = first.unit
        self._start = first.start
        self._stop = first.start
        self._most_bytes = _SLACK * unit_bytes
        self._bytes = 0.0
        self._seconds = 0.0
        self._files: Counter[str] = Counter()
        self._counts: Counters = {}
        self._timeline = Timeline()
        self._writers: dict[bool, PartWriter] = {}

    @property
    def is_full(self) -> bool:
        """Whether the next batch belongs in another chunk."""
        return (
            self._bytes >= self._most_bytes
            or self._seconds >= _MOST_SECONDS
            or any(writer.is_full for writer in self._writers.values())
        )

    def follows(self, batch: UnitBatch) -> bool:
        """Returns whether a batch is the next one of the unit."""
        return batch.unit == self._unit and batch.start == self._stop

    def add(self, batch: UnitBatch) -> None:
        """Writes the rows of a batch, and those that were rejected.

        Raises:
            RuntimeError: A stage has lost rows, or made some.
        """
        written, rejected = batch.rows.num_rows, batch.rejected.num_rows
        if written + rejected != batch.num_read:
            raise RuntimeError(
                f"{batch.num_read} rows were read, but {written} came to be written and {rejected} "
                "to be rejected: nothing is published; this is a bug in the program"
            )
        if written:
            self._writer(False).write(self._schemas.project(batch.rows))
        if rejected:
            self._writer(True).write(self._schemas.project_rejected(batch.rejected))
        self._stop += batch.num_read
        self._bytes += batch.stored_bytes
        self._seconds += batch.model_seconds
        self._counts = sum_counters([self._counts, batch.counts])
        if batch.num_read:
            self._files[batch.source] += batch.num_read
            self._timeline.add(batch.num_read)

    def commit(self, is_last: bool) -> None:
        """Makes the chunk count, unless it does already by another worker's doing.

        Args:
            is_last: Whether the unit ends here.

        Raises:
            ChangedInputError: A file is no longer what it was.
        """
        parts = [writer.close() for writer in self._writers.values()]
        try:
            check_unchanged(self._unit.files)
        except Exception:
            self._remove(parts)
            raise
        record = Record(
            unit=self._unit.name,
            start=self._start,
            stop=self._stop,
            is_last=is_last,
            files=dict(self._files),
            counts=self._counts,
            parts=parts,
            timeline=self._timeline.points,
        )
        # If this fails, the record may be there all the same: then its parts must be, too.
        if not record.create(self._folder, self._run_id):
            self._remove(parts)

    def abandon(self) -> None:
        """Gives up, and removes what was written if storage still lets us."""
        for writer in self._writers.values():
            writer.abandon()

    def _writer(self, rejected: bool) -> PartWriter:
        if rejected not in self._writers:
            self._writers[rejected] = self._schemas.part_writer(
                self._folder, f"{run_folder(self._run_id)}/parts", rejected
            )
        return self._writers[rejected]

    def _remove(self, parts: list[Part]) -> None:
        self._folder.remove([part.path for part in parts])
