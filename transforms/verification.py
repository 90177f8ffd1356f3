"""Reading a result again: whether it is what its manifest says, and has every row once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import OutputError
from transforms.files import CorpusFile, is_remote
from transforms.job_record import AskJob, take_folder
from transforms.progress import RunProgress
from transforms.reading.corpus import find_files, plan_corpus
from transforms.reading.dialect import Dialect
from transforms.reading.units import plan_units, read_unit
from transforms.schemas import POSITION, SOURCE
from transforms.storage.ahead import in_order
from transforms.versions import is_unchanged
from transforms.writing.finishing import finish_publishing
from transforms.writing.folder import OutputFolder, open_folder, storage_errors
from transforms.writing.lock import release_lock
from transforms.writing.manifest import (
    MANIFEST,
    check_version,
    format_of,
    load_manifest,
    paths_in,
    ranges_in,
    schema_in,
)
from transforms.writing.output import absolute, file_of
from transforms.writing.parts import digest_of, result_files
from transforms.writing.recovery import recover, share_done
from transforms.writing.run_plan import load_run_plan, run_folder

_PLACE = pa.schema([SOURCE, POSITION])
_PARTS_KEPT = 4  # whose rows are in memory, 8 bytes each
_PARTS_AT_ONCE = 8  # that are read from a bucket

_Positions = Callable[[str, str], np.ndarray]
"""Returns the positions, int64, of the rows of a source in a part: of part and source."""


@dataclass
class Verification:
    """What was found.

    Attributes:
        problems: What is wrong, a line each.
        notes: What is unusual, and no fault.
        manifest: The manifest, or None if there is no result.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    manifest: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Run:
    """The rows of one source in one part."""

    part: str
    first: int
    last: int
    rows: int


def verify(
    output: str, inputs: Sequence[str] | None = None, progress: RunProgress | None = None
) -> Verification:
    """Reads a result and compares it with its manifest; changes nothing.

    Args:
        output: Folder, local or on any of Beam's file systems.
        inputs: Files, globs and folders that every row of must be in the result; not looked at if
            None.
        progress: Counts the bytes and rows of the parts that were read.

    Raises:
        OutputError: The folder or its manifest cannot be read.
        InputError: An input cannot be.
    """
    folder = open_folder(output)
    found = Verification()
    with storage_errors(f"read {output}"):
        found.manifest = manifest = load_manifest(folder)
        _look_at_runs(folder, found)
        if manifest is None:
            found.problems.append(f"no {MANIFEST}: no run has finished here")
            return found
        check_version(manifest, output)
        positions = _reader_of_positions(folder, manifest)
        listed = paths_in(manifest)
        found.problems += [
            f"{name}: the manifest does not list it"
            for name in sorted(result_files(folder))
            if name not in listed
        ]
        entries = [
            (entry, is_rejected)
            for key, is_rejected in (("parts", False), ("rejected_parts", True))
            for entry in manifest[key]
        ]
        threads = _PARTS_AT_ONCE if is_remote(output) else 1
        runs: dict[str, list[_Run]] = {}
        looks = in_order(entries, lambda each: _verify_part(folder, manifest, *each), threads)
        for (entry, _), (problems, rows) in zip(entries, looks, strict=True):
            found.problems += [f"{entry['path']}: {problem}" for problem in problems]
            for source, run in rows.items():
                runs.setdefault(source, []).append(run)
            if progress is not None:
                progress.bytes_read += entry["bytes"]
                progress.add_done(entry["rows"])
        if manifest["metadata"].get("embedding_dtype") == "int8":
            try:
                ranges_in(manifest)
            except OutputError as error:
                found.problems.append(str(error))
        _verify_rows(positions, manifest, runs, found)
        if inputs is not None:
            if "text_column" not in manifest["settings"]:
                raise OutputError(
                    f"{output} was written by a pipeline of one's own, and does not tell how its "
                    "input was read: verify it without --input"
                )
            _verify_inputs(positions, manifest, inputs, runs, found)
        if load_manifest(folder) != manifest:
            raise OutputError(f"{output} was written to meanwhile: verify it when that has ended")
    return found


def repair(output: str, ask_job: AskJob | None = None) -> str | None:
    """Finishes a publishing that died, and removes what no manifest lists.

    Args:
        output: Folder, local or on any of Beam's file systems.
        ask_job: See `transforms.job_record.take_folder`.

    Returns:
        What was done, or None if there was nothing to do.

    Raises:
        OutputError: Another run writes to the folder, or storage refused.
    """
    folder = open_folder(output)
    with storage_errors(f"repair {output}"):
        if folder.first_missing() is not None:
            return None
        before = {*result_files(folder), *folder.run_ids()}
        manifest = load_manifest(folder)
        lock = take_folder(folder, "repair", ask_job=ask_job)
        try:
            found = recover(folder)
            ended = [found.finished] if found.finished is not None else []
            if found.dead is not None and found.is_computed:
                finish_publishing(folder, found.dead.run_id)
                ended.append(found.dead)
            for run in ended:
                folder.remove_tree(run_folder(run.run_id))
        finally:
            release_lock(folder, lock)
        if load_manifest(folder) != manifest or found.finished is not None:
            return "finished the publishing of a run that had died"
        removed = len(before - {*result_files(folder), *folder.run_ids()})
        return f"removed {removed} that no manifest lists" if removed else None


def _look_at_runs(folder: OutputFolder, found: Verification) -> None:
    for run_id in folder.run_ids():
        plan = load_run_plan(folder, run_id)
        if plan is not None:
            if "run" in plan.settings:
                found.notes.append(
                    f"a pipeline of one's own that has not ended, or failed ({run_id}): if it "
                    "failed, --repair removes what it left"
                )
                continue
            share = share_done(folder, plan)
            found.notes.append(
                f"a run that has not ended ({run_id}, {share:.0%} of it done): --if_exists=update "
                "goes on"
            )


def _has_places(manifest: Mapping[str, Any]) -> bool:
    """Returns whether rows are named by files: those of a pipeline of one's own need not be."""
    names_files = {SOURCE.name, POSITION.name} <= manifest["columns"].keys()
    return names_files and bool(manifest["inputs"])


def _verify_part(
    folder: OutputFolder,
    manifest: Mapping[str, Any],
    entry: Mapping[str, Any],
    is_rejected: bool,
) -> tuple[list[str], dict[str, _Run]]:
    """Returns what is wrong with a part, and which rows it has of each source."""
    name = entry["path"]
    problems: list[str] = []
    runs: dict[str, _Run] = {}
    if name.startswith("_runs/"):
        problems.append("its publishing has not ended; --repair finishes it")
    try:
        size, digest = digest_of(folder, name)
    except OSError:
        return [*problems, "it is gone"], runs
    if (size, digest) != (entry["bytes"], entry["sha256"]):
        changed = f"its content is another: {size:,} bytes, {entry['bytes']:,} in the manifest"
        return [*problems, changed], runs
    part_format, has_places = format_of(manifest).load(), _has_places(manifest)
    try:
        with folder.open(name) as part:
            columns = part_format.columns(part)
            place = _PLACE if is_rejected or has_places else schema_in(manifest)
            batches = [rows.columns for rows in part_format.rows(part, place)]
    except (OSError, ValueError, pa.ArrowException) as error:
        return [*problems, f"it cannot be read: {error}"], runs
    table = pa.Table.from_batches(batches, place)
    if len(table) != entry["rows"]:
        problems.append(f"it has {len(table):,} rows, {entry['rows']:,} in the manifest")
    expected = part_format.columns_of(schema_in(manifest))
    if not is_rejected and columns is not None and columns != expected:
        problems.append(f"its columns are {columns}, {expected} in the manifest")
    if not has_places:
        return problems, runs
    counts = table.group_by(SOURCE.name).aggregate(
        [(POSITION.name, kind) for kind in ("min", "max", "count", "count_distinct")]
    )
    for row in counts.to_pylist():
        source, count = row[SOURCE.name], row["position_count"]
        if row["position_count_distinct"] != count:
            doubled = count - row["position_count_distinct"]
            problems.append(f"{doubled:,} rows of {source!r} are doubled")
        runs[source] = _Run(name, row["position_min"], row["position_max"], count)
    return problems, runs


def _verify_rows(
    positions: _Positions,
    manifest: Mapping[str, Any],
    runs: Mapping[str, Sequence[_Run]],
    found: Verification,
) -> None:
    """Compares the rows of each source with its inputs in the manifest, and looks for doubles."""
    expected: dict[str, list[int]] = {}
    for entry in manifest["inputs"]:
        expected.setdefault(entry["source"], []).append(entry["rows"])
    for source in {**expected, **runs} if _has_places(manifest) else ():
        rows = sum(run.rows for run in runs.get(source, ()))
        said = sum(expected.get(source, ()))
        if rows != said:
            found.problems.append(
                f"{source!r}: {rows:,} of its rows are there, {said:,} in the manifest"
            )
        if len(expected.get(source, ())) > 1:
            found.notes.append(f"{source!r} was appended more than once")
        else:
            doubled = sum(map(len, _doubled(positions, runs.get(source, ()), source)))
            if doubled:
                found.problems.append(f"{source!r}: {doubled:,} rows are in more than one part")
    read, written, rejected = (
        sum(part["rows"] for key in keys for part in manifest[key])
        for keys in (("parts", "rejected_parts"), ("parts",), ("rejected_parts",))
    )
    for name, count in {"read": read, "written": written, "rejected": rejected}.items():
        if manifest["rows"][name] != count:
            found.problems.append(
                f"{MANIFEST}: {manifest['rows'][name]:,} rows {name}, but {count:,} in its parts"
            )


def _doubled(positions: _Positions, runs: Sequence[_Run], source: str) -> Iterator[np.ndarray]:
    """Yields the positions that two parts share; reads only parts whose ranges overlap."""
    ordered = sorted(runs, key=lambda run: run.first)
    for i, run in enumerate(ordered):
        for other in ordered[i + 1 :]:
            if other.first > run.last:
                break
            ours, others = (positions(each.part, source) for each in (run, other))
            yield np.intersect1d(ours, others)


def _reader_of_positions(folder: OutputFolder, manifest: Mapping[str, Any]) -> _Positions:
    """Returns a function that reads a part once for many sources that follow one another."""
    part_format = format_of(manifest).load()

    @lru_cache(_PARTS_KEPT)
    def read(name: str) -> dict[str, np.ndarray]:
        with folder.open(name) as part:
            batches = [rows.columns for rows in part_format.rows(part, _PLACE)]
        table = pa.Table.from_batches(batches, _PLACE).sort_by(SOURCE.name)
        counts = pc.value_counts(table[SOURCE.name])
        places = np.split(table[POSITION.name].to_numpy(), np.cumsum(counts.field("counts")))
        return dict(zip(counts.field("values").to_pylist(), places, strict=False))

    return lambda name, source: read(name).get(source, np.empty(0, np.int64))


def _verify_inputs(
    positions: _Positions,
    manifest: Mapping[str, Any],
    inputs: Sequence[str],
    runs: Mapping[str, Sequence[_Run]],
    found: Verification,
) -> None:
    """Reads the inputs again and looks for every row of theirs."""
    entries = {entry["path"]: entry for entry in manifest["inputs"]}
    whole: list[CorpusFile] = []
    for file in find_files(inputs):
        entry = entries.get(absolute(file.path))
        if entry is None:
            found.problems.append(f"{file.path!r}: it is not in the result")
        elif not is_unchanged(file_of(entry), file):
            found.problems.append(f"{file.path!r}: it has changed since")
        else:
            whole.append(file)
    if not whole:
        return
    settings = manifest["settings"]
    corpus = plan_corpus(
        whole,
        input_format=settings.get("input_format"),
        text_column=settings["text_column"],
        text_pair_column=settings["text_pair_column"],
        columns=[],
        dialect=Dialect(*(settings.get(name) for name in ("encoding", "delimiter", "quote"))),
    )
    there: dict[str, list[np.ndarray]] = {}
    for unit in plan_units(corpus, settings["limit"]):
        for path, batch in read_unit(corpus, unit):
            there.setdefault(path, []).extend(
                each.column(POSITION.name).to_numpy() for each in (batch.rows, batch.rejected)
            )
    for file in whole:
        source = entries[absolute(file.path)]["source"]
        empty = np.empty(0, np.int64)
        read = np.concatenate([empty, *there.get(file.path, ())])
        written = [positions(run.part, source) for run in runs.get(source, ())]
        missing = np.setdiff1d(read, np.concatenate([empty, *written]))
        if len(missing):
            found.problems.append(
                f"{file.path!r}: {len(missing):,} of its rows are missing, the first at "
                f"{missing[0]:,}"
            )
