"""Publishing: the parts of a finished run get their final names, and the manifest comes last."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from transforms.errors import OutputError
from transforms.writing.folder import OutputFolder, open_folder, storage_errors
from transforms.writing.manifest import (
    MANIFEST,
    append_manifest,
    build_manifest,
    last_run,
    load_manifest,
)
from transforms.writing.output import OutputPlan
from transforms.writing.parts import (
    REJECTED_FOLDER,
    Counters,
    Part,
    PartWriter,
    count_results,
    part_name,
    result_files,
)


def publish(
    plan: OutputPlan,
    schema: pa.Schema,
    facts: Mapping[str, Any],
    parts: Sequence[Part],
    tallies: Counters,
) -> dict[str, Any]:
    """Makes the parts of a run the results in its folder, and returns the manifest.

    It may be called again, whether the first call finished or broke off anywhere: a runner may
    retry.

    Args:
        plan: From `transforms.writing.output.prepare_output`.
        schema: Columns and key-value metadata of the parts.
        facts: Facts about the command, for the top level of the manifest.
        parts: All parts that were written, in any order.
        tallies: What the earlier stages have counted, `rows_read` at least.

    Raises:
        OutputError: Storage refused, or another run changed the folder.
        RuntimeError: Rows were lost or duplicated on the way; nothing is published.
    """
    folder = open_folder(plan.folder)
    with storage_errors(f"finish {plan.folder}"):
        now = load_manifest(folder, broken_as_empty=plan.if_exists == "overwrite")
        if now is not None and last_run(now) == plan.run_id:
            folder.remove_tree(plan.temporary)
            return now
        _check_untouched(plan, now)
        _check_complete(parts, tallies)

        earlier = now if plan.if_exists == "append" else None
        if earlier is None and all(part.rejected for part in parts):
            empty = PartWriter(folder, plan.temporary, schema, False, count_results).close()
            parts = [*parts, empty]
        named = _name_parts(parts, plan.run_id, earlier)
        if plan.if_exists == "overwrite" and now is not None:
            # While its manifest is there, a part with the name of one of ours is to be replaced.
            renames = _renames_to_do(folder, plan, named, published={})
            folder.remove([MANIFEST])
        else:
            renames = _renames_to_do(folder, plan, named, published=result_files(folder))
        folder.rename(renames)
        _remove_strays(folder, {*named, *_paths_in(earlier)})
        manifest = build_manifest(plan.run_id, plan.started, schema, facts, named, tallies)
        if earlier is not None:
            manifest = append_manifest(earlier, manifest)
        folder.remove_tree(plan.temporary)
        content = json.dumps(manifest, indent=2, ensure_ascii=False)
        folder.write_whole(MANIFEST, content.encode(), plan.temporary)
        return manifest


def _check_untouched(plan: OutputPlan, now: Mapping[str, Any] | None) -> None:
    removed_by_us = now is None and plan.if_exists == "overwrite"  # in an earlier try
    if last_run(now) != plan.earlier_run and not removed_by_us:
        raise OutputError(
            f"the results in {plan.folder} changed during this run (last run now: "
            f"{last_run(now)}): they are kept, and those of this run are not published"
        )


def _check_complete(parts: Sequence[Part], tallies: Counters) -> None:
    read = tallies.get("rows_read", 0)
    written = sum(part.rows for part in parts if not part.rejected)
    rejected = sum(part.rows for part in parts if part.rejected)
    if read != written + rejected:
        raise RuntimeError(
            f"{read} rows were read, but {written} written and {rejected} rejected: nothing is "
            "published; this is a bug in the program"
        )


def _name_parts(
    parts: Sequence[Part], run_id: str, earlier: Mapping[str, Any] | None
) -> dict[str, Part]:
    """Returns the parts by their final names, in the order of their rows."""
    named = {}
    for rejected, key in ((False, "parts"), (True, "rejected_parts")):
        ordered = sorted((p for p in parts if p.rejected == rejected), key=lambda p: p.first)
        before = len(earlier[key]) if earlier else 0
        total = before + len(ordered)
        for i, part in enumerate(ordered, before):
            named[part_name(rejected, i, total, run_id if earlier else None)] = part
    return named


def _renames_to_do(
    folder: OutputFolder, plan: OutputPlan, named: Mapping[str, Part], published: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Returns the renames that an earlier try has not done; raises if a part is missing."""
    waiting = folder.files(plan.temporary)
    for name, part in named.items():
        size = waiting.get(part.path, published.get(name))
        if size != part.bytes:
            raise OutputError(
                f"{part.path} ({part.bytes} bytes) in {folder.path} "
                + ("is gone" if size is None else f"has {size} bytes")
                + ": was the folder cleaned, or used by another run?"
            )
    return [(part.path, name) for name, part in named.items() if part.path in waiting]


def _paths_in(manifest: Mapping[str, Any] | None) -> set[str]:
    if manifest is None:
        return set()
    return {part["path"] for part in (*manifest["parts"], *manifest["rejected_parts"])}


def _remove_strays(folder: OutputFolder, ours: set[str]) -> None:
    """Removes replaced results, and parts of an append that died before its manifest."""
    folder.remove([name for name in result_files(folder) if name not in ours])
    folder.remove_if_empty(REJECTED_FOLDER)
