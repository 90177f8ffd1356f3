"""How long texts are, and what of them the model did not read."""

import numpy as np
import pyarrow.compute as pc

from pipelines.reports import charts
from pipelines.reports.about import of_sample, share
from pipelines.reports.blocks import Block, Chart, Prose, Section, Table, Value
from pipelines.reports.result import Result

_BINS = 40
_POINTS = (5, 25, 50, 75, 95, 99)

# The few longest texts would leave no room for the others.
_DRAWN_PERCENTILE = 99.5

# Cut rows of more than this share are worth a word above all else.
_MUCH_CUT = 0.05


def truncation_warning(result: Result) -> list[Block]:
    """Returns a word about texts that were cut, if they are many."""
    rows = result.manifest["rows"]
    if rows["truncated"] <= _MUCH_CUT * rows["written"]:
        return []
    said = (
        f"{rows['truncated']:,} of {rows['written']:,} texts "
        f"({share(rows['truncated'], rows['written'])}) are longer than the "
        f"{result.model['sequence_length']} tokens that the model read of them: "
        "--long_text=windows reads all of them."
    )
    return [Prose(said, True)]


def lengths_section(result: Result) -> list[Section]:
    """Returns the section about the lengths of texts, if there are rows."""
    table = result.rows
    if not len(table) or "num_tokens" not in table.column_names:
        return []
    lengths = pc.drop_null(table["num_tokens"]).to_numpy()
    if not len(lengths):
        return []
    limit, rows = result.model["sequence_length"], result.manifest["rows"]
    cut = rows["truncated"]
    is_cut = result.model["long_text"] == "truncate"
    high = max(float(np.percentile(lengths, _DRAWN_PERCENTILE)), float(lengths.min()) + 1)
    if cut:
        high = max(high, 1.15 * limit)
    # Whole tokens to a bin: else some bins have more lengths than others.
    width = max(1, int(np.ceil((high + 1) / _BINS)))
    count = int(np.ceil((high + 1) / width))
    bins = charts.binned(lengths[lengths <= high], count, (0, width * count))
    marks = {f"{'cut' if is_cut else 'window'} at {limit}": float(limit)}
    beyond = int((lengths > high).sum())
    where = np.percentile(lengths, _POINTS)
    middle, most = int(where[2]), int(lengths.max())
    said = f"Half of the texts have {middle:,} tokens or fewer; the longest has {most:,}. "
    if is_cut and not cut:
        said += f"None is longer than {limit:,}, where they would be cut."
    elif is_cut:
        said += f"{cut:,} ({share(cut, rows['written'])}) are longer than {limit:,} and were cut."
    else:
        said += f"Those longer than {limit:,} were read in windows, and none was cut."
    figures: list[list[Value]] = [
        [f"{point}%", int(value)] for point, value in zip(_POINTS, where, strict=True)
    ]
    chart = Chart(
        "Tokens of a text",
        charts.histogram(
            bins,
            title="tokens",
            value_format=charts.COUNT,
            marks=marks if limit <= width * count else None,
        ),
        said,
        Table(
            "Tokens of a text",
            ["share of the texts", "tokens at most"],
            [*figures, ["all", most]],
        ),
        note=f"{beyond:,} longer texts are not drawn." if beyond else "",
    )
    intro = f"{of_sample(result.sample)} Special tokens are counted, and what was cut."
    return [Section("Lengths", [chart], intro)]
