"""The report at the end of a run, from the manifest of its output."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.bar import Bar
from rich.markup import escape
from rich.table import Table

from pipelines.reporting.console import report_console
from pipelines.reporting.examples import print_examples
from pipelines.reporting.messages import say, shows_outcome
from pipelines.reporting.shown import counted, in_bytes, printable, visible
from transforms.reading.dialect import Dialect
from transforms.writing.formats.record import OUTPUT_FORMATS

if TYPE_CHECKING:
    from transforms.writing.output import Todo

# Labels with a line of their own; the others are counted together.
_LABELS_SHOWN = 12
_REASONS_SHOWN = 3
_FILLED_SHOWN = 5
_REASON_CHARACTERS = 500
_DIALECTS_SHOWN = 3
_BAR_WIDTH = 24

# Ranges of fewer rows, and a larger share of numbers outside of them, are worth a word.
_FEW_ROWS = 100
_MUCH_CLIPPED = 0.01


def print_summary(
    manifest: Mapping[str, Any],
    *,
    output: str,
    todo: "Todo | None" = None,
    start_seconds: float | None = None,
) -> None:
    """Prints what a run did, for a person.

    Args:
        manifest: Manifest of the output folder, the run included.
        output: The folder as the user wrote it.
        todo: What the run had to read, if it was an update.
        start_seconds: Seconds until the model was loaded, if this process loaded it.
    """
    console = report_console()
    run = manifest["runs"][-1]
    rows, labels = run["rows"], run.get("labels", {})
    gives_numbers = manifest["model"].get("gives_numbers", False)
    count = counted(rows["written"], "row")
    said = sentence_of(manifest, start_seconds).removeprefix(count)
    console.print(f"[bold]{count}[/bold]{said}")
    if (labels or gives_numbers) and rows["written"] and run["parts"]:
        if labels:
            console.print()
            console.print(_label_table(labels, rows["written"]))
        print_examples(console, Path(os.path.expanduser(output)), manifest)
    console.print()
    console.print(_facts_table(manifest, rows, output, todo))


def sentence_of(manifest: Mapping[str, Any], start_seconds: float | None = None) -> str:
    """Returns what a run did in one sentence; arguments as of `print_summary`."""
    run, model = manifest["runs"][-1], manifest["model"]
    rows, seconds = run["rows"], max(run["seconds"], 1e-3)
    done = "embedded" if "embedding" in model else "labelled"
    done = "scored" if model.get("gives_numbers", False) else done
    start = f", {start_seconds:.1f} s of it to start" if start_seconds else ""
    work = max(seconds - (start_seconds or 0), 1e-3)
    said = f"{counted(rows['written'], 'row')} {done} in {seconds:.1f} s{start}"
    if before := run.get("speed", {}).get("before", 0):
        speed = f"{max(rows['read'] - before, 0) / work:,.0f} rows/s"
        return f"{said}, {before:,} of them before by a run that stopped: {speed}"
    return f"{said}: {rows['read'] / work:,.0f} rows/s, {run['tokens'] / work:,.0f} tokens/s"


def warn_of_rejected(manifest: Mapping[str, Any], output: str) -> None:
    """Says that rows were rejected where no summary does, which `print_summary` prints.

    Args:
        manifest: Manifest of the output folder, the run included.
        output: The folder as the user wrote it.
    """
    rejected = manifest["runs"][-1]["rows"]["rejected"]
    if rejected and not shows_outcome():
        said = f"{counted(rejected, 'row')} rejected, kept in {_rejected_folder(output)}"
        say("WARNING", said, rejected=rejected)


def _rejected_folder(output: str) -> str:
    return f"{output.rstrip('/')}/rejected"


def _label_table(labels: Mapping[str, int], rows: int) -> Table:
    ranked = sorted(labels.items(), key=lambda item: -item[1])
    shown = ranked[:_LABELS_SHOWN]
    if others := ranked[_LABELS_SHOWN:]:
        shown.append((counted(len(others), "other label"), sum(count for _, count in others)))
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column(width=_BAR_WIDTH)
    for label, count in shown:
        bar = Bar(rows, 0, count, width=_BAR_WIDTH, color="green")
        table.add_row(f"  {escape(printable(label))}", f"{count:,}", f"{count / rows:.1%}", bar)
    return table


def _facts_table(
    manifest: Mapping[str, Any],
    rows: Mapping[str, int],
    output: str,
    todo: "Todo | None",
) -> Table:
    parts = manifest["parts"]
    size = sum(part["bytes"] for part in parts)
    title = OUTPUT_FORMATS[manifest["output_format"]].title
    files = f"{counted(len(parts), f'{title} file')}, {in_bytes(size)}"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("output", f"{escape(visible(output))} ({files})")
    for said in _describe_dialects(manifest["inputs"]):
        table.add_row("read as", escape(printable(said)))
    if todo is not None:
        table.add_row("update", _describe_update(todo, manifest))
    model = manifest["model"]
    unit = "window" if model.get("long_text") == "windows" else "text"
    known = f"{escape(visible(model['preset']))}, {model['sequence_length']} tokens a {unit}"
    rows_in = manifest.get("counters", {}).get("precision", {})
    computed = sorted(name for name, count in rows_in.items() if count)
    if set(computed) - {"float32"} or (computed and model.get("precision") == "fast"):
        known += f", computed in {' and '.join(computed)}"
    table.add_row("model", known)
    if "embedding" in model:
        table.add_row("vectors", _describe_vectors(model["embedding"]))
        if "ranges" in manifest:
            table.add_row("ranges", _describe_ranges(manifest))
        if prefix := model["embedding"]["prefix"]:
            name = model["embedding"]["prompt"]
            said = f"{visible(name)}: {prefix!r}" if name else repr(prefix)
            table.add_row("prompt", escape(printable(said, _REASON_CHARACTERS)))
    if rows["truncated"]:
        table.add_row(
            "truncated",
            f"{counted(rows['truncated'], 'row')} longer than {model['sequence_length']} tokens",
        )
    if rows["rejected"]:
        folder = escape(visible(_rejected_folder(output)))
        table.add_row("rejected", f"{counted(rows['rejected'], 'row')}, kept in {folder}")
        for reason, count in list(manifest["rejected"]["errors"].items())[:_REASONS_SHOWN]:
            table.add_row("", f"{count:,} × {escape(printable(reason, _REASON_CHARACTERS))}")
    for name, new_name in manifest["renamed"].items():
        names = " → ".join(escape(printable(each)) for each in (name, new_name))
        table.add_row("renamed", f"input column {names}")
    filled = list(manifest["filled"].items())
    for name, count in filled[:_FILLED_SHOWN]:
        lack = "lacks" if count == 1 else "lack"
        table.add_row(
            "filled", f"{escape(printable(name))} with null: {counted(count, 'file')} {lack} it"
        )
    if more := filled[_FILLED_SHOWN:]:
        table.add_row("", f"and {counted(len(more), 'other column')}")
    return table


def _describe_dialects(inputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns how files were read of which one would expect something else, the most first."""
    dialects = [Dialect(**entry["dialect"]) for entry in inputs if "dialect" in entry]
    unusual = Counter(dialect for dialect in dialects if not dialect.is_usual)
    said = [
        f"{counted(count, 'file')}: {dialect}"
        for dialect, count in unusual.most_common(_DIALECTS_SHOWN)
    ]
    others = len(unusual) - len(said)
    return [*said, f"{counted(others, 'other way')}: see _MANIFEST.json"] if others else said


def _describe_update(todo: "Todo", manifest: Mapping[str, Any]) -> str:
    new = len(todo.files) - len(todo.replaced)
    counts = {
        "new": new,
        "changed": len(todo.replaced),
        "as before": todo.num_same,
        "gone, whose rows stay": todo.num_vanished,
    }
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"{counted(len(manifest['inputs']), 'file')}: {said}"


def _describe_vectors(embedding: Mapping[str, Any]) -> str:
    normalized = ", normalized" if embedding["normalize"] else ""
    modules = "".join(f", {module}" for module in embedding["modules"])
    return (
        f"{embedding['dimensions']} × {embedding['embedding_dtype']}, {embedding['pooling']} "
        f"pooling{modules}{normalized}"
    )


def _describe_ranges(manifest: Mapping[str, Any]) -> str:
    rows = manifest["ranges"]["rows"]
    numbers = manifest.get("counters", {}).get("quantized", {})
    share = numbers.get("clipped", 0) / max(numbers.get("numbers", 0), 1)
    said = f"of {counted(rows, 'row')}"
    if rows < _FEW_ROWS:
        said += ", which is few: rows that are added later may not fit them"
    if share:
        said += f"; {share:.2%} of the numbers are outside, and clipped"
    if share > _MUCH_CLIPPED:
        said += ": --if_exists=overwrite finds new ones"
    return said
