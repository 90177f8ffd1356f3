"""Publishing: the parts of a finished run become the result, whatever dies on the way."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from models.quantization import Ranges
from transforms.counters import Counters, sum_counters
from transforms.errors import WriteError
from transforms.quantizing.stored import load_ranges
from transforms.reading.dialect import UNKNOWN
from transforms.writing.finishing import begin_publishing, finish_publishing
from transforms.writing.folder import OutputFolder, open_folder, storage_errors
from transforms.writing.interrupts import without_interrupts
from transforms.writing.lock import has_lock, release_lock
from transforms.writing.manifest import (
    append_manifest,
    build_manifest,
    last_run,
    load_manifest,
    reduce_manifest,
)
from transforms.writing.output import OutputPlan
from transforms.writing.parts import (
    REJECTED_FOLDER,
    Part,
    count_rejected,
    part_name,
    result_files,
)
from transforms.writing.records import Record, is_done, load_records
from transforms.writing.run_plan import RunPlan, load_run_plan, run_folder
from transforms.writing.schemas import OutputSchemas


def publish(
    plan: OutputPlan,
    schemas: OutputSchemas,
    facts: Mapping[str, Any],
    records: Sequence[Record] | None = None,
) -> dict[str, Any]:
    """Makes the parts of a run the results in its folder, and returns the manifest.

    It may be called again, whether the first call finished or broke off anywhere: a runner may
    retry. An interrupt waits for its end.

    Args:
        plan: From `transforms.writing.output`.
        schemas: Columns of the parts.
        facts: Facts about the command, for the top level of the manifest.
        records: What was done, if the run's folder does not hold its records.

    Raises:
        WriteError: Storage refused, or another run changed the folder.
        RuntimeError: Rows were lost or doubled on the way; nothing is published.
    """
    folder = open_folder(plan.folder)
    with without_interrupts(), storage_errors(f"finish {plan.folder}", WriteError):
        try:
            manifest = _publish(folder, plan, schemas, facts, records)
        except Exception:
            # A second worker that does the same may have been faster.
            now = load_manifest(folder, broken_as_empty=True)
            if now is None or last_run(now) != plan.run_id:
                raise
            manifest = finish_publishing(folder, plan.run_id) or now
        folder.remove_tree(run_folder(plan.run_id))
        release_lock(folder, plan.lock)
        return manifest


def _publish(
    folder: OutputFolder,
    plan: OutputPlan,
    schemas: OutputSchemas,
    facts: Mapping[str, Any],
    records: Sequence[Record] | None,
) -> dict[str, Any]:
    now = load_manifest(folder, broken_as_empty=plan.if_exists == "overwrite")
    if now is not None and last_run(now) == plan.run_id:
        return finish_publishing(folder, plan.run_id) or now
    _check_untouched(folder, plan, now)
    run, ranges = _load_run(folder, plan.run_id, schemas)
    if records is None:
        records = _complete_records(folder, run)
    parts = [part for record in records for part in record.parts]
    _check_parts(folder, plan, parts)
    if plan.if_exists == "overwrite" and now:
        _check_kept(plan, parts)

    earlier = now if plan.if_exists in ("append", "update") else None
    rewritten: dict[str, Part | None] = {}
    if earlier is not None and run.replaced:
        described = schemas.with_ranges(ranges)
        earlier, rewritten = _take_out(folder, plan, described, earlier, run.replaced)
        parts += [part for part in rewritten.values() if part]
    if all(part.rejected for part in parts) and not (earlier and earlier["parts"]):
        parts.append(schemas.part_writer(folder, plan.parts_folder, False).close())
    run_id = plan.run_id if result_files(folder) else None
    named = _name_parts(parts, earlier, run_id, schemas.format.extension)
    final = {part.path: name for name, part in named.items()}
    counts = sum_counters(record.counts for record in records)
    manifest = build_manifest(
        run_id=plan.run_id,
        started=plan.started,
        schema=schemas.rows,
        output_format=schemas.format.name,
        facts=facts,
        settings=run.settings,
        inputs=_inputs(run, records, final),
        parts=named,
        uncounted=[part for part in rewritten.values() if part],
        counts=counts,
        timelines=(record.timeline for record in records),
        replaced=now if plan.if_exists == "overwrite" else None,
        ranges=ranges.as_json() if ranges is not None and ranges.rows else None,
    )
    if earlier is not None:
        renamed = {
            old: None if part is None else final[part.path] for old, part in rewritten.items()
        }
        manifest = append_manifest(earlier, manifest, renamed)
    return _put_in_place(folder, plan, manifest, named)


def _put_in_place(
    folder: OutputFolder, plan: OutputPlan, manifest: dict[str, Any], named: Mapping[str, Part]
) -> dict[str, Any]:
    """Makes parts and their manifest the result, unless another run has the folder by now."""
    places = {name: part.path for name, part in named.items()}
    begin_publishing(folder, plan.run_id, manifest, places)
    if not has_lock(folder, plan.lock):
        raise WriteError(
            f"another run has taken over {plan.folder}: its results are kept, and those of this "
            "run are not published"
        )
    finished = finish_publishing(folder, plan.run_id)
    assert finished is not None
    return finished


def _load_run(
    folder: OutputFolder, run_id: str, schemas: OutputSchemas
) -> tuple[RunPlan, Ranges | None]:
    """Returns the plan of a run, and the ranges of its vectors if they have any."""
    run = load_run_plan(folder, run_id)
    if run is None:
        raise WriteError(f"the plan of run {run_id} is gone: was the folder cleaned?")
    ranges = load_ranges(folder, run_id) if schemas.has_ranges else None
    if schemas.has_ranges and ranges is None:
        raise WriteError(f"the ranges of run {run_id} are gone: was the folder cleaned?")
    return run, ranges


def _check_kept(plan: OutputPlan, parts: Sequence[Part]) -> None:
    """Raises `WriteError` if nothing but rejected rows would replace a result."""
    if parts and all(part.rejected for part in parts):
        raise WriteError(
            f"every row was rejected ({_first_reason(parts)}): the earlier result in "
            f"{plan.folder} is kept"
        )


def _check_untouched(folder: OutputFolder, plan: OutputPlan, now: Mapping[str, Any] | None) -> None:
    if last_run(now) != plan.earlier_run:
        raise WriteError(
            f"the results in {plan.folder} changed during this run (last run now: "
            f"{last_run(now)}): they are kept, and those of this run are not published"
        )


def _complete_records(folder: OutputFolder, run: RunPlan) -> list[Record]:
    """Returns the records of a run in the order of their rows, which cover every unit."""
    chains = load_records(folder, run.run_id)
    missing = [unit for unit in run.units if not is_done(chains.get(unit.name))]
    if missing:
        raise RuntimeError(
            f"{len(missing)} of {len(run.units)} units of input are not done, the first in "
            f"{missing[0].files[0].path!r}: nothing is published"
        )
    records = [record for unit in run.units for record in chains[unit.name]]
    for record in records:
        rows = sum(part.rows for part in record.parts)
        if record.stop - record.start != rows:
            raise RuntimeError(
                f"{record.stop - record.start} rows of a unit were read, and {rows} written or "
                "rejected: nothing is published; this is a bug in the program"
            )
    return records


def _check_parts(folder: OutputFolder, plan: OutputPlan, parts: Iterable[Part]) -> None:
    there = folder.files(plan.parts_folder)
    for part in parts:
        size = there.get(part.path)
        if size != part.bytes:
            raise WriteError(
                f"{part.path} ({part.bytes} bytes) in {folder.path} "
                + ("is gone" if size is None else f"has {size} bytes")
                + ": was the folder cleaned, or used by another run?"
            )


def _first_reason(parts: Iterable[Part]) -> str:
    reasons = (reason for part in parts for reason in part.counters.get("errors", {}))
    return next(reasons, "no reason is known")


def _name_parts(
    parts: Sequence[Part], earlier: Mapping[str, Any] | None, run_id: str | None, extension: str
) -> dict[str, Part]:
    """Returns the parts by names that nothing else has, in the order of their rows."""
    named = {}
    for rejected, key in ((False, "parts"), (True, "rejected_parts")):
        ours = [part for part in parts if part.rejected == rejected]
        before = len(earlier[key]) if earlier else 0
        for i, part in enumerate(ours, before):
            name = part_name(rejected, i, before + len(ours), run_id, extension)
            named[name] = part
    return named


def _inputs(
    run: RunPlan, records: Iterable[Record], final: Mapping[str, str]
) -> list[dict[str, Any]]:
    rows: Counter[str] = Counter()
    parts: dict[str, list[str]] = {}
    for record in records:
        rows.update(record.files)
        for path in record.files:
            parts.setdefault(path, []).extend(final[part.path] for part in record.parts)
    return [
        {
            "source": file.path,
            "path": run.absolute(file.path),
            "bytes": file.size,
            "version": file.version,
            "fingerprint": file.fingerprint,
            **({"dialect": file.dialect.as_json()} if file.dialect != UNKNOWN else {}),
            "rows": rows[file.path],
            "parts": parts.get(file.path, []),
        }
        for file in run.files
    ]


def _take_out(
    folder: OutputFolder,
    plan: OutputPlan,
    schemas: OutputSchemas,
    earlier: Mapping[str, Any],
    replaced: Sequence[str],
) -> tuple[dict[str, Any], dict[str, Part | None]]:
    """Takes the rows of inputs out of an earlier result.

    Returns:
        The manifest without them and without the parts that held them, and, by the names of these,
        the new parts with their other rows, or None if there are none.
    """
    gone = set(replaced)
    affected = {
        name for entry in earlier["inputs"] if entry["source"] in gone for name in entry["parts"]
    }
    rewritten: dict[str, Part | None] = {}
    counters: list[Counters] = []
    for name in sorted(affected):
        rejected = name.startswith(f"{REJECTED_FOLDER}/")
        writer = schemas.part_writer(folder, plan.parts_folder, rejected)
        kept = 0
        with folder.open(name) as part:
            for rows in schemas.format.load().rows(part, schemas.counted(rejected), whole=True):
                is_gone = pc.is_in(rows.columns.column("source"), pa.array(sorted(gone)))
                lost = rows.columns.filter(is_gone)
                if lost.num_rows:
                    table = pa.Table.from_batches([lost])
                    counts = count_rejected(table) if rejected else schemas.count_results(table)
                    key = "rejected" if rejected else "written"
                    counters.append({**counts, key: lost.num_rows})
                rest = rows.filter(pc.invert(is_gone))
                if rest.num_rows:
                    writer.write_stored(rest)
                    kept += rest.num_rows
        rewritten[name] = writer.close() if kept else None
    return reduce_manifest(earlier, gone, affected, sum_counters(counters)), rewritten
