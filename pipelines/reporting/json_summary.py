"""What a run did, as JSON for the programs that started it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.reporting.json_lines import json_line

if TYPE_CHECKING:
    from transforms.writing.output import Todo


def as_json(
    manifest: Mapping[str, Any], *, output: str, todo: "Todo | None" = None, is_new: bool = True
) -> str:
    """Returns one line of JSON.

    It has `status` (`done`, or `up to date` if there was nothing to do), `output`, `run_id`,
    `seconds`, `rows` (of the run: `read`, `written`, `rejected`, `truncated`), `tokens`, `labels`
    if there are any, `total_rows` of the result and, of an update, `files` by what became of them.

    Args:
        manifest: Manifest of the output folder, the run included.
        output: The folder as the user wrote it.
        todo: What the run had to read, if it was an update.
        is_new: Whether there was a run.
    """
    run = manifest["runs"][-1]
    nothing = dict.fromkeys(run["rows"], 0)
    said = {
        "status": "done" if is_new else "up to date",
        "output": output,
        "run_id": run["run_id"],
        "seconds": run["seconds"] if is_new else 0.0,
        "rows": run["rows"] if is_new else nothing,
        "tokens": run["tokens"] if is_new else 0,
        "total_rows": manifest["rows"]["written"],
    }
    if is_new and "labels" in run:
        said["labels"] = run["labels"]
    if todo is not None:
        said["files"] = {
            "new": len(todo.files) - len(todo.replaced),
            "changed": len(todo.replaced),
            "same": todo.num_same,
            "gone": todo.num_vanished,
        }
    return json_line(said)
