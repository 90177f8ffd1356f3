"""How sure a classifier was: scores by label, labels that compete, the least certain texts."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.reports import charts
from pipelines.reports.about import of_sample, place, share, tokens_said
from pipelines.reports.blocks import Block, Chart, Section, Table, Text, Texts, Value, plain
from pipelines.reports.result import Result

_LABELS_SHOWN = 20
_LABELS_WITH_TEXTS = 45
_PAIRS_SHOWN = 10
_BINS = 40
_FEW_ROWS = 1_000  # have half of the bins
_POINTS = (5, 25, 50, 75, 95)

# Texts of a page, and of each of a label's two ends: they share the bytes that a page may have.
_TEXTS = 360
_MOST_TEXTS = 25
_LEAST_TEXTS = 2

# Scores nearer to each other than this are a tie that a person would look at.
_CLOSE = 0.2

NO_LABEL = "(no label)"
"""What a text without any label is listed under; not a label, which may have any name."""


@dataclass(frozen=True)
class Judged:
    """How sure the model was of one label of one row.

    Attributes:
        row: The row's index.
        label: The label; None if the row has none.
        score: The score of the label.
        sureness: How sure the model was, by which rows are ordered.
        second: The label that came next, if it is known, with its score.
    """

    row: int
    label: str | None
    score: float
    sureness: float
    second: tuple[str, float] | None = None


def certainty_section(result: Result) -> list[Section]:
    """Returns the sections about scores and about texts by certainty."""
    judged = judge(result.rows, result.model.get("threshold"))
    if not judged:
        return []
    by_label: dict[str | None, list[Judged]] = {}
    for each in judged:
        by_label.setdefault(each.label, []).append(each)
    ranked = sorted(by_label, key=lambda label: (-len(by_label[label]), label or ""))
    blocks: list[Block] = [
        _scores(judged, result.model.get("threshold")),
        _by_label(by_label, ranked),
    ]
    if any(each.second for each in judged):
        blocks += _competing(judged)
    intro = (
        f"{of_sample(result.sample)} A score is what the model says of itself: compare it with "
        "labels of your own before you read it as the chance of being right."
    )
    return [
        Section("How sure", blocks, intro),
        _texts_section(result, by_label, ranked),
    ]


def judge(rows: pa.Table, threshold: float | None) -> list[Judged]:
    """Returns how sure the model was of each label of each row.

    By the margin to the next label if probabilities or the best labels are there, else by score;
    where labels do not exclude each other, by how far from the threshold the score is.

    Args:
        rows: Rows of a result.
        threshold: Where the score of a label has to be at least, if a row may have several.
    """
    labels, scores = rows["label"].to_pylist(), rows["score"].to_pylist()
    judged: list[Judged] = []
    if threshold is not None:
        for row, given in enumerate(rows["labels"].to_pylist()):
            judged += [
                Judged(row, each["label"], each["score"], each["score"] - threshold)
                for each in given or ()
                if each["score"] is not None
            ]
            if not given and scores[row] is not None:
                judged.append(Judged(row, None, scores[row], threshold - scores[row]))
        return [each for each in judged if np.isfinite(each.sureness)]
    seconds = _seconds(rows)
    for row, (label, score) in enumerate(zip(labels, scores, strict=True)):
        if label is None or score is None or not np.isfinite(score):
            continue
        second = seconds[row] if seconds else None
        margin = score - second[1] if second else score
        judged.append(Judged(row, label, score, margin, second))
    return judged


def _seconds(rows: pa.Table) -> Sequence[tuple[str, float] | None] | None:
    """Returns the second label of each row with its score, if the result has them."""
    if "probabilities" in rows.column_names:
        column = rows["probabilities"].combine_chunks()
        names = [field.name for field in column.type]
        if len(names) < 2:
            return None
        scores = np.stack(
            [column.field(i).to_numpy(zero_copy_only=False) for i in range(len(names))]
        )
        second = np.argsort(np.nan_to_num(-scores, nan=np.inf), axis=0, kind="stable")[1]
        return [(names[i], float(scores[i, row])) for row, i in enumerate(second)]
    if "top" in rows.column_names:
        tops = rows["top"].to_pylist()
        found = [
            (top[1]["label"], float(top[1]["score"])) if top and len(top) > 1 else None
            for top in tops
        ]
        return found if any(found) else None
    return None


def _scores(judged: Sequence[Judged], threshold: float | None) -> Chart:
    scores = np.array([each.score for each in judged])
    count = _BINS if len(scores) > _FEW_ROWS else _BINS // 2
    bins = charts.binned(np.clip(scores, 0.0, 1.0), count, (_lowest(judged), 1.0))
    marks = {f"threshold {threshold:g}": threshold} if threshold is not None else None
    unsure = float((scores < 0.6).mean())
    said = (
        f"Half of the scores are {np.median(scores):.2f} or more; {share(unsure, 1)} are under 0.6."
    )
    return Chart(
        "Scores",
        charts.histogram(bins, title="score", value_format=".3~f", marks=marks),
        said,
        Table(
            "Scores",
            ["from", "to", "rows"],
            [[f"{start:.3f}", f"{stop:.3f}", count] for start, stop, count in bins],
        ),
    )


def _lowest(judged: Iterable[Judged]) -> float:
    """Returns where an axis of scores begins: with many labels near 0, with two at a half."""
    return min(max(math.floor(10 * min(each.score for each in judged)) / 10, 0.0), 0.9)


def _by_label(
    by_label: Mapping[str | None, Sequence[Judged]], ranked: Sequence[str | None]
) -> Chart:
    points: dict[str, np.ndarray] = {}
    rows: list[list[Value]] = []
    none = charts.unlike(NO_LABEL, ranked)
    for label in ranked[:_LABELS_SHOWN]:
        scores = np.array([each.score for each in by_label[label]])
        name = none if label is None else label
        points[name] = np.percentile(scores, _POINTS)
        rows.append([name, len(scores), *(f"{value:.3f}" for value in points[name])])
    low = math.floor(20 * min(float(values[0]) for values in points.values())) / 20
    least = min(points, key=lambda name: float(points[name][2]))
    said = (
        f"Of “{plain(least, 60)}” the model is the least sure: half of its scores are under "
        f"{points[least][2]:.2f}."
        if len(points) > 1
        else f"Half of the scores of “{plain(least, 60)}” are under {points[least][2]:.2f}."
    )
    hidden = len(ranked) - _LABELS_SHOWN
    note = (
        "A thick bar holds the middle half of a label's scores, a thin one all but 5% at each end."
    )
    if hidden > 0:
        note += f" {hidden:,} rarer labels are not drawn."
    return Chart(
        "Scores by label",
        charts.spans(points, title="score", value_format=".3~f", bounds=(min(max(low, 0), 0.9), 1)),
        said,
        Table(
            "Scores by label",
            ["label", "rows", *(f"{point}% are under" for point in _POINTS)],
            rows,
        ),
        note=note,
    )


def _competing(judged: Sequence[Judged]) -> list[Block]:
    """Returns which labels are given by a narrow margin, and to which."""
    close = Counter(
        (each.label, each.second[0])
        for each in judged
        if each.second is not None and each.label is not None and each.sureness < _CLOSE
    )
    if not close:
        return []
    pairs = {
        f"{plain(first or '', 28)} ← {plain(second, 28)}": count
        for (first, second), count in close.most_common(_PAIRS_SHOWN)
    }
    total = sum(close.values())
    (first, second), count = close.most_common(1)[0]
    return [
        Chart(
            "Labels that compete",
            charts.bars(pairs, title="rows"),
            f"{total:,} rows ({share(total, len(judged))}) have two labels less than {_CLOSE:g} "
            f"apart; most often “{plain(first or '', 60)}” was given narrowly before "
            f"“{plain(second, 60)}” ({count:,} rows).",
            Table(
                "Labels that compete",
                ["label given", "label next", "rows"],
                [[first, second, count] for (first, second), count in close.most_common(50)],
            ),
        )
    ]


def _texts_section(
    result: Result, by_label: Mapping[str | None, list[Judged]], ranked: Sequence[str | None]
) -> Section:
    several = len(result.text_columns)
    shown = ranked[: _LABELS_WITH_TEXTS // several]
    each_end = max(_LEAST_TEXTS, min(_MOST_TEXTS, _TEXTS // several // 2 // len(shown)))
    none = charts.unlike(NO_LABEL, ranked)
    names = charts.shown_names(none if label is None else label for label in shown)
    chosen: dict[str, list[tuple[str, Judged]]] = {"least certain": [], "most certain": []}
    for label in shown:
        name = names[none if label is None else label]
        ordered = sorted(by_label[label], key=lambda each: (each.sureness, each.row))
        half = (len(ordered) + 1) // 2
        least = ordered[: min(each_end, half)]
        most = ordered[half:][-each_end:][::-1]
        chosen["least certain"] += [(name, each) for each in least]
        chosen["most certain"] += [(name, each) for each in most]
    wanted = sorted({each.row for end in chosen.values() for _, each in end})
    columns = [*result.text_columns, "source", "position", "num_tokens", "truncated"]
    table = result.rows.select(columns).take(pa.array(wanted, pa.int64()))
    rows = dict(zip(wanted, table.to_pylist(), strict=True))
    for named in chosen.values():
        named.sort(key=lambda one: (one[1].sureness, one[1].row))
    chosen["most certain"].reverse()
    texts = [
        _text(result, rows[each.row], each, {"certainty": end, "label": name})
        for end, several_texts in chosen.items()
        for name, each in several_texts
    ]
    by = "score"
    if result.model.get("threshold") is not None:
        by = "how far its score is from the threshold"
    elif any(each.second for label in shown for each in by_label[label][:100]):
        by = "how far the next label is behind"
    intro = (
        f"Up to {each_end} of each label and end, by {by}: the first are where labels of your own "
        "help the most, the last where a wrong one tells of a systematic mistake. "
        f"{of_sample(result.sample)}"
    )
    if len(ranked) > len(shown):
        intro += f" The {len(shown)} most common of {len(ranked):,} labels."
    search = Texts("Search these texts", texts, {"certainty": "least certain"})
    return Section("Least and most certain texts", [search], intro)


def _text(
    result: Result, row: Mapping[str, Any], judged: Judged, facets: Mapping[str, str]
) -> Text:
    facts: dict[str, Value] = {
        "label": facets["label"],
        "score" if judged.label is not None else "best score": f"{judged.score:.3f}",
    }
    if judged.second is not None:
        facts["next"] = f"{plain(judged.second[0], 40)} {judged.second[1]:.3f}"
    facts["tokens"] = tokens_said(row)
    facts["row"] = place(row)
    text, *pair = (str(row[name]) for name in result.text_columns)
    return Text(text or "(empty)", facts, facets, pair[0] if pair else None)
