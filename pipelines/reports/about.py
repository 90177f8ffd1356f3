"""The sections of every page about a result: where it is from and how it came about."""

import base64
import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipelines.reporting.shown import counted, in_bytes
from pipelines.reports import charts
from pipelines.reports.blocks import (
    Block,
    Chart,
    Code,
    Facts,
    Prose,
    Section,
    Table,
    Text,
    Texts,
    Value,
    plain,
)
from pipelines.reports.result import Result
from pipelines.reports.sampling import Sample
from transforms.reading.dialect import UNKNOWN, Dialect

_REASONS = 15
_BUSY_INTERVALS = 3
_EXAMPLES_OF_REASON = 4
_INPUTS = 50
_RUNS = 20
_OTHERS = "other reasons"
# What differs between rows of one mistake: not the digits of a name, such as UTF-8 or float32.
_NUMBERS = re.compile(r"(?<!\w)(?<![A-Za-z]-)(?:0x[0-9a-fA-F]+|\d[\d,.]*\d|\d)")
_EXAMPLE_CHARACTERS = 300
_REASON_CHARACTERS = 120
_PLACE_CHARACTERS = 60

# Rejected rows of more than this share are worth a word above all else.
_MUCH_REJECTED = 0.01


def subtitle(result: Result) -> str:
    """Returns the line beneath a page's title."""
    ended = datetime.fromisoformat(result.manifest["finished"])
    return f"{plain(result.output, 200)} · {ended:%-d %B %Y, %H:%M} UTC"


def about_sections(result: Result) -> list[Section]:
    """Returns the sections about rejected rows, inputs, the model and the run."""
    return [
        *([_rejected(result)] if result.manifest["rows"]["rejected"] else []),
        _inputs(result),
        _model(result),
        _run(result),
    ]


def of_sample(sample: Sample) -> str:
    """Returns which rows a section is about, as a sentence."""
    if sample.is_all:
        return f"All {sample.total:,} rows."
    return f"From a sample of {len(sample.rows):,} of the {sample.total:,} rows."


def place(row: Mapping[str, Any]) -> str:
    """Returns where a row is from, short enough to stand beside its text."""
    source = "/".join(row["source"].replace("\\", "/").split("/")[-2:])
    return f"{plain(source, _PLACE_CHARACTERS)} at {row['position']:,}"


def share(part: float, whole: float) -> str:
    """Returns a share in percent: `12.3%`; `0%` is none at all, and `under 0.1%` some."""
    value = part / whole if whole else 0.0
    if not value:
        return "0%"
    return "under 0.1%" if value < 0.001 else f"{value:.1%}"


def no_rows(result: Result) -> Prose:
    """Returns what there is to say of a result without rows."""
    rows = result.manifest["rows"]
    said = f"The result has no rows: {rows['read']:,} were read, {rows['rejected']:,} rejected."
    return Prose(said, True)


def lost_figures(result: Result) -> dict[str, Value]:
    """Returns, by name, which shares of texts were cut and of rows rejected."""
    rows = result.manifest["rows"]
    figures: dict[str, Value] = {}
    if rows["truncated"] or result.model["long_text"] == "truncate":
        figures["texts cut"] = share(rows["truncated"], rows["written"])
    return {**figures, "rows rejected": share(rows["rejected"], rows["read"])}


def tokens_said(row: Mapping[str, Any]) -> Value:
    """Returns how many tokens the text of a row has, and whether it was cut."""
    return f"{row['num_tokens']:,}, cut" if row["truncated"] else row["num_tokens"]


def reject_warning(result: Result) -> list[Block]:
    """Returns a word about rejected rows, if they are many."""
    rows = result.manifest["rows"]
    if rows["rejected"] <= _MUCH_REJECTED * rows["read"]:
        return []
    said = f"{rows['rejected']:,} of {rows['read']:,} rows were rejected"
    return [Prose(f"{said} ({share(rows['rejected'], rows['read'])}): see Rejected rows.", True)]


def _rejected(result: Result) -> Section:
    rows, rejected = result.manifest["rows"], result.manifest["rejected"]
    counts = Counter[str]()
    if result.rejected.is_all:
        counts.update(map(_reason, result.rejected.rows["error"].to_pylist()))
    else:  # the manifest has the most common messages of all rows
        for error, count in rejected["errors"].items():
            counts[_reason(error)] += count
    reasons = dict(counts.most_common(_REASONS))
    if others := rows["rejected"] - sum(reasons.values()):
        reasons[_OTHERS] = others
    stages = ", ".join(f"{count:,} at “{stage}”" for stage, count in rejected["stages"].items())
    top = next(iter(reasons))
    blocks: list[Block] = [
        Chart(
            "Rejected rows by reason",
            charts.bars(reasons, title="rows"),
            f"The most common reason is “{top}”, with {counted(reasons[top], 'row')}.",
            Table(
                "Rejected rows by reason", ["reason", "rows"], [[*each] for each in reasons.items()]
            ),
        )
    ]
    if examples := _rejected_examples(result.rejected.rows):
        blocks.append(
            Texts("Search the rejected rows", examples, characters=_EXAMPLE_CHARACTERS, noun="row")
        )
    return Section(
        "Rejected rows",
        blocks,
        f"{rows['rejected']:,} of {rows['read']:,} rows ({share(rows['rejected'], rows['read'])}): "
        f"{stages}. They are kept in the folder rejected/ of the result, with the reason.",
    )


def _reason(error: str) -> str:
    """Returns a message without the numbers by which the rows of one mistake differ."""
    return _NUMBERS.sub("…", plain(error, _REASON_CHARACTERS))


def _rejected_examples(rejected: pa.Table) -> list[Text]:
    examples: list[Text] = []
    seen: dict[str, int] = {}
    for row in rejected.to_pylist():
        reason = _reason(row["error"])
        seen[reason] = seen.get(reason, 0) + 1
        if seen[reason] > _EXAMPLES_OF_REASON or len(seen) > _REASONS:
            continue
        examples.append(
            Text(
                _raw(row),
                {
                    "reason": plain(row["error"], _REASON_CHARACTERS),
                    "stage": row["stage"],
                    "row": place(row),
                },
                {"reason": reason},
            )
        )
    return sorted(examples, key=lambda text: text.facets["reason"])


def _raw(row: Mapping[str, Any]) -> str:
    raw, encoded = row["raw"], row.get("raw_base64")
    if raw is None and encoded is not None:
        raw = base64.b64decode(encoded[: len(encoded) // 4 * 4])
    if raw is None:
        return "(nothing was read of it)"
    return raw.decode(errors="backslashreplace") if isinstance(raw, bytes) else str(raw)


def _inputs(result: Result) -> Section:
    inputs = sorted(result.manifest["inputs"], key=lambda entry: -entry["rows"])
    shown: list[list[Value]] = [
        [entry["source"], entry["rows"], in_bytes(entry["bytes"]), _dialect(entry)]
        for entry in inputs[:_INPUTS]
    ]
    size = in_bytes(sum(entry["bytes"] for entry in inputs))
    more = f", the {_INPUTS} with the most rows shown" if len(inputs) > _INPUTS else ""
    facts: dict[str, Value] = {}
    for name, new_name in result.manifest.get("renamed", {}).items():
        facts[f"column {name}"] = f"is called {new_name}, since a column of that name was added"
    for name, count in result.manifest.get("filled", {}).items():
        facts[f"column {name}"] = f"missing in {counted(count, 'file')}, and filled with null"
    return Section(
        "Inputs",
        [
            Table("Input files", ["file", "rows", "size", "read as"], shown),
            *([Facts(facts)] if facts else []),
        ],
        f"{counted(len(inputs), 'file')}, {size}{more}.",
    )


def _dialect(entry: Mapping[str, Any]) -> str:
    dialect = Dialect(**entry.get("dialect", {}))
    return "as usual" if dialect == UNKNOWN or dialect.is_usual else str(dialect)


def _model(result: Result) -> Section:
    model, computed = result.model, result.manifest.get("counters", {}).get("precision", {})
    facts: dict[str, Value] = {
        "preset": model["preset"],
        "family": model["family"],
        "digest of the weights": model["weights"],
        "tokens of a text": model["sequence_length"],
        "longer texts": "are cut" if model["long_text"] == "truncate" else "are read in windows",
        "precision": model["precision"],
        "computed in": ", ".join(
            f"{name} ({count:,} rows)" for name, count in computed.items() if count
        ),
        "backend": model["backend"],
        "threshold of a label": model.get("threshold"),
    }
    versions = result.manifest["versions"]
    shown = {name: value for name, value in facts.items() if value not in (None, "")}
    table = Table("Versions", ["package", "version"], [[*each] for each in versions.items()], False)
    return Section("Model and versions", [Facts(shown), table])


def _run(result: Result) -> Section:
    manifest, run = result.manifest, result.manifest["runs"][-1]
    rows, seconds = run["rows"], max(run["seconds"], 1e-3)
    tokens, padded = manifest["tokens"]["real"], manifest["tokens"]["padded"]
    facts: dict[str, Value] = {
        "started": run["started"],
        "finished": run["finished"],
        "rows read": rows["read"],
        "seconds, the start included": round(seconds, 1),
        "rows a second": round(rows["read"] / seconds, 1),
        "tokens a second": round(run["tokens"] / seconds, 1),
        "padding": f"{share(padded - tokens, padded)} of what was computed"
        if padded > tokens
        else None,
    }
    blocks: list[Block] = [Facts({name: value for name, value in facts.items() if value})]
    if (chart := _speed(run)) is not None:
        blocks.insert(0, chart)
    if len(manifest["runs"]) > 1:
        history: list[Sequence[Value]] = [
            [each["run_id"], each["finished"], each["rows"]["read"], round(each["seconds"], 1)]
            for each in manifest["runs"][: -_RUNS - 1 : -1]
        ]
        heads = ["run", "finished", "rows read", "seconds"]
        blocks.append(Table("The last runs, the newest first", heads, history, False))
    output = shlex.quote(result.output)
    blocks += [
        Code(
            "Check that every row is there once, and make this page again",
            f"python -m pipelines.verify {output}\npython -m pipelines.report {output}",
        ),
    ]
    title = "The run" if len(manifest["runs"]) == 1 else f"The last of {len(manifest['runs'])} runs"
    return Section(title, blocks)


def _speed(run: Mapping[str, Any]) -> Chart | None:
    """Returns how fast rows were done, if the run was long enough to tell."""
    speed = run.get("speed")
    if speed is None or sum(count > 0 for count in speed["rows"]) < _BUSY_INTERVALS:
        return None
    length = speed["seconds"]
    unit, size = next(
        (name, size)
        for name, size in (("hours", 3600), ("minutes", 60), ("seconds", 1))
        if length * len(speed["rows"]) >= 5 * size or size == 1
    )
    speeds = [count / length for count in speed["rows"]]
    points = [  # of each interval its beginning, and of the last its end
        {"x": round(i * length / size, 4), "y": round(value, 2)}
        for i, value in enumerate([*speeds, speeds[-1]])
    ]
    busy = sorted(value for value in speeds if value)
    middle = busy[len(busy) // 2] if busy else 0.0
    before = (
        f" {speed['before']:,} rows were done before, by a run that died."
        if speed.get("before")
        else ""
    )
    return Chart(
        "Speed over time",
        charts.lines(points, x=f"{unit} since the start", y="rows a second", is_area=True),
        f"{middle:,.0f} rows a second in the middle of its busy intervals of {length:,.3g} s; at "
        f"the beginning the model starts.{before}",
        Table(
            "Speed over time",
            [f"{unit} since the start", "rows a second"],
            [[point["x"], point["y"]] for point in points[:-1]],
        ),
    )


def name_of(output: str) -> str:
    """Returns what a result is called: the last name of its path."""
    return plain(os.path.basename(output.rstrip("/")) or output)
