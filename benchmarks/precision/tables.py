"""The figures as Markdown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.precision.ways import BASE, RIVAL_BASE, Way

Figures = Mapping[str, Any]
Columns = Sequence[tuple[str, Callable[[Figures], str]]]
"""Titles, and how a way's figures are shown under each."""


def _times(base: str) -> Callable[[Figures], str]:
    """Returns a column's form: how many times as fast as another way."""

    def form(figures: Figures) -> str:
        times = figures["times_as_fast"]
        return f"{times[base]:.2f}" if base in times else ""

    return form


_COLUMNS: dict[str, Columns] = {
    "steady": (
        ("texts/s", lambda figures: f"{figures['texts_per_second']:,.0f}"),
        ("times Textbeam float32", _times(BASE)),
        ("times ONNX Runtime float32", _times(RIVAL_BASE)),
    ),
    "vectors": (
        ("lowest cosine", lambda figures: f"{figures['lowest_cosine']:.5f}"),
        ("mean cosine", lambda figures: f"{figures['mean_cosine']:.5f}"),
        ("same neighbours", lambda figures: f"{figures['recall_at_10']:.1%}"),
        ("neighbours of its topic", lambda figures: f"{figures['same_topic']:.1%}"),
    ),
    "labels": (
        ("accuracy", lambda figures: f"{figures['accuracy']:.1%}"),
        ("labels changed", lambda figures: f"{figures['changed']:.1%}"),
    ),
    "process": (
        ("start to Parquet", lambda figures: f"{figures['median_seconds']:.1f} s"),
        ("times Textbeam float32", _times(BASE)),
        ("peak memory", lambda figures: f"{figures['peak_mb']:,.0f} MB"),
    ),
}
"""The columns of each part."""


def ways_table(ways: Sequence[Way], figures: Mapping[str, Mapping[str, Figures]]) -> str:
    """Returns the table of ways.

    Args:
        ways: The rows.
        figures: For each part that was run, the figures of ways, by their names.
    """
    columns = {part: _COLUMNS[part] for part in _COLUMNS if part in figures}
    rows = []
    for way in ways:
        cells = [way.title]
        for part, of_part in columns.items():
            of_way = figures[part].get(way.name, {})
            cells += _cells(of_part, of_way)
        if way.refusal:
            cells[1] = f"refused: {way.refusal}"
        rows.append(cells)
    heads = [title for of_part in columns.values() for title, _ in of_part]
    return _markdown(["", *heads], rows)


def _cells(columns: Columns, figures: Figures) -> list[str]:
    """Returns what stands in a way's columns of a part; nothing if it has no figures."""
    if "refusal" in figures:
        return [f"refused: {figures['refusal']}", *[""] * (len(columns) - 1)]
    return [form(figures) if figures else "" for _, form in columns]


def smaller_table(figures: Sequence[Figures]) -> str:
    """Returns the table of smaller vectors."""
    shares = _COLUMNS["vectors"][2:]
    rows = [
        [row["stored"], f"{row['bytes']:,}", *(form(row) for _, form in shares)] for row in figures
    ]
    return _markdown(["vectors as", "bytes", *(title for title, _ in shares)], rows)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
