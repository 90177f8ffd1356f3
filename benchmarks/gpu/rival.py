"""PyTorch in half precision: Transformers with care, and sentence-transformers if it is there.

    python -m benchmarks.gpu.rival full|quick SHAPE gpu|cpu PRECISION

Transformers gets rows sorted by length, in batches padded to their longest row rounded up to a
multiple of 8, with PyTorch's fused attention; sentence-transformers is `encode` as it comes, with
the best of these batch sizes.
"""

import importlib.util
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from benchmarks.flops import Shape
from benchmarks.gpu.work import (
    MAX_TOKENS,
    Pass,
    arguments,
    lengths,
    make_ids,
    make_texts,
    report,
    time_passes,
    vocabulary,
    with_special,
)
from benchmarks.measuring import median


def main() -> None:
    """Reports the passes of every batch size."""
    size, shape, device = arguments()
    precision = sys.argv[4]
    place = "cuda" if device == "gpu" else "cpu"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=shape.vocabulary_size,
        hidden_size=shape.hidden_dim,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        intermediate_size=shape.intermediate_dim,
        attn_implementation="sdpa",
    )
    network = BertModel(config, add_pooling_layer=False)
    real = lengths(size.rows)
    tokens, flops = int(real.sum()), shape.flops(real)
    network.to(place, getattr(torch, precision)).eval()
    speeds = {}
    for batch_size in size.batch_sizes:
        run, places = _from_ids(network, shape, size.rows, batch_size)
        first, seconds, busy = time_passes(run, size.passes)
        speeds[batch_size] = median(seconds)
        name = f"Transformers, from ids, batches of {batch_size}"
        report(name, Pass(first, seconds, tokens, places, flops, precision, busy))
    if importlib.util.find_spec("sentence_transformers") is None:
        return
    from sentence_transformers import SentenceTransformer

    with tempfile.TemporaryDirectory() as folder:
        network.to("cpu", torch.float32).save_pretrained(folder)
        words = Path(folder) / "vocab.txt"
        words.write_text("\n".join(vocabulary(shape)), encoding="utf-8")
        BertTokenizer(str(words), model_max_length=MAX_TOKENS).save_pretrained(folder)
        model = SentenceTransformer(folder, device=place)
    model.max_seq_length = MAX_TOKENS
    model.to(getattr(torch, precision))
    texts = make_texts(shape, size.rows)
    assert model.tokenize(texts[:1])["input_ids"].shape[1] == real[0]
    batch_size = min(speeds, key=speeds.__getitem__)
    first, seconds, busy = time_passes(
        lambda: model.encode(texts, batch_size=batch_size, show_progress_bar=False), size.passes
    )
    name = f"sentence-transformers, from texts, batches of {batch_size}"
    report(name, Pass(first, seconds, tokens, None, flops, precision, busy))


def _from_ids(
    network: BertModel, shape: Shape, rows: int, batch_size: int
) -> tuple[Callable[[], np.ndarray], int]:
    """Returns a pass, and how many positions it has."""
    ids, splits = with_special(make_ids(shape, rows))
    real = np.diff(splits)
    order = np.argsort(-real, kind="stable")
    batches = [order[at : at + batch_size] for at in range(0, rows, batch_size)]
    widths = [-(-int(real[batch].max()) // 8) * 8 for batch in batches]
    device = network.device

    @torch.inference_mode()
    def run() -> np.ndarray:
        vectors = np.empty((rows, shape.hidden_dim), np.float32)
        made = []
        for batch, width in zip(batches, widths, strict=True):
            mask = np.arange(width) < real[batch, None]
            padded = np.zeros(mask.shape, np.int64)
            starts = splits[batch]
            padded[mask] = np.concatenate(
                [
                    ids[start : start + count]
                    for start, count in zip(starts, real[batch], strict=True)
                ]
            )
            there = torch.from_numpy(mask).to(device, non_blocking=True)
            hidden = network(
                torch.from_numpy(padded).to(device, non_blocking=True), there.long()
            ).last_hidden_state
            pooled = (hidden.float() * there[:, :, None]).sum(1)
            made.append(torch.nn.functional.normalize(pooled, dim=1))
        for batch, found in zip(batches, made, strict=True):
            vectors[batch] = found.cpu().numpy()
        return vectors

    places = sum(len(batch) * width for batch, width in zip(batches, widths, strict=True))
    return run, places


if __name__ == "__main__":
    main()
