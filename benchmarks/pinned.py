"""Runs a module on some cores, which the processes of a benchmark take in turn.

    python -m benchmarks.pinned FOLDER CORES[/CORES…] MODULE [ARG …]

The first process with this FOLDER gets the first CORES, as 0 or 0,1; the next one the next.
"""

import contextlib
import itertools
import os
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Pins this process, and runs the module in it."""
    folder, shares = Path(sys.argv[1]), sys.argv[2].split("/")
    for number in itertools.count():
        with contextlib.suppress(FileExistsError):
            (folder / str(number)).touch(exist_ok=False)
            break
    cores = {int(core) for core in shares[number % len(shares)].split(",")}
    os.sched_setaffinity(0, cores)
    sys.argv = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
