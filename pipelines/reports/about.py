"""The sections of every page about a result: where it is from and how it came about."""

from pipelines.reports.blocks import Facts, Section
from pipelines.reports.result import Result


def subtitle(result: Result) -> str:
    """Returns the line beneath a page's title."""
    rows = result.manifest["rows"]
    return f"{rows['written']:,} rows by {result.model['preset']}, {result.manifest['finished']}"


def about_sections(result: Result) -> list[Section]:
    """Returns the sections about inputs, the model and the run."""
    return [Section("Model", [Facts({"preset": result.model["preset"]})])]
