"""The plan of an output: whether a run may write to a folder, and what becomes of earlier results.

A run writes its files under `_temporary-<run id>/` and publishes them at its very end, so that a
folder with a `_MANIFEST.json` is always the whole result of finished runs. One run at a time may
write to a folder.
"""

import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

import pyarrow as pa

from transforms.errors import OutputError
from transforms.writing.folder import OutputFolder, open_folder, storage_errors
from transforms.writing.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    describe_columns,
    last_run,
    load_manifest,
    utc_now,
)
from transforms.writing.parts import result_files

IfExists = Literal["error", "overwrite", "append"]

_DROPPED = ("token_ids", "segment_ids")  # only the stages between reading and writing need them

# Seconds (a day) without a new file after which a leftover whose owner cannot be asked (remote, or
# on another host) counts as dead: a live run closes a part far more often.
_LEFTOVER_SECONDS = 24 * 3600


@dataclass(frozen=True)
class OutputPlan:
    """Where and how one run publishes its results; made by `prepare_output`.

    Attributes:
        folder: Absolute path or URL of the output folder.
        run_id: Name of this run; names sort by time.
        started: When the plan was made, ISO 8601 in UTC.
        if_exists: What happens to earlier results; "error" means that there were none.
        earlier_run: Id of the last run that wrote the earlier results, if there are any.
        created: The highest folder that had to be created for it, if any.
    """

    folder: str
    run_id: str
    started: str
    if_exists: IfExists
    earlier_run: str | None
    created: str | None

    @property
    def temporary(self) -> str:
        """Name of the folder, inside the output folder, where the run writes."""
        return f"_temporary-{self.run_id}"


def prepare_output(
    output: str,
    *,
    if_exists: IfExists = "error",
    schema: pa.Schema,
    metadata: Mapping[str, str] | None = None,
    replace_if: Callable[[Mapping[str, Any]], bool] | None = None,
) -> OutputPlan:
    """Checks that a run may write to `output`, and reserves it.

    Earlier results are not touched. A failed run gives up the reservation with `discard`.

    Args:
        output: Folder, local or on any of Beam's file systems (`gs://…`); created if absent.
        if_exists: What to do about earlier results. "append" to an empty folder is a first run.
        schema: Columns of the record batches that will be written.
        metadata: What all rows of one folder must share, such as the digest of the weights;
            appending compares it with the same keys of the earlier run's metadata.
        replace_if: Called with the manifest of an earlier result when `if_exists` is "error";
            True replaces that result.

    Returns:
        What `transforms.write.WriteResults` needs to know.

    Raises:
        OutputError: The folder holds results, cannot be written to, is in use by another run, or
            holds results to which these rows cannot be appended.
    """
    if not output.strip():
        raise OutputError("--output is empty: give a folder")
    try:
        output.encode()
    except UnicodeEncodeError:
        raise OutputError(f"--output={os.fsencode(output)!r} is not UTF-8: rename it") from None
    folder = open_folder(output)
    with storage_errors(f"use --output={output}"):
        folder.check_no_file()
        results = result_files(folder)
        earlier = load_manifest(folder, broken_as_empty=if_exists == "overwrite")
        if_exists = _resolve(output, if_exists, results, earlier, replace_if)
        if if_exists == "append" and earlier is not None:
            _check_appendable(output, earlier, written_schema(schema), metadata or {})
        run_id = f"{datetime.now(timezone.utc):%Y%m%dt%H%M%S}-{secrets.token_hex(3)}"
        created = folder.first_missing()
        plan = OutputPlan(folder.path, run_id, utc_now(), if_exists, last_run(earlier), created)
    try:
        with storage_errors(f"use --output={output}"):
            folder.reserve(plan.temporary)
        with storage_errors(f"clear --output={output}"):
            _remove_leftovers(folder, plan, output)
    except BaseException:
        discard(plan)
        raise
    return plan


def discard(plan: OutputPlan) -> None:
    """Removes what a run that will not finish has written; earlier results stay."""
    folder = open_folder(plan.folder)
    with suppress(OutputError), storage_errors("clean up"):
        folder.remove_tree(plan.temporary)
        if plan.created:
            folder.remove_created(plan.created)


def written_schema(schema: pa.Schema) -> pa.Schema:
    """Returns the columns that reach the output, without the metadata that came with them."""
    return pa.schema([field for field in schema if field.name not in _DROPPED])


def _resolve(
    output: str,
    if_exists: IfExists,
    results: Mapping[str, int],
    earlier: Mapping[str, Any] | None,
    replace_if: Callable[[Mapping[str, Any]], bool] | None,
) -> IfExists:
    if not results and earlier is None:
        return "error"
    if if_exists == "overwrite":
        return "overwrite"
    if earlier is None:
        raise OutputError(
            f"--output={output} holds {len(results)} part files and no {MANIFEST}: the earlier "
            "run did not finish; replace it with --if_exists=overwrite or give another folder"
        )
    if if_exists == "append":
        return "append"
    if replace_if is not None and replace_if(earlier):
        return "overwrite"
    rows = earlier.get("rows", {}).get("written", "unknown")
    raise OutputError(
        f"--output={output} holds results already ({rows} rows, finished "
        f"{earlier.get('finished', 'at an unknown time')}): give --if_exists=overwrite or append, "
        "or another folder"
    )


def _check_appendable(
    output: str, earlier: Mapping[str, Any], schema: pa.Schema, metadata: Mapping[str, str]
) -> None:
    version = earlier.get("format_version")
    if version != FORMAT_VERSION:
        raise OutputError(
            f"--output={output} has a manifest of format version {version}, and this program "
            f"appends to version {FORMAT_VERSION}: give another folder or --if_exists=overwrite"
        )
    difference = _first_difference(earlier["columns"], describe_columns(schema))
    if difference:
        raise OutputError(f"--if_exists=append to --output={output}: {difference}")
    for name, value in metadata.items():
        before = earlier["metadata"].get(name)
        if before != value:
            raise OutputError(
                f"--if_exists=append to --output={output}: its rows were made with {name} "
                f"{before}, this run has {value}"
            )


def _first_difference(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    for name in [*before, *now]:
        if name not in now:
            return f"column {name} ({before[name]}) is in its results but not in this run"
        if name not in before:
            return f"column {name} ({now[name]}) is in this run but not in its results"
        if before[name] != now[name]:
            return f"column {name} is {before[name]} in its results and {now[name]} in this run"
    if list(before) != list(now):
        return f"the columns of its results are in another order: {', '.join(before)}"
    return None


def _remove_leftovers(folder: OutputFolder, plan: OutputPlan, output: str) -> None:
    for name, modified in folder.temporaries().items():
        if name == plan.temporary:
            continue
        owner = folder.owner(name)
        if owner == "alive":
            raise OutputError(
                f"--output={output} is being written by another run ({name}): wait for it, or "
                "give another folder"
            )
        if (
            owner == "dead"
            or plan.if_exists == "overwrite"
            or time.time() - modified > _LEFTOVER_SECONDS
        ):
            folder.remove_tree(name)
