"""A plan as a person reads it, and as a program does."""

import math
import sys
from typing import Any

from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.planning.estimate import Estimate, Lengths
from pipelines.planning.machines import Offer
from pipelines.planning.plan import RunEstimate
from pipelines.reporting.console import report_console
from pipelines.reporting.json_lines import json_line
from pipelines.reporting.shown import counted, in_bytes, visible
from transforms.reading.formats.record import INPUT_FORMATS

_BAR_WIDTH = 24
_DIGITS = 3  # of a number that is estimated
_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")
_TEXTS = ("machine", "in", "bound by")
_EXPENDABLE = ("bound by", "in", "tokens/s")  # columns, where a terminal has no room for all
_BOUNDS = {"model": "the model", "tokenizing": "tokenizing", "python": "Python"}


def print_plan(plan: RunEstimate) -> None:
    """Prints a plan for a person."""
    console = report_console()
    console.print(
        f"[bold]{_about(plan.counts.rows, 'row')}[/bold], {_about(plan.counts.tokens, 'token')}; "
        "nothing was written"
    )
    console.print()
    console.print(_facts(plan))
    _print_lengths(console, plan.counts.lengths, plan.asked.sequence_length)
    console.print()
    console.print(_machines(plan, console))
    console.print()
    for line in _notes(plan):
        console.print(f"[dim]{escape(line)}[/dim]")


def sentence_of(plan: RunEstimate) -> str:
    """Returns a plan in a few words."""
    rows, tokens = _about(plan.counts.rows, "row"), _about(plan.counts.tokens, "token")
    return f"{rows}, {tokens}; nothing was written"


def as_json(plan: RunEstimate) -> str:
    """Returns a plan as one line of JSON.

    Its keys are `status` (`planned`), `input`, `sample`, what a run would count (`rows`,
    `rejected`, `tokens`, `computed_tokens`, each with its `estimate`, and `truncated` with the
    `share` of the rows; all with an `error`: 19 times in 20 it is not farther off), `lengths`,
    `model`, `units` and `machines`.
    """
    counts, sample = plan.counts, plan.sample
    lengths = counts.lengths
    said = {
        "status": "planned",
        "input": {
            "files": len(plan.corpus.files),
            "bytes": plan.corpus.size,
            "format": plan.corpus.format,
        },
        "sample": {
            "is_whole": sample.is_whole,
            "rows": sum(piece.rows for cluster in sample.clusters for piece in cluster.pieces),
            "rows_tokenized": counts.tokenized,
            "files_begun": sample.num_begun,
        },
        "rows": _both(counts.rows),
        "rejected": _both(counts.rejected),
        "tokens": _both(counts.tokens),
        "truncated": {"share": counts.truncated.value, "error": counts.truncated.error},
        "computed_tokens": _both(counts.computed),
        "lengths": {
            "median": lengths.median,
            "95%": lengths.most,
            "longest": lengths.longest,
            "histogram": [
                {"up_to": edge, "share": round(share, 6)}
                for edge, share in zip(lengths.edges, lengths.shares, strict=True)
            ],
        },
        "model": {
            "preset": plan.asked.preset.name,
            "sequence_length": plan.asked.sequence_length,
            "operations": plan.operations,
        },
        "units": plan.num_units,
        "machines": [_offer(plan, offer) for offer in plan.offers],
    }
    return json_line(said)


def _both(number: Estimate) -> dict[str, float]:
    return {"estimate": round(number.value), "error": round(number.error)}


def _offer(plan: RunEstimate, offer: Offer) -> dict[str, Any]:
    return {
        "machine": offer.machine.name,
        "precision": offer.precision,
        "is_measured": offer.machine.is_measured,
        "source": offer.machine.speed.source,
        "bound": offer.bound,
        "tokens_per_second": plan.counts.computed.value / offer.seconds if offer.seconds else None,
        "hours": offer.elapsed(1) / 3600,
        "workers": offer.workers,
        "hours_together": None if offer.workers is None else offer.elapsed(offer.workers) / 3600,
        "cost": offer.cost,
    }


def _facts(plan: RunEstimate) -> Table:
    counts, asked = plan.counts, plan.asked
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    title = INPUT_FORMATS[plan.corpus.format].title
    files = counted(len(plan.corpus.files), "file")
    table.add_row("input", f"{files} of {title}, {in_bytes(plan.corpus.size)}")
    table.add_row("sample", _describe_sample(plan))
    table.add_row("rows", _with_error(counts.rows))
    if counts.rejected.value:
        table.add_row("rejected", f"{_with_error(counts.rejected)} of them")
    good = counts.rows.value - counts.rejected.value
    mean = f", {counts.tokens.value / good:,.0f} a row" if good else ""
    table.add_row("tokens", f"{_with_error(counts.tokens)}{mean}")
    unit = "window" if asked.args.long_text == "windows" else "text"
    share, error = 100 * counts.truncated.value, 100 * counts.truncated.error
    digits = 1 if share >= 1 or not share else 2
    about = f" ± {error:.{digits}f}" if error else ""
    table.add_row("truncated", f"{share:.{digits}f}%{about} of the rows")
    table.add_row(
        "model",
        f"{escape(visible(asked.preset.name))}, {asked.sequence_length} tokens a {unit}: "
        f"{_in_units(plan.operations)}FLOP in all, "
        f"{_in_units(plan.operations / max(good, 1))}FLOP a row",
    )
    table.add_row("units", f"{plan.num_units:,}, of which each process takes one after another")
    return table


def _describe_sample(plan: RunEstimate) -> str:
    sample = plan.sample
    rows = sum(piece.rows for cluster in sample.clusters for piece in cluster.pieces)
    tokenized = f"{plan.counts.tokenized:,} of them tokenized"
    if sample.is_whole:
        return f"all {counted(rows, 'row')}, {tokenized}"
    said = f"{counted(rows, 'row')} from {counted(max(sample.num_files, 1), 'file')}, {tokenized}"
    if sample.num_begun:
        said += (
            f"; {counted(sample.num_begun, 'of these places')[:-1]} read from the beginning only"
        )
    return said


def _print_lengths(console: Console, lengths: Lengths, sequence_length: int) -> None:
    if not lengths.edges:
        return
    console.print()
    console.print(
        f"tokens a row: half have at most {lengths.median:,}, 95% {lengths.most:,}; the longest "
        f"seen has {lengths.longest:,}"
    )
    table = Table.grid(padding=(0, 2))
    for justify in ("right", "right", "left", "left"):
        table.add_column(justify=justify)
    for edge, share in zip(lengths.edges, lengths.shares, strict=True):
        is_cut = edge > sequence_length
        bar = Bar(1, 0, share, width=_BAR_WIDTH, color="yellow" if is_cut else "green")
        table.add_row(f"  ≤ {edge:,}", f"{share:.1%}", bar, "too long" if is_cut else "")
    console.print(table)


def _machines(plan: RunEstimate, console: Console) -> Table:
    """Returns what machines would do, in as many columns as the console has room for."""
    columns = _columns(plan)
    table = _table_of(columns)
    unbounded = console.options.update(max_width=sys.maxsize)
    for title in _EXPENDABLE:
        if console.measure(table, options=unbounded).maximum <= console.width:
            break
        del columns[title]
        table = _table_of(columns)
    return table


def _columns(plan: RunEstimate) -> dict[str, list[str]]:
    """Returns what is said of each machine, by the titles of the columns."""
    args, found = plan.asked.args, plan.offers
    computed = plan.counts.computed.value
    columns = {
        "machine": [
            offer.machine.name + ("" if offer.machine.is_measured else " *") for offer in found
        ],
        "in": [offer.precision for offer in found],
        "bound by": [_BOUNDS[offer.bound] for offer in found],
        "tokens/s": [
            _in_units(computed / offer.seconds if offer.seconds else 0).strip() for offer in found
        ],
        "alone": [_hours(offer.elapsed(1)) for offer in found],
    }
    if args.deadline is not None:
        columns["workers"] = [f"{offer.workers:,}" if offer.workers else "–" for offer in found]
        columns["together"] = [
            _hours(offer.elapsed(offer.workers)) if offer.workers else "" for offer in found
        ]
    if args.price:
        columns["cost"] = ["" if offer.cost is None else f"{offer.cost:,.2f}" for offer in found]
    return columns


def _table_of(columns: dict[str, list[str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for title in columns:
        table.add_column(justify="left" if title in _TEXTS else "right", no_wrap=True)
    table.add_row(*(f"[bold]{title}[/bold]" for title in columns))
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _notes(plan: RunEstimate) -> list[str]:
    """Returns what is to be known of the numbers."""
    args = plan.asked.args
    notes = []
    if not plan.sample.is_whole or plan.counts.tokens.error:
        notes.append("± is where the numbers are 19 times in 20, if the sample is like the rest.")
    notes.append(
        "Texts that occur again are computed once by a run, and each time here; padding and heads "
        "are not counted."
    )
    if args.if_exists == "update":
        notes.append("All of the input is counted, not only what the output lacks.")
    notes.append(
        "* derived from another machine's speed, not measured: it may be twice as fast or slow. "
        "Where each number is from: pipelines/planning/machines.json."
    )
    if any(offer.machine.start_seconds for offer in plan.offers):
        notes.append("Times include a start, which is assumed: minutes in a cloud.")
    if args.deadline is not None:
        said = f"Workers are those that make it in {_hours(args.deadline)}"
        if any(offer.workers is None for offer in plan.offers):
            said += f"; –: no number does, with {plan.num_units:,} units and a start"
        notes.append(f"{said}.")
    shown = {offer.machine.name for offer in plan.offers}
    if gone := [name for name in dict(args.price or ()) if name not in shown]:
        notes.append(f"Not shown, for want of a speed in {args.precision}: {', '.join(gone)}.")
    if not args.price:
        notes.append("With --price=MACHINE=PRICE, what an hour of it costs, costs are shown.")
    return notes


def _with_error(number: Estimate) -> str:
    if not number.error or not number.value:
        return _about(number)
    return f"{_about(number)} ± {100 * number.error / number.value:.1f}%"


def _about(number: Estimate, noun: str = "") -> str:
    """Returns a number, rounded if it is estimated, of what a noun names."""
    value = number.value
    if number.error and value >= 1:
        digits = math.floor(math.log10(value)) + 1
        value = round(value, min(0, _DIGITS - digits))
    return counted(round(value), noun) if noun else f"{value:,.0f}"


def _in_units(number: float) -> str:
    """Returns a number with the prefix of its unit: `1.2 T`."""
    power = min(int(math.log10(max(number, 1)) // 3), len(_PREFIXES) - 1)
    return f"{number / 1000**power:,.3g} {_PREFIXES[power]}"


def _hours(seconds: float) -> str:
    """Returns a duration: `40 s`, `12 min`, `1.5 h`, `3.5 days`."""
    for unit, size, most in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 48 * 3600)):
        if seconds < most:
            return _short(seconds / size, unit)
    return _short(seconds / 86_400, "days")


def _short(value: float, unit: str) -> str:
    digits = 0 if value >= 10 else 1
    return f"{value:,.{digits}f}".removesuffix(".0") + f" {unit}"
