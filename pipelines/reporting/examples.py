"""Rows that are shown at the end of a run: those that the model is least certain of."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.reporting.shown import printable
from transforms.writing.formats.part_format import PartFormat
from transforms.writing.formats.record import OUTPUT_FORMATS

_SHOWN = 3
_CHARACTERS = 70
_SCORES_SHOWN = 4

# Rows that are looked at: they are read in a fraction of a second, however large the result is.
_LOOKED_AT = 4096


def print_examples(console: Console, output: Path, manifest: Mapping[str, Any]) -> None:
    """Prints some rows of a run, if they are on this machine.

    These are the rows with the lowest scores, or where labels do not exclude each other those whose
    likeliest label is nearest to the threshold; of models that give numbers the first rows.

    Args:
        console: Where to.
        output: The output folder.
        manifest: Its manifest, which ends with the run.
    """
    run, model = manifest["runs"][-1], manifest["model"]
    parts = [part["path"] for part in manifest["parts"][len(manifest["parts"]) - run["parts"] :]]
    if not (output / parts[0]).is_file():
        return
    text_column, added = manifest["text_column"], _added(model)
    wanted = pa.schema([*added.items(), (text_column, pa.string())])
    load = OUTPUT_FORMATS[manifest["output_format"]].load
    rows = _first_rows(load(), [output / part for part in parts], wanted)
    title, doubt = _doubt(model)
    if doubt is not None:
        rows.sort(key=doubt)
        is_all = len(rows) >= run["rows"]["written"]
        title += "" if is_all else f" of the first {len(rows):,} rows"
    if not rows:
        return
    console.print()
    console.print(f"[bold]{title}[/bold]")
    table = Table.grid(padding=(0, 2))
    for row in rows[:_SHOWN]:
        text = printable(row[text_column], _CHARACTERS) or "(empty)"
        *label, scores = (row[name] for name in added)
        scores = list(scores.values()) if isinstance(scores, dict) else [scores]
        table.add_row(
            f"  {escape(printable(label[0])) if label else ''}",
            *(f"{score:.2f}" for score in scores[:_SCORES_SHOWN]),
            f"[dim]{escape(text)}[/dim]",
        )
    console.print(table)


def _first_rows(
    part_format: PartFormat, parts: Sequence[Path], wanted: pa.Schema
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for part in parts:
        with part.open("rb") as file:
            for batch in part_format.rows(file, wanted):
                found += batch.columns.slice(0, _LOOKED_AT - len(found)).to_pylist()
                if len(found) == _LOOKED_AT:
                    return found
    return found


def _doubt(model: Mapping[str, Any]) -> tuple[str, Callable[[Mapping[str, Any]], float] | None]:
    """Returns what the rows shown have in common, and by what they are found."""
    if model.get("gives_numbers", False):
        return "the first rows", None
    if (threshold := model.get("threshold")) is not None:
        title = f"nearest to the threshold of {threshold:g}"
        return title, lambda row: abs(row["score"] - threshold)
    return "least certain", lambda row: row["score"]


def _added(model: Mapping[str, Any]) -> dict[str, pa.DataType]:
    """Returns the columns of an example besides its text; the input may have others of the name."""
    score = pa.float32()
    if not model.get("gives_numbers", False):
        return {"label": pa.string(), "score": score}
    if len(model["labels"]) == 1:
        return {"score": score}
    return {"scores": pa.struct([(label, score) for label in model["labels"]])}
