"""The manifest: the file that says what an output folder holds, and that it is complete."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from transforms.errors import OutputError
from transforms.writing.folder import OutputFolder, open_folder, storage_errors
from transforms.writing.parts import Counters, Part, most_common, sum_counters

MANIFEST = "_MANIFEST.json"

FORMAT_VERSION = 1
"""Version of the manifest; grows when a reader of the old one would misread the new one."""

_SUMMED = ("rows", "rejected", "tokens", "labels", "counters")
_LISTS = ("parts", "rejected_parts", "runs")
_TIMES = ("started", "finished", "seconds")
MANIFEST_KEYS = frozenset({"format_version", "columns", "metadata", *_SUMMED, *_LISTS, *_TIMES})
"""The keys that belong to the manifest and not to the command; `inputs` belongs to both."""

# What an append and the messages about earlier results read from a manifest.
_KINDS: dict[str, type] = {"columns": dict, "metadata": dict, "rows": dict, "runs": list}

# Error messages can be as many as the rows: the manifest shows this many, the most common ones.
_ERRORS = 20


def read_manifest(output: str) -> dict[str, Any] | None:
    """Returns the manifest of the results in a folder, or None if no run has finished.

    Raises:
        OutputError: The folder cannot be read, or its manifest is not valid.
    """
    with storage_errors(f"read {output}"):
        return load_manifest(open_folder(output))


def load_manifest(folder: OutputFolder, broken_as_empty: bool = False) -> dict[str, Any] | None:
    """Returns the manifest in a folder, or None; raises what the storage raises.

    Args:
        folder: The output folder.
        broken_as_empty: Whether to return an invalid manifest as an empty one: what is replaced
            need not be readable.

    Raises:
        OutputError: The manifest is not valid.
    """
    content = folder.read(MANIFEST)
    if content is None:
        return None
    try:
        manifest = json.loads(content)
        problem = _problem(manifest)
    except (ValueError, RecursionError) as error:
        problem = f"not JSON: {error}"
    if problem is None:
        return manifest
    if broken_as_empty:
        return {}
    raise OutputError(
        f"{folder.path}/{MANIFEST} is {problem}; replace it with --if_exists=overwrite or give "
        "another folder"
    )


def _problem(manifest: Any) -> str | None:
    """Returns why this is not a manifest, or None; another version may lack what ours has."""
    if not isinstance(manifest, dict):
        return "not a JSON object"
    is_ours = manifest.get("format_version") == FORMAT_VERSION
    for name, kind in _KINDS.items():
        value = manifest.get(name, None if is_ours else kind())
        if not isinstance(value, kind):
            return f"not a manifest of results: its {name!r} is missing or wrong"
    if not all(isinstance(run, dict) for run in manifest.get("runs", [])):
        return "not a manifest of results: its 'runs' are wrong"
    return None


def last_run(manifest: Mapping[str, Any] | None) -> str | None:
    """Returns the id of the run that wrote a manifest."""
    runs = (manifest or {}).get("runs") or [{}]
    return runs[-1].get("run_id")


def describe_columns(schema: pa.Schema) -> dict[str, str]:
    """Returns the type of each column, as the manifest records it."""
    return {field.name: str(field.type) for field in schema}


def utc_now() -> str:
    """Returns the time as the manifest records it, ISO 8601 in UTC with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def build_manifest(
    run_id: str,
    started: str,
    schema: pa.Schema,
    facts: Mapping[str, Any],
    parts: Mapping[str, Part],
    tallies: Counters,
) -> dict[str, Any]:
    """Returns the manifest of one run, which finishes now.

    Args:
        run_id: Name of the run.
        started: When it started, in the form of `utc_now`.
        schema: Columns and key-value metadata of the parts.
        facts: Facts about the command, for the top level; `inputs` are given the rows of their
            source.
        parts: The parts by their final names, in order.
        tallies: What the earlier stages have counted.
    """
    counters = sum_counters(part.counters for part in parts.values())
    known = {"rows_read", "padded_tokens", "files"}
    other = {name: count for name, count in tallies.items() if name not in known}
    files = tallies.get("files", {})
    rows = {
        "read": tallies.get("rows_read", 0),
        "written": sum(part.rows for part in parts.values() if not part.rejected),
        "rejected": sum(part.rows for part in parts.values() if part.rejected),
        "truncated": counters.get("truncated", 0),
    }
    finished = utc_now()
    span = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
    times = {"started": started, "finished": finished, "seconds": span.total_seconds()}
    return {
        "format_version": FORMAT_VERSION,
        **facts,
        "inputs": [
            {**entry, "rows": files.get(entry["source"], 0)} for entry in facts.get("inputs", [])
        ],
        "rows": rows,
        "rejected": {
            "stages": counters.get("stages", {}),
            "errors": most_common(counters.get("errors", {}), _ERRORS),
        },
        "tokens": {"real": counters.get("tokens", 0), "padded": tallies.get("padded_tokens", 0)},
        **({"labels": counters["labels"]} if "labels" in counters else {}),
        **({"counters": other} if other else {}),
        "columns": describe_columns(schema),
        "metadata": {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()},
        "parts": _list_parts(parts, rejected=False),
        "rejected_parts": _list_parts(parts, rejected=True),
        "runs": [{"run_id": run_id, **times, "rows": rows}],
        **times,
    }


def _list_parts(parts: Mapping[str, Part], rejected: bool) -> list[dict[str, Any]]:
    return [
        {"path": name, "rows": part.rows, "bytes": part.bytes, "sha256": part.sha256}
        for name, part in parts.items()
        if part.rejected == rejected
    ]


def append_manifest(earlier: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the combined manifest; facts with a single value are those of the latest run."""
    merged = {**earlier, **new}
    for key in merged.keys() & set(_SUMMED):
        merged[key] = sum_counters([earlier.get(key, {}), new.get(key, {})])
    merged["rejected"]["errors"] = most_common(merged["rejected"]["errors"], _ERRORS)
    for key in ("inputs", *_LISTS):
        merged[key] = [*earlier[key], *new[key]]
    merged["started"] = earlier["started"]
    merged["seconds"] = round(earlier["seconds"] + new["seconds"], 3)
    return merged
