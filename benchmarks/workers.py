"""How to use all cores of a machine best: streams in one process, threads, or processes.

    python -m benchmarks.workers [--embed=FOLDER] [--kinds=one,apart,…]

The same command with Beam's workers of each kind, alternating. A worker of Beam is a thread, or a
process with a model of its own; in each the predictor runs its streams. Two cores are used: each
worker process is pinned to one of them, or may run on both.

Speed is that of the middle three fifths of the rows, by the times at which their parts were
written, so that no start is in it. The cores that other programs of the machine took meanwhile are
printed beside it: where they are not near 0, trust the CPU time that a row costs the workers, less
that of their start.
"""

import argparse
import json
import os
import resource
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measuring import median, names_of, write_news

_PROCESSES = "--direct_running_mode=multi_processing"
_THREADS = "--direct_running_mode=multi_threading"

KINDS = {
    "one": ("one process, one core", "0", [_PROCESSES, "--direct_num_workers=1"]),
    "apart": ("two processes, a core each", "0/1", [_PROCESSES, "--direct_num_workers=2"]),
    "both": ("one process, two cores", "0,1", [_PROCESSES, "--direct_num_workers=1"]),
    "shared": ("two processes, two cores", "0,1", [_PROCESSES, "--direct_num_workers=2"]),
    "here": ("the command alone, two cores", "0,1", []),
    "threads": ("two threads, two cores", "0,1", [_THREADS, "--direct_num_workers=2"]),
}
"""What each is, the cores of its worker processes, and its flags."""

_UNITS = 32
_FEW = 10  # texts of a unit, where the start is measured


@dataclass(frozen=True)
class _Run:
    """Seconds in all, rows a second, CPU seconds of the workers, and cores that others took."""

    seconds: float
    speed: float
    cpu: float
    others: float


def main() -> None:
    """Prints the figures of each kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--embed", metavar="FOLDER", help="preset to embed with")
    parser.add_argument("--texts", type=int, default=64_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kinds", type=names_of(list(KINDS)), default=list(KINDS))
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)  # a kind, corpus and output
    args = parser.parse_args()
    if args.run:
        _run_here(args.embed, *args.run)
        return
    with tempfile.TemporaryDirectory() as name:
        few = _write_units(Path(name, "few"), _FEW)
        many = _write_units(Path(name, "many"), args.texts // _UNITS)
        starts = {kind: _run(args.embed, kind, few, name).cpu for kind in args.kinds}
        runs: dict[str, list[_Run]] = {kind: [] for kind in args.kinds}
        for _ in range(args.repeats):
            for kind in args.kinds:
                runs[kind].append(_run(args.embed, kind, many, name))
    print(f"{args.embed or 'sentiment_tiny_en'}, {args.texts:,} texts in {_UNITS} units of work")
    first = median([run.speed for run in runs[args.kinds[0]]])
    for kind, found in runs.items():
        speed = median([run.speed for run in found])
        cpu = median([run.cpu for run in found]) - starts[kind]
        print(
            f"  {KINDS[kind][0]:28} {median([run.seconds for run in found]):6.1f} s in all, "
            f"{speed:7,.0f} rows/s, {speed / first:4.2f} times; {1e6 * cpu / args.texts:7,.0f} µs "
            f"of CPU a row; others took {median([run.others for run in found]):.1f} cores"
        )


def _run(preset: str | None, kind: str, corpus: Path, folder: str) -> _Run:
    """Runs one command in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.workers", "--run", kind, str(corpus), folder]
    command += [f"--embed={preset}"] if preset else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return _Run(**json.loads(done.stdout.splitlines()[-1]))


def _run_here(preset: str | None, kind: str, corpus: str, folder: str) -> None:
    """Runs the command in this process, and prints its figures."""
    from transforms.reading import units

    _, cores, flags = KINDS[kind]
    output = Path(folder, "out")
    # A small corpus would be one unit, whatever its files: each file is to be one.
    units._LEAST_BYTES = 1 + max(path.stat().st_size for path in Path(corpus).iterdir())
    os.sched_setaffinity(0, {0, 1})
    with tempfile.TemporaryDirectory() as turns:
        if _PROCESSES in flags:  # Beam's local runner starts this Python for them
            starter = Path(turns, "python")
            turn = Path(turns, "turns")
            turn.mkdir()
            # It is given -m and a module's name.
            line = f'exec {sys.executable} -m benchmarks.pinned {turn} {cores} "$2"'
            starter.write_text(f"#!/bin/sh\n{line}\n")
            starter.chmod(stat.S_IRWXU)
            sys.executable = str(starter)
        given = [f"--input={corpus}", f"--output={output}", "--if_exists=overwrite", *flags]
        busy, cpu, began = _busy(), _cpu(), time.time()
        if preset:
            from pipelines.embed import main as command

            code = command([f"--preset={preset}", *given])
        else:
            from pipelines.classify import main as command

            code = command(given)
        seconds, spent = time.time() - began, _cpu() - cpu
        others = max(0.0, _busy() - busy - spent) / seconds
    if code:
        sys.exit(code)
    print(json.dumps(asdict(_Run(seconds, _speed(output), spent, others))))


def _speed(output: Path) -> float:
    """Returns the rows a second of the middle three fifths of the rows of a result."""
    import numpy as np
    import pyarrow.parquet as pq

    parts = [(path.stat().st_mtime, path) for path in output.glob("*.parquet")]
    times, paths = zip(*sorted(parts), strict=True)
    done = np.cumsum([pq.ParquetFile(path).metadata.num_rows for path in paths])
    start, stop = np.interp([0.2 * done[-1], 0.8 * done[-1]], done, times)
    return float(0.6 * done[-1] / max(stop - start, 1e-3))


def _cpu() -> float:
    """Returns the CPU seconds of this process and of those that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _busy() -> float:
    """Returns the CPU seconds of all programs of the machine since it started."""
    user, nice, system = map(int, Path("/proc/stat").read_text().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def _write_units(folder: Path, texts: int) -> Path:
    """Writes files of so many texts, no two of them alike, each as large as the others."""
    folder.mkdir()
    lines = write_news(folder / "all", texts * _UNITS).read_text(encoding="utf-8").splitlines()
    (folder / "all").unlink()
    for unit in range(_UNITS):
        text = "\n".join(lines[unit::_UNITS]) + "\n"
        (folder / f"{unit:02}.txt").write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
