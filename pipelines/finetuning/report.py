"""What a training run tells a person: about the data before it, and how well it went after."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.finetuning import baselines
from pipelines.finetuning.data_report import DataReport
from pipelines.finetuning.figures import TITLES, Figures, describe_mistake, spell
from pipelines.reporting.console import report, report_console
from pipelines.reporting.messages import say, shows_outcome
from pipelines.reporting.shown import printable, visible

if TYPE_CHECKING:
    from models.training.train import Training

# Labels up to which the confusion matrix fits a terminal, and rows of tables that are shown.
_CONFUSION_LABELS = 8
_LABELS_SHOWN = 25
_MISTAKES_SHOWN = 3

# Characters of a fact: twenty long names fit.
_FACT_CHARACTERS = 5_000


def print_data(report: DataReport) -> None:
    """Prints what was found in the rows; where nobody looks, what is wrong with them."""
    if not shows_outcome():
        _say_warnings(report.warnings)
        return
    console = report_console()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, fact in report.facts:
        table.add_row(name, escape(visible(fact, _FACT_CHARACTERS)))
    console.print(table)
    _print_warnings(console, report.warnings)
    console.print()


def tell_written(
    place: str,
    training: "Training",
    figures: Figures,
    record: Mapping[str, Any],
    compare: Callable[[], None] = lambda: None,
) -> None:
    """Prints how well a classifier does, and how to use it; where nobody looks, a line.

    Args:
        place: Where the preset is.
        training: How the training went.
        figures: What the validation rows say.
        record: What `training.json` holds.
        compare: Prints more figures, below these.
    """
    with report(f"the preset is written to {visible(place)}"):
        print_figures(figures)
        compare()
        tell_kept(place, training, "classify", record["figures"])


def tell_kept(place: str, training: "Training", command: str, figures: Mapping[str, Any]) -> None:
    """Prints which epoch was kept, and the command that uses it; where nobody looks, a line."""
    ended = ", when time ran out" if training.is_out_of_time else ""
    kept = f"kept epoch {training.best_epoch + 1} of {len(training.history['loss'])}{ended}"
    if shows_outcome():
        print(
            f"\n{kept}\nwrote {visible(place)}; to use it:\n"
            f"  python -m pipelines.{command} --preset={visible(shlex.quote(place))} --input=… "
            "--output=…"
        )
    else:
        say("INFO", f"{kept}, and wrote {place}", output=place, figures=figures)


def print_figures(figures: Figures) -> None:
    """Prints how well a classifier does; where nobody looks, what is wrong with that."""
    if not shows_outcome():
        _say_warnings(figures.warnings)
        return
    console = report_console()
    console.print()
    console.print(_comparison(figures))
    if len(figures.model.get("labels", ())) > 1:
        console.print()
        console.print(_by_label(figures.model["labels"]))
    if 1 < len(figures.model.get("confusion", ())) <= _CONFUSION_LABELS:
        console.print()
        console.print(_confusion(figures.model))
    if "calibration" in figures.model:
        error = figures.model["calibration"]["error"]
        console.print(f"\nscores are off by {100 * error:.1f} points on average (calibration)")
    if figures.mistakes:
        console.print("\nthe worst mistakes:")
        for mistake in figures.mistakes[:_MISTAKES_SHOWN]:
            console.print(f"  {escape(visible(describe_mistake(mistake)))}")
    _print_warnings(console, figures.warnings)
    if len(figures.baselines) == 1:
        console.print(f"\nto compare it with {baselines.TF_IDF}: {baselines.INSTALL}")


def _comparison(figures: Figures) -> Table:
    shown = [name for name in figures.model if name in TITLES]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    for _ in shown:
        table.add_column(justify="right")
    table.add_row("", *(f"[bold]{TITLES[name]}[/bold]" for name in shown))
    rows = {"this model": figures.model, **figures.baselines}
    for number, (title, values) in enumerate(rows.items()):
        cells = [title, *(spell(name, values[name]) for name in shown)]
        table.add_row(*cells, style="bold" if number == 0 else None)
    return table


def _by_label(labels: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    for _ in range(4):
        table.add_column(justify="right")
    table.add_row("[bold]label[/bold]", *(f"[bold]{n}[/bold]" for n in _COLUMNS))
    for label, values in list(labels.items())[:_LABELS_SHOWN]:
        table.add_row(escape(printable(label)), *_cells(values))
    if len(labels) > _LABELS_SHOWN:
        table.add_row(f"and {len(labels) - _LABELS_SHOWN} more in training.json")
    return table


_COLUMNS = ("precision", "recall", "F1", "rows")


def _cells(values: Mapping[str, float]) -> list[str]:
    return [
        *(f"{values[name]:.1%}" for name in ("precision", "recall", "f1")),
        f"{values['rows']:,}",
    ]


def _confusion(model: Mapping[str, Any]) -> Table:
    labels = [escape(printable(label)) for label in model["labels"]]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    for _ in labels:
        table.add_column(justify="right")
    table.add_row(
        "[bold]right ↓  predicted →[/bold]", *(f"[bold]{label}[/bold]" for label in labels)
    )
    for label, row in zip(labels, model["confusion"], strict=True):
        table.add_row(label, *(f"{count:,}" if count else "[dim]·[/dim]" for count in row))
    return table


def _say_warnings(warnings: Sequence[str]) -> None:
    for warning in warnings:
        say("WARNING", warning)


def _print_warnings(console: Console, warnings: Sequence[str]) -> None:
    for warning in warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(visible(warning))}")
