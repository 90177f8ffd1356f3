"""OpenVINO in float32, bfloat16 or int8.

    python -m benchmarks.rivals.embed_openvino --make ONNX_FOLDER TEXTS FOLDER

quantizes an exported graph with NNCF: weights and activations in int8, with SmoothQuant, calibrated
on a file of texts.

    python -m benchmarks.rivals.embed_openvino PRECISION FOLDER …

embeds, with the other arguments of a rival (`embedding.py`). `float32` and `bfloat16` take the
folder that `embed_onnx` exported. Batches by token area, each in a stream of its own on one core.
Tried on two cores of an AMD EPYC, in CPU time: one stream on both takes a sixth longer, batches of
32 rows some hundredths. NNCF's int8 without SmoothQuant, with a smaller alpha of it or with the
slower bias correction is as fast and further from float32, from PyTorch's fused attention it is the
same; int8 weights with activations quantized as they come are slower than bfloat16.
"""

import functools
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.rivals.embed_onnx import CORES, Compute, embedder, pad, tokenizer
from benchmarks.rivals.embed_onnx_streams import batches
from benchmarks.rivals.embedding import Embed, read_texts, refuse, run_rival

BATCH_TOKENS = {"float32": 512, "bfloat16": 1024, "int8": 1024}
"""The area of batches in each precision; the next smaller and larger ones take longer."""

CALIBRATION_BATCHES = 64
"""As many as matter: with three times as many the vectors were no nearer to float32."""


def load(precision: str, folder: str) -> Embed:
    """Loads a graph that was exported or quantized."""
    of_area = functools.partial(batches, batch_tokens=BATCH_TOKENS[precision])
    return embedder(folder, compiled(precision, folder), of_area, streams=CORES)


def compiled(precision: str, folder: str) -> Compute:
    """Compiles a graph; refuses bfloat16 where the processor lacks it."""
    import openvino

    core = openvino.Core()
    has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bfloat16" and not has_bfloat16:
        refuse("OpenVINO finds no bfloat16 in this processor")
    # What is not quantized in an int8 graph, OpenVINO computes as it would by itself.
    rest = "bf16" if precision != "float32" and has_bfloat16 else "f32"
    model = core.compile_model(
        f"{folder}/{'model.xml' if precision == 'int8' else 'model.onnx'}",
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": rest,
            "NUM_STREAMS": str(CORES),
            "INFERENCE_NUM_THREADS": str(CORES),
        },
    )
    # Two threads that infer for the first time at once can wait for each other for ever.
    model.create_infer_request().infer(pad([[0]]))
    of_thread = threading.local()

    def compute(features: Mapping[str, np.ndarray]) -> np.ndarray:
        if not hasattr(of_thread, "request"):
            of_thread.request = model.create_infer_request()
        return of_thread.request.infer(features, share_inputs=True, share_outputs=True)[0]

    return compute


def make(exported: str, texts: str, folder: str) -> None:
    """Quantizes a graph that `embed_onnx` exported."""
    import nncf
    import openvino

    Path(folder).mkdir(parents=True)
    shutil.copy(f"{exported}/tokenizer.json", folder)
    rows = tokenizer(exported)(read_texts(texts))
    of_area = list(batches(np.array([len(row) for row in rows]), BATCH_TOKENS["int8"]))
    chosen = np.random.default_rng(0).permutation(len(of_area))[:CALIBRATION_BATCHES]
    examples = [pad([rows[row] for row in of_area[batch]]) for batch in chosen]
    quantized = nncf.quantize(
        openvino.Core().read_model(f"{exported}/model.onnx"),
        nncf.Dataset(examples),
        subset_size=len(examples),
        model_type=nncf.ModelType.TRANSFORMER,
    )
    openvino.save_model(quantized, f"{folder}/model.xml", compress_to_fp16=False)


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make(*sys.argv[2:])
    else:
        run_rival(functools.partial(load, sys.argv.pop(1)))
