"""Speed on a GPU: the predictor against sentence-transformers and plain Keras.

    python -m benchmarks.gpu [--rival_python=rival/bin/python]

Embeds texts of random words through encoders with random weights in the shapes of BERT base and
all-MiniLM-L6-v2; nothing is downloaded. Prints real tokens a second, the share of positions that
were padding, the seconds that only the first pass takes (graphs and their compilation), how much of
the GPU's matrix-multiplication peak in the same precision the real tokens take (measured in the
same run; `benchmarks/flops.py` says what is counted), and the utilisation that nvidia-smi shows.
Finishes within eight minutes: what would start later is left out.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.gpu_work import FULL, QUICK
from benchmarks.measuring import median

PARTS = ("textbeam", "keras")
RIVAL = "benchmarks.rivals.gpu_sentence_transformers"
NO_GPU = 2


class Clock:
    """The seconds that are left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Returns the seconds left; negative when time is up."""
        return self._end - time.monotonic()


def main() -> int:
    """Prints the table; returns 2 if there is no GPU, 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only shows that it works")
    parser.add_argument("--rival_python", default=sys.executable, help="Python of the rival")
    parser.add_argument("--minutes", type=float, default=7.5, help="time limit of all parts")
    args = parser.parse_args()
    clock = Clock(args.minutes * 60)
    size = QUICK if args.quick else FULL
    amount = "quick" if args.quick else "full"
    ours = [sys.executable, "-m", "benchmarks.gpu_parts", amount]

    if args.device == "gpu" and not _sees_card():
        print("TensorFlow sees no GPU on this machine; --device=cpu --quick tries the benchmark")
        return NO_GPU
    some_shape = next(iter(size.shapes))
    output, error = _run([*ours, some_shape, args.device, "peak"], args.device, clock)
    if error:
        print(f"peak: {error}")
        return 1
    card = output[0]
    peaks = ", ".join(f"{speed:,.2f} in {name}" for name, speed in card["peak"].items())
    print(f"{card['device']}, TFLOP/s of matrix multiplication: {peaks}")

    rival = _has_sentence_transformers(args.rival_python)
    if not rival:
        print("sentence-transformers is not installed: left out")
    failed = False
    for shape in size.shapes:
        print(f"\n{shape}, {size.rows:,} texts, median of {size.passes} passes")
        print(
            f"  {'':37} {'tokens/s':>9} {'padding':>7} {'compile s':>9} {'of peak':>7} nvidia-smi"
        )
        lines = [[*ours, shape, args.device, part] for part in PARTS]
        if rival:
            lines.append([args.rival_python, "-m", RIVAL, amount, shape, args.device])
        for line in lines:
            output, error = _run(line, args.device, clock)
            for result in output:
                print(f"  {_row(result, card['peak'])}", flush=True)
            if error:
                failed = True
                print(f"  {line[2].rpartition('.')[2]} {line[-1]}: {error}")
    return int(failed)


def _run(
    command: Sequence[str], device: str, clock: Clock
) -> tuple[list[dict[str, Any]], str | None]:
    """Returns what a part reported, and what went wrong with it."""
    if clock.left() <= 0:
        return [], "left out: time is up"
    # On the CPU no library may find a GPU.
    env = {**os.environ, **({"CUDA_VISIBLE_DEVICES": "-1"} if device == "cpu" else {})}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, text=True
    )
    try:
        output, errors = process.communicate(timeout=clock.left())
        error = None
        if process.returncode:
            error = f"failed: {(errors.strip() or 'without a message').splitlines()[-1]}"
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        error = "stopped: time is up"
    reports = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return reports, error


def _sees_card() -> bool:
    code = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return process.stdout.strip() not in ("", "0")


def _has_sentence_transformers(python: str) -> bool:
    code = "import importlib.util as u, sys; sys.exit(u.find_spec('sentence_transformers') is None)"
    return subprocess.run([python, "-c", code]).returncode == 0


def _row(result: dict[str, Any], peak: dict[str, float]) -> str:
    """Returns a line of the table."""
    seconds = median(result["seconds"])
    share = result["flops"] / seconds / 1e12 / peak[result["precision"]]
    padding = f"{1 - result['tokens'] / result['places']:.1%}" if result["places"] else "-"
    busy = f"{result['busy']:.0f}%" if result["busy"] is not None else "-"
    compile_seconds = max(0.0, result["first"] - seconds)
    return (
        f"{result['name']:37} {result['tokens'] / seconds:9,.0f} {padding:>7} "
        f"{compile_seconds:9.1f} {share:7.1%} {busy:>10}"
    )


if __name__ == "__main__":
    sys.exit(main())
