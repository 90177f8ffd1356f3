"""How well a classifier does, from its scores and the true targets, in NumPy."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

CALIBRATION_BINS = 10
"""Bins of equal width, as in Guo et al. (2017, *On Calibration of Modern Neural Networks*)."""

CONFUSED_LABELS = 100
"""Most labels in a confusion matrix, whose size is the square of their number."""

CONFUSED_PAIRS = 50
"""Most pairs of labels that are listed as confused."""

SAMPLED_ROWS = 500
"""Most rows whose numbers are kept beside what was predicted."""

_RESIDUAL_BINS = 20

_DRAWS = 500
"""Bootstrap samples, enough for a 95% interval to within a percent."""

Metric = Callable[[np.ndarray, np.ndarray], float]
"""From the true targets and the predictions to a number; higher is better."""


def confusion_matrix(classes: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns int64 `[num_classes, num_classes]`: how many rows of a class got each prediction.

    Args:
        classes: int64 `[rows]`: the true class.
        predicted: int64 `[rows]`.
        num_classes: Number of classes.
    """
    cells = np.bincount(classes * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def accuracy(classes: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the share of rows that are predicted correctly."""
    return float(np.mean(classes == predicted))


def macro_f1(classes: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the mean F1 of the classes, each counting the same however many rows it has."""
    size = int(max(classes.max(), predicted.max())) + 1
    hits, found, there = (
        np.bincount(rows, minlength=size)
        for rows in (classes[classes == predicted], predicted, classes)
    )
    return float(_f1(hits, found, there)[found + there > 0].mean())


def micro_f1(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the F1 over all labels of all rows; both arrays are 0 or 1, `[rows, labels]`."""
    right = np.sum((targets > 0) & (predicted > 0))
    return float(_f1(right, np.sum(predicted > 0), np.sum(targets > 0)))


def negative_rmse(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the negative of the root mean squared error: higher is better."""
    return -float(np.sqrt(np.mean((targets - predicted) ** 2)))


def evaluate_classes(
    probabilities: np.ndarray, classes: np.ndarray, labels: Sequence[str]
) -> dict[str, Any]:
    """Evaluates a classifier that gives each row one of several labels.

    Args:
        probabilities: float32 `[rows, labels]`.
        classes: int64 `[rows]`: the true class.
        labels: Names of the classes.

    Returns:
        `accuracy`, `macro_f1`, `labels` (as `_by_label` has them), `calibration`, `confusion` (a
        list for each true label, with a number for each predicted one) and `confused` (the pairs
        that are confused most: `label`, `predicted` and `rows`). Of more than `CONFUSED_LABELS`
        labels, the matrix is of those with the most rows, named by `confusion_labels`.
    """
    predicted = probabilities.argmax(axis=1)
    num_labels = len(labels)
    hits, found, there = (
        np.bincount(rows, minlength=num_labels)
        for rows in (classes[classes == predicted], predicted, classes)
    )
    return {
        "accuracy": _rounded(accuracy(classes, predicted)),
        "macro_f1": _rounded(macro_f1(classes, predicted)),
        "labels": _by_label(labels, hits, found, there),
        **_confusion(classes, predicted, there, labels),
        "calibration": calibration(probabilities.max(axis=1), classes == predicted),
    }


def _confusion(
    classes: np.ndarray, predicted: np.ndarray, there: np.ndarray, labels: Sequence[str]
) -> dict[str, Any]:
    """Returns the matrix of the labels with the most rows, and the pairs confused most."""
    found: dict[str, Any] = {}
    chosen = np.sort(np.argsort(-there, kind="stable")[:CONFUSED_LABELS])
    if len(labels) > len(chosen):
        found["confusion_labels"] = [labels[index] for index in chosen]
    place = np.full(len(labels), -1)
    place[chosen] = np.arange(len(chosen))
    is_in = (place[classes] >= 0) & (place[predicted] >= 0)
    cells = confusion_matrix(place[classes[is_in]], place[predicted[is_in]], len(chosen))
    found["confusion"] = cells.tolist()
    is_wrong = classes != predicted
    pairs, counts = np.unique(
        np.stack([classes[is_wrong], predicted[is_wrong]]), axis=1, return_counts=True
    )
    found["confused"] = [
        {
            "label": labels[pairs[0, pair]],
            "predicted": labels[pairs[1, pair]],
            "rows": int(counts[pair]),
        }
        for pair in np.argsort(-counts, kind="stable")[:CONFUSED_PAIRS]
    ]
    return found


def evaluate_label_sets(
    probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str], threshold: float
) -> dict[str, Any]:
    """Evaluates a classifier that gives each row any number of labels.

    Args:
        probabilities: float32 `[rows, labels]`.
        targets: 0 or 1, `[rows, labels]`: which labels are true.
        labels: Their names.
        threshold: Lowest probability at which a row has a label.

    Returns:
        `micro_f1`, `macro_f1`, `exact` (the share of rows with every label right), `labels` (as
        `_by_label` has them) and `calibration`.
    """
    predicted, right = probabilities >= threshold, targets > 0
    hits, found, there = ((a).sum(axis=0) for a in (predicted & right, predicted, right))
    return {
        "micro_f1": _rounded(micro_f1(targets, predicted)),
        "macro_f1": _rounded(_f1(hits, found, there).mean()),
        "exact": _rounded(np.mean((predicted == right).all(axis=1))),
        "labels": _by_label(labels, hits, found, there),
        "calibration": calibration(probabilities.ravel(), right.ravel()),
    }


def evaluate_numbers(predicted: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Evaluates a model that gives each row a number; both arrays are float `[rows]`.

    Returns:
        `rmse`, `mae`, `r2` (the share of the variance that is explained), `pearson` and `spearman`
        (how well the order is right); the last three are 0 where all numbers are equal. Also
        `sample`, pairs of a true and a predicted number, and `residuals`, a histogram of what was
        predicted minus what is true: the `edges` of its bins and their `rows`.
    """
    variance = float(np.var(targets))
    rmse = -negative_rmse(targets, predicted)
    return {
        "rmse": _rounded(rmse),
        "mae": _rounded(np.mean(np.abs(targets - predicted))),
        "r2": _rounded(1 - rmse**2 / variance) if variance else 0.0,
        "pearson": _correlation(targets, predicted),
        "spearman": _correlation(_ranks(targets), _ranks(predicted)),
        "sample": _sample(targets, predicted),
        "residuals": _histogram(predicted - targets),
    }


def _sample(targets: np.ndarray, predicted: np.ndarray) -> list[list[float]]:
    """Returns a true and a predicted number of each of some rows, chosen by chance."""
    rows = np.arange(len(targets))
    if len(rows) > SAMPLED_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, SAMPLED_ROWS, replace=False))
    return [[_rounded(targets[row]), _rounded(predicted[row])] for row in rows]


def _histogram(numbers: np.ndarray) -> dict[str, Any]:
    """Returns how many numbers are between equally distant edges; one bin if all are alike."""
    low, high = float(numbers.min()), float(numbers.max())
    is_spread = high - low > 1e-4 * max(abs(low), abs(high))
    bins = _RESIDUAL_BINS if is_spread else 1
    places = (numbers - low) / (high - low if is_spread else 1) * bins
    return {
        "edges": [_rounded(edge) for edge in np.linspace(low, high, bins + 1)],
        "rows": np.bincount(np.minimum(places.astype(int), bins - 1), minlength=bins).tolist(),
    }


def _correlation(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Returns Pearson's r, 0 where it is not defined."""
    if np.ptp(targets) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return _rounded(np.corrcoef(targets, predicted)[0, 1])


def _ranks(numbers: np.ndarray) -> np.ndarray:
    """Returns the rank of each number; equal ones share the mean of theirs."""
    _, group, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[group]


def calibration(confidence: np.ndarray, is_right: np.ndarray) -> dict[str, Any]:
    """Compares probabilities with how often they came true.

    Args:
        confidence: float `[n]`: probabilities.
        is_right: bool `[n]`: whether each of them came true.

    Returns:
        `error`, the expected calibration error: the mean gap between the two over bins, weighted by
        their rows; and `bins`, those that have rows: mean `confidence`, `accuracy` and `rows`.
    """
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    rows = np.bincount(bins, minlength=CALIBRATION_BINS)
    is_there = rows > 0
    means = [
        np.bincount(bins, weights=values, minlength=CALIBRATION_BINS)[is_there] / rows[is_there]
        for values in (confidence, is_right)
    ]
    error = np.sum(rows[is_there] * np.abs(means[0] - means[1])) / len(confidence)
    return {
        "error": _rounded(error),
        "bins": [
            {"confidence": _rounded(mean), "accuracy": _rounded(share), "rows": int(count)}
            for mean, share, count in zip(*means, rows[is_there], strict=True)
        ],
    }


def is_clearly_better(
    metric: Metric, targets: np.ndarray, ours: np.ndarray, theirs: np.ndarray
) -> bool:
    """Returns whether one prediction is better than another, beyond chance in the choice of rows.

    A paired bootstrap: better in 95% of samples of the rows (Koehn, 2004, *Statistical
    Significance Tests for Machine Translation Evaluation*).

    Args:
        metric: Scores a prediction.
        targets: `[rows, …]`: the true targets.
        ours: The prediction that may be better, of the same shape.
        theirs: The prediction to compare it with, of the same shape.
    """
    random = np.random.default_rng(0)
    wins = 0
    for _ in range(_DRAWS):
        rows = random.integers(0, len(targets), len(targets))
        wins += metric(targets[rows], ours[rows]) > metric(targets[rows], theirs[rows])
    return wins >= 0.95 * _DRAWS


def _f1(hits: Any, found: Any, there: Any) -> Any:
    """Returns the harmonic mean of precision and recall; 0 where neither is defined."""
    total = np.asarray(found + there)
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), 0.0)


def _by_label(
    labels: Sequence[str], hits: np.ndarray, found: np.ndarray, there: np.ndarray
) -> dict[str, dict[str, float]]:
    """Returns `precision`, `recall`, `f1`, `rows` and `predicted` (how many got it) of labels."""
    precision = hits / np.maximum(found, 1)
    recall = hits / np.maximum(there, 1)
    return {
        label: {
            "precision": _rounded(precision[index]),
            "recall": _rounded(recall[index]),
            "f1": _rounded(_f1(hits, found, there)[index]),
            "rows": int(there[index]),
            "predicted": int(found[index]),
        }
        for index, label in enumerate(labels)
    }


def _rounded(value: Any) -> float:
    return float(f"{value:.6g}") + 0.0  # never -0.0
