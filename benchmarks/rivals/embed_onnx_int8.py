"""Makes the int8 graph of ONNX Runtime's dynamic quantization, for `embed_onnx_streams`.

    python -m benchmarks.rivals.embed_onnx_int8 ONNX_FOLDER FOLDER

The weights of matrix products become int8 with a scale for each column; activations are quantized
as they come. Tried on two cores of an AMD EPYC with AVX-512 VNNI, in CPU time beside float32: int8
weights 2.0 to 2.1 times as fast, with attention's products and the tables of embeddings quantized
too or not (not is nearer to float32), with `reduce_range` (for processors without VNNI) or not;
uint8 weights 1.3; graphs that `onnxruntime.transformers` fused before, with an attention operator
or without, 1.6 to 1.7.
"""

import shutil
import sys
from pathlib import Path


def make(exported: str, folder: str) -> None:
    """Quantizes a graph that `embed_onnx` exported."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    Path(folder).mkdir(parents=True)
    shutil.copy(f"{exported}/tokenizer.json", folder)
    quantize_dynamic(
        f"{exported}/model.onnx",
        f"{folder}/model.onnx",
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


if __name__ == "__main__":
    make(*sys.argv[1:])
