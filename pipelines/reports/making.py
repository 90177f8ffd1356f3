"""Which page belongs to which result, and the file that it becomes."""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from models.errors import RunError, UserError
from pipelines.reporting.console import print_error, tell
from pipelines.reporting.local_file import LocalFile
from pipelines.reporting.shown import visible
from pipelines.reporting.waits import waiting

if TYPE_CHECKING:
    from pipelines.reports.blocks import Section
    from pipelines.reports.result import Result

RESULTS = {"classify": "classified", "embed": "embedded"}
"""The module of this package that has the `sections` of a result, by the manifest's command."""

_TITLES = {"classify": "Labels", "embed": "Vectors"}
_PACKAGES = ("altair", "vl_convert")
_BEGINNING = b"<!doctype html"


def check_report(file: str | None, ends_early: str | None = None) -> None:
    """Checks, before any work, that a page can be made and written.

    Args:
        file: Where it is to be written; nothing is checked if None.
        ends_early: A flag that lets the command end before there is a result.

    Raises:
        UserError: A package is missing, the file cannot be written, or there will be no result.
    """
    if file is None:
        return
    if ends_early is not None:
        raise UserError(
            f"with {ends_early} the command ends before there is a result: leave out --report, and "
            "make it later with python -m pipelines.report OUTPUT"
        )
    if any(find_spec(package) is None for package in _PACKAGES):
        raise UserError(
            "a report is drawn by packages that are not installed: "
            "pip install altair vl-convert-python"
        )
    said = f"--report={visible(file)}"
    if "://" in file:
        raise UserError(f"{said}: a report is written to a file on this machine; copy it then")
    path = Path(file)
    try:
        if path.is_dir() or file.endswith("/"):
            raise UserError(
                f"{said} is a folder: name a file, such as {visible(str(path / 'report.html'))}"
            )
        above = next(folder for folder in path.absolute().parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise UserError(f"{said}: nothing can be written to {visible(str(above))}")
        check_replaced(path, said)
    except OSError as error:
        raise UserError(f"{said}: {error.strerror or error}") from None


def check_replaced(path: Path, said: str) -> None:
    """Raises `UserError` if a page would come in the place of another file.

    Args:
        path: The page's file.
        said: It, as the user wrote it.
    """
    if not path.is_file():  # a pipe and a device stay what they are
        return
    with path.open("rb") as file:
        if file.read(len(_BEGINNING)).lower() not in (_BEGINNING, b""):
            raise UserError(f"{said} is there already, and is not an HTML page: name another file")


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
        record: What its `training.json` holds, as finetune or `read_training` gives it, perhaps
            with the texts of its mistakes.
        place: Where the preset is, as a user writes it.
    """
    from pipelines.reports.trained.sections import trained_page

    return trained_page(record, place).to_html()


def result_page(output: str) -> str:
    """Returns the page about a result.

    Args:
        output: The output folder of classify or embed.

    Raises:
        UserError: There is no such result, or its manifest was changed.
        OutputError: It cannot be read.
    """
    from pipelines.reports.about import about_sections, name_of, subtitle
    from pipelines.reports.page import Page
    from pipelines.reports.result import read_result
    from transforms.writing.manifest import manifest_errors

    with waiting("making the page"), manifest_errors(output):
        result = read_result(output, tuple(RESULTS))
        command = result.manifest["command"]
        module = import_module(f"pipelines.reports.{RESULTS[command]}")
        sections = cast("Callable[[Result], list[Section]]", module.sections)
        noun = "Numbers" if result.model.get("gives_numbers", False) else _TITLES[command]
        title = f"{noun} in {name_of(output)}"
        return Page(title, subtitle(result), [*sections(result), *about_sections(result)]).to_html()


def report_result(output: str, file: str | None) -> bool:
    """Writes the page about a result that a run has written, as `write_last` does.

    Args:
        output: The output folder.
        file: The page's file; None if there is none to write.
    """
    again = "make it again with python -m pipelines.report"
    if not write_last(lambda: result_page(output), file, "the results are written", again):
        return False
    if file is not None:
        tell(f"{visible(file)} is written: open it in a browser")
    return True


def write_last(make: Callable[[], str], file: str | None, done: str, again: str) -> bool:
    """Writes the page about work that is done, and stays so whatever happens here.

    Args:
        make: Makes the page.
        file: Where it goes; None if there is none to write.
        done: What is done, as a message begins.
        again: How to make the page all the same.

    Returns:
        Whether there is nothing that should have been written and is not; why not is printed.
    """
    if file is None:
        return True
    try:
        write_page(make(), file)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{done}, but not the report") from None
    except Exception as error:  # whatever it is, hours of work must not end as a failure of it
        said = error.strerror if isinstance(error, OSError) else None
        print_error(f"{done}, but not the report: {said or str(error) or repr(error)}; {again}")
        return False
    return True


def write_page(page: str, file: str) -> None:
    """Writes a page; whoever reads the file meanwhile sees the one before.

    Raises:
        UserError: Something else is there.
        RunError: It cannot be written.
    """
    try:
        check_replaced(Path(file), f"--report={visible(file)}")
        LocalFile(file).write(page.encode())
    except OSError as error:
        raise RunError(f"cannot write {visible(file)}: {error.strerror or error}") from None
