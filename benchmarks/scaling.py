"""Speed and memory with ten times as many texts: 10,000 and 100,000, whole processes, alternating.

    python -m benchmarks.scaling [--embed=FOLDER]

Labels with the bundled preset, or embeds with the preset in a folder. Startup, which all have, is
measured with 100 texts and subtracted before speeds are compared.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import Run, alternate, median, write_news

_FEW = 100


def main() -> None:
    """Prints texts a second and peak memory for both, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--embed", metavar="FOLDER", help="preset to embed with")
    parser.add_argument("--rows", type=int, nargs=2, default=[10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    command = [sys.executable, "-m"]
    command += (
        ["pipelines.embed", f"--preset={args.embed}"] if args.embed else ["pipelines.classify"]
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def line(rows: int) -> list[str]:
            corpus = write_news(folder / f"{rows}.txt", rows)
            output = (f"--output={folder}/out{rows}", "--if_exists=overwrite")
            return [*command, f"--input={corpus}", *output]

        commands = {str(rows): line(rows) for rows in (_FEW, *args.rows)}
        runs = alternate(commands, args.repeats, {"few": commands[str(_FEW)]})
    start, _ = _middle(runs[str(_FEW)])
    print(f"median of {args.repeats} alternating runs; {start:.1f} s with {_FEW} texts")
    speeds, peaks = [], []
    for rows in args.rows:
        wall, peak = _middle(runs[str(rows)])
        speeds.append((rows - _FEW) / (wall - start))
        peaks.append(peak)
        print(
            f"  {rows:9,} texts {wall:7.1f} s {peak:6,.0f} MB, "
            f"without the start {speeds[-1]:6,.0f} texts/s"
        )
    print(f"  {speeds[1] / speeds[0]:.2f} times the speed, {peaks[1] / peaks[0]:.2f} the memory")


def _middle(runs: list[Run]) -> tuple[float, float]:
    """Returns the median seconds and the median MB."""
    return median([run.wall for run in runs]), median([run.peak_mb for run in runs])


if __name__ == "__main__":
    main()
