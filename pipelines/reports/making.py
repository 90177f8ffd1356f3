"""Which page belongs to which result, and the file that it becomes."""

import os
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from models.errors import UserError
from pipelines.reporting.shown import visible

if TYPE_CHECKING:
    from pipelines.reports.blocks import Section
    from pipelines.reports.result import Result

RESULTS = {"classify": "classified"}
"""The module of this package that has the `sections` of a result, by the manifest's command."""

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


def page_of(place: str) -> str:
    """Returns the page about a result, or about a preset that finetune made.

    Args:
        place: The output folder of classify, embed or finetune, or what else names a preset.

    Raises:
        UserError: There is neither.
    """
    from pipelines.reports.trained.record import read_training

    record = read_training(place)
    return result_page(place) if record is None else training_page(record, place)


def training_page(record: Mapping[str, Any], place: str) -> str:
    """Returns the page about a preset that finetune made.

    Args:
        record: What its `training.json` holds, perhaps with the texts of its mistakes.
        place: Where the preset is, as a user writes it.

    Raises:
        UserError: The record is not one that finetune writes.
    """
    from pipelines.reports.trained.record import not_a_record
    from pipelines.reports.trained.sections import trained_page

    try:
        return trained_page(record, place).to_html()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise not_a_record(place) from None


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
