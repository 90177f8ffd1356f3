"""The page about a model that gives texts numbers, such as a reranker."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pipelines.reports import charts
from pipelines.reports.about import of_sample, place, tokens_said
from pipelines.reports.blocks import Block, Chart, Section, Table, Text, Texts, plain
from pipelines.reports.result import Result

_BINS = 40
_NUMBERS_SHOWN = 20
_POINTS = (5, 25, 50, 75, 95)
_TEXTS = 360
_MOST_TEXTS = 50
_LEAST_TEXTS = 3


def numbers_sections(result: Result) -> list[Section]:
    """Returns the sections about numbers, and about the texts at their ends."""
    numbers = {
        name: values for name, values in _numbers(result.rows).items() if np.isfinite(values).any()
    }
    if not numbers:
        return []
    blocks: list[Block] = [_spread(numbers)] if len(numbers) > 1 else []
    blocks += [_histogram(name, values) for name, values in list(numbers.items())[:6]]
    return [
        Section("Numbers", blocks, of_sample(result.sample)),
        _texts_section(result, numbers),
    ]


def _numbers(rows: pa.Table) -> dict[str, np.ndarray]:
    """Returns the numbers of all rows by name; what is missing is not a number."""
    if "scores" not in rows.column_names:
        return {"score": rows["score"].to_numpy().astype(float)}
    column = rows["scores"].combine_chunks()
    return {
        field.name: column.field(i).to_numpy(zero_copy_only=False).astype(float)
        for i, field in enumerate(column.type)
    }


def _spread(numbers: Mapping[str, np.ndarray]) -> Chart:
    shown = list(numbers.items())[:_NUMBERS_SHOWN]
    points = {name: np.percentile(v[np.isfinite(v)], _POINTS) for name, v in shown}
    highest = max(points, key=lambda name: float(points[name][2]))
    return Chart(
        "Numbers by name",
        charts.spans(points, title="number", value_format="~g"),
        f"“{plain(highest, 60)}” is the highest: half of its numbers are over "
        f"{points[highest][2]:.3g}.",
        Table(
            "Numbers by name",
            ["name", *(f"{point}% are under" for point in _POINTS)],
            [[name, *(float(value) for value in values)] for name, values in points.items()],
        ),
        note="A thick bar holds the middle half of the numbers, a thin one all but 5% at each end.",
    )


def _histogram(name: str, values: np.ndarray) -> Chart:
    finite = values[np.isfinite(values)]
    bins = charts.binned(finite, _BINS)
    low, middle, high = np.percentile(finite, (0, 50, 100))
    lost = len(values) - len(finite)
    title = "Scores" if name == "score" else f"Numbers of {plain(name, 60)}"
    return Chart(
        title,
        charts.histogram(bins, title="score" if name == "score" else "number", value_format="~g"),
        f"From {low:.3g} to {high:.3g}; half are under {middle:.3g}.",
        Table(title, ["from", "to", "rows"], [[*each] for each in bins]),
        note=f"{lost:,} rows have none." if lost else "",
    )


def _texts_section(result: Result, numbers: Mapping[str, np.ndarray]) -> Section:
    several = len(result.text_columns)
    names = charts.shown_names(list(numbers)[:_NUMBERS_SHOWN])
    each_end = max(_LEAST_TEXTS, min(_MOST_TEXTS, _TEXTS // several // 2 // len(names)))
    texts: list[Text] = []
    for name, shown in names.items():
        values = numbers[name]
        order = np.argsort(values, kind="stable")
        order = order[np.isfinite(values[order])]
        half = (len(order) + 1) // 2
        ends = {"highest": order[half:][::-1][:each_end], "lowest": order[:half][:each_end]}
        for end, chosen in ends.items():
            rows = result.rows.take(pa.array(chosen, pa.int64())).to_pylist()
            for row, index in zip(rows, chosen, strict=True):
                text, *pair = (str(row[column]) for column in result.text_columns)
                facets = {"texts": end, **({"number": shown} if len(names) > 1 else {})}
                facts = {
                    shown: f"{values[index]:.4g}",
                    "tokens": tokens_said(row),
                    "row": place(row),
                }
                texts.append(Text(text, facts, facets, pair[0] if pair else None))
    intro = f"Up to {each_end} of each end. {of_sample(result.sample)}"
    search = Texts("Search these texts", texts, {"texts": "highest"})
    return Section("Highest and lowest texts", [search], intro)
