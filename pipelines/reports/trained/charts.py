"""Charts of how a model learned and how well it does."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from pipelines.reports.charts import ACCENT, INK, MUTED, SECOND, data, shown_names

_HEIGHT = 240
_CELL = 26  # pixels of a row of a matrix
_BAR = 22  # pixels of a bar


def figures(
    values: Mapping[str, float], title: str, *, is_share: bool, is_ours: str | None = None
) -> alt.TopLevelMixin:
    """Returns a bar for each value of a figure, over its whole range if it is a share.

    Args:
        values: The values by what they are of.
        title: What the figure is.
        is_share: Whether it is from 0 to 1, and shown in percent.
        is_ours: The one that the others, which are grey, are compared with.
    """
    names = shown_names(values)
    rows = [
        {"name": names[name], "value": value, "is_ours": is_ours in (None, name)}
        for name, value in values.items()
    ]
    value_format = ".1%" if is_share else ".3~g"
    x = alt.X(
        "value:Q",
        title=title,
        axis=alt.Axis(format="~%", tickCount=5) if is_share else alt.Axis(tickCount=5),
        scale=alt.Scale(domain=[0, 1]) if is_share else alt.Scale(),
    )
    return (
        alt.Chart(data(rows))
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            y=alt.Y(
                "name:N",
                scale=alt.Scale(domain=list(names.values())),
                title=None,
                axis=alt.Axis(ticks=False, domain=False),
            ),
            x=x,
            color=alt.condition("datum.is_ours", alt.value(ACCENT), alt.value(SECOND)),
            tooltip=[
                alt.Tooltip("name:N", title="name"),
                alt.Tooltip("value:Q", title=title, format=value_format),
            ],
        )
        .properties(width="container", height=max(60, _BAR * len(values)))
    )


def curves(rows: Sequence[Mapping[str, Any]], *, title: str, kept: int) -> alt.TopLevelMixin:
    """Returns a line over the epochs for each kind of rows, with the epoch that was kept.

    Args:
        rows: Each with `epoch`, `value` and `rows`, which says of which rows it is.
        title: What the values are.
        kept: The epoch that was kept.
    """
    names = list(dict.fromkeys(row["rows"] for row in rows))
    colours = alt.Scale(domain=names, range=[SECOND, ACCENT] if len(names) > 1 else [ACCENT])
    last = max(row["epoch"] for row in rows)
    x = alt.X(
        "epoch:Q",
        title="epoch",
        axis=alt.Axis(format="d", tickMinStep=1, grid=False),
        scale=alt.Scale(domain=[1, max(last, 2)], nice=False, zero=False),
    )
    drawn = (
        alt.Chart(data(rows))
        .mark_line(point=last <= 60, strokeWidth=2)
        .encode(
            x=x,
            y=alt.Y(
                "value:Q",
                title=title,
                axis=alt.Axis(tickCount=5),
                scale=alt.Scale(zero=False),
            ),
            color=alt.Color("rows:N", scale=colours, title=None),
            tooltip=[
                alt.Tooltip("epoch:Q"),
                alt.Tooltip("rows:N", title="on"),
                alt.Tooltip("value:Q", title=title, format=".4~g"),
            ],
        )
    )
    mark = (
        alt.Chart(data([{"epoch": kept}]))
        .mark_rule(strokeDash=[4, 3], color=MUTED)
        .encode(x="epoch:Q")
    )
    return alt.layer(mark, drawn).properties(width="container", height=_HEIGHT)


def matrix(
    cells: Sequence[Mapping[str, Any]],
    down: Sequence[str],
    across: Sequence[str],
    *,
    is_named: bool,
) -> alt.TopLevelMixin:
    """Returns the cells of a confusion matrix, darker the more of a label's rows are in them.

    Args:
        cells: Those that are not empty: `row` and `column`, the `label` and what was `predicted`,
            `rows` and their `share` of the rows of the label.
        down: The rows from above to below.
        across: The columns from left to right.
        is_named: Whether columns have names, and cells the room for their figures.
    """
    x = alt.X(
        "column:N",
        title="predicted",
        scale=alt.Scale(domain=list(across)),
        axis=alt.Axis(
            labelAngle=-50 if is_named else 0,
            labelOverlap=not is_named,
            ticks=False,
            domain=False,
            labelLimit=110,
        ),
    )
    y = alt.Y(
        "row:N",
        title=None,
        scale=alt.Scale(domain=list(down)),
        axis=alt.Axis(ticks=False, domain=False, labelLimit=130),
    )
    drawn = (
        alt.Chart(data(cells))
        .mark_rect(cornerRadius=2)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "share:Q",
                scale=alt.Scale(domain=[0, 1], range=["--ramp-low", "--ramp-high"]),
                legend=alt.Legend(title="of the label's rows", format=".0%", gradientLength=140),
            ),
            tooltip=[
                alt.Tooltip("label:N"),
                alt.Tooltip("predicted:N"),
                alt.Tooltip("rows:Q", format=","),
                alt.Tooltip("share:Q", title="of the label's rows", format=".1%"),
            ],
        )
    )
    layers = [drawn]
    if is_named:
        colour = alt.condition("datum.share > 0.55", alt.value("--card"), alt.value(INK))
        written = alt.Chart(data(cells)).mark_text(fontSize=12)
        layers.append(written.encode(x=x, y=y, text=alt.Text("rows:Q", format=","), color=colour))
    return alt.layer(*layers).properties(width="container", height=_CELL * max(3, len(down)))


def reliability(rows: Sequence[Mapping[str, Any]]) -> alt.TopLevelMixin:
    """Returns how often scores came true over what they were, beside the line of the two alike.

    Args:
        rows: Bins: mean `confidence`, `accuracy` and `rows`.
    """
    whole = alt.Scale(domain=[0, 1])
    alike = (
        alt.Chart(data([{"at": 0, "share": 0}, {"at": 1, "share": 1}]))
        .mark_line(strokeDash=[4, 3], color=MUTED, strokeWidth=1.5)
        .encode(x=alt.X("at:Q", scale=whole), y=alt.Y("share:Q", scale=whole))
    )
    base = alt.Chart(data(rows)).encode(
        x=alt.X(
            "confidence:Q",
            scale=whole,
            title="score",
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
        y=alt.Y(
            "accuracy:Q",
            scale=whole,
            title="came true",
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
    )
    points = base.mark_circle(opacity=1, color=ACCENT).encode(
        size=alt.Size(
            "rows:Q",
            scale=alt.Scale(range=[40, 500]),
            legend=alt.Legend(title="rows", format="~s", tickCount=3),
        ),
        tooltip=[
            alt.Tooltip("confidence:Q", title="score", format=".1%"),
            alt.Tooltip("accuracy:Q", title="came true", format=".1%"),
            alt.Tooltip("rows:Q", format=","),
        ],
    )
    joined = base.mark_line(strokeWidth=2, color=ACCENT)
    return alt.layer(alike, joined, points).properties(width="container", height=320)


def predicted_and_true(pairs: Sequence[tuple[float, float]], name: str) -> alt.TopLevelMixin:
    """Returns a point a row, the predicted number over the true one, and where both are alike.

    Args:
        pairs: True and predicted numbers.
        name: What the numbers are.
    """
    numbers = [number for pair in pairs for number in pair]
    low, high = min(numbers), max(numbers)
    spread = alt.Scale(domain=[low, high] if low < high else [low - 1, high + 1], zero=False)
    alike = (
        alt.Chart(data([{"true": low, "predicted": low}, {"true": high, "predicted": high}]))
        .mark_line(strokeDash=[4, 3], color=MUTED, strokeWidth=1.5)
        .encode(x=alt.X("true:Q", scale=spread), y=alt.Y("predicted:Q", scale=spread))
    )
    points = (
        alt.Chart(data([{"true": true, "predicted": guess} for true, guess in pairs]))
        .mark_circle(size=36, opacity=0.55)
        .encode(
            x=alt.X("true:Q", scale=spread, title=name, axis=alt.Axis(tickCount=6)),
            y=alt.Y(
                "predicted:Q",
                scale=spread,
                title="predicted",
                axis=alt.Axis(tickCount=6),
            ),
            tooltip=[
                alt.Tooltip("true:Q", title="true", format=".4~g"),
                alt.Tooltip("predicted:Q", title="predicted", format=".4~g"),
            ],
        )
    )
    return alt.layer(alike, points).properties(width="container", height=360)
