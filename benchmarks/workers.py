"""How to use all cores of a machine best: streams in one process, threads, or processes.

    python -m benchmarks.workers [--embed=FOLDER]

The same command with Beam's workers of each kind, whole processes, alternating. A worker of Beam is
a thread, or a process with a model of its own; in each the predictor runs its streams. The texts
are in several files, so that every worker gets some.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import alternate, median, write_news

_KINDS = {
    "one worker": [],
    "two threads": ["--direct_num_workers=2", "--direct_running_mode=multi_threading"],
    "two processes": ["--direct_num_workers=2", "--direct_running_mode=multi_processing"],
}

_FILES = 8


def main() -> None:
    """Prints seconds, memory and rows a second of each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--embed", metavar="FOLDER", help="preset to embed with")
    parser.add_argument("--texts", type=int, default=10_001)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    command = "embed" if args.embed else "classify"
    preset = args.embed or "sentiment_tiny_en"
    with tempfile.TemporaryDirectory() as name:
        corpus = _write_files(Path(name), args.texts)
        commands = {
            kind: [
                *(sys.executable, "-m", f"pipelines.{command}", f"--preset={preset}"),
                *(f"--input={corpus}", f"--output={name}/out", "--if_exists=overwrite", *flags),
            ]
            for kind, flags in _KINDS.items()
        }
        results = alternate(commands, args.repeats)
    print(f"{command}, {args.texts:,} texts, median of {args.repeats} alternating runs")
    for kind, runs in results.items():
        wall = median([run.wall for run in runs])
        peak = max(run.peak_mb for run in runs)
        print(f"  {kind:28} {wall:6.1f} s  {args.texts / wall:7,.0f} rows/s  {peak:6,.0f} MB")


def _write_files(folder: Path, texts: int) -> str:
    """Writes texts into files; returns their glob."""
    lines = write_news(folder / "all", texts).read_text(encoding="utf-8").splitlines(keepends=True)
    for part in range(_FILES):
        (folder / f"{part}.txt").write_text("".join(lines[part::_FILES]), encoding="utf-8")
    return str(folder / "*.txt")


if __name__ == "__main__":
    main()
