"""Going forward from where a run died."""

from dataclasses import dataclass
from typing import Any

from transforms.errors import OutputError
from transforms.files import is_remote
from transforms.writing.finishing import finish_publishing, to_be_published
from transforms.writing.folder import OutputFolder
from transforms.writing.lock import unfinished_files
from transforms.writing.manifest import last_run, load_manifest, paths_in
from transforms.writing.parts import Part, digest_of, result_files
from transforms.writing.records import is_done, load_records, read_records
from transforms.writing.run_plan import RunPlan, load_run_plan, run_folder


@dataclass(frozen=True)
class Recovered:
    """What was found in an output folder once all that could be finished was.

    Attributes:
        manifest: Manifest of the results.
        finished: A run whose publishing had died, and is now finished.
        dead: A run that died before that; what it has done is there.
        is_computed: Whether all of the dead run is done but its publishing.
    """

    manifest: dict[str, Any] | None
    finished: RunPlan | None = None
    dead: RunPlan | None = None
    is_computed: bool = False


def recover(
    folder: OutputFolder, broken_as_empty: bool = False, own: str | None = None
) -> Recovered:
    """Finishes a publishing that had begun to change the results, and removes what nobody needs.

    Args:
        folder: The output folder; its lock must be held.
        broken_as_empty: Whether an invalid manifest is replaced anyway.
        own: A run whose parts are there already, and whose folder is left alone.
    """
    manifest = load_manifest(folder, broken_as_empty)
    finished = dead = None
    for run_id in folder.run_ids():
        if run_id == own:
            continue
        plan = load_run_plan(folder, run_id)
        if manifest and run_id == last_run(manifest):
            if finish_publishing(folder, run_id) is None:
                _check_not_listed(manifest, run_id)
            finished = plan
            if plan is not None:
                continue
        elif plan is not None and _has_results(folder, run_id):
            if dead is not None:
                folder.remove_tree(run_folder(dead.run_id))
            dead = plan
            continue
        folder.remove_tree(run_folder(run_id))
    manifest = load_manifest(folder, broken_as_empty)
    staged = to_be_published(folder, dead.run_id) if dead else None
    results = result_files(folder)
    if manifest and "parts" in manifest:
        strays = set(results) - paths_in(manifest)
    else:  # the parts of a first run whose publishing died
        strays = set(results) & set(staged["parts"] if staged and manifest is None else ())
    folder.remove([*sorted(strays), *unfinished_files(folder)])
    return Recovered(manifest, finished, dead, staged is not None)


def unfinished_runs(folder: OutputFolder) -> list[str]:
    """Returns the ids of the runs that have done something, or all, and have not ended."""
    return [
        run_id
        for run_id in folder.run_ids()
        if load_run_plan(folder, run_id) is not None and _has_results(folder, run_id)
    ]


def _has_results(folder: OutputFolder, run_id: str) -> bool:
    """Returns whether a run left something to go on with, or to publish."""
    return bool(load_records(folder, run_id)) or to_be_published(folder, run_id) is not None


def _check_not_listed(manifest: dict[str, Any], run_id: str) -> None:
    """Raises `OutputError` if a manifest lists parts in the folder of a run."""
    if any(name.startswith(run_folder(run_id)) for name in paths_in(manifest)):
        raise OutputError(
            f"the publishing of run {run_id} died, and {run_folder(run_id)}/manifest.json, which "
            "says how it goes on, is gone or damaged: copy the parts that the manifest lists, or "
            "give another folder"
        )


def drop_broken_records(folder: OutputFolder, run_id: str) -> None:
    """Removes the records of chunks whose parts are not what they were: these are done again.

    The content of parts is read on this machine; elsewhere their sizes are compared.

    Args:
        folder: The output folder; its lock must be held.
        run_id: A run that died.
    """
    there = folder.files(f"{run_folder(run_id)}/parts")

    def is_whole(part: Part) -> bool:
        if there.get(part.path) != part.bytes:
            return False
        if is_remote(folder.path):
            return True
        return digest_of(folder, part.path) == (part.bytes, part.sha256)

    broken = [
        name
        for name, record in read_records(folder, run_id).items()
        if record is None or not all(map(is_whole, record.parts))
    ]
    folder.remove(broken)


def share_done(folder: OutputFolder, plan: RunPlan | None) -> float:
    """Returns how much of the work of a run is done, from 0 to 1."""
    if plan is None:
        return 0.0
    chains = load_records(folder, plan.run_id)
    if not chains:
        return 0.0
    total = done = 0.0
    for unit in plan.units:
        size = max(unit.size, 1.0)
        total += size
        chain = chains.get(unit.name)
        if is_done(chain):
            done += size
        elif chain:
            done += min(size, len(chain) * plan.unit_bytes)
    return done / max(total, 1.0)
