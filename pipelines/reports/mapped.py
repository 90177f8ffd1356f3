"""A map of vectors, coloured by any column of few values or of numbers."""

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.reports import charts
from pipelines.reports.about import place
from pipelines.reports.blocks import Chart, Numbering, literal, plain
from transforms.schemas import POSITION, SOURCE
from transforms.vectors.plane import Plane

POINTS = 2_500
"""Points of a map: as many as an eye can tell apart, and a page can hold with their texts."""

_HOVER_CHARACTERS = 140
_CATEGORIES = 10
_MOST_VALUES = 200  # a column of more has no groups to see
_LEAST_SHARE = 0.5  # of the rows that the categories with a colour must have
_OTHERS = "others"
_NONE = "(none)"
_TEXT, _ROW, _VALUE = "text", "row", "value"


@dataclass(frozen=True)
class Colouring:
    """A way to colour points.

    Attributes:
        name: The column.
        values: The value of each point, as the chart is given it: a number, or a short text.
        categories: The texts in the order of the legend; `None` of numbers.
        greys: Those of them that are no value of their own.
        is_time: Whether the numbers are milliseconds since 1970.
    """

    name: str
    values: list[str | float | None]
    categories: list[str] | None = None
    greys: frozenset[str] = frozenset()
    is_time: bool = False


@dataclass(frozen=True)
class ColouredChart:
    """A chart with a choice of what its points are coloured by.

    Attributes:
        chart: The chart; the `usermeta` of its specification has the `encodings` of the choices.
        choices: What the choices are called.
    """

    chart: Chart
    choices: Sequence[str] = field(default_factory=tuple)

    def render(self, page: Numbering) -> str:
        """Returns its HTML."""
        drawing = self.chart.render(page)
        if len(self.choices) < 2:
            return drawing
        select_id = page.new_id("colour")
        options = "".join(
            f'<option value="{i}">{literal(name)}</option>' for i, name in enumerate(self.choices)
        )
        return (
            '<div data-recolour><form class="choices"><div class="choice">'
            f'<label for="{select_id}">colour by</label><select id="{select_id}">{options}'
            f"</select></div></form>{drawing}</div>"
        )


def map_of(
    plane: Plane, rows: pa.Table, texts: Sequence[str], text_columns: Sequence[str], summary: str
) -> ColouredChart:
    """Returns the points of rows, to be coloured by their columns.

    Args:
        plane: The points.
        rows: The rows `[points]`, without their vectors.
        texts: Their texts.
        text_columns: The columns that these are from.
        summary: What the map shows.
    """
    colourings, left_out = colourings_of(rows, text_columns)
    names = rows.select([SOURCE.name, POSITION.name]).to_pylist()
    points: list[dict[str, Any]] = [
        {
            "x": round(float(x), 4),
            "y": round(float(y), 4),
            _TEXT: plain(text, _HOVER_CHARACTERS),
            _ROW: plain(place(name)),
            **{f"c{i}": each.values[index] for i, each in enumerate(colourings)},
        }
        for index, ((x, y), text, name) in enumerate(
            zip(plane.points.tolist(), texts, names, strict=True)
        )
    ]
    drawn = charts.scatter(points, tooltips={_TEXT: _TEXT, _ROW: _ROW})
    encodings = [_encoding(f"c{i}", each) for i, each in enumerate(colourings)]
    choices = [each.name for each in colourings]
    if colourings:
        drawn = drawn.properties(usermeta={"encodings": [*encodings, {}]})
    chart = Chart("Texts by their vectors", drawn, summary, renderer="canvas", note=left_out)
    return ColouredChart(chart, [*choices, "nothing"] if choices else ())


def _encoding(name: str, colouring: Colouring) -> dict[str, Any]:
    title = plain(colouring.name, 60)
    kind = "temporal" if colouring.is_time else "quantitative"
    colour: dict[str, Any] = {"field": name, "type": kind, "title": title}
    if colouring.categories is None:
        numbers = [value for value in colouring.values if isinstance(value, float)]
        # A few far numbers would leave one colour for all others.
        ends = np.percentile(numbers, [2, 98]).tolist()
        if ends[0] == ends[1]:
            ends = [min(numbers), max(numbers)]
        colour["scale"] = {"domain": ends, "range": ["--second", "--category-2"], "clamp": True}
    else:
        greys = len(colouring.greys)  # which come last
        colours = charts.CATEGORIES[: len(colouring.categories) - greys]
        scale = {"domain": colouring.categories, "range": [*colours, *["--second"] * greys]}
        colour |= {"type": "nominal", "scale": scale}
    tooltip = [
        {"field": _TEXT, "type": "nominal", "title": _TEXT},
        {"field": name, "type": colour["type"], "title": _VALUE},
        {"field": _ROW, "type": "nominal", "title": _ROW},
    ]
    return {"color": colour, "tooltip": tooltip}


def colourings_of(rows: pa.Table, text_columns: Sequence[str]) -> tuple[list[Colouring], str]:
    """Returns how points can be coloured, and a sentence about the columns that they cannot be by.

    Args:
        rows: The rows.
        text_columns: Columns that nobody colours by.
    """
    found: list[Colouring] = []
    left_out: dict[str, list[str]] = {}
    for name in rows.column_names:
        if name in (*text_columns, POSITION.name):
            continue
        made = _colouring(name, rows[name].combine_chunks())
        if isinstance(made, Colouring):
            found.append(made)
        else:
            left_out.setdefault(made, []).append(name)
    found.sort(key=lambda each: each.categories is None)  # groups say more than numbers
    said = "; ".join(
        f"{', '.join(plain(name, 40) for name in names)} ({why})" for why, names in left_out.items()
    )
    return found, f"Not to be coloured by: {said}." if said else ""


def _colouring(name: str, column: pa.Array) -> Colouring | str:
    """Returns how to colour by a column, or why that shows nothing."""
    type_ = column.type
    if pa.types.is_dictionary(type_):
        column, type_ = column.dictionary_decode(), type_.value_type
    if column.null_count == len(column):
        return "empty"
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        times = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64()).to_pylist()
        times = [None if time is None else time / 1000 for time in times]
        return _numbers(name, times, is_time=True)
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        numbers = [None if each is None else float(each) for each in column.to_pylist()]
        return _numbers(name, numbers)
    if pa.types.is_integer(type_):
        if len(pc.unique(column)) > _CATEGORIES:
            return _numbers(name, [None if n is None else float(n) for n in column.to_pylist()])
        values = sorted({each for each in column.to_pylist() if each is not None})
        return _categories(name, column.to_pylist(), values)
    is_text = pa.types.is_string(type_) or pa.types.is_large_string(type_)
    if is_text or pa.types.is_boolean(type_):
        texts = column.to_pylist()
        if name == SOURCE.name:
            texts = [os.path.basename(text) for text in texts]
        return _categories(name, texts)
    return "no numbers or names"


def _numbers(name: str, values: Sequence[float | None], is_time: bool = False) -> Colouring | str:
    finite = [v if v is not None and math.isfinite(v) else None for v in values]
    if len({value for value in finite if value is not None}) < 2:
        return "all alike"
    if not is_time:  # digits that nobody sees take place
        finite = [None if value is None else float(f"{value:.6g}") for value in finite]
    return Colouring(name, list(finite), is_time=is_time)


def _categories(
    name: str, values: Sequence[Any], order: Sequence[Any] | None = None
) -> Colouring | str:
    counts = Counter(value for value in values if value is not None)
    if len(counts) + (None in values) < 2:
        return "all alike"
    if len(counts) > _MOST_VALUES:
        return "too many values"
    ranked = [value for value, _ in counts.most_common()] if order is None else list(order)
    shown = ranked if len(ranked) <= _CATEGORIES else ranked[: _CATEGORIES - 1]
    if sum(counts[value] for value in shown) < _LEAST_SHARE * sum(counts.values()):
        return "too many values"
    names = charts.shown_names(map(_said, shown))
    places = {value: names[_said(value)] for value in shown}
    others, none = (charts.unlike(name, names.values()) for name in (_OTHERS, _NONE))
    coloured = [none if value is None else places.get(value, others) for value in values]
    greys = [name for name in (others, none) if name in coloured]
    return Colouring(
        name, list(coloured), [*dict.fromkeys(places.values()), *greys], frozenset(greys)
    )


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "(empty)"


def spread(total: int, most: int) -> np.ndarray:
    """Returns the numbers of at most so many rows, evenly from all of them."""
    return np.linspace(0, max(0, total - 1), min(total, most)).astype(int)
