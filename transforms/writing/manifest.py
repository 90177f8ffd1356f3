"""The manifest: the file that says what an output folder holds, and that it is complete."""

import base64
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from models.errors import UserError
from models.quantization import Ranges
from transforms.counters import Counters, most_common, sum_counters, without
from transforms.errors import OutputError
from transforms.writing.folder import OutputFolder, open_folder, storage_errors
from transforms.writing.formats.record import OUTPUT_FORMATS, OutputFormat
from transforms.writing.parts import Part
from transforms.writing.records import rows_over_time

MANIFEST = "_MANIFEST.json"

FORMAT_VERSION = 3
"""Version of the manifest; grows when a reader of the old one would misread the new one."""

_SUMMED = ("rows", "rejected", "tokens", "labels", "counters")
_LISTS = ("inputs", "parts", "rejected_parts", "runs")
_TIMES = ("started", "finished", "seconds")
MANIFEST_KEYS = frozenset(
    {
        *("format_version", "output_format", "columns", "arrow_schema", "metadata", "settings"),
        *(*_SUMMED, *_LISTS, *_TIMES, "ranges", "replaced"),
    }
)
"""The keys that belong to the manifest and not to the command."""

# What an append and the messages about earlier results read from a manifest.
_KINDS: dict[str, type] = {
    **dict.fromkeys(("columns", "metadata", "settings", "rows", "rejected", "tokens"), dict),
    **dict.fromkeys(_LISTS, list),
    **dict.fromkeys(("output_format", "arrow_schema"), str),
}

# What the stages count where no column of the rows tells it.
_OF_TOKENS = ("tokens", "truncated")

# Error messages can be as many as the rows: the manifest shows this many, the most common ones.
_ERRORS = 20

# Labels whose counts are kept of a result that was replaced, the most common ones.
_LABELS_REPLACED = 1000


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
    for name in _LISTS if is_ours else ("runs",):
        if not all(isinstance(entry, dict) for entry in manifest.get(name, [])):
            return f"not a manifest of results: its {name!r} are wrong"
    if is_ours and manifest["output_format"] not in OUTPUT_FORMATS:
        return f"not a manifest of results: its output format is {manifest['output_format']!r}"
    if is_ours and not all(map(_is_part, (*manifest["parts"], *manifest["rejected_parts"]))):
        return "not a manifest of results: its parts are wrong"
    return None


def check_version(manifest: Mapping[str, Any], output: str) -> None:
    """Raises `OutputError` if another version of this program wrote the result in a folder."""
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise OutputError(
            f"{output} has a manifest of format version {version}, and this program reads version "
            f"{FORMAT_VERSION}"
        )


def text_columns_in(manifest: Mapping[str, Any]) -> list[str]:
    """Returns the names of the columns with the texts of a command's result; two of pairs."""
    pair = manifest["settings"].get("text_pair_column")
    return [manifest["text_column"], *([manifest["renamed"].get(pair, pair)] if pair else [])]


def _is_part(entry: Mapping[str, Any]) -> bool:
    """Returns whether the file is inside of the folder, and its rows are a number, if told."""
    path, rows = entry.get("path", ""), entry.get("rows", 0)
    return (
        isinstance(path, str)
        and not path.startswith("/")
        and ".." not in path.replace("\\", "/").split("/")
        and type(rows) is int
        and 0 <= rows < 1 << 62
    )


@contextmanager
def manifest_errors(output: str) -> Iterator[None]:
    """Raises what the body stumbles over in a manifest that was changed as an `OutputError`."""
    try:
        yield
    except UserError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise OutputError(
            f"{output}/{MANIFEST} does not say all that a run writes there, or not as it does "
            f"({type(error).__name__}: {error}): put the original in its place, or run again with "
            "--if_exists=overwrite"
        ) from error


def last_run(manifest: Mapping[str, Any] | None) -> str | None:
    """Returns the id of the run that wrote a manifest."""
    runs = (manifest or {}).get("runs") or [{}]
    return runs[-1].get("run_id")


def paths_in(manifest: Mapping[str, Any] | None) -> set[str]:
    """Returns the names of the parts that a manifest lists."""
    lists = ((manifest or {}).get(key, []) for key in ("parts", "rejected_parts"))
    return {part["path"] for parts in lists for part in parts}


def format_of(manifest: Mapping[str, Any]) -> OutputFormat:
    """Returns the format of the parts that a manifest lists."""
    return OUTPUT_FORMATS[manifest["output_format"]]


def schema_in(manifest: Mapping[str, Any]) -> pa.Schema:
    """Returns the columns of a result; parts of text do not know their types.

    Raises:
        OutputError: The manifest does not tell them.
    """
    try:
        encoded = base64.b64decode(manifest["arrow_schema"], validate=True)
        return pa.ipc.read_schema(pa.py_buffer(encoded))
    except (ValueError, OSError) as error:
        raise OutputError(f"{MANIFEST} has a damaged 'arrow_schema': {error}") from None


def ranges_in(manifest: Mapping[str, Any]) -> Ranges | None:
    """Returns the ranges of the vectors of bytes of a result, or None if no row has one.

    Raises:
        OutputError: There are such vectors, and the manifest does not tell their ranges.
    """
    if "ranges" not in manifest and not manifest["rows"]["written"]:
        return None
    try:
        ranges = Ranges.from_json(manifest["ranges"])
        if len(ranges.low) != schema_in(manifest).field("embedding").type.list_size:
            raise ValueError("they are not of its vectors")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise OutputError(f"the 'ranges' of {MANIFEST} are missing or damaged: {error}") from None
    return ranges


def describe_columns(schema: pa.Schema) -> dict[str, str]:
    """Returns the type of each column, as the manifest records it."""
    return {field.name: str(field.type) for field in schema}


def utc_now() -> str:
    """Returns the time as the manifest records it, ISO 8601 in UTC with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def build_manifest(
    *,
    run_id: str,
    started: str,
    schema: pa.Schema,
    output_format: str,
    facts: Mapping[str, Any],
    settings: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]],
    parts: Mapping[str, Part],
    uncounted: Collection[Part],
    counts: Counters,
    timelines: Iterable[Sequence[Sequence[float]]],
    replaced: Mapping[str, Any] | None = None,
    ranges: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the manifest of one run, which finishes now.

    Args:
        run_id: Name of the run.
        started: When it started, in the form of `utc_now`.
        schema: Columns and key-value metadata of the parts.
        output_format: Their format, one of `OUTPUT_FORMATS`.
        facts: Facts about the command, for the top level.
        settings: What the command was asked for; an update must have the same.
        inputs: The files that were read, with the names of the parts that hold their rows.
        parts: The parts by their final names, in order.
        uncounted: Those whose rows are of earlier runs.
        counts: What the stages counted.
        timelines: When rows were done, from the records.
        replaced: The manifest of the result in whose place this one comes, if there was any.
        ranges: By which vectors of bytes are read, if there are any.
    """
    ours = [part for part in parts.values() if part not in uncounted]
    in_parts = [part.counters for part in ours]
    counters = sum_counters([*in_parts, {n: counts[n] for n in _OF_TOKENS if n in counts}])
    written = sum(part.rows for part in ours if not part.rejected)
    rejected = sum(part.rows for part in ours if part.rejected)
    found = {**counts, **counters}

    def known(**names: str) -> dict[str, int]:
        # A command counts everything, and has facts; a pipeline of one's own may count nothing.
        is_all = bool(facts) or not written
        return {key: found.get(name, 0) for key, name in names.items() if is_all or name in found}

    rows = {
        "read": written + rejected,
        "written": written,
        "rejected": rejected,
        **known(truncated="truncated"),
    }
    finished = utc_now()
    began = datetime.fromisoformat(started)
    seconds = (datetime.fromisoformat(finished) - began).total_seconds()
    times = {"started": started, "finished": finished, "seconds": seconds}
    named = ("padded_tokens", *_OF_TOKENS)
    other = {name: count for name, count in counts.items() if name not in named}
    return {
        "format_version": FORMAT_VERSION,
        "output_format": output_format,
        **facts,
        "settings": dict(settings),
        "inputs": [dict(entry) for entry in inputs],
        "rows": rows,
        "rejected": {
            "stages": counters.get("stages", {}),
            "errors": most_common(counters.get("errors", {}), _ERRORS),
        },
        "tokens": known(real="tokens", padded="padded_tokens"),
        **({"labels": counters["labels"]} if "labels" in counters else {}),
        **({"counters": other} if other else {}),
        "columns": describe_columns(schema),
        "arrow_schema": base64.b64encode(schema.remove_metadata().serialize()).decode(),
        "metadata": {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()},
        **({"ranges": dict(ranges)} if ranges is not None else {}),
        "parts": _list_parts(parts, rejected=False),
        "rejected_parts": _list_parts(parts, rejected=True),
        "runs": [
            {
                "run_id": run_id,
                **times,
                "rows": rows,
                **known(tokens="tokens"),
                "parts": sum(not part.rejected for part in parts.values()),
                **({"labels": counters["labels"]} if "labels" in counters else {}),
                "speed": rows_over_time(timelines, began.timestamp(), seconds),
            }
        ],
        **({"replaced": _remembered(replaced)} if replaced else {}),
        **times,
    }


def _remembered(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is kept of a result that is replaced, to compare its successor with."""
    kept = {key: manifest[key] for key in ("finished", "rows") if key in manifest}
    if isinstance(labels := manifest.get("labels"), dict):
        kept["labels"] = most_common(labels, _LABELS_REPLACED)
    if isinstance(model := manifest.get("model"), dict):
        kept["model"] = {key: model[key] for key in ("preset", "weights") if key in model}
    return kept


def _list_parts(parts: Mapping[str, Part], rejected: bool) -> list[dict[str, Any]]:
    return [
        {"path": name, "rows": part.rows, "bytes": part.bytes, "sha256": part.sha256}
        for name, part in parts.items()
        if part.rejected == rejected
    ]


def append_manifest(
    earlier: Mapping[str, Any],
    new: Mapping[str, Any],
    renamed: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """Returns the combined manifest; facts with a single value are those of the latest run.

    Args:
        earlier: The manifest of earlier runs.
        new: The manifest of one run.
        renamed: New names of parts that the inputs of earlier runs are in; None if there is none.
    """
    merged = {**earlier, **new}
    for key in merged.keys() & set(_SUMMED):
        merged[key] = sum_counters([earlier.get(key, {}), new.get(key, {})])
    for key in ("rows", "tokens"):  # what was not counted of all rows is not known
        counted = earlier[key].keys() & new[key].keys()
        merged[key] = {name: count for name, count in merged[key].items() if name in counted}
    merged["rejected"]["errors"] = most_common(merged["rejected"]["errors"], _ERRORS)
    for key in _LISTS:
        merged[key] = [dict(entry) for entry in (*earlier[key], *new[key])]
    for entry in merged["runs"][:-1]:
        entry.pop("labels", None)  # may be many, and the sum is there
        entry.pop("speed", None)
    if renamed:
        for entry in merged["inputs"]:
            names = [renamed.get(name, name) for name in entry["parts"]]
            entry["parts"] = [name for name in names if name]
    merged["started"] = earlier["started"]
    merged["seconds"] = round(earlier["seconds"] + new["seconds"], 3)
    return merged


def reduce_manifest(
    manifest: Mapping[str, Any],
    sources: Collection[str],
    parts: Collection[str],
    lost: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns a manifest without some inputs, and without the parts that held their rows.

    Args:
        manifest: The manifest.
        sources: The inputs.
        parts: The names of the parts.
        lost: What was counted of the rows of these inputs; `written` and `rejected` among it.
    """
    written, rejected = lost.get("written", 0), lost.get("rejected", 0)
    rows = {
        "read": written + rejected,
        "written": written,
        "rejected": rejected,
        "truncated": lost.get("truncated", 0),
    }
    reasons = {key: lost.get(key, {}) for key in ("stages", "errors")}
    less = {"tokens": {"real": lost.get("tokens", 0)}, "labels": lost.get("labels", {})}
    return {
        **manifest,
        **{key: without(manifest[key], less[key]) for key in less if key in manifest},
        "rows": without(manifest["rows"], rows),
        "rejected": without(manifest["rejected"], reasons),
        "inputs": [entry for entry in manifest["inputs"] if entry["source"] not in sources],
        **{
            key: [part for part in manifest[key] if part["path"] not in parts]
            for key in ("parts", "rejected_parts")
        },
    }
