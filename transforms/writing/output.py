"""The output folder before a run: whether the run may write there, and what is there already.

A run writes its files under `_runs/<run id>/` and publishes them at its very end, so that a folder
with a `_MANIFEST.json` is always the whole result of finished runs. One run at a time may write to
a folder. `docs/reliability.md` has the whole story.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from transforms.errors import OutputError
from transforms.files import CorpusFile, is_remote
from transforms.job_record import AskJob, forget_job, take_folder
from transforms.quantizing.stored import begin_ranges, load_ranges
from transforms.reading.units import Unit
from transforms.versions import is_unchanged, with_fingerprints
from transforms.writing.finishing import finish_publishing
from transforms.writing.folder import OutputFolder, open_folder, storage_errors
from transforms.writing.formats.record import DEFAULT_FORMAT
from transforms.writing.lock import Lock, has_lock, release_lock
from transforms.writing.manifest import (
    describe_columns,
    last_run,
    load_manifest,
    ranges_in,
    schema_in,
    utc_now,
)
from transforms.writing.recovery import (
    Recovered,
    drop_broken_records,
    recover,
    share_done,
)
from transforms.writing.request import Request, check_columns, check_inputs_survive, check_name
from transforms.writing.run_plan import IfExists, RunPlan, load_run_plan, new_run_id, run_folder
from transforms.writing.schemas import written_schema


@dataclass(frozen=True)
class OutputPlan:
    """Where and how one run publishes its results.

    Attributes:
        folder: Absolute path or URL of the output folder.
        run_id: Name of this run; names sort by time.
        started: When it was planned, ISO 8601 in UTC.
        if_exists: What happens to earlier results; "error" means that there were none.
        earlier_run: Id of the last run that wrote the earlier results, if there are any.
        lock: The right to write to the folder.
        unit_bytes: About how many bytes of input, as stored, make a chunk.
    """

    folder: str
    run_id: str
    started: str
    if_exists: IfExists
    earlier_run: str | None
    lock: Lock
    unit_bytes: int = 0

    @property
    def parts_folder(self) -> str:
        """Name of the folder, inside the output folder, where the run writes its parts."""
        return f"{run_folder(self.run_id)}/parts"


@dataclass(frozen=True)
class Todo:
    """What a run has to read.

    Attributes:
        files: The files to read, with fingerprints, in order.
        replaced: The inputs of the earlier result whose rows go, by `source`.
        kept: Units of a run that died; what is done of them need not be done again.
        num_same: How many files the earlier result has as they are.
        num_vanished: How many inputs of the earlier result are not there any more.
    """

    files: tuple[CorpusFile, ...]
    replaced: tuple[str, ...] = ()
    kept: tuple[Unit, ...] = ()
    num_same: int = 0
    num_vanished: int = 0

    @property
    def unplanned(self) -> tuple[CorpusFile, ...]:
        """The files that are in none of the kept units."""
        planned = {file.path for unit in self.kept for file in unit.files}
        return tuple(file for file in self.files if file.path not in planned)


class Reservation:
    """An output folder that nobody else writes to until `close` is called.

    Attributes:
        plan: What the workers need to know.
        earlier: Manifest of the earlier results, if there are any.
    """

    def __init__(
        self,
        folder: OutputFolder,
        plan: OutputPlan,
        asked: Request,
        found: Recovered,
        refusal: OutputError | None,
        created: str | None,
    ) -> None:
        self.plan = plan
        self.earlier = found.manifest
        self._folder = folder
        self._asked = asked.if_exists
        self._settings = asked.settings
        self._found = found
        self._refusal = refusal
        self._created = created

    def compare(self, files: Sequence[CorpusFile]) -> Todo:
        """Returns what there is to do, given the files that are there now, with their versions."""
        if self._asked != "update":
            return Todo(with_fingerprints(files))
        same: set[str] = set()
        replaced, vanished = [], 0
        if self.plan.if_exists == "update" and self.earlier is not None:
            now = {absolute(file.path): file for file in files}
            named = {file.path: file for file in files}
            for entry in self.earlier["inputs"]:
                file = now.get(entry["path"])
                if file is None and (file := named.get(entry["source"])) is not None:
                    self._check_moved(entry, file)
                if file is None:
                    vanished += 1
                elif is_unchanged(file_of(entry), file):
                    same.add(file.path)
                else:
                    replaced.append(entry["source"])
        needed = with_fingerprints([file for file in files if file.path not in same])
        # What was appended twice is one file all the same.
        once = tuple(dict.fromkeys(replaced))
        return Todo(needed, once, self._kept(needed), len(same), vanished)

    def _check_moved(self, entry: Mapping[str, Any], file: CorpusFile) -> None:
        """Checks that a file is that of the same name in the results, although its folder is not.

        Raises:
            OutputError: It is another one; nothing in a row would tell the two apart.
        """
        if not is_unchanged(file_of(entry), file):
            raise OutputError(
                f"the input {file.path!r} is {absolute(file.path)!r}, and the one of that name in "
                f"{self.plan.folder} was {entry['path']!r}: give --input as an absolute path, or "
                "run the command in the same folder as before"
            )

    def _kept(self, needed: Sequence[CorpusFile]) -> tuple[Unit, ...]:
        dead = self._found.dead
        if dead is None:
            return ()
        there = {file.path: file for file in needed}
        return tuple(
            unit
            for unit in dead.units
            if all(f.path in there and is_unchanged(f, there[f.path]) for f in unit.files)
        )

    @property
    def adds_rows(self) -> bool:
        """Whether the rows of the run come to stand beside earlier ones."""
        return self.plan.if_exists in ("append", "update") and self.earlier is not None

    def earlier_schema(self) -> pa.Schema:
        """Returns the columns of the earlier results."""
        assert self.earlier is not None
        return schema_in(self.earlier)

    def fitted(self, schema: pa.Schema) -> pa.Schema:
        """Returns columns in the order in which the earlier results have them, if rows are added.

        Args:
            schema: Columns of the record batches that will be written.

        Raises:
            OutputError: The earlier results have other columns.
        """
        if not self.adds_rows or self.earlier is None:
            return schema
        with self._refusing():
            check_columns(self.earlier, schema)
        first = [schema.field(name) for name in self.earlier["columns"]]
        return pa.schema([*first, *(field for field in schema if field not in first)])

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Says of an `OutputError` what to do where rows cannot stand beside the earlier ones."""
        try:
            yield
        except OutputError as error:
            raise OutputError(
                f"--if_exists={self._asked} to --output={self.plan.folder}: {error}; write the "
                "result anew with --if_exists=overwrite, or give another folder"
            ) from None

    def start(
        self,
        schema: pa.Schema,
        todo: Todo,
        units: Sequence[Unit],
        unit_bytes: int,
        has_ranges: bool = False,
    ) -> bool:
        """Stores what the run is going to do, and removes what others have left.

        Args:
            schema: Columns of the record batches that will be written.
            todo: What there is to do.
            units: The units of `todo.unplanned`.
            unit_bytes: About how many bytes of input, as stored, make one.
            has_ranges: Whether there are vectors of bytes.

        Returns:
            False if an earlier run that was asked for the same had done all but publishing it; then
            that is done now.

        Raises:
            OutputError: There are results, or an unfinished run, that this one must not touch.
        """
        run = RunPlan(
            run_id=self.plan.run_id,
            if_exists=self._asked if self.plan.if_exists != "overwrite" else "overwrite",
            settings=self._settings,
            columns=describe_columns(written_schema(schema)),
            directory=os.getcwd(),
            units=(*todo.kept, *units),
            unit_bytes=unit_bytes,
            replaced=todo.replaced,
        )
        finished, dead = self._found.finished, self._found.dead
        with storage_errors(f"use --output={self.plan.folder}"):
            if finished is not None and finished.asks_for(run):
                return False
            if self._found.is_computed and dead is not None and dead.asks_for(run):
                finish_publishing(self._folder, dead.run_id)
                self._folder.remove_tree(run_folder(dead.run_id))
                return False
            if self._refusal is not None:
                raise self._refusal
            sources = [file.path for file in todo.files]
            check_inputs_survive(self._folder, self.plan.if_exists, sources)
            # What a run has done in other columns than now, with files that it did not know, can
            # not stand beside the rest; nor can vectors whose ranges nobody knows any more.
            ranges = None
            if has_ranges and self.adds_rows and self.earlier is not None:
                with self._refusing():
                    ranges = ranges_in(self.earlier)
            is_other = dead is not None and (
                dead.columns != run.columns
                or (has_ranges and (ranges or load_ranges(self._folder, dead.run_id)) is None)
            )
            for run_id in self._folder.run_ids():
                if run_id != run.run_id or is_other:
                    self._folder.remove_tree(run_folder(run_id))
            run.save(self._folder)
            if has_ranges:
                begin_ranges(self._folder, run.run_id, ranges)
            self.plan = replace(self.plan, unit_bytes=unit_bytes)
            return True

    def is_published(self) -> bool:
        """Returns whether the results of the run are there, however it ended."""
        with suppress(OutputError), storage_errors("read the manifest"):
            return last_run(load_manifest(self._folder)) == self.plan.run_id
        return False

    def close(self, finished: bool) -> float:
        """Gives the folder back; nobody must be at work on the run any more.

        Args:
            finished: Whether the run's results are published. If they are not and nothing is done,
                all traces of the run go.

        Returns:
            The share of a run's work that is kept in the folder, from 0 to 1; 0 if it is finished.
        """
        share = 0.0
        with suppress(OutputError), storage_errors("clean up"):
            if not finished:
                share = share_done(self._folder, load_run_plan(self._folder, self.plan.run_id))
            ended = [] if share else [self.plan.run_id]
            if not finished and has_lock(self._folder, self.plan.lock):
                forget_job(self._folder, self.plan.run_id)
            elif not finished:  # another run has taken over, and goes on from what is there
                ended = []
            if finished and self._found.finished is not None:
                ended.append(self._found.finished.run_id)
            for run_id in ended:
                self._folder.remove_tree(run_folder(run_id))
            release_lock(self._folder, self.plan.lock)
            if self._created and not finished:
                self._folder.remove_created(self._created)
        return share


def reserve_output(
    output: str,
    *,
    if_exists: IfExists = "error",
    settings: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
    output_format: str = DEFAULT_FORMAT,
    replace_if: Callable[[Mapping[str, Any]], bool] | None = None,
    elsewhere: bool = False,
    files: Sequence[CorpusFile] = (),
    ask_job: AskJob | None = None,
    run_id: str | None = None,
) -> Reservation:
    """Takes a folder for a run, and goes forward from where an earlier one died.

    Earlier results are not touched.

    Args:
        output: Folder, local or on any of Beam's file systems (`gs://…`); created if absent.
        if_exists: What to do about earlier results. "append" to an empty folder is a first run.
        settings: What the command was asked for; an update must have the same.
        metadata: What all rows of one folder must share, such as the digest of the weights;
            appending compares it with the same keys of the earlier run's metadata.
        output_format: One of `OUTPUT_FORMATS`; appending to a result of another one is refused.
        replace_if: Called with the manifest of an earlier result when `if_exists` is "error";
            True replaces that result.
        elsewhere: Whether the run may go on when this process has ended.
        files: The files that are there to be read.
        ask_job: See `transforms.job_record.take_folder`.
        run_id: The run, if its parts are in the folder already; a new one if None.

    Raises:
        OutputError: The folder holds results, cannot be written to, is in use by another run, or
            holds results to which these rows cannot be added.
    """
    check_name(output)
    folder = open_folder(output)
    paths = frozenset(absolute(file.path) for file in files)
    asked = Request(
        output, if_exists, settings or {}, metadata or {}, output_format, replace_if, paths
    )
    with storage_errors(f"use --output={output}"):
        folder.check_no_file()
        # Nothing is written into a folder with results that stay as they are.
        if if_exists == "error" and not folder.run_ids():
            asked.resolve(folder, load_manifest(folder), None)
        created = folder.first_missing()
        own, run_id = run_id, run_id or new_run_id()
        lock = take_folder(folder, run_id, elsewhere, ask_job)
    try:
        with storage_errors(f"use --output={output}"):
            found = recover(folder, if_exists == "overwrite", own)
            refusal = None
            try:
                effective = asked.resolve(folder, found.manifest, found.dead)
            except OutputError as error:
                if not (found.finished or found.is_computed):
                    raise
                # It may be the very result that is asked for, and its publishing all to do.
                effective, refusal = if_exists, error
            if if_exists == "update" and found.dead is not None:
                if asked.goes_on(found.dead):
                    run_id = found.dead.run_id
                    drop_broken_records(folder, run_id)
                else:
                    found = replace(found, dead=None, is_computed=False)
        plan = OutputPlan(folder.path, run_id, utc_now(), effective, last_run(found.manifest), lock)
        return Reservation(folder, plan, asked, found, refusal, created)
    except BaseException:
        with suppress(OutputError), storage_errors("clean up"):
            release_lock(folder, lock)
            if created:
                folder.remove_created(created)
        raise


def file_of(entry: Mapping[str, Any]) -> CorpusFile:
    """Returns an input as a manifest has it."""
    return CorpusFile(entry["source"], entry["bytes"], entry["version"], entry["fingerprint"])


def absolute(path: str) -> str:
    """Returns a path by which a file is found again, whichever folder a command is run in."""
    return path if is_remote(path) else os.path.realpath(path)
