"""Runs Keras Hub's tests of the four families over our classes, and prints what became of them.

python -m tests.keras_hub CHECKOUT [-k EXPRESSION] [-v]
python -m tests.keras_hub --write
"""

import argparse
import sys
from itertools import groupby
from pathlib import Path

from tests.keras_hub.differences import DIFFERENCES, PAGE, page
from tests.keras_hub.running import Outcome, run


def main() -> int:
    """Prints a line a module and a line a test that did not pass; returns 1 if one is not known."""
    parser = argparse.ArgumentParser("python -m tests.keras_hub", description=__doc__)
    parser.add_argument("checkout", nargs="?", type=Path, help="of keras-hub, or its git directory")
    parser.add_argument("-k", default="", help="which tests, as pytest has it")
    parser.add_argument("-v", action="store_true", help="print what pytest prints")
    parser.add_argument("--write", action="store_true", help="write the table of docs/keras_hub.md")
    args = parser.parse_args()
    if args.write:
        PAGE.write_text(page(), "utf-8")
        return 0
    if args.checkout is None:
        parser.error("name a checkout of keras-hub, or its git directory")
    try:
        found = run(args.checkout, args.k, args.v)
    except ValueError as error:
        parser.error(str(error))
    ran = [outcome for outcome in found if outcome.word != "skipped"]
    for module, outcomes in groupby(found, key=lambda outcome: outcome.test.split("::")[0]):
        print(_lines(module, list(outcomes)))
    passed = sum(outcome.word == "passed" for outcome in ran)
    wrong = [outcome.test for outcome in found if is_wrong(outcome)]
    print(f"{passed} of {len(ran)} pass, {100 * passed / max(1, len(ran)):.0f}%", end="; ")
    print(f"{len(found) - len(ran)} skipped; {len(wrong)} otherwise than differences.py says")
    return 1 if wrong else 0


def is_wrong(outcome: Outcome) -> bool:
    """Whether a test fails without a reason, or passes in spite of one."""
    return (outcome.word == "failed") != (outcome.test in DIFFERENCES)


def _lines(module: str, outcomes: list[Outcome]) -> str:
    passed = sum(outcome.word == "passed" for outcome in outcomes)
    lines = [f"{passed:3} of {len(outcomes):2}  {module}"]
    for outcome in outcomes:
        if outcome.word != "passed":
            why = DIFFERENCES.get(outcome.test, outcome.reason)
            lines.append(f"           {outcome.word}: {outcome.test.split('::')[-1]}: {why}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
