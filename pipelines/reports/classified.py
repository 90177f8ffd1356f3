"""The page about the labels, or the numbers, that texts were given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.reports import charts
from pipelines.reports.about import lost_figures, no_rows, reject_warning, share
from pipelines.reports.blocks import Block, Chart, Facts, Prose, Section, Table, Value, plain
from pipelines.reports.certainty import certainty_section
from pipelines.reports.lengths import lengths_section, truncation_warning
from pipelines.reports.result import Result
from pipelines.reports.scored import numbers_sections
from transforms.counters import without

_LABELS_SHOWN = 20
_LEAST_CHANGE = 0.05  # of a share, in points


@dataclass(frozen=True)
class _Counts:
    """How many rows have each label.

    Attributes:
        labels: Rows by label, the most first.
        rows: The rows.
        when: What a legend calls them.
    """

    labels: Mapping[str, int]
    rows: int
    when: str


def sections(result: Result) -> list[Section]:
    """Returns the sections about labels and scores."""
    if not result.manifest["rows"]["written"]:
        return [Section("At a glance", [_figures(result), no_rows(result)])]
    if result.model.get("gives_numbers", False):
        glance = Section("At a glance", [_figures(result), *_warnings(result)])
        return [glance, *numbers_sections(result), *lengths_section(result)]
    now, earlier = _compared(result.manifest)
    return [
        Section("At a glance", [_figures(result), *_warnings(result)]),
        _labels_section(result, now, earlier),
        *certainty_section(result),
        *lengths_section(result),
    ]


def _figures(result: Result) -> Facts:
    rows, labels = result.manifest["rows"], result.manifest.get("labels", {})
    figures: dict[str, Value] = {"rows": rows["written"]}
    if labels:
        figures["labels found"] = f"{len(labels):,} of {len(set(result.model['labels'])):,}"
    return Facts({**figures, **lost_figures(result)}, are_large=True)


def _warnings(result: Result) -> list[Block]:
    """Returns what a reader should look into before trusting a result."""
    labels = result.manifest.get("labels", {})
    rows = result.manifest["rows"]["written"]
    blocks = [*reject_warning(result), *truncation_warning(result)]
    if len(labels) == 1 and rows > 1 and len(set(result.model["labels"])) > 1:
        said = f"Every row was given the label “{plain(next(iter(labels)))}”: is this the model?"
        blocks.append(Prose(said, True))
    return blocks


def _compared(manifest: Mapping[str, Any]) -> tuple[_Counts, _Counts | None]:
    """Returns the counts of labels, and those of an earlier run if it is known.

    Of a result that several runs added to, the last run is compared with what was there before;
    else a result is compared with the one that it replaced.
    """
    labels, rows = manifest.get("labels", {}), manifest["rows"]["written"]
    last, replaced = manifest["runs"][-1], manifest.get("replaced", {})
    if len(manifest["runs"]) > 1:
        new, of_run = last["rows"]["written"], last.get("labels", {})
        if new and rows > new:
            before = without({"labels": labels}, {"labels": of_run})["labels"]
            return (
                _Counts(_ranked(of_run), new, "last run"),
                _Counts(before, rows - new, "rows before it"),
            )
    now = _Counts(_ranked(labels), rows, "this result")
    old_rows = replaced.get("rows", {}).get("written", 0)
    # Of a model with other labels there is nothing to compare.
    if old_rows and labels.keys() & replaced.get("labels", {}).keys():
        return now, _Counts(replaced["labels"], old_rows, "the one it replaced")
    return now, None


def _ranked(labels: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(labels.items(), key=lambda item: (-item[1], item[0])))


def _labels_section(result: Result, now: _Counts, earlier: _Counts | None) -> Section:
    names = list(now.labels)
    if earlier is not None:
        names += [name for name in _ranked(earlier.labels) if name not in now.labels]
    never = [label for label in dict.fromkeys(result.model["labels"]) if label not in names]
    names += never
    shown = names[:_LABELS_SHOWN]
    shares = {name: now.labels.get(name, 0) / now.rows for name in shown}
    before = None
    if earlier is not None:
        before = {name: earlier.labels.get(name, 0) / earlier.rows for name in shown}
    whens = (now.when, earlier.when if earlier else "")
    several = "A text may have several labels, so the shares do not add up to 100%. "
    is_multi_label = result.model.get("threshold") is not None
    chart = Chart(
        "Share of the rows by label",
        charts.bars(
            shares, title="share of the rows", value_format=".1~%", earlier=before, whens=whens
        ),
        _shares_said(shares, before, whens),
        _shares_table(names, now, earlier),
        note=_others_said(names[_LABELS_SHOWN:], now) or _unused_said(never, len(names)),
    )
    what = f"Of {now.rows:,} rows"
    if earlier is not None:
        what = f"{now.rows:,} rows of {now.when}, beside the {earlier.rows:,} of {earlier.when}"
        if earlier.when == "rows before it":
            what = f"{now.rows:,} rows of the last run, beside the {earlier.rows:,} before it"
    return Section("Labels", [chart], f"{several if is_multi_label else ''}{what}.")


def _shares_said(
    shares: Mapping[str, float], before: Mapping[str, float] | None, whens: tuple[str, str]
) -> str:
    top = [f"“{plain(name, 60)}” {share(value, 1)}" for name, value in list(shares.items())[:3]]
    said = f"{', '.join(top)}."
    if before is not None:
        name = max(shares, key=lambda each: abs(shares[each] - before.get(each, 0)))
        change = 100 * (shares[name] - before.get(name, 0))
        if abs(change) < _LEAST_CHANGE:
            return f"{said} No share has changed."
        said += (
            f" The largest change is that of “{plain(name, 60)}”, by {_signed(change)} points from "
            f"{share(before.get(name, 0), 1)}."
        )
    return said


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _shares_table(names: list[str], now: _Counts, earlier: _Counts | None) -> Table:
    heads = ["label", "rows", "share"]
    if earlier is not None:
        heads += [f"share, {earlier.when}", "change in points"]
    rows: list[list[Value]] = []
    for name in names[: 10 * _LABELS_SHOWN]:
        count = now.labels.get(name, 0)
        row: list[Value] = [name, count, share(count, now.rows)]
        if earlier is not None:
            old = earlier.labels.get(name, 0) / earlier.rows
            row += [share(old, 1), _signed(100 * (count / now.rows - old))]
        rows.append(row)
    return Table("Rows by label", heads, rows)


def _others_said(names: list[str], now: _Counts) -> str:
    if not names:
        return ""
    rows = sum(now.labels.get(name, 0) for name in names)
    return f"{len(names):,} other labels have {share(rows, now.rows)} of the rows."


def _unused_said(never: list[str], known: int) -> str:
    if not never or len(never) == known:
        return ""
    shown = ", ".join(f"“{plain(label, 40)}”" for label in never[:5])
    more = f" and {len(never) - 5:,} others" if len(never) > 5 else ""
    return f"No row was given {shown}{more}."
