"""The page about labels, scores and numbers that texts were given."""

from pipelines.reports.blocks import Chart, Section, Table
from pipelines.reports.charts import bars
from pipelines.reports.result import Result


def sections(result: Result) -> list[Section]:
    """Returns the sections about the labels."""
    labels = result.manifest.get("labels", {})
    table = Table("Rows by label", ["label", "rows"], [[*each] for each in labels.items()])
    chart = Chart("Rows by label", bars(labels, title="rows"), f"{len(labels)} labels.", table)
    return [Section("Labels", [chart])]
