"""What the validation rows say of a preset: by label, confusion, score or number."""

import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipelines.finetuning.figures import spell
from pipelines.reporting.shown import counted
from pipelines.reports.blocks import Block, Chart, Prose, Section, Table, plain
from pipelines.reports.charts import bars, histogram
from pipelines.reports.trained import charts
from pipelines.reports.trained.confusion import NAME_CHARACTERS, confusion_section

CHARTED_LABELS = 25
"""Most labels of which each has a bar."""

_TABLED_LABELS = 1_000
_POINTS = 500


def figure_sections(record: Mapping[str, Any]) -> list[Section]:
    """Returns the sections that there are figures for.

    Args:
        record: What `training.json` holds.
    """
    figures = record["figures"]
    sections = [_labels(record), confusion_section(figures), _calibration(record), _numbers(record)]
    return [section for section in sections if section is not None]


def _labels(record: Mapping[str, Any]) -> Section | None:
    labels = record["figures"].get("labels")
    if not labels:
        return None
    learned = learned_rows(record)
    worst = sorted(labels, key=lambda label: labels[label]["f1"])
    judged = [label for label in worst if labels[label]["rows"]]
    heads = ["label", "F1, %", "precision, %", "recall, %", "rows judged by"]
    has_predicted = all("predicted" in of for of in labels.values())
    heads += ["times predicted"] if has_predicted else []
    heads += ["rows learned from"] if learned else []
    rows = [
        [
            plain(label, NAME_CHARACTERS),
            *(round(100 * labels[label][each], 1) for each in ("f1", "precision", "recall")),
            labels[label]["rows"],
            *([labels[label]["predicted"]] if has_predicted else []),
            *([learned.get(label, 0)] if learned else []),
        ]
        for label in worst[:_TABLED_LABELS]
    ]
    blocks: list[Block] = []
    if judged:
        blocks.append(_chart_of_labels({label: labels[label]["f1"] for label in judged}))
    blocks.append(Table("Every label, the one with the lowest F1 first", heads, rows))
    if left := len(worst) - len(rows):
        blocks.append(Prose(f"{counted(left, 'more label')} with higher F1 in training.json."))
    intro = (
        "Precision is how often the label is right where it is predicted, recall how many of its "
        "rows it is predicted for, F1 the harmonic mean of the two. Labels with few rows to be "
        "judged by have uncertain figures."
    )
    return Section("Label by label", blocks, intro)


def _chart_of_labels(scores: Mapping[str, float]) -> Chart:
    """Returns a bar for each label, the lowest F1 first, or for each tenth if there are many."""
    ordered = list(scores)
    low, high = (
        f"{spell('accuracy', scores[label])} of {plain(label, NAME_CHARACTERS)}"
        for label in (ordered[0], ordered[-1])
    )
    if len(scores) <= CHARTED_LABELS:
        chart = charts.figures(scores, "F1", is_share=True)
        return Chart("F1 by label", chart, f"The lowest first: from {low} to {high}.")
    tenths = Counter(min(int(10 * score), 9) for score in scores.values())
    counts = {f"{10 * i} to {10 * i + 10}%": tenths[i] for i in range(10)}
    half = spell("accuracy", statistics.median(scores.values()))
    return Chart(
        "Labels by their F1",
        bars(counts, title="labels"),
        f"F1 of {len(scores):,} labels goes from {low} to {high}; half of them have up to {half}.",
    )


def _calibration(record: Mapping[str, Any]) -> Section | None:
    found = record["figures"].get("calibration")
    if not found or not found["bins"]:
        return None
    error = f"{100 * found['error']:.1f} points"
    bins = found["bins"]
    over = sum(each["rows"] * (each["confidence"] - each["accuracy"]) for each in bins)
    tends = "too sure of itself" if over > 0 else "too modest"
    tended = f"; on the whole it is {tends}" if found["error"] >= 0.02 else ""
    of = "scores of labels" if record["kind"] == "several labels" else "scores"
    chart = Chart(
        "How often its scores come true",
        charts.reliability(bins),
        f"Scores are off by {error} on average (the expected calibration error){tended}. On the "
        "dashed line a score of 80% would be right in 80 of 100 rows; below it the model claims "
        "too much.",
        Table(
            "Scores in tenths, and how often they came true",
            ["mean score, %", "came true, %", "rows"],
            [
                [f"{100 * each['confidence']:.1f}", round(100 * each["accuracy"], 1), each["rows"]]
                for each in bins
            ],
        ),
    )
    return Section(
        "Whether its scores can be trusted",
        [chart],
        f"{of.capitalize()} of the rows judged by, in tenths, and how often what they say is so.",
    )


def _numbers(record: Mapping[str, Any]) -> Section | None:
    figures = record["figures"]
    if "sample" not in figures:
        return None
    name = plain(record["labels"][0], 60)
    pairs = [(float(true), float(guess)) for true, guess in figures["sample"][:_POINTS]]
    edges, rows = figures["residuals"]["edges"], figures["residuals"]["rows"]
    bins = [(edges[i], edges[i + 1], count) for i, count in enumerate(rows)]
    shown = f"{len(pairs):,} of the rows judged by, chosen by chance"
    blocks: list[Block] = [
        Chart(
            "Predicted and true",
            charts.predicted_and_true(pairs, name),
            f"A point is a row. Pearson's r is {spell('pearson', figures['pearson'])}; on the "
            "dashed line what is predicted is true.",
            note=f"{shown}." if record["data"]["validation"] > len(pairs) else "",
        ),
    ]
    if len(bins) > 1:
        blocks.append(
            Chart(
                "How far it is off",
                histogram(bins, title="predicted minus true", marks={"no error": 0.0}),
                f"What was predicted minus what is true, from {short(edges[0])} to "
                f"{short(edges[-1])}; the mean distance is {spell('mae', figures['mae'])}.",
                Table(
                    "Rows by how far they are off",
                    ["from", "to", "rows"],
                    [[f"{low:.4g}", f"{high:.4g}", count] for low, high, count in bins],
                ),
            )
        )
    return Section("What it predicts", blocks)


def learned_rows(record: Mapping[str, Any]) -> Mapping[str, int]:
    """Returns the rows learned from of each label; none where `--label_names` renamed them."""
    counts = record["data"]["labels"]
    names = record["arguments"].get("label_names")
    if not names or set(counts) <= set(record["labels"]):
        return counts
    return {}


def short(value: float | None) -> str:
    """Returns a figure with as many digits as say something."""
    return "unknown" if value is None else f"{value:.3g}"
