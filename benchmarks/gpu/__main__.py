"""Speed on a GPU: the predictor beside PyTorch and plain Keras on the same card.

    python -m benchmarks.gpu [--backend=jax|tensorflow] [--json=FILE] [--minutes=6]

Embeds texts of random words through encoders with random weights in the shapes of BERT base,
all-MiniLM-L6-v2 and XLM-R base; nothing is downloaded. For every way it prints real tokens a
second, the share of positions that were padding, the seconds that only the first pass takes (mostly
compilation), the shares of the card's peak in products and of its memory's bandwidth, both measured
in the same run, and the utilisation that nvidia-smi shows. `benchmarks/flops.py` says what is
counted as operations and bytes. Every part is a process of its own: what fails is reported and
stops no other, and what would start after the time limit is left out, the last parts first.

It needs numpy, pyarrow, h5py, safetensors and tokenizers, and for the predictor Keras with JAX or
TensorFlow; for the rivals torch and transformers, and sentence-transformers if that is to be
compared. Where there is JAX and no TensorFlow, texts are tokenized by `tokenizers`.
docs/gpus.md has the commands for a machine without network.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.work import FULL, QUICK
from benchmarks.measuring import median

NO_GPU = 2
HALVES = ("float16", "bfloat16")


class Clock:
    """The seconds that are left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Returns the seconds left; negative when time is up."""
        return self._end - time.monotonic()


def main() -> int:
    """Prints the table; returns 2 if there is no GPU, 1 if a part failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backend", choices=("jax", "tensorflow"), default="jax")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only shows that it works")
    parser.add_argument("--rival_python", default=sys.executable, help="Python of the rivals")
    parser.add_argument("--minutes", type=float, default=6, help="time limit of all parts")
    parser.add_argument("--json", type=Path, help="file that receives all that was measured")
    args = parser.parse_args()
    clock = Clock(args.minutes * 60)
    size = QUICK if args.quick else FULL
    env = {**os.environ, "KERAS_BACKEND": args.backend, "PYTHONUNBUFFERED": "1"}
    if args.device == "cpu":  # no library may find a GPU
        env |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    elif not _sees_card(args.backend, env):
        print(
            f"{args.backend} sees no GPU on this machine; --device=cpu --quick tries the benchmark"
        )
        return NO_GPU

    found: dict[str, Any] = {"backend": args.backend, "card": None, "results": [], "problems": []}

    def run(python: str, module: str, shape: str, *rest: str) -> list[dict[str, Any]]:
        amount = "quick" if args.quick else "full"
        line = [python, "-m", f"benchmarks.gpu.{module}", amount, shape, args.device, *rest]
        began = time.monotonic()
        output, problem = _run(line, env, clock)
        took = time.monotonic() - began
        if problem:
            name = " ".join((module, shape, *rest))
            found["problems"].append({"part": name, "problem": problem})
            print(f"{name}: {problem}", flush=True)
        return [{"shape": shape, "part_seconds": took, **each} for each in output]

    try:
        shapes = list(size.shapes)
        if card := run(sys.executable, "card", shapes[0]):
            found["card"] = card[0]
            _print_card(card[0])
        print(
            f"{size.rows:,} texts, median of {size.passes} passes\n"
            f"{'':10} {'':44} {'type':8} {'tokens/s':>9} {'padding':>7} {'compile s':>9} "
            f"{'of peak':>7} {'of bytes':>8} nvidia-smi",
            flush=True,
        )
        for python, module, shape, *rest in _parts(shapes, args.device, args.rival_python):
            for result in run(python, module, shape, *rest):
                found["results"].append(result)
                print(_row(result, found["card"]), flush=True)
    finally:
        if args.json:
            args.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return int(bool(found["problems"]))


def _parts(shapes: Sequence[str], device: str, rival: str) -> list[list[str]]:
    """Returns the parts, those first that matter most: the last are left out if time is short."""
    first, *others = HALVES if device == "gpu" else ("float32",)
    ours = sys.executable
    return [
        *(
            part
            for shape in shapes
            for part in (
                [ours, "ours", shape, "textbeam", first],
                [rival, "rival", shape, first],
            )
        ),
        [ours, "ours", shapes[0], "keras", first],
        *([ours, "ours", shape, "textbeam", other] for other in others for shape in shapes),
        *([ours, "ours", shape, "keras", first] for shape in shapes[1:]),
        *([rival, "rival", shape, other] for other in others for shape in shapes),
    ]


def _run(
    command: Sequence[str], env: dict[str, str], clock: Clock
) -> tuple[list[dict[str, Any]], str | None]:
    """Returns what a part reported, and what went wrong with it."""
    if clock.left() <= 0:
        return [], "left out: time is up"
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=clock.left())
        problem = None
        if process.returncode:
            problem = f"failed: {(errors.strip() or 'without a message').splitlines()[-1]}"
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)  # with its nvidia-smi, which would go on for ever
        output, _ = process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        problem = "stopped: time is up"
    reports = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return reports, problem


def _sees_card(backend: str, env: dict[str, str]) -> bool:
    code = {
        "jax": "import jax; print(jax.default_backend())",
        "tensorflow": "import tensorflow as tf\n"
        "print('gpu' if tf.config.list_physical_devices('GPU') else 'cpu')",
    }[backend]
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    return process.stdout.strip() == "gpu"


def _print_card(card: dict[str, Any]) -> None:
    peaks = ", ".join(f"{speed:,.2f} in {name}" for name, speed in card["tflops"].items())
    print(f"{card['device']}, {card['library']}; TFLOP/s of products: {peaks}")
    print(f"memory: {card['bandwidth']:.2f} TB/s read and written")
    for case in card["attention"]:
        took = f"{case['ms']:.3f} ms" if "ms" in case else case["error"]
        print(
            f"attention of a layer, lines of {case['length']}, {case['heads']} heads of "
            f"{case['head_dim']}, {case['way']}: {took}"
        )


def _row(result: dict[str, Any], card: dict[str, Any] | None) -> str:
    """Returns a line of the table."""
    seconds = median(result["seconds"])
    share = moved = "-"
    if card is not None:
        if peak := card["tflops"].get(result["precision"]):
            share = f"{result['flops'] / seconds / 1e12 / peak:.1%}"
        if result["moved"] is not None:
            moved = f"{result['moved'] / seconds / 1e12 / card['bandwidth']:.1%}"
    padding = f"{1 - result['tokens'] / result['places']:.1%}" if result["places"] else "-"
    busy = f"{result['busy']:.0f}%" if result["busy"] is not None else "-"
    return (
        f"{result['shape']:10} {result['name']:44} {result['precision']:8} "
        f"{result['tokens'] / seconds:9,.0f} {padding:>7} "
        f"{max(0.0, result['first'] - seconds):9.1f} {share:>7} {moved:>8} {busy:>10}"
    )


if __name__ == "__main__":
    sys.exit(main())
