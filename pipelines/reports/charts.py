"""Charts in the colours of the page, by Altair.

The data of a chart are rows of a few fixed names, never names that a user chose. Colours are the
variables of the page's style sheet; the page draws anew when light becomes dark.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from pipelines.reports.blocks import plain

ACCENT, SECOND, MUTED, INK = "--accent", "--second", "--muted", "--ink"
"""Colours: what is shown, what it is compared with, what is beside it, text."""

CATEGORIES = tuple(f"--category-{i}" for i in range(1, 11))
"""Colours of categories."""

COUNT = ",.9~r"
"""How numbers are shown, as d3-format has it: as many digits as they have, with separators."""

_BAR_HEIGHT = 22  # pixels a bar
_HEIGHT = 190
_NAME_CHARACTERS = 60
_OF_EVERY_OBJECT = frozenset(  # of JavaScript
    {
        *("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
        *("__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable"),
        *("toLocaleString", "toString", "valueOf"),
    }
)
_ROOM = 1.18  # beyond the longest bar, for its value


def theme() -> dict[str, Any]:
    """Returns the configuration of all charts, with the page's variables in place of colours."""
    text = {"labelColor": MUTED, "titleColor": MUTED, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": "transparent"},
        "axis": {
            **text,
            "titleFontWeight": "normal",
            "gridColor": "--line",
            "domainColor": "--line-strong",
            "labelPadding": 6,
            "tickColor": "--line-strong",
        },
        "legend": {**text, "titleFontWeight": "normal", "orient": "top", "labelLimit": 240},
        "header": {**text, "labelLimit": 240},
        "title": {"color": INK},
        "mark": {"color": ACCENT},
        "text": {"color": INK},
        "rule": {"color": INK},
        "range": {
            "category": list(CATEGORIES),
            "ordinal": ["--ramp-low", "--ramp-high"],
            "ramp": ["--ramp-low", "--ramp-high"],
            "heatmap": ["--ramp-low", "--ramp-high"],
        },
    }


def data(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    """Returns rows as the data of a chart; they have numbers and short texts."""
    return alt.Data(values=[dict(row) for row in rows])


def unlike(name: str, taken: Container[object]) -> str:
    """Returns a name that is not among others: itself, or with stars behind it."""
    while name in taken:
        name = f"{name}*"
    return name


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """Returns what a chart calls things, by their names: short, on one line, and no two the same.

    Vega makes expressions of the names that a chart sorts by, which not every character survives;
    charts here give their order as the domain of a scale, which is data. It also keeps values as
    the keys of objects, where those that every object has are there already: these names end with
    a space.
    """
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        base = plain(name, _NAME_CHARACTERS)
        short = base = f"{base}\xa0" if base in _OF_EVERY_OBJECT else base
        count = 1
        while short in taken:
            count += 1
            short = f"{base} ({count})"
        taken.add(short)
        shown[name] = short
    return shown


def bars(
    values: Mapping[str, float],
    *,
    title: str,
    value_format: str = COUNT,
    earlier: Mapping[str, float] | None = None,
    whens: tuple[str, str] = ("now", "before"),
) -> alt.TopLevelMixin:
    """Returns a horizontal bar for each name, in their order, perhaps beside an earlier value.

    Args:
        values: The values.
        title: What they are, for the axis.
        value_format: How they are shown, as d3-format has it.
        earlier: What they were.
        whens: What the legend calls the values, and the earlier ones.
    """
    kinds = {whens[0]: values, **({whens[1]: earlier} if earlier is not None else {})}
    names = shown_names(values)
    rows = [
        {"name": names[name], "value": float(of.get(name, 0)), "when": when}
        for name in values
        for when, of in kinds.items()
    ]
    y = alt.Y(
        "name:N",
        scale=alt.Scale(domain=list(names.values())),
        title=None,
        axis=alt.Axis(ticks=False, domain=False),
    )
    # Values stand behind the bars, and need room there.
    most = max((float(of.get(name, 0)) for name in values for of in kinds.values()), default=0) or 1
    x = alt.X("value:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most * _ROOM]))
    tooltip = [
        alt.Tooltip("name:N", title="name"),
        alt.Tooltip("value:Q", title=title, format=value_format),
    ]
    base = alt.Chart(data(rows))
    marks = [
        base.mark_bar(cornerRadiusEnd=3).encode(x=x, y=y, tooltip=tooltip),
        base.mark_text(align="left", dx=6, color=MUTED).encode(
            x=x, y=y, text=alt.Text("value:Q", format=value_format)
        ),
    ]
    if earlier is not None:
        tooltip.append(alt.Tooltip("when:N", title="when"))
        offset = alt.YOffset("when:N", scale=alt.Scale(domain=list(whens)))
        scale = alt.Scale(domain=list(whens), range=[ACCENT, SECOND])
        colour = alt.Color("when:N", scale=scale, title=None)
        marks = [
            marks[0].encode(yOffset=offset, color=colour, tooltip=tooltip),
            marks[1].encode(yOffset=offset),
        ]
    step = _BAR_HEIGHT * (1.8 if earlier is not None else 1.2)
    return alt.layer(*marks).properties(width="container", height=max(50, step * len(names)))


def binned(
    values: Any, bins: int = 30, bounds: tuple[float, float] | None = None
) -> list[tuple[float, float, int]]:
    """Returns a histogram: for each bin where it begins and ends, and how many values it has.

    Args:
        values: Finite numbers, as an array.
        bins: How many bins.
        bounds: Where the first begins and the last ends; that of the values by default.
    """
    counts, edges = np.histogram(np.asarray(values, float), bins=bins, range=bounds)
    return [(float(edges[i]), float(edges[i + 1]), int(count)) for i, count in enumerate(counts)]


def histogram(
    bins: Sequence[tuple[float, float, int]],
    *,
    title: str,
    value_format: str = "~g",
    marks: Mapping[str, float] | None = None,
) -> alt.TopLevelMixin:
    """Returns bars for bins, with vertical lines at some values.

    Args:
        bins: From `binned`.
        title: What the values are.
        value_format: How they are shown.
        marks: Values by what is written beside them.
    """
    rows = [{"low": low, "high": high, "rows": count} for low, high, count in bins]
    drawn = (
        alt.Chart(data(rows))
        .mark_bar(stroke="--card", strokeWidth=1)
        .encode(
            x=alt.X(
                "low:Q",
                title=title,
                axis=alt.Axis(format=value_format, tickCount=8, grid=False),
                scale=alt.Scale(domain=[bins[0][0], bins[-1][1]], nice=False, zero=False),
            ),
            x2="high:Q",
            y=alt.Y("rows:Q", title="rows", axis=alt.Axis(format=COUNT, tickCount=5)),
            y2=alt.datum(0),
            tooltip=[
                alt.Tooltip("low:Q", title="from", format=value_format),
                alt.Tooltip("high:Q", title="to", format=value_format),
                alt.Tooltip("rows:Q", format=COUNT),
            ],
        )
    )
    layers = [drawn]
    if marks:
        lines = alt.Chart(data([{"at": at, "name": name} for name, at in marks.items()]))
        layers.append(lines.mark_rule(strokeDash=[4, 3], size=1.5).encode(x="at:Q"))
        layers.append(
            lines.mark_text(align="right", dx=-5, baseline="bottom").encode(
                x="at:Q", y=alt.value(-3), text="name:N"
            )
        )
    return alt.layer(*layers).properties(width="container", height=_HEIGHT)


def spans(
    points: Mapping[str, Iterable[float]],
    *,
    title: str,
    value_format: str = ".2f",
    bounds: tuple[float, float] | None = None,
) -> alt.TopLevelMixin:
    """Returns how values are spread, a line a name: a thin and a thick bar, and a mark within.

    Args:
        points: By name, five values in their order: a thin bar goes from the first to the last, a
            thick one from the second to the fourth, and the third is marked; such as the 5th,
            25th, 50th, 75th and 95th percentile.
        title: What the values are.
        value_format: How they are shown.
        bounds: Where the axis begins and ends.
    """
    names = shown_names(points)
    keys = ("p5", "p25", "p50", "p75", "p95")
    values = [
        {"name": names[name], **dict(zip(keys, map(float, of_name), strict=True))}
        for name, of_name in points.items()
    ]
    scale = alt.Scale(domain=list(bounds)) if bounds else alt.Scale(zero=False)
    y = alt.Y(
        "name:N",
        scale=alt.Scale(domain=list(names.values())),
        title=None,
        axis=alt.Axis(ticks=False, domain=False),
    )
    axis = alt.Axis(format=value_format, tickCount=6)
    base = alt.Chart(data(values)).encode(
        y=y,
        tooltip=[
            alt.Tooltip("name:N", title="name"),
            *(
                alt.Tooltip(f"{key}:Q", title=said, format=value_format)
                for key, said in zip(keys, ("5%", "25%", "half", "75%", "95%"), strict=True)
            ),
        ],
    )
    return alt.layer(
        base.mark_bar(height=2, color=ACCENT, opacity=0.55).encode(
            x=alt.X("p5:Q", title=title, axis=axis, scale=scale), x2="p95:Q"
        ),
        base.mark_bar(height=12, color=ACCENT, cornerRadius=3).encode(x="p25:Q", x2="p75:Q"),
        base.mark_tick(color="--card", thickness=3, height=12).encode(x="p50:Q"),
    ).properties(width="container", height=max(60, 26 * len(values)))


def lines(
    rows: Sequence[Mapping[str, Any]],
    *,
    x: str,
    y: str,
    series: str | None = None,
    value_format: str = COUNT,
    is_area: bool = False,
) -> alt.TopLevelMixin:
    """Returns lines over a number.

    Args:
        rows: Each with `x`, `y` and, if there are several lines, `series`.
        x: Title of the horizontal axis.
        y: Title of the vertical axis.
        series: Title of what tells the lines apart; a single line if None.
        value_format: How heights are shown.
        is_area: Whether what is beneath a single line is filled.
    """
    encoding: dict[str, Any] = {
        "x": alt.X(
            "x:Q",
            title=x,
            scale=alt.Scale(nice=False, zero=False),
            axis=alt.Axis(grid=False, format=COUNT, tickCount=8),
        ),
        "y": alt.Y("y:Q", title=y, axis=alt.Axis(format=value_format, tickCount=5)),
        "tooltip": [alt.Tooltip("x:Q", title=x), alt.Tooltip("y:Q", title=y, format=value_format)],
    }
    if series is not None:
        names = shown_names(row["series"] for row in rows)
        rows = [{**row, "series": names[row["series"]]} for row in rows]
        encoding["color"] = _colour("series", series, names)
        encoding["tooltip"].append(alt.Tooltip("series:N", title=series))
    chart = alt.Chart(data(rows))
    if is_area:
        line = {"strokeWidth": 2, "color": ACCENT}
        chart = chart.mark_area(line=line, color=ACCENT, fillOpacity=0.18, interpolate="step-after")
    else:
        chart = chart.mark_line(point=len(rows) <= 60, strokeWidth=2)
    return chart.encode(**encoding).properties(width="container", height=_HEIGHT)


def scatter(
    rows: Sequence[Mapping[str, Any]],
    *,
    category: str | None = None,
    tooltips: Mapping[str, str] | None = None,
    height: int = 560,
) -> alt.TopLevelMixin:
    """Returns points that can be moved and zoomed; draw it on a `canvas`.

    Args:
        rows: Each with `x` and `y`, perhaps `category`, and what `tooltips` names.
        category: Title of what the points are coloured by; one colour if None.
        tooltips: Titles by the names of what is shown of a point.
        height: Pixels.
    """
    hidden = alt.Axis(labels=False, ticks=False, domain=False, grid=False, title=None)
    plane = {
        "x": alt.X("x:Q", axis=hidden, scale=alt.Scale(zero=False)),
        "y": alt.Y("y:Q", axis=hidden, scale=alt.Scale(zero=False)),
    }
    encoding: dict[str, Any] = {
        **plane,
        "tooltip": [
            alt.Tooltip(f"{name}:N", title=title) for name, title in (tooltips or {}).items()
        ],
    }
    if category is not None:
        names = shown_names(row["category"] for row in rows)
        rows = [{**row, "category": names[row["category"]]} for row in rows]
        encoding["color"] = _colour("category", category, names)
    chart = alt.Chart(data(rows)).mark_circle(size=18, opacity=0.65)
    return chart.encode(**encoding).properties(width="container", height=height).interactive()


def _colour(name: str, title: str, names: Mapping[str, str]) -> alt.Color:
    return alt.Color(f"{name}:N", title=title, scale=alt.Scale(domain=list(names.values())))
