"""Reads every kind of checkpoint here and with its reference, and prints a line for each.

python -m tests.checkpoints [NAME …] [--reference=PYTHON] [--write]
"""

import argparse
import functools
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.checkpoints import table
from tests.checkpoints.kind import Kind
from tests.checkpoints.kinds import KINDS
from tests.checkpoints.texts import PAIRS, TEXTS

if TYPE_CHECKING:
    from tests.checkpoints.comparing import Reference

_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "USE_TF": "0",
}


def main() -> int:
    """Prints a table; returns 1 if any kind is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help="kinds whose names contain this; all if none")
    parser.add_argument("--reference", help="an interpreter with other versions of the references")
    parser.add_argument("--write", action="store_true", help="write docs/checkpoint_kinds.md")
    args = parser.parse_args()
    if args.write:
        table.PAGE.write_text(table.page(), "utf-8")
        return 0
    os.environ.update(_QUIET)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    chosen = [k for k in KINDS if not args.name or any(name in k.name for name in args.name)]
    if not chosen:
        parser.error(f"no kind has one of {', '.join(args.name)} in its name")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="checkpoints-") as root:
        folders = {kind.name: kind.build(Path(root) / kind.name) for kind in chosen}
        reference = _reference_of(args.reference, chosen, folders)
        words = [
            _word(kind, folders[kind.name], reference, bool(args.reference)) for kind in chosen
        ]
    counts = ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))
    print(f"{len(chosen)} kinds in {time.monotonic() - began:.0f} s: {counts}")
    return 1 if "WRONG" in words else 0


def _reference_of(python: str | None, kinds: list[Kind], folders: dict[str, Path]) -> "Reference":
    """Returns what the reference reads from a folder: in this process, or in another's."""
    from tests.checkpoints import reference

    if python is None:
        return functools.partial(reference.read, texts=TEXTS, pairs=PAIRS)
    with tempfile.TemporaryDirectory() as place:
        job, results = Path(place) / "job.json", Path(place) / "results.npz"
        wanted = [(str(folders[k.name]), r) for k in kinds if not k.refused for r in k.readings]
        job.write_text(json.dumps({"folders": wanted, "texts": TEXTS, "pairs": PAIRS}), "utf-8")
        script = str(Path(reference.__file__))
        subprocess.run([python, script, job, results], check=True, env={**os.environ, **_QUIET})
        with np.load(results) as stored:
            found = {name: stored[name] for name in stored.files}

    def read(folder: str, reading: str) -> np.ndarray | str:
        numbers = found.get(f"{folder}\t{reading}", np.asarray("it was not asked"))
        return str(numbers) if numbers.dtype.kind == "U" else numbers

    return read


def _word(kind: Kind, folder: Path, reference: "Reference", is_other: bool) -> str:
    """Reads a kind, prints its line, and returns the word that the line begins with."""
    from tests.checkpoints import comparing

    try:
        found = list(comparing.outcomes(kind, folder, reference))
        problems = list(filter(None, (comparing.problem(kind, outcome) for outcome in found)))
    except Exception as error:  # one that crashes does not keep the others from being read
        found, problems = [], [f"{type(error).__name__}: {error}"]
    word = "WRONG" if problems else "ok"
    if is_other and kind.before:
        word = "known" if problems else "WRONG"
    print(f"{word:8}{kind.name:34}{'; '.join(problems or map(str, found))}", flush=True)
    return word


if __name__ == "__main__":
    sys.exit(main())
