"""Records of trainings, as finetune writes them, of models that guess."""

from typing import Any

import numpy as np

from models.training.evaluation import (
    evaluate_classes,
    evaluate_label_sets,
    evaluate_numbers,
)
from pipelines.finetuning.figures import TITLES

ROWS = 400


def one_label(labels: list[str], rows: int = ROWS, seed: int = 0) -> dict[str, Any]:
    """A classifier that is right about three of five rows, and then sure of itself."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, len(labels), rows)
    scores = generator.random((rows, len(labels))).astype("float32") ** 4
    scores[np.arange(rows), classes] += generator.random(rows) < 0.6
    scores /= scores.sum(axis=1, keepdims=True)
    predicted = scores.argmax(axis=1)
    wrong = np.flatnonzero(predicted != classes)[:50]
    mistakes = [
        {"label": labels[classes[i]], "predicted": labels[predicted[i]], "score": 0.9}
        for i in wrong
    ]
    figures = evaluate_classes(scores, classes, labels)
    most = np.broadcast_to(np.eye(len(labels))[0], scores.shape)
    beside = {"the most common label": evaluate_classes(most, classes, labels)}
    counts = {label: int(np.sum(classes == i)) + 1 for i, label in enumerate(labels)}
    return _record("one label", labels, "accuracy", figures, beside, mistakes, counts)


def several_labels(labels: list[str], rows: int = ROWS) -> dict[str, Any]:
    """A classifier that is right about nine of ten labels."""
    generator = np.random.default_rng(0)
    targets = (generator.random((rows, len(labels))) < 0.3).astype("float32")
    is_right = generator.random(targets.shape) < 0.9
    scores = np.where(is_right, targets, 1 - targets) * 0.7 + 0.3 * generator.random(targets.shape)
    figures = evaluate_label_sets(scores, targets, labels, 0.5)
    none = evaluate_label_sets(np.zeros_like(scores), targets, labels, 0.5)
    mistakes = [
        {"label": labels[:2], "predicted": [], "score": 0.9},
        {"label": [], "predicted": labels[:1], "score": 0.8},
    ]
    counts = {label: int(targets[:, i].sum()) for i, label in enumerate(labels)}
    beside = {"the most common label": none}
    return _record("several labels", labels, "micro_f1", figures, beside, mistakes, counts)


def a_number(name: str, rows: int = ROWS) -> dict[str, Any]:
    """A model of numbers of hundreds that is about 20 off."""
    generator = np.random.default_rng(0)
    targets = generator.gamma(3.0, 100.0, rows)
    predicted = targets + generator.normal(0, 20, rows)
    figures = evaluate_numbers(predicted, targets)
    beside = {"the mean": evaluate_numbers(np.full(rows, targets.mean()), targets)}
    mistakes = [{"label": targets[0], "predicted": predicted[0], "score": 20.0}]
    return _record("a number", [name], "rmse", figures, beside, mistakes, {name: 4 * rows})


def _record(
    kind: str,
    labels: list[str],
    metric: str,
    figures: dict[str, Any],
    beside: dict[str, Any],
    mistakes: list[dict[str, Any]],
    counts: dict[str, int],
) -> dict[str, Any]:
    judged = {"one label": "accuracy", "several labels": "f1"}.get(kind)
    history = {"loss": [1.5, 0.9, 0.6], "val_loss": [1.4, 1.0, 1.1], "seconds": [4.0, 2.0, 2.0]}
    if judged:
        history |= {judged: [0.3, 0.6, 0.8], f"val_{judged}": [0.3, 0.6, 0.5]}
    named = {
        name: {each: value for each, value in of.items() if each in TITLES}
        for name, of in beside.items()
    }
    return {
        "textbeam": "0.1.0",
        "python": "3.11.0",
        "keras": "3.15.1",
        "backend": "tensorflow",
        "start": "sentiment_tiny_en",
        "arguments": {
            "input": ["mails.csv"],
            "validation": None,
            "text_column": "text",
            "text_pair_column": None,
            "label_column": "queue",
            "label_names": None,
            "seed": 0,
        },
        "sequence_length": 128,
        "kind": kind,
        "labels": labels,
        "activation": None,
        "recipe": {"epochs": 3, "batch_size": 16, "learning_rate": 9e-4, "patience": 3},
        "data": {
            "train": 4 * ROWS,
            "validation": ROWS,
            "labels": counts,
            "left_out": {"the text is a duplicate": 2},
            "contradictions": 1,
            "tokens": {"median": 30, "95%": 80, "longest": 200},
            "cut": 0.01,
        },
        "history": history,
        "best_epoch": 2,
        "figures": {"metric": metric, **figures, "baselines": named, "mistakes": mistakes},
        "warnings": ["only 40 rows judge the model"],
        "seconds": 8.0,
    }
