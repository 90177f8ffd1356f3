"""Seconds and memory that loading a backbone of BERT base's size takes, in both preset formats.

python -m benchmarks.loading

Each preset, with random weights, is loaded by a process of its own. Memory is what the peak grows
by once TensorFlow runs, compared with the size of the weights. Seconds are compared with those of
reading the file and making the model with random weights, and of making it without weights.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import median

REPEATS = 5
SHAPE = {
    "vocabulary_size": 30_522,
    "num_layers": 12,
    "num_heads": 12,
    "hidden_dim": 768,
    "intermediate_dim": 3072,
}


def peak_bytes() -> int:
    """Returns the largest resident memory that this process has had.

    On Linux the memory of the process that started it counts too, so that one must stay small.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_keras_hub(folder: Path) -> None:
    from models import BertBackbone

    BertBackbone(**SHAPE).save_to_preset(folder)


def write_hugging_face(folder: Path) -> None:
    from safetensors.numpy import save_file

    from models.families.record import FAMILIES
    from models.presets import hugging_face
    from models.presets.hugging_face_preset import CONFIG
    from models.presets.weights.safetensors_weights import WEIGHTS

    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps({"model_type": "bert"}))
    config = {**SHAPE, "max_sequence_length": 512, "num_segments": 2}
    layout = hugging_face.backbone_weights(FAMILIES["bert"], config, {"pooler": True})
    random = np.random.default_rng(0)
    arrays = {
        name: random.standard_normal(shape, np.float32)
        for weight in layout
        for name, shape in weight.parts
    }
    save_file(arrays, folder / WEIGHTS)


FORMATS = {"Keras Hub": write_keras_hub, "Hugging Face": write_hugging_face}


def measure(folder: Path) -> dict[str, Any]:
    """Loads a preset in this process; returns the seconds, bytes and what they compare with."""
    from models import BertBackbone
    from models.encoder import unset_weights

    file = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    BertBackbone(vocabulary_size=8, num_layers=1, num_heads=1, hidden_dim=8, intermediate_dim=8)
    before = peak_bytes()
    start = time.perf_counter()
    backbone = BertBackbone.from_preset(folder)
    loaded = time.perf_counter() - start
    peak = peak_bytes() - before
    weights = 4 * backbone.count_params()
    del backbone
    start = time.perf_counter()
    file.read_bytes()
    read = time.perf_counter() - start
    start = time.perf_counter()
    with unset_weights():
        BertBackbone(**SHAPE)
    made_unset = time.perf_counter() - start
    start = time.perf_counter()
    BertBackbone(**SHAPE)
    made = time.perf_counter() - start
    seconds = {"loaded": loaded, "read": read, "made": made, "made_unset": made_unset}
    return {**seconds, "peak": peak, "weights": weights}


def own_process(*arguments: str) -> str:
    """Runs one step of this benchmark in a process of its own; returns what it printed."""
    command = [sys.executable, "-m", "benchmarks.loading", *arguments]
    return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True)


def main() -> None:
    """Prints the ratios of time and of memory for each format."""
    if len(sys.argv) == 2:
        print(json.dumps(measure(Path(sys.argv[1]))))
        return
    if len(sys.argv) == 3:
        FORMATS[sys.argv[1]](Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in FORMATS:
            preset = f"{folder}/{name}"
            own_process(name, preset)
            runs = [json.loads(own_process(preset)) for _ in range(REPEATS)]
            of = {key: median([run[key] for run in runs]) for key in runs[0]}
            least = of["read"] + of["made"]
            print(
                f"{name}: loaded in {of['loaded']:.2f} s, {of['loaded'] / least:.2f} times reading "
                f"({of['read']:.2f} s) and making ({of['made']:.2f} s, without weights "
                f"{of['made_unset']:.2f} s); peak "
                f"{of['peak'] / 1e6:,.0f} MB, {of['peak'] / of['weights']:.2f} times the weights",
                flush=True,
            )


if __name__ == "__main__":
    main()
