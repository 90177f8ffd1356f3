"""The predictor, and plain Keras on the same backend.

python -m benchmarks.gpu.ours full|quick SHAPE gpu|cpu textbeam|keras PRECISION
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.flops import Shape
from benchmarks.gpu.work import (
    MAX_TOKENS,
    RECORD_BATCH,
    SPECIAL,
    THREADS,
    Pass,
    Size,
    arguments,
    lengths,
    make_ids,
    make_texts,
    report,
    time_passes,
    vocabulary,
    with_special,
)
from models import (
    BertBackbone,
    BertPreprocessor,
    BertTextEmbedder,
    BertTokenizer,
    Predictor,
    backends,
)
from models.inference import runtime
from models.inference.computation import Computation, computation_of
from models.packing import Tokens


class Counted:
    """A computation that counts its micro-batches."""

    def __init__(self, computation: Computation) -> None:
        self.computation = computation
        self.width = computation.width
        self.calls = 0

    def __call__(self, features: Any) -> np.ndarray:
        """Computes a micro-batch."""
        self.calls += 1
        return self.computation(features)


def textbeam(size: Size, shape: Shape, device: str, precision: str) -> None:
    """Reports passes over record batches in threads, as a worker's, from token ids and texts."""
    kind = "GPU" if device == "gpu" else "CPU"
    preprocessor, tokenizer = _preprocessor(shape)
    backbone = BertBackbone(**shape.config(), activation="gelu", dtype=precision)
    embedder = BertTextEmbedder(backbone, preprocessor)
    computation = computation_of(embedder, kind == "GPU" or backends.compiles_each_shape())
    counted: Any = Counted(computation)
    predictor = Predictor(embedder, kind, computation=counted)
    tokens = _tokens(shape, size.rows)
    texts = make_texts(shape, size.rows)
    padded = 0

    def computed(rows: int, run: Callable[[slice], int]) -> Callable[[], None]:
        """Returns a pass in record batches that remembers nothing from an earlier one."""

        def forgetful() -> None:
            nonlocal padded
            counted.calls = 0
            predictor.forget()
            slices = [slice(start, start + rows) for start in range(0, size.rows, rows)]
            with ThreadPoolExecutor(THREADS) as pool:
                padded = sum(pool.map(run, slices))

        return forgetful

    def from_ids(rows: slice) -> int:
        return predictor.predict(tokens.take(np.arange(size.rows)[rows])).padded_tokens

    def from_texts(rows: slice) -> int:
        return predictor.predict(preprocessor.encode(texts[rows])[0]).padded_tokens

    ways = {
        "textbeam, from ids": computed(RECORD_BATCH, from_ids),
        "textbeam, from ids, all at once": computed(size.rows, from_ids),
        f"textbeam, from texts ({tokenizer})": computed(RECORD_BATCH, from_texts),
    }
    real = lengths(size.rows)
    itemsize = 4 if precision == "float32" else 2
    for name, run in ways.items():
        first, seconds, busy = time_passes(run, size.passes)
        report(
            name,
            Pass(
                first,
                seconds,
                int(real.sum()),
                int(real.sum()) + padded,
                shape.flops(real),
                precision,
                busy,
                shape.bytes_moved(int(real.sum()), counted.calls, itemsize),
                {str(key): value for key, value in computation.compile_seconds.items()},
            ),
        )


def keras_predict(size: Size, shape: Shape, device: str, precision: str) -> None:
    """Reports passes from token ids through `keras.Model.predict`, padded to one length."""
    import keras
    from keras import ops

    backbone = BertBackbone(**shape.config(), activation="gelu", dtype=precision)
    mask = ops.expand_dims(ops.cast(backbone.input["padding_mask"], precision), -1)
    pooled = ops.sum(backbone.output["sequence_output"] * mask, 1) / ops.sum(mask, 1)
    model = keras.Model(backbone.input, ops.normalize(ops.cast(pooled, "float32")))
    tokens = _tokens(shape, size.rows)
    for length in size.fixed_lengths:
        kept = np.minimum(lengths(size.rows), length)
        cut = _first_of_each(tokens, kept)

        def run(cut: Tokens = cut, length: int = length) -> Any:
            features = cut.pad(np.arange(len(cut)), length, 0)
            return model.predict(features, batch_size=32_768 // length, verbose=0)

        first, seconds, busy = time_passes(run, size.passes)
        flops, places = shape.flops(kept), size.rows * length
        report(
            f"Keras predict, from ids, padded to {length}",
            Pass(first, seconds, int(kept.sum()), places, flops, precision, busy),
        )


def _tokens(shape: Shape, rows: int) -> Tokens:
    ids, splits = with_special(make_ids(shape, rows))
    return Tokens(ids, splits, np.zeros_like(ids))


def _first_of_each(tokens: Tokens, kept: np.ndarray) -> Tokens:
    """Returns the first tokens of each row."""

    def parts(flat: np.ndarray) -> Iterator[np.ndarray]:
        for start, count in zip(tokens.splits, kept, strict=False):
            yield flat[start : start + count]

    ids = np.concatenate(list(parts(tokens.ids)))
    return Tokens(ids, np.concatenate([[0], np.cumsum(kept)]), np.zeros_like(ids))


def _preprocessor(shape: Shape) -> tuple[BertPreprocessor, str]:
    """Returns a preprocessor, and the library it tokenizes with."""
    if importlib.util.find_spec("tensorflow_text") is not None:
        tokenizer: Any = BertTokenizer(vocabulary(shape), lowercase=True)
        return BertPreprocessor(tokenizer, MAX_TOKENS), "tensorflow-text"
    from tokenizers import Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import WordPiece

    from models.tokenizers.pipeline_tokenizer import PipelineTokenizer

    ids = {word: number for number, word in enumerate(vocabulary(shape))}
    pipeline = Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    pipeline.normalizer = normalizers.BertNormalizer(lowercase=True)
    pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PipelineTokenizer(pipeline.to_str(), SPECIAL, "[PAD]", "[UNK]", "[MASK]")
    return BertPreprocessor(tokenizer, MAX_TOKENS), "tokenizers"


if __name__ == "__main__":
    runtime.start()
    part = {"textbeam": textbeam, "keras": keras_predict}[sys.argv[4]]
    part(*arguments(), sys.argv[5])
