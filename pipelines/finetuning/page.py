"""The HTML page about a training, which `--report` asks for."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import UserError
from pipelines.reporting.console import report
from pipelines.reporting.messages import say_outcome
from pipelines.reporting.shown import visible
from pipelines.reports.making import check_report, training_page, write_last

if TYPE_CHECKING:
    from pipelines.finetuning.figures import Figures


def check_page(file: str | None, output: Path) -> None:
    """Checks, before any work, that a page can be made and where it is to be written.

    Args:
        file: The page; nothing is checked if `None`.
        output: The folder of the preset.

    Raises:
        UserError: A package is missing, the file cannot be written, or it would be published.
    """
    check_report(file)
    if file is not None and Path(os.path.realpath(file)).is_relative_to(output):
        raise UserError(
            f"--report={visible(file)} would be in the preset, which is copied and published "
            "without the texts that the page shows: name a file outside of it"
        )


def report_training(
    file: str | None, record: Mapping[str, Any], figures: "Figures", place: str
) -> bool:
    """Writes the page about a training, with the texts that the preset is most wrong about.

    Args:
        file: The page; none is written if `None`.
        record: What `training.json` holds.
        figures: What the validation rows say, with their texts.
        place: Where the preset is, which stays whatever happens here.

    Returns:
        What `write_last` returns.
    """
    shown = {**record["figures"], "mistakes": figures.mistakes}
    again = "python -m pipelines.report makes one of the preset, without texts"
    page = partial(training_page, {**record, "figures": shown}, place)
    if not write_last(page, file, "the preset is written", again):
        return False
    if file is not None:
        with report("the preset and the page are written"):
            say_outcome(f"{file} is written: open it in a browser")
    return True
