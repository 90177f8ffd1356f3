"""Looks for the rows that are nearest to queries, and shows them."""

from collections.abc import Sequence
from typing import Any

from pipelines.reporting.console import findings, progress_bar, report_console
from pipelines.reporting.json_lines import sound
from pipelines.reporting.shown import counted, printable, visible
from pipelines.reporting.waits import waiting
from pipelines.searching.queries import AskedQueries
from pipelines.searching.shown import cells_of, print_json, rows_as_json, table_of
from transforms.vectors.nearest import Nearest
from transforms.vectors.stored import StoredVectors

_PREFIX_CHARACTERS = 60


def show_nearest(
    stored: StoredVectors,
    asked: AskedQueries,
    queries: Sequence[str],
    top_k: int,
    as_json: bool = False,
) -> None:
    """Prints the rows of a result that are nearest to each query.

    Args:
        stored: The result.
        asked: How queries become vectors.
        queries: The queries.
        top_k: How many rows to print for each.
        as_json: Whether to print JSON, with all columns, in place of a table.

    Raises:
        OutputError: The result cannot be read.
    """
    with waiting(f"starting the model {printable(asked.preset.name)}"):
        vectors = asked.embed(queries)
    nearest = Nearest(vectors, asked.similarity, top_k)
    done = 0
    with progress_bar(stored.num_rows, lambda: (done, done)):
        for block in stored.blocks():
            nearest.add(block.first, block.vectors)
            done += len(block.vectors)
    with findings():
        if as_json:
            print_json(_as_json(stored, asked, queries, nearest))
        else:
            _print(stored, asked, queries, nearest)


def _as_json(
    stored: StoredVectors, asked: AskedQueries, queries: Sequence[str], nearest: Nearest
) -> dict[str, Any]:
    found = []
    for index, query in enumerate(queries):
        rows = rows_as_json(stored.rows(nearest.rows(index).tolist()))
        scores = nearest.scores(index).tolist()
        results = [{"score": s, "row": row} for s, row in zip(scores, rows, strict=True)]
        found.append({"query": sound(query), "results": results})
    return {
        "vectors": stored.num_rows,
        "without_vector": nearest.num_left_out,
        "preset": sound(asked.preset.name),
        "prefix": asked.prefix and sound(asked.prefix),
        "similarity": asked.similarity,
        "queries": found,
    }


def _print(
    stored: StoredVectors, asked: AskedQueries, queries: Sequence[str], nearest: Nearest
) -> None:
    console = report_console()
    names = ["source", "position", *stored.text_columns]
    for index, query in enumerate(queries):
        console.print(printable(query), style="bold", markup=False)
        table = table_of("score", *stored.text_columns, "where")
        rows = stored.rows(nearest.rows(index).tolist(), names).to_pylist()
        for score, row in zip(nearest.scores(index).tolist(), rows, strict=True):
            table.add_row(f"{score:.3f}", *cells_of(row, stored.text_columns))
        console.print(table)
    for line in _notes(stored, asked, nearest):
        console.print(line, style="dim", markup=False)


def _notes(stored: StoredVectors, asked: AskedQueries, nearest: Nearest) -> list[str]:
    """Returns what a person should know about the scores."""
    what = f"{counted(stored.num_rows, 'vector')} of {stored.dimensions} × {stored.dtype}"
    by = asked.similarity if stored.dtype != "binary" else "cosine to the signs of their numbers"
    said = [f"{what}, ordered by {by}; preset {printable(asked.preset.name)}"]
    theirs = stored.manifest["model"]["embedding"]["prefix"]
    ours = _quoted(asked.prefix)
    if asked.prompt is not None:
        said.append(f"queries were read with the prompt {printable(asked.prompt)}, {ours}")
    elif asked.prefix or theirs:
        said.append(f"queries were read with {ours} before them")
    if theirs != asked.prefix:
        said[-1] += f", the rows with {_quoted(theirs)}; --prefix and --prompt change the queries'"
    if nearest.num_left_out:
        said.append(f"{counted(nearest.num_left_out, 'row')} without a finite vector left out")
    return said


def _quoted(prefix: str) -> str:
    return visible(repr(prefix), _PREFIX_CHARACTERS) if prefix else "nothing"
