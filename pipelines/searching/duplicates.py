"""Looks for near duplicates among the rows of a result, and shows them."""

from typing import Any

import numpy as np

from models.errors import UserError
from pipelines.reporting.console import findings, progress_bar, report_console, tell
from pipelines.reporting.pace import duration
from pipelines.reporting.shown import counted
from pipelines.searching.shown import cells_of, print_json, rows_as_json, table_of
from transforms.vectors.duplicates import (
    Pairs,
    distinct_texts,
    near_duplicates,
    pairs_among,
    seconds_for,
)
from transforms.vectors.stored import StoredVectors

MOST_ROWS = 1_000_000
"""Rows that are compared with each other: of 384 numbers, an hour or two of one core, by what
docs/vectors.md measures."""

_LONG_SECONDS = 10  # from which on it is said beforehand


def show_duplicates(
    stored: StoredVectors, threshold: float, most: int, as_json: bool = False
) -> None:
    """Prints the pairs of rows with the highest cosines, and how many groups these make.

    Rows with the same text count as one.

    Args:
        stored: The result.
        threshold: The least cosine of a pair.
        most: How many pairs to print.
        as_json: Whether to print JSON, with all columns and all groups, in place of a table.

    Raises:
        UserError: There are too many rows.
        OutputError: The result cannot be read.
    """
    is_first = distinct_texts(stored)
    num_distinct = int(np.count_nonzero(is_first))
    seconds = seconds_for(num_distinct, stored.dimensions)
    if num_distinct > MOST_ROWS:
        raise UserError(_too_many(num_distinct, seconds))
    if seconds > _LONG_SECONDS:
        tell(f"{pairs_among(num_distinct):,} pairs: about {duration(seconds)}")
    done = 0

    def add(pairs: int) -> None:
        nonlocal done
        done += pairs

    with progress_bar(pairs_among(num_distinct), lambda: (done, _rows_of(done))):
        found = near_duplicates(stored, is_first, threshold, most, add)
    with findings():
        if as_json:
            print_json(_as_json(stored, is_first, threshold, found))
        else:
            _print(stored, is_first, threshold, found)


def _rows_of(pairs: int) -> int:
    """Returns about how many rows make so many pairs."""
    return int((2 * pairs) ** 0.5)


def _too_many(rows: int, seconds: float) -> str:
    return (
        f"{rows:,} rows with distinct texts make {pairs_among(rows):,} pairs, about "
        f"{duration(seconds)} on this machine, and at most {MOST_ROWS:,} rows are compared: embed "
        "parts of the corpus into folders of their own, or look for the neighbours of each row in "
        "an approximate index (docs/vectors.md)"
    )


def _as_json(
    stored: StoredVectors, is_first: np.ndarray, threshold: float, found: Pairs
) -> dict[str, Any]:
    numbers, places = np.unique(found.rows, return_inverse=True)
    rows = rows_as_json(stored.rows(numbers.tolist()))
    pairs = [
        {"score": score, "rows": [rows[place] for place in pair]}
        for score, pair in zip(found.scores.tolist(), places.reshape(-1, 2).tolist(), strict=True)
    ]
    grouped = np.concatenate([np.empty(0, np.int64), *found.groups])
    named = rows_as_json(stored.rows(grouped.tolist(), ["source", "position"]))
    ends = np.cumsum([len(group) for group in found.groups]).tolist()
    groups = [named[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    distinct = int(np.count_nonzero(is_first))
    return {
        "vectors": stored.num_rows,
        "same_text": stored.num_rows - distinct,
        "threshold": threshold,
        "num_pairs": found.num_pairs,
        "pairs": pairs,
        "groups": groups,
    }


def _print(stored: StoredVectors, is_first: np.ndarray, threshold: float, found: Pairs) -> None:
    console = report_console()
    names = ["source", "position", *stored.text_columns]
    numbers, places = np.unique(found.rows, return_inverse=True)
    rows = stored.rows(numbers.tolist(), names).to_pylist()
    table = table_of("cosine", *stored.text_columns, "where")
    for score, pair in zip(found.scores.tolist(), places.reshape(-1, 2).tolist(), strict=True):
        first, second = (cells_of(rows[place], stored.text_columns) for place in pair)
        table.add_row(f"{score:.3f}", *first)
        table.add_row("", *second)
    if len(found.rows):
        console.print(table)
    copies = stored.num_rows - int(np.count_nonzero(is_first))
    said = counted(stored.num_rows, "row")
    if copies:
        has, was = ("has", "was") if copies == 1 else ("have", "were")
        said += f", of which {copies:,} {has} the text of an earlier one and {was} left out"
    console.print(said, markup=False)
    shown = f", {len(found.rows):,} shown" if found.num_pairs > len(found.rows) else ""
    said = f"{counted(found.num_pairs, 'pair')} with a cosine of {threshold:g} or more{shown}"
    if found.groups:
        grouped = sum(map(len, found.groups))
        left = stored.num_rows - copies - grouped + len(found.groups)
        said += (
            f", in {counted(len(found.groups), 'group')} of {grouped:,} rows; with one row of each "
            f"there are {counted(left, 'row')}"
        )
    console.print(said, markup=False)
