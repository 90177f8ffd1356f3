"""A long run that is killed again and again, and updated: what is lost, done twice, kept in memory.

    python -m tests.faults.long_run [--rows=10000000] [--kills=3]

Rows are generated and written without a model, by the code that commands use; each kill is a
SIGKILL at a random moment. At the end the result is verified against its input.
"""

import argparse
import mmap
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from transforms.verification import verify

_FILES = 20

# Counts the rows that it reads in a file that outlives it, and prints its peak memory in MiB.
_RUN = """
import mmap, resource, struct, sys
from tests.faults import null_run
with_counts = null_run._with_counts
with open(sys.argv[3], "r+b") as file:
    shared = mmap.mmap(file.fileno(), 8)
def count(batch):
    shared[:] = struct.pack("q", struct.unpack("q", shared[:])[0] + batch.num_read)
    return with_counts(batch)
null_run._with_counts = count
null_run.null_run([sys.argv[1]], sys.argv[2], "update")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)
"""


def main() -> int:
    """Prints what each run did; returns 1 if the result is not whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    generator = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _generate(folder / "in", args.rows // 10)
        print(f"{args.rows // 10:,} rows at once: {_run(folder, 'tenth')}", flush=True)
        _generate(folder / "in", args.rows)
        began = time.monotonic()
        print(f"{args.rows:,} rows at once: {_run(folder, 'whole')}", flush=True)
        seconds = time.monotonic() - began
        (folder / "counter").write_bytes(bytes(8))
        for _ in range(args.kills):
            after = seconds * generator.uniform(0.3, 0.9) / args.kills
            print(f"after {after + 1:.1f} s: {_run(folder, 'out', after + 1)}", flush=True)
        print(f"at last: {_run(folder, 'out')}")
        (read,) = struct.unpack("q", (folder / "counter").read_bytes())
        found = verify(str(folder / "out"), [str(folder / "in")])
        assert found.manifest is not None
        written, parts = found.manifest["rows"]["written"], found.manifest["parts"]
        print(f"{written:,} rows in {len(parts)} parts, {read - written:,} of them done twice")
        print(f"problems: {found.problems or 'none'}")
        return 1 if found.problems or written != args.rows else 0


def _generate(folder: Path, rows: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(_FILES):
        share = range(number * rows // _FILES, (number + 1) * rows // _FILES)
        lines = (f"row {row} of a long corpus {row * 2654435761 % 2**32:x}\n" for row in share)
        (folder / f"{number:02}.txt").write_text("".join(lines))


def _run(folder: Path, output: str, kill_after: float | None = None) -> str:
    """Runs to the end or to a kill; says how many rows have been read by all runs."""
    counter = folder / "counter"
    if not counter.exists():
        counter.write_bytes(bytes(8))
    arguments = [str(folder / "in"), str(folder / output), str(counter)]
    command = [sys.executable, "-c", _RUN, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = f"finished, peak memory {process.communicate(timeout=kill_after)[0].strip()} MiB"
        except subprocess.TimeoutExpired:
            process.kill()
            said = "killed"
    with open(counter, "rb") as file, mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ) as rows:
        return f"{said}, {struct.unpack('q', rows[:])[0]:,} rows read so far"


if __name__ == "__main__":
    sys.exit(main())
