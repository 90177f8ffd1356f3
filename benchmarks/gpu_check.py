"""Whether a GPU gives the right results, also where something goes wrong on it.

    python -m benchmarks.gpu_check [--backend=jax|tensorflow] [--json=FILE]

Compares a BERT on the card with the same weights computed by NumPy in float32, for the same token
ids: vectors by their cosine, classes by their labels where the reference's best is clearly so.
Then two predictors of one process share the card, rows that are not finite stand between sound
ones, and a token area is asked for that does not fit into the card's memory. Exit code 0 if all is
well, 1 if something is not, 2 if there is no GPU. Needs what the predictor does on the backend, and
SciPy; docs/gpus.md has the commands. On a CPU, `--device=cpu --quick`, nothing runs out of memory.
"""

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.flops import Shape
from benchmarks.gpu.work import MAX_TOKENS, QUICK, SPECIAL, lengths, vocabulary, with_special

LEAST_COSINE = {"float16": 0.99999, "bfloat16": 0.9999, "float32": 0.99999}
"""Between a row's vector on the card and NumPy's."""

CLEAR = {"float16": 0.05, "bfloat16": 0.2, "float32": 0.01}
"""How much more probable than the next the best class must be for labels to be compared.

It is about twice what rounding moves the probabilities of a classifier that tells random texts
apart.
"""

MEMORY_SHARE = 0.08
"""Of the card's memory, what JAX may use, so that rows for twice as much are soon made."""

LABELS = ["a", "b", "c", "d"]


@dataclass(frozen=True)
class Amount:
    """How much is checked.

    Attributes:
        shape: The encoder whose results are compared.
        rows: How many rows.
        wide: The encoder that runs out of memory: narrow, so that results are small, but wide
            inside.
    """

    shape: Shape
    rows: int
    wide: Shape


AMOUNTS = {
    "full": Amount(
        Shape(6, 768, 12, 3072), rows=128, wide=Shape(2, 64, 2, 8192, vocabulary_size=1000)
    ),
    "quick": Amount(QUICK.shapes["tiny"], rows=48, wide=QUICK.shapes["tiny"]),
}


class Checks:
    """What was checked, printed as it comes."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def run(self, name: str, check: Callable[[], tuple[bool, str]]) -> None:
        """Runs a check, which says whether it passed and what it found."""
        began = time.monotonic()
        try:
            passed, told = check()
        except Exception as error:
            passed, told = False, f"{type(error).__name__}: {error}"
            traceback.print_exc()
        seconds = time.monotonic() - began
        self.found.append({"name": name, "passed": passed, "found": told, "seconds": seconds})
        print(f"{'ok    ' if passed else 'FAILED'} {name}: {told} ({seconds:.1f} s)", flush=True)


class Reference:
    """A BERT in NumPy, row by row and without padding.

    Args:
        shape: Its size.
        heads: Classes of a classifier on top.
    """

    def __init__(self, shape: Shape, heads: int) -> None:
        random = np.random.default_rng(0)
        width, inner = shape.hidden_dim, shape.intermediate_dim

        def normal(*size: int, around: float = 0.0) -> np.ndarray:
            return random.normal(around, 0.03, size).astype(np.float32)

        def kernel(*size: int) -> np.ndarray:
            # As wide as lets attention choose, so that rows differ in their first tokens too: about
            # what those of trained models are.
            return random.normal(0, 0.75 * size[0] ** -0.5, size).astype(np.float32)

        self.shape = shape
        self.weights = {
            "embeddings/token": normal(shape.vocabulary_size, width),
            "embeddings/position": normal(MAX_TOKENS, width),
            "embeddings/segment": normal(2, width),
        }
        products = {"qkv": (width, 3 * width), "attention_output": (width, width)}
        products |= {"intermediate": (width, inner), "output": (inner, width)}
        names = [f"encoder/{index}" for index in range(shape.num_layers)]
        for name in names:
            for part, size in products.items():
                self.weights[f"{name}/{part}/kernel"] = kernel(*size)
                self.weights[f"{name}/{part}/bias"] = normal(size[1])
        norms = [f"{name}/{part}_norm" for name in names for part in ("attention", "output")]
        for name in ["embeddings/norm", *norms]:
            self.weights[f"{name}/gamma"] = normal(width, around=1.0)
            self.weights[f"{name}/beta"] = normal(width)
        self.weights["pooler/kernel"] = kernel(width, width)
        self.weights["pooler/bias"] = normal(width)
        self.head = (kernel(width, heads), normal(heads))

    def tokens(self, ids: np.ndarray) -> np.ndarray:
        """Returns the vectors of a row's tokens, `[length, width]`."""
        from scipy.special import erf, softmax

        weights, heads, length = self.weights, self.shape.num_heads, len(ids)
        hidden = weights["embeddings/token"][ids] + weights["embeddings/position"][:length]
        hidden = self._norm("embeddings/norm", hidden + weights["embeddings/segment"][0])
        for index in range(self.shape.num_layers):
            name = f"encoder/{index}"
            qkv = self._dense(f"{name}/qkv", hidden).reshape(length, 3, heads, -1)
            query, key, value = qkv.transpose(1, 2, 0, 3)
            scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[-1]))
            context = (softmax(scores, axis=-1) @ value).transpose(1, 0, 2).reshape(length, -1)
            attended = self._dense(f"{name}/attention_output", context)
            hidden = self._norm(f"{name}/attention_norm", hidden + attended)
            inner = self._dense(f"{name}/intermediate", hidden)
            inner = inner * (1 + erf(inner * np.float32(0.5**0.5))) / 2
            hidden = self._norm(
                f"{name}/output_norm", hidden + self._dense(f"{name}/output", inner)
            )
        return hidden

    def spread(self, rows: Sequence[np.ndarray]) -> None:
        """Gives the classifier classes of which each is some rows' best."""
        pooled = [self._pooled(self.tokens(ids))[0] for ids in rows]
        kernel = self.head[0]
        kernel *= 2 / (pooled @ kernel).std(axis=0)
        self.head = (kernel, -(pooled @ kernel).mean(axis=0))

    def _pooled(self, hidden: np.ndarray) -> np.ndarray:
        return np.tanh(self._dense("pooler", hidden[:1]))

    def _dense(self, name: str, inputs: np.ndarray) -> np.ndarray:
        return inputs @ self.weights[f"{name}/kernel"] + self.weights[f"{name}/bias"]

    def _norm(self, name: str, inputs: np.ndarray) -> np.ndarray:
        centered = inputs - inputs.mean(axis=1, keepdims=True)
        scale = np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-12)
        return centered / scale * self.weights[f"{name}/gamma"] + self.weights[f"{name}/beta"]

    def vectors(self, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Returns each row's mean of tokens, normalized, and its classes' probabilities."""
        from scipy.special import softmax

        made, classes = [], []
        for ids in rows:
            hidden = self.tokens(ids)
            mean = hidden.mean(axis=0)
            made.append(mean / np.linalg.norm(mean))
            logits = self._pooled(hidden) @ self.head[0] + self.head[1]
            classes.append(softmax(logits, axis=1)[0])
        return np.stack(made), np.stack(classes)


class Models:
    """Predictors with a reference's weights.

    Args:
        reference: The reference.
        device: `"GPU"` or `"CPU"`: whose shapes to compute in.
    """

    def __init__(self, reference: Reference, device: str) -> None:
        self._reference = reference
        self._device = device

    def _classifier(self, precision: str) -> Any:
        from models import BertBackbone, BertClassifier, BertPreprocessor, BertTokenizer

        config = self._reference.shape.config()
        backbone = BertBackbone(**config, activation="gelu", dtype=precision)
        for name, weight in backbone.named_weights().items():
            weight.assign(self._reference.weights[name])
        words = vocabulary(self._reference.shape)
        preprocessor = BertPreprocessor(BertTokenizer(words, lowercase=True), MAX_TOKENS)
        classifier = BertClassifier(backbone, len(LABELS), preprocessor, labels=LABELS)
        classifier.logits.kernel.assign(self._reference.head[0])
        classifier.logits.bias.assign(self._reference.head[1])
        return classifier

    def make(self, task: str, precision: str, batch_tokens: int | None = None) -> Any:
        """Returns a predictor of vectors (`embed`) or classes (`classify`)."""
        from models import Predictor, TextEmbedder

        model = self._classifier(precision)
        if task == "embed":
            kind = TextEmbedder.member_of(model.backbone)
            model = kind(model.backbone, model.preprocessor)
        return Predictor(model, self._device, batch_tokens)


def main() -> int:
    """Prints what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backend", choices=("jax", "tensorflow"), default="jax")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only shows that it works")
    parser.add_argument("--json", type=Path, help="file that receives what was found")
    args = parser.parse_args()
    os.environ["KERAS_BACKEND"] = args.backend
    if args.device == "cpu":
        os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    # Enough for all checks, and soon more than there is for the last.
    os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = str(MEMORY_SHARE)
    from models.inference import runtime

    if (device := runtime.start()) != args.device.upper():
        print(f"{args.backend} computes on a {device} here, not on a {args.device.upper()}")
        return 2
    checks = Checks()
    _check(checks, AMOUNTS["quick" if args.quick else "full"], args.device == "gpu")
    if args.json:
        found = {"backend": args.backend, "device": device, "checks": checks.found}
        args.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return int(not all(check["passed"] for check in checks.found))


def _check(checks: Checks, amount: Amount, has_card: bool) -> None:
    # Rows share lines also where a CPU would pad them: what is checked is the way of a GPU.
    reference = Reference(amount.shape, len(LABELS))
    models = Models(reference, "GPU")
    rows = _rows(amount.shape, amount.rows)
    tokens = _tokens(rows)
    reference.spread(rows[:32])
    vectors, classes = reference.vectors(rows)

    def right_vectors(predictor: Any, precision: str) -> tuple[bool, str]:
        found = predictor.predict(tokens)
        least = _least_cosine(found.outputs, vectors)
        told = f"least cosine {least:.7f}, at least {LEAST_COSINE[precision]} wanted"
        return not found.errors and least >= LEAST_COSINE[precision], told

    def right_labels(predictor: Any, precision: str) -> tuple[bool, str]:
        found = predictor.predict(tokens)
        best = np.sort(classes, axis=1)
        is_clear = best[:, -1] - best[:, -2] > CLEAR[precision]
        equal = found.outputs.argmax(axis=1) == classes.argmax(axis=1)
        kinds = len(set(classes[is_clear].argmax(axis=1).tolist()))
        enough = is_clear.mean() > 0.5 and kinds > 1
        told = f"{int(equal[is_clear].sum())} of {int(is_clear.sum())} clear labels equal"
        off = np.abs(found.outputs - classes).max()
        told += f", {kinds} different ones; probabilities off by at most {off:.4f}"
        return not found.errors and bool(equal[is_clear].all()) and enough, told

    for precision in ("float16", "bfloat16", "float32"):
        checks.run(
            f"vectors in {precision}",
            lambda precision=precision: right_vectors(models.make("embed", precision), precision),
        )
        checks.run(
            f"labels in {precision}",
            lambda precision=precision: right_labels(models.make("classify", precision), precision),
        )
    checks.run("two predictors at once", lambda: _two_at_once(models, right_vectors, right_labels))
    checks.run("rows that are not finite", lambda: _not_finite(models, rows, vectors))
    if has_card:
        checks.run("more than fits into memory", lambda: _out_of_memory(amount))


def _two_at_once(
    models: Models, right_vectors: Callable[..., Any], right_labels: Callable[..., Any]
) -> tuple[bool, str]:
    """Computes vectors and labels in two threads, which share the card."""
    embed, classify = models.make("embed", "float16"), models.make("classify", "bfloat16")

    def repeat(check: Callable[..., tuple[bool, str]], predictor: Any, *rest: str) -> bool:
        passed = []
        for _ in range(3):
            predictor.forget()
            passed.append(check(predictor, *rest)[0])
        return all(passed)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(repeat, right_vectors, embed, "float16")
        second = pool.submit(repeat, right_labels, classify, "bfloat16")
        are_right = (first.result(), second.result())
    return all(are_right), f"vectors right: {are_right[0]}, labels right: {are_right[1]}"


def _not_finite(
    models: Models, rows: Sequence[np.ndarray], vectors: np.ndarray
) -> tuple[bool, str]:
    """Computes rows of which some have a token whose embedding is not a number."""
    predictor = models.make("embed", "float16")
    bad_id = len(SPECIAL)
    weight = predictor.model.backbone.token_embedding.embeddings
    embeddings = np.asarray(weight).copy()
    embeddings[bad_id] = np.nan
    weight.assign(embeddings)
    changed = [np.where(row == bad_id, bad_id + 1, row) for row in rows]
    spoiled = list(range(3, len(rows), 7))
    for row in spoiled:
        changed[row][1] = bad_id
    same = [i for i, (a, b) in enumerate(zip(rows, changed, strict=True)) if (a == b).all()]
    found = predictor.predict(_tokens(changed))
    least = _least_cosine(found.outputs[same], vectors[same])
    told = f"{len(found.errors)} of {len(spoiled)} rejected, least cosine of the others {least:.7f}"
    return sorted(found.errors) == spoiled and least >= LEAST_COSINE["float16"], told


def _out_of_memory(amount: Amount) -> tuple[bool, str]:
    """Computes rows with a token area whose inner vectors alone are twice the card's memory."""
    memory = _card_memory()
    area = 2 * memory // (2 * amount.wide.intermediate_dim)
    reference = Reference(amount.wide, len(LABELS))
    predictor = Models(reference, "GPU").make("embed", "float16", area)
    rows = _rows(amount.wide, 512)
    # A micro-batch is as large as asked for only if there are rows to fill it.
    many = _tokens(_rows(amount.wide, area // 40))
    told_rows: list[int] = []
    prediction = predictor.predict(many, told_rows.append)
    is_whole = not prediction.errors and bool(np.isfinite(prediction.outputs).all())
    is_whole &= sum(told_rows) == len(many)
    some = predictor.predict(_tokens(rows)).outputs
    least = _least_cosine(some, reference.vectors(rows)[0])
    fits = predictor.batch_tokens
    told = f"{area:,} tokens at a time of {memory >> 30} GiB became {fits:,}; all of {len(many):,} "
    told += f"rows computed: {is_whole}; least cosine {least:.7f}"
    return is_whole and fits < area and least >= LEAST_COSINE["float16"], told


def _card_memory() -> int:
    """Returns the bytes of the card that the backend may use."""
    if os.environ["KERAS_BACKEND"] == "jax":
        import jax

        return int(jax.devices()[0].memory_stats()["bytes_limit"])
    import subprocess

    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "--id=0"]
    return int(subprocess.check_output(query, text=True)) << 20


def _rows(shape: Shape, rows: int) -> list[np.ndarray]:
    """Returns token ids between [CLS] and [SEP]."""
    random = np.random.default_rng(2)
    counts = lengths(rows) - 2
    words = [random.integers(len(SPECIAL), shape.vocabulary_size, count) for count in counts]
    ids, splits = with_special(words)
    return np.split(ids, splits[1:-1])


def _tokens(rows: Sequence[np.ndarray]) -> Any:
    from models.packing import Tokens

    ids = np.concatenate(rows).astype(np.int32)
    splits = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Tokens(ids, splits, np.zeros_like(ids))


def _least_cosine(found: np.ndarray, expected: np.ndarray) -> float:
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((found * expected).sum(axis=1) / norms).min())


if __name__ == "__main__":
    sys.exit(main())
