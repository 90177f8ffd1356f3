"""The ways to embed that are compared: the product's precisions, and those of its rivals."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from benchmarks.measuring import run
from benchmarks.rivals.embedding import REFUSED
from models.inference.predictor import Precision

PRECISIONS: list[Precision] = sorted(
    (each for each in get_args(Precision) if each != "auto"), key=lambda each: each != "float32"
)
"""What the product can be told to compute in; first that with which all is compared."""

PRODUCT = "textbeam"
TITLES = {PRODUCT: "Textbeam", "onnx": "ONNX Runtime", "openvino": "OpenVINO"}
BASE = f"{PRODUCT}_float32"
"""What all others are compared with, in speed and in numbers."""

RIVAL_BASE = "onnx_float32"
"""What all others are compared with in speed, too."""

NAMES = [
    *(f"{PRODUCT}_{precision}" for precision in PRECISIONS),
    RIVAL_BASE,
    "onnx_int8",
    "openvino_float32",
    "openvino_bfloat16",
    "openvino_int8",
]


@dataclass(frozen=True)
class Way:
    """One way to embed texts.

    Attributes:
        name: One of `NAMES`.
        model: The folder that it loads.
        command: What starts it, up to the corpus; see `benchmarks/rivals/embedding.py`.
        computes: What it says that it computes in; the precision that was asked for, if empty.
        refusal: Why this machine cannot do it; empty if it can.
    """

    name: str
    model: str
    command: tuple[str, ...]
    computes: str = ""
    refusal: str = ""

    @property
    def product(self) -> str:
        """The key of its title in `TITLES`."""
        return self.name.partition("_")[0]

    @property
    def precision(self) -> str:
        """What it is told to compute in."""
        return self.name.partition("_")[2]

    @property
    def title(self) -> str:
        """What a table calls it."""
        title = f"{TITLES[self.product]} {self.precision}"
        return title if self.computes in ("", self.precision) else f"{title} ({self.computes})"

    def process(self, corpus: Path, output: Path) -> list[str]:
        """Returns the command of a whole process, from its start to Parquet."""
        if self.product != PRODUCT:
            return [*self.command, str(corpus), str(output)]
        flags = (f"--preset={self.model}", f"--precision={self.precision}")
        files = (f"--input={corpus}", f"--output={output}", "--if_exists=overwrite")
        return [sys.executable, "-m", "pipelines.embed", *flags, *files]

    def tried(self) -> "Way":
        """Loads the model in a process of its own, and returns what is known then."""
        process = subprocess.run(self.command, capture_output=True, text=True)
        if process.returncode == 0:
            return replace(self, computes=process.stdout.strip())
        for line in process.stderr.splitlines():
            if line.startswith(REFUSED):
                return replace(self, refusal=line.removeprefix(REFUSED))
        sys.exit(f"{' '.join(self.command)} failed:\n{process.stderr[-3000:]}")


def product_way(precision: Precision, model: str) -> Way:
    """Returns the way of the product in a precision."""
    command = (sys.executable, "-m", "benchmarks.embed_passes", precision, model)
    return Way(f"{PRODUCT}_{precision}", model, command)


def rival_ways(
    names: Sequence[str], model: str, python: str, calibration: Path, folder: Path
) -> list[Way]:
    """Makes what rivals load, and returns their ways.

    Args:
        names: Which of `NAMES`; the product's are passed over.
        model: The folder of a BERT in the Hugging Face format.
        python: Python of the rivals' environment.
        calibration: Texts to find OpenVINO's ranges of int8 with.
        folder: Where to put it.
    """

    def script(name: str) -> tuple[str, str, str]:
        return python, "-m", f"benchmarks.rivals.{name}"

    exported, onnx_int8, openvino_int8 = (
        str(folder / name) for name in ("onnx", "onnx_int8", "openvino_int8")
    )
    streams, openvino = script("embed_onnx_streams"), script("embed_openvino")
    ways = {
        RIVAL_BASE: (exported, streams),
        "onnx_int8": (onnx_int8, streams),
        "openvino_float32": (exported, (*openvino, "float32")),
        "openvino_bfloat16": (exported, (*openvino, "bfloat16")),
        "openvino_int8": (openvino_int8, (*openvino, "int8")),
    }
    chosen = [Way(name, *_of(*ways[name])) for name in names if name in ways]
    if chosen:
        run([*script("embed_onnx"), "--make", model, exported])
    if "onnx_int8" in names:
        run([*script("embed_onnx_int8"), exported, onnx_int8])
    if "openvino_int8" in names:
        run([*openvino, "--make", exported, str(calibration), openvino_int8])
    return chosen


def _of(model: str, script: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    return model, (*script, model)
