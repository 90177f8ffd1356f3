"""ONNX Runtime by a careful hand.

    python -m benchmarks.rivals.embed_onnx --make MODEL FOLDER

exports a model. Texts are tokenized in parallel, sorted by length and cut into batches; mean
pooling and normalization are NumPy's. All is float32. The runtime's own optimizer joins biases to
gelus and scales to products, and finds normalizations; graphs that `onnxruntime.transformers` fused
further, down to one operator of attention, were slower on two cores of an AMD EPYC.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.rivals.embedding import Embed, run_rival

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
MAX_TOKENS = 256
BATCH_TOKENS = 512
"""Token area of a batch: areas of 1,024 and 2,048 and batches of 32 rows were slower."""
STREAMS = len(os.sched_getaffinity(0))
"""Threads that call one session, each operation on one core.

One thread, each operation on two cores, was slower.
"""


def load(folder: str) -> Embed:
    """Loads what `make` wrote."""
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    pool = ThreadPoolExecutor(STREAMS)

    def embed(texts: Sequence[str]) -> np.ndarray:
        rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
        vectors: list[np.ndarray] = [np.empty(0)] * len(rows)

        def run(chosen: np.ndarray) -> None:
            mask = np.zeros((len(chosen), len(rows[chosen[0]])), np.int64)
            token_ids = np.zeros_like(mask)
            for at, row in enumerate(chosen):
                token_ids[at, : len(rows[row])] = rows[row]
                mask[at, : len(rows[row])] = 1
            features = (token_ids, mask, np.zeros_like(mask))
            (hidden,) = session.run(None, dict(zip(INPUTS, features, strict=True)))
            for row, vector in zip(chosen, mean_of_tokens(hidden, mask), strict=True):
                vectors[row] = vector

        list(pool.map(run, batches(np.array([len(row) for row in rows]))))
        return np.stack(vectors)

    return embed


def batches(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the rows of batches of like length, the longest first."""
    order = np.argsort(-lengths, kind="stable")
    at = 0
    while at < len(order):
        rows = max(1, BATCH_TOKENS // int(lengths[order[at]]))
        yield order[at : at + rows]
        at += rows


def mean_of_tokens(hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the mean of the tokens of each row, of length 1."""
    weights = mask.astype(np.float32)[:, None] / mask.sum(1)[:, None, None].astype(np.float32)
    means = (weights @ hidden)[:, 0]
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def make(model: str, folder: str) -> None:
    """Exports a BERT of Hugging Face."""
    import torch
    from transformers import BertModel

    class Hidden(torch.nn.Module):
        """Computes the vectors of all tokens."""

        def __init__(self, network: BertModel) -> None:
            super().__init__()
            self.network = network

        def forward(
            self, token_ids: torch.Tensor, mask: torch.Tensor, segment_ids: torch.Tensor
        ) -> torch.Tensor:
            return self.network(token_ids, mask, segment_ids).last_hidden_state

    # Fusions are found in attention that is written out, in a graph of the older exporter.
    network = BertModel.from_pretrained(model, attn_implementation="eager", add_pooling_layer=False)
    Path(folder).mkdir(parents=True)
    shutil.copy(f"{model}/tokenizer.json", folder)
    example = torch.ones(2, 16, dtype=torch.int64)
    torch.onnx.export(
        Hidden(network.eval()),
        (example, example, example * 0),
        f"{folder}/model.onnx",
        input_names=INPUTS,
        output_names=["hidden"],
        dynamic_axes={name: {0: "rows", 1: "length"} for name in (*INPUTS, "hidden")},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make(*sys.argv[2:])
    else:
        run_rival(load)
