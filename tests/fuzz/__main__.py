"""Reads as many damaged inputs as asked for: `python -m tests.fuzz --inputs=100000 --seed=1`."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.cases import CASES
from tests.fuzz.properties import chance_of
from tests.fuzz.runs import Tally, run

_FOUND = Path(tempfile.gettempdir(), "textbeam-fuzz")
_COLUMNS = ("inputs", "rows", "rejected", "refused")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 1 if an input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides the damage (%(default)s)")
    parser.add_argument("--cases", default="", help="only those with this in their name")
    parser.add_argument("--save", type=Path, default=_FOUND, help="folder of failures")
    args = parser.parse_args(argv)
    cases = [case for case in CASES if args.cases in case]
    tallies = run(cases, args.inputs, args.seed)
    print(_table(tallies))
    for case, tally in tallies.items():
        for number, failure in tally.failures.items():
            print(f"\n{_save(args.save, args.seed, case, number, failure)}:\n{failure}")
    return int(any(tally.failures for tally in tallies.values()))


def _table(tallies: dict[str, Tally]) -> str:
    head = f"{'format':<20}" + "".join(f"{name:>10}" for name in (*_COLUMNS, "failures", "slowest"))
    lines = [
        f"{case:<20}"
        + "".join(f"{tally.counts[name]:>10,}" for name in _COLUMNS)
        + f"{len(tally.failures):>10,}{tally.slowest:>9.1f}s"
        for case, tally in tallies.items()
    ]
    return "\n".join([head, *lines])


def _save(folder: Path, seed: int, case: str, number: int, failure: str) -> Path:
    """Keeps an input that failed, and what it did."""
    kept = folder / f"{seed}-{case}-{number}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    CASES[case].make(kept, chance_of(seed, case, number))
    (kept / "failure.log").write_text(failure, encoding="utf-8")
    return kept


if __name__ == "__main__":
    sys.exit(main())
