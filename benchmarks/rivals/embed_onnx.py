"""ONNX Runtime, used with care.

    python -m benchmarks.rivals.embed_onnx --make MODEL FOLDER

exports a model. Texts are tokenized in parallel, sorted by length and cut into batches of 32 rows
for one session on all cores; mean pooling and normalization are NumPy's. All is float32. The
runtime's own optimizer fuses biases into gelus and scales into products, and finds normalizations;
graphs that `onnxruntime.transformers` fused further, down to a single attention operator, were
slower on two cores of an AMD EPYC.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.rivals.embedding import Embed, run_rival

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
MAX_TOKENS = 256
CORES = len(os.sched_getaffinity(0))
BATCH_ROWS = 32

Compute = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""From the inputs of a batch to the vectors of its tokens, `[rows, length, dim]`."""


def load(folder: str) -> Embed:
    """Loads what `make` wrote."""
    return embedder(folder, session(folder, threads=CORES), batches, streams=1)


def session(folder: str, threads: int) -> Compute:
    """Loads the graph of a folder that `make` wrote; an operation runs on some threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    loaded = onnxruntime.InferenceSession(
        f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"]
    )
    return lambda features: loaded.run(None, features)[0]


def embedder(
    folder: str,
    compute: Compute,
    batches: Callable[[np.ndarray], Iterator[np.ndarray]],
    streams: int,
) -> Embed:
    """Returns the function from texts to vectors.

    Args:
        folder: The folder that `make` wrote, for its tokenizer.
        compute: Computes the vectors of a batch's tokens.
        batches: Maps the lengths of rows to the rows of each batch.
        streams: Batches that are computed at a time.
    """
    tokenize = tokenizer(folder)
    pool = ThreadPoolExecutor(streams)

    def embed(texts: Sequence[str]) -> np.ndarray:
        rows = tokenize(texts)
        vectors: list[np.ndarray] = [np.empty(0)] * len(rows)

        def run(chosen: np.ndarray) -> None:
            features = pad([rows[row] for row in chosen])
            means = mean_of_tokens(compute(features), features["attention_mask"])
            for row, vector in zip(chosen, means, strict=True):
                vectors[row] = vector

        list(pool.map(run, batches(np.array([len(row) for row in rows]))))
        return np.stack(vectors)

    return embed


def tokenizer(folder: str) -> Callable[[Sequence[str]], list[list[int]]]:
    """Returns the function from texts to the ids of their tokens."""
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(f"{folder}/tokenizer.json")
    loaded.no_padding()
    loaded.enable_truncation(MAX_TOKENS)
    return lambda texts: [encoding.ids for encoding in loaded.encode_batch(list(texts))]


def pad(rows: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """Returns the inputs of a batch, int64 `[rows, length]`, of which the first row is longest."""
    mask = np.zeros((len(rows), len(rows[0])), np.int64)
    token_ids = np.zeros_like(mask)
    for at, row in enumerate(rows):
        token_ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return dict(zip(INPUTS, (token_ids, mask, np.zeros_like(mask)), strict=True))


def batches(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the rows of batches of similar length, the longest first."""
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), BATCH_ROWS):
        yield order[start : start + BATCH_ROWS]


def mean_of_tokens(hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the mean of each row's token vectors, normalized to length 1."""
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

    # Fusions are found only if attention is written out, in a graph from the older exporter.
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
