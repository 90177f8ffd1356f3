"""sentence-transformers on a GPU, in half precision; started by `benchmarks/gpu.py`."""

import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel, BertTokenizer

from benchmarks.flops import Shape
from benchmarks.gpu_work import (
    MAX_TOKENS,
    Pass,
    arguments,
    lengths,
    make_texts,
    report,
    time_passes,
    vocabulary,
)


def main() -> None:
    """Reports the passes from texts to vectors, for each batch size."""
    size, shape, device = arguments()
    with tempfile.TemporaryDirectory() as folder:
        _write_model(Path(folder), shape)
        model = SentenceTransformer(folder, device="cuda" if device == "gpu" else "cpu")
    model.max_seq_length = MAX_TOKENS
    if device == "gpu":
        model.half()
    texts = make_texts(shape, size.rows)
    real = lengths(size.rows)
    assert model.tokenize(texts[:1])["input_ids"].shape[1] == real[0]
    for batch_size in size.batch_sizes:
        first, seconds, busy = time_passes(
            lambda batch_size=batch_size: model.encode(
                texts, batch_size=batch_size, show_progress_bar=False
            ),
            size.passes,
        )
        precision = str(next(model.parameters()).dtype).removeprefix("torch.")
        report(
            f"sentence-transformers, batches of {batch_size}",
            Pass(first, seconds, int(real.sum()), None, shape.flops(real), precision, busy),
        )


def _write_model(folder: Path, shape: Shape) -> None:
    """Writes an encoder with random weights in the Hugging Face format."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=shape.vocabulary_size,
        hidden_size=shape.hidden_dim,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        intermediate_size=shape.intermediate_dim,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    words = folder / "vocab.txt"
    words.write_text("\n".join(vocabulary(shape)), encoding="utf-8")
    BertTokenizer(str(words), model_max_length=MAX_TOKENS).save_pretrained(folder)


if __name__ == "__main__":
    main()
