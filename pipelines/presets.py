"""Lists, describes and copies presets: `python -m pipelines.presets`.

A preset that is not on this machine is fetched into the cache first. A job on many workers reads
its weights from a bucket: `fetch NAME --output=gs://…` puts them there.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import PresetError, UserError
from pipelines.flags.flag_types import expand_home
from pipelines.flags.message_flags import add_message_flags
from pipelines.flags.options import Parser
from pipelines.reporting.console import (
    findings,
    report,
    report_console,
    run_command,
    run_process,
)
from pipelines.reporting.json_lines import shown_json
from pipelines.reporting.messages import manner, say, shows_outcome
from pipelines.reporting.shown import printable, visible

if TYPE_CHECKING:
    import argparse

    from models.presets.lookup import KnownPreset

_EXAMPLES = """examples:
  python -m pipelines.presets list
  python -m pipelines.presets show bert_base_en_uncased
  python -m pipelines.presets fetch bert_base_en_uncased --output=gs://bucket/presets/bert_base
  python -m pipelines.presets fetch hf://owner/name@revision --output=my_preset/
  python -m pipelines.presets digest my_preset/

fetched presets are kept in the folder that the environment variable TEXTBEAM_CACHE names, or in
~/.cache/textbeam
"""
# Console width from which the table of presets has room for descriptions.
_WIDE = 130
# Characters of a list, such as the labels of a preset: --json has all of it.
_LIST_CHARACTERS = 10_000


def make_parser() -> Parser:
    """Returns the parser of the command's flags."""
    parser = Parser(
        prog="python -m pipelines.presets",
        description="Shows presets, fetches them and copies them.",
        epilog=_EXAMPLES,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, what: str, run: Callable[["argparse.Namespace"], int]) -> Parser:
        command = commands.add_parser(name, help=what, description=f"{what.capitalize()}.")
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print JSON, for programs")
        return command

    add("list", "list the presets that have names", _list)
    named = "name, folder or URI of a preset"
    show = add("show", "show what is known about a preset", _show)
    show.add_argument("preset", type=expand_home, metavar="NAME", help=named)
    fetch = add("fetch", "fetch a preset to this machine, and copy it if --output is given", _fetch)
    fetch.add_argument("preset", type=expand_home, metavar="NAME", help=named)
    fetch.add_argument(
        "--output",
        type=expand_home,
        metavar="FOLDER",
        help="folder to copy it to, local or gs://bucket/path",
    )
    add_message_flags(fetch)
    fetch.add_argument(
        "--refresh",
        action="store_true",
        help="look for a newer version even if the preset is cached, and repair damaged files",
    )
    digest = add("digest", "print the digest by which results identify a preset", _digest)
    digest.add_argument("preset", type=expand_home, metavar="NAME", help=named)
    add_message_flags(digest)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run_command(_presets, argv, "files that were fetched whole are kept")


def _presets(argv: Sequence[str]) -> int:
    parser = make_parser()
    args = parser.parse_own(argv)
    if args.command is None:
        parser.error("say what to do: list, show, fetch or digest")
    with findings() if args.command != "fetch" else nullcontext():
        return args.run(args)


def _list(args: "argparse.Namespace") -> int:
    from models.presets.lookup import all_presets

    found = all_presets()
    if args.json:
        print(shown_json([_facts(preset) for preset in found]))
    else:
        _print_table(found)
    return 0


def _show(args: "argparse.Namespace") -> int:
    from models.presets.lookup import find_preset

    facts = _facts(find_preset(args.preset))
    if args.json:
        print(shown_json(facts))
        return 0
    facts |= facts.pop("config") or {}
    if facts["state"] == "to fetch":
        facts["to fetch it"] = f"python -m pipelines.presets fetch {args.preset}"
    _print_facts(facts)
    return 0


def _fetch(args: "argparse.Namespace") -> int:
    from models.hubs import store
    from models.presets.lookup import find_preset
    from pipelines.preset_output import copy_preset

    if args.output == "":
        raise UserError("--output is the folder to copy to; it must not be empty")
    preset = find_preset(args.preset)
    folder = _local_folder(preset, args.refresh)
    copied = False
    if args.output:
        if preset.uri:
            store.verify(preset.uri)
        copied = copy_preset(folder, args.output)
    files = [path for path in folder.rglob("*") if path.is_file()]
    facts = {
        "name": preset.name,
        "source": store.source(preset.uri) if preset.uri else None,
        "folder": str(folder),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "output": args.output,
        "copied": copied,
    }
    if manner().is_json:
        say("INFO", f"preset {preset.name} is in {folder}", **facts)
    with report(f"the preset is in {visible(args.output or str(folder))}"):
        if args.json:
            print(shown_json(facts))
        elif shows_outcome():
            there = "there" if copied else "already there"
            _print_facts(
                {
                    "preset": preset.name,
                    "source": facts["source"],
                    "folder": facts["folder"],
                    "size": f"{facts['bytes'] / 1e6:,.1f} MB in {len(files)} files",
                    "output": args.output and f"{args.output} ({there})",
                    "use it with": f"--preset={args.output or args.preset}",
                }
            )
    return 0


def _digest(args: "argparse.Namespace") -> int:
    from pipelines.fetching import open_named

    preset = open_named(args.preset)
    if args.json:
        print(shown_json({"name": preset.name, "digest": preset.digest}))
    else:
        print(preset.digest)
    return 0


def _local_folder(preset: "KnownPreset", refresh: bool = False) -> Path:
    """Returns the folder of a preset, fetched if need be, with a progress bar."""
    from pipelines.fetching import fetch

    if preset.uri is None:
        if preset.folder is None or refresh:
            raise PresetError(
                f"preset {preset.name!r} is not from a hub: there is nothing to refresh; leave out "
                "--refresh"
            )
        return preset.folder
    return fetch(preset, refresh=refresh)


def _facts(preset: "KnownPreset") -> dict[str, Any]:
    """Returns all that is known about a preset, for programs; what is unknown is `None`."""
    from models.hubs import store

    registered = preset.registered
    return {
        "name": preset.name,
        "state": preset.state,
        "family": preset.family,
        "parameters": preset.parameters,
        "description": preset.description,
        "config": preset.config or None,
        "lowercase": preset.lowercase,
        "sequence_length": preset.sequence_length,
        "labels": preset.labels,
        "aliases": list(registered.aliases) if registered else [],
        "uri": preset.uri,
        "source": store.source(preset.uri) if preset.uri and preset.folder else None,
        "folder": str(preset.folder) if preset.folder else None,
    }


def _print_table(presets: "Sequence[KnownPreset]") -> None:
    from rich.markup import escape
    from rich.table import Table

    console = report_console()
    is_wide = console.width >= _WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2 if is_wide else 1, 0, 0))
    table.add_column("name", no_wrap=True, style="bold")
    table.add_column("family", no_wrap=True)
    for name in ("layers", "hidden", "heads", "weights"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    if is_wide:
        table.add_column("description", no_wrap=True)
    for preset in presets:
        config = preset.config
        sizes = [str(config[size]) for size in ("num_layers", "hidden_dim", "num_heads")]
        row = [preset.name, preset.family or "", *sizes, _millions(preset.parameters), preset.state]
        row += [preset.description or ""] if is_wide else []
        table.add_row(*(escape(printable(cell)) for cell in row))
    console.print(table)


def _millions(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:,.1f}M"


def _print_facts(facts: dict[str, Any]) -> None:
    """Prints names and the values that are not empty, one per line."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value not in (None, [], ""):
            table.add_row(escape(printable(name)), escape(_readable(value)))
    report_console().print(table)


def _readable(value: Any) -> str:
    if isinstance(value, list):
        return visible(", ".join(printable(str(each)) for each in value), _LIST_CHARACTERS)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else visible(str(value))


if __name__ == "__main__":
    run_process(main)
