"""Which labels a trained preset takes for which others."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.reporting.shown import counted
from pipelines.reports.blocks import Block, Chart, Section, Table, plain
from pipelines.reports.charts import shown_names
from pipelines.reports.trained import charts

MATRIX_LABELS = 25
"""Most labels that the matrix is readable with: those with the most rows are in it."""

NAMED_LABELS = 12
"""Most labels whose names fit beside each other; more have numbers."""

NAME_CHARACTERS = 80
"""Characters of a label that a table shows."""

_PAIRS = 50
_SINGLE_PAIRS = 10
_OTHERS = "others"


def confusion_section(figures: Mapping[str, Any]) -> Section | None:
    """Returns the section about what is confused; `None` if there are no figures for it.

    Args:
        figures: Those that `training.json` holds.
    """
    if "confusion" not in figures:
        return None
    labels = figures["labels"]
    names = figures.get("confusion_labels", list(labels))
    largest = sorted(range(len(names)), key=lambda index: -labels[names[index]]["rows"])
    chosen = sorted(largest[:MATRIX_LABELS])
    cells = _cells(figures, names, chosen)
    if not cells:
        return None
    pairs = figures.get("confused") or _pairs(names, figures["confusion"])
    blocks: list[Block] = [_matrix(cells, names, chosen, pairs, len(labels))]
    if pairs:
        blocks.append(_table(pairs, labels))
    return Section("What it confuses", blocks)


def _cells(
    figures: Mapping[str, Any], names: Sequence[str], chosen: Sequence[int]
) -> list[dict[str, Any]]:
    """Returns the cells that are not empty; `predicted` is `None` for labels not in the matrix."""
    found = []
    for row in chosen:
        total = figures["labels"][names[row]]["rows"]
        counts: dict[int | None, int] = {
            column: figures["confusion"][row][column] for column in chosen
        }
        counts[None] = total - sum(counts.values())
        found += [
            {"true": row, "predicted": column, "rows": count, "share": count / total}
            for column, count in counts.items()
            if count
        ]
    return found


def _matrix(
    cells: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    chosen: Sequence[int],
    pairs: Sequence[Mapping[str, Any]],
    num_labels: int,
) -> Chart:
    shown = list(shown_names(names[index] for index in chosen).values())
    title_of = dict(zip([*chosen, None], [*shown, "all other labels"], strict=True))
    is_named = len(chosen) <= NAMED_LABELS
    down = shown if is_named else [f"{i}  {name}" for i, name in enumerate(shown, 1)]
    across = list(shown) if is_named else [str(i) for i in range(1, len(shown) + 1)]
    others = _OTHERS
    while others in across:
        others += "…"
    row_of = dict(zip(chosen, down, strict=True))
    column_of = dict(zip([*chosen, None], [*across, others], strict=True))
    is_all = len(chosen) == num_labels
    right = sum(cell["rows"] for cell in cells if cell["true"] == cell["predicted"])
    total = sum(cell["rows"] for cell in cells)
    summary = f"{right:,} of {counted(total, 'row')} are on the diagonal, where both agree."
    if pairs and pairs[0]["rows"] > 1:
        label, said = (plain(pairs[0][each], NAME_CHARACTERS) for each in ("label", "predicted"))
        summary += f" Most often, {label} is taken for {said}: {counted(pairs[0]['rows'], 'row')}."
    note = "Rows of the matrix are the labels of the data, columns what the model said."
    if not is_named:
        note += " Columns have the numbers of the rows."
    what = "Labels and what was predicted"
    return Chart(
        what if is_all else f"The {len(chosen)} labels with the most rows, and what was predicted",
        charts.matrix(
            [
                {
                    "row": row_of[cell["true"]],
                    "column": column_of[cell["predicted"]],
                    "label": title_of[cell["true"]],
                    "predicted": title_of[cell["predicted"]],
                    "rows": cell["rows"],
                    "share": cell["share"],
                }
                for cell in cells
            ],
            down,
            across if is_all else [*across, others],
            is_named=is_named,
        ),
        summary,
        Table(
            "Cells of the matrix that are not empty",
            ["label", "predicted", "rows", "of its rows, %"],
            [
                [
                    title_of[cell["true"]],
                    title_of[cell["predicted"]],
                    cell["rows"],
                    round(100 * cell["share"], 1),
                ]
                for cell in cells
            ],
        ),
        note=note,
    )


def _table(pairs: Sequence[Mapping[str, Any]], labels: Mapping[str, Any]) -> Table:
    """Returns the pairs that are confused more than once, or some if none is."""
    several = [pair for pair in pairs if pair["rows"] > 1][:_PAIRS]
    return Table(
        "What it confuses most",
        ["label", "predicted", "rows", "of its rows, %"],
        [
            [
                plain(pair["label"], NAME_CHARACTERS),
                plain(pair["predicted"], NAME_CHARACTERS),
                pair["rows"],
                round(100 * pair["rows"] / labels[pair["label"]]["rows"], 1),
            ]
            for pair in several or pairs[:_SINGLE_PAIRS]
        ],
        hides_caption=False,
    )


def _pairs(names: Sequence[str], cells: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Returns the cells beside the diagonal, the largest first."""
    found = [
        {"label": names[row], "predicted": names[column], "rows": count}
        for row, counts in enumerate(cells)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    return sorted(found, key=lambda pair: -pair["rows"])
