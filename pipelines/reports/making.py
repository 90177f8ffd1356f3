"""Which page belongs to which result, and the file that it becomes."""

import os
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from models.errors import UserError
from pipelines.reporting.shown import visible

if TYPE_CHECKING:
    from pipelines.reports.blocks import Section
    from pipelines.reports.result import Result

RESULTS = {"classify": "classified"}
"""The module of this package that has the `sections` of a result, by the manifest's command."""

TRAINED = "training.json"
"""What tells a preset that finetune made, whose `sections` are in `trained`."""

_TITLES = {"classify": "Labels", "embed": "Vectors"}
_PACKAGES = ("altair", "vl_convert")


def check_report(file: str | None) -> None:
    """Checks, before any work, that a page can be made and written.

    Args:
        file: Where it is to be written; nothing is checked if None.

    Raises:
        UserError: A package is missing, or the file cannot be written.
    """
    if file is None:
        return
    if any(find_spec(package) is None for package in _PACKAGES):
        raise UserError(
            "a report is drawn with Altair, which is not installed: pip install 'textbeam[report]'"
        )
    path = Path(file)
    if path.is_dir():
        raise UserError(
            f"--report={visible(file)} is a folder: name a file, such as "
            f"{visible(str(path / 'report.html'))}"
        )
    if not path.absolute().parent.is_dir():
        raise UserError(f"--report={visible(file)}: its folder does not exist")


def result_page(output: str) -> str:
    """Returns the page about a result.

    Args:
        output: The output folder of classify or embed.

    Raises:
        UserError: There is no such result.
    """
    from pipelines.reports.about import about_sections, subtitle
    from pipelines.reports.page import Page
    from pipelines.reports.result import read_result

    result = read_result(output)
    command = result.manifest["command"]
    module = import_module(f"pipelines.reports.{RESULTS[command]}")
    sections = cast("Callable[[Result], list[Section]]", module.sections)
    title = f"{_TITLES[command]} in {visible(os.path.basename(output.rstrip('/')) or output)}"
    return Page(title, subtitle(result), [*sections(result), *about_sections(result)]).to_html()


def write_page(page: str, file: str) -> None:
    """Writes a page; whoever reads the file meanwhile sees the one before.

    Raises:
        OSError: It cannot be written.
    """
    path = Path(file)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            new.write(page)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
