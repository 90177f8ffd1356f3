"""A training step of a student beside the same shape in PyTorch, and what 100,000 texts take.

python -m benchmarks.training_steps [--num_layers=4] [--intermediate_dim=384] [--batch_size=64]

Both learn a teacher's probabilities of two classes from the same batches of film reviews, each
padded to its longest row: AdamW, gradients clipped to 1; ours keeps a moving average of the weights
besides. They take turns, and medians are printed. Needs torch, transformers and `../shared/data`.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.measuring import read_tsv
from models import BertBackbone, BertClassifier, BertPreprocessor
from models.inference import runtime
from models.training.batches import token_batches
from models.training.distillation import soft_objective, targets_of
from models.training.train import compile_for, optimizer_for

_TEXTS = 100_000
_VOCABULARY = 8_000
_RATE = 1e-4

Step = Callable[[dict[str, np.ndarray], np.ndarray], None]


def ours(shape: dict[str, int], steps: int) -> Step:
    """Returns a step of ours."""
    classifier = BertClassifier(BertBackbone(_VOCABULARY, **shape), 2)
    objective = soft_objective("one label", 1.0, 0.3)
    compile_for(classifier, objective, optimizer_for(_RATE, steps))

    def step(features: dict[str, np.ndarray], answers: np.ndarray) -> None:
        targets = targets_of(answers, np.full_like(answers, -1))
        keras.Model.train_on_batch(classifier, features, targets)

    return step


def pytorch(shape: dict[str, int]) -> Step:
    """Returns a step of the same shape in PyTorch."""
    config = BertConfig(
        vocab_size=_VOCABULARY,
        hidden_size=shape["hidden_dim"],
        num_hidden_layers=shape["num_layers"],
        num_attention_heads=shape["num_heads"],
        intermediate_size=shape["intermediate_dim"],
        num_labels=2,
    )
    model = BertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), _RATE, weight_decay=0.01)

    def step(features: dict[str, np.ndarray], answers: np.ndarray) -> None:
        ids, mask = (torch.from_numpy(features[n]).long() for n in ("token_ids", "padding_mask"))
        logits = model(input_ids=ids, attention_mask=mask).logits
        wanted = torch.from_numpy(answers)
        loss = torch.nn.functional.kl_div(logits.log_softmax(-1), wanted, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def batches(batch_size: int, count: int, length: int) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Returns batches of film reviews, each with made-up answers of a teacher."""
    texts = [text for text, _ in read_tsv("sst2_train.tsv", True)]
    preprocessor = BertPreprocessor.from_preset("sentiment_tiny_en", length)
    tokens, _ = preprocessor.encode(texts)
    tokens.ids[tokens.ids >= _VOCABULARY] = 1
    random = np.random.default_rng(0)
    answers = random.dirichlet([1, 1], len(texts)).astype(np.float32)
    found = token_batches(tokens, [answers], preprocessor, batch_size, random, True, 0.0)
    return [
        ({name: np.asarray(values) for name, values in features.items()}, np.asarray(targets))
        for features, targets in itertools.islice(found, count)
    ]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    defaults = {"num_layers": 4, "hidden_dim": 384, "intermediate_dim": 384, "batch_size": 64}
    for name, default in {**defaults, "steps": 20}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    runtime.start(streams=False)
    shape = {
        "num_layers": args.num_layers,
        "num_heads": args.hidden_dim // 32,
        "hidden_dim": args.hidden_dim,
        "intermediate_dim": args.intermediate_dim,
    }
    given = batches(args.batch_size, args.steps, 128)
    steps = {"ours": ours(shape, len(given)), "PyTorch": pytorch(shape)}
    took: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        for batch in given[:2]:  # of two lengths, after which those of any length are compiled
            step(*batch)
    for batch in given:
        for name, step in steps.items():
            began = time.perf_counter()
            step(*batch)
            took[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(seconds) for name, seconds in took.items()}
    tokens = statistics.mean(batch[0]["token_ids"].size for batch in given)
    print(f"batches of {args.batch_size} rows, {tokens:.0f} tokens with padding on average")
    for name, seconds in medians.items():
        a_pass = seconds * _TEXTS / args.batch_size
        print(f"{name:8} {1000 * seconds:6.1f} ms a step, {a_pass / 60:.1f} min {_TEXTS:,} texts")
    print(f"PyTorch takes {medians['PyTorch'] / medians['ours']:.2f} times as long a step")


if __name__ == "__main__":
    main()
