"""Lets runs fail at every operation on files, and looks at what is left.

python -m tests.faults [--every=1] [--scene=NAME …] [--fault=NAME …]
"""

import argparse
import itertools
import sys
import time

from tests.faults.injection import FAULTS
from tests.faults.trials import SCENES, trial
from tests.fuzz.__main__ import main as fuzz


def main() -> int:
    """Prints a table of trials; returns 1 if anything was lost, doubled or left behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only each n-th operation")
    parser.add_argument("--scene", action="append", choices=[scene.name for scene in SCENES])
    parser.add_argument("--fault", action="append", choices=FAULTS)
    parser.add_argument("--inputs", type=int, default=100_000, help="damaged inputs; none if 0")
    args = parser.parse_args()
    scenes = [scene for scene in SCENES if not args.scene or scene.name in args.scene]
    began, total, bad = time.monotonic(), 0, 0
    print(f"{'scene':12} {'fault':12} {'operations':>10} {'trials':>7} {'faulty':>7}", flush=True)
    for scene, fault in itertools.product(scenes, args.fault or FAULTS):
        with trial(scene) as whole:
            operations = whole.fail(fault, 0) or 0
        trials = faulty = 0
        for lasts in (False, True) if fault in ("ENOSPC", "EIO") else (False,):
            for at in range(1, operations + 1, args.every):
                with trial(scene) as one:
                    one.fail(fault, at, lasts)
                    problems = one.check()
                trials += 1
                if problems:
                    faulty += 1
                    print(f"{scene.name}, {fault}, operation {at}, lasts {lasts}:", file=sys.stderr)
                    for problem in problems:
                        print(f"    {problem}", file=sys.stderr)
        print(f"{scene.name:12} {fault:12} {operations:10,} {trials:7,} {faulty:7,}", flush=True)
        total, bad = total + trials, bad + faulty
    print(f"{total:,} faults, {bad:,} with a loss, in {time.monotonic() - began:.0f} s")
    if args.inputs:
        bad += fuzz(["--inputs", str(args.inputs)])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
