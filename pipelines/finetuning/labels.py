"""What a column of labels may hold: one label per row, several, or a number."""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from models.errors import UserError
from models.training import evaluation
from models.training.evaluation import Metric
from pipelines.reporting.shown import printable

# Largest numbers that float32 can hold, and smallest spread, relative to them, that it resolves.
_LARGEST = 1e30
_SMALLEST = 1e-5

# Numbers between 0 and 1 that are closer together are learned by their distances.
_SPREAD = 0.5

THRESHOLD = 0.5
"""Lowest probability at which a row has a label, if it may have several."""


class LabelKind(ABC):
    """How the labels of rows are read, learned and judged."""

    name: ClassVar[str]
    """Name of the kind, in records and for a person."""

    @abstractmethod
    def read(self, value: Any) -> Any:
        """Returns a row's label, hashable, from the value of its column; `None` if none.

        Raises:
            ValueError: The value is not a label of this kind.
        """

    @abstractmethod
    def names(self, labels: Sequence[Any]) -> list[str]:
        """Returns the names of all classes in some rows' labels, in a fixed order."""

    def activation(self, labels: Sequence[Any]) -> str | None:
        """Returns the activation of the scores of a classifier that learns these labels."""
        return None

    @abstractmethod
    def targets(self, labels: Sequence[Any], names: Sequence[str]) -> np.ndarray:
        """Returns what a classifier with these classes learns from, `[rows, …]`."""

    @abstractmethod
    def counts(self, labels: Sequence[Any]) -> Counter[str]:
        """Returns how many rows each class has."""

    @abstractmethod
    def strata(self, labels: Sequence[Any]) -> list[Hashable]:
        """Returns each row's group; groups are split alike between training and validation."""

    @abstractmethod
    def predict(self, scores: np.ndarray) -> np.ndarray:
        """Returns a classifier's predictions, in the shape of `targets`, from its scores."""

    @abstractmethod
    def evaluate(
        self, scores: np.ndarray, targets: np.ndarray, names: Sequence[str]
    ) -> dict[str, Any]:
        """Returns the figures of a classifier on some rows."""

    @abstractmethod
    def majority(self, targets: np.ndarray) -> Any:
        """Returns the prediction that needs no text, the same for any row: the most common."""

    @abstractmethod
    def metric(self, is_weighted: bool) -> tuple[str, Metric]:
        """Returns the figure that models are compared by, and the function that computes it.

        Args:
            is_weighted: Whether rare classes are learned as if they were less rare.
        """


class OneLabel(LabelKind):
    """A row has one label."""

    name = "one label"

    def read(self, value: Any) -> str | None:
        """Returns the label as the data spells it, without white space around it."""
        if isinstance(value, (list, dict)):
            raise ValueError("the label is a list or an object")
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError:
                raise ValueError("the label is not UTF-8") from None
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        spelled = str(value).strip()
        if not printable(spelled):
            return None
        return spelled.lower() if isinstance(value, bool) else spelled

    def names(self, labels: Sequence[str]) -> list[str]:
        """Returns the labels, numbers by value and before words."""
        return sorted(set(labels), key=_by_value)

    def targets(self, labels: Sequence[str], names: Sequence[str]) -> np.ndarray:
        """Returns int64 `[rows]`: the class of each row."""
        index = {name: number for number, name in enumerate(names)}
        return np.array([index[label] for label in labels], np.int64)

    def counts(self, labels: Sequence[str]) -> Counter[str]:
        """Returns the rows of each label."""
        return Counter(labels)

    def strata(self, labels: Sequence[str]) -> list[Hashable]:
        """Returns the labels."""
        return list(labels)

    def predict(self, scores: np.ndarray) -> np.ndarray:
        """Returns the likeliest class."""
        return scores.argmax(axis=1)

    def evaluate(
        self, scores: np.ndarray, targets: np.ndarray, names: Sequence[str]
    ) -> dict[str, Any]:
        """See `models.training.evaluation.evaluate_classes`."""
        return evaluation.evaluate_classes(scores, targets, names)

    def majority(self, targets: np.ndarray) -> Any:
        """Returns the class with the most rows."""
        return np.bincount(targets).argmax()

    def metric(self, is_weighted: bool) -> tuple[str, Metric]:
        """Returns accuracy, or with weights macro F1."""
        if is_weighted:
            return "macro_f1", evaluation.macro_f1
        return "accuracy", evaluation.accuracy


class SeveralLabels(LabelKind):
    """A row has any number of labels, or none.

    Args:
        separator: What separates the labels in a string; lists need none.
    """

    name = "several labels"

    def __init__(self, separator: str | None = None) -> None:
        self._separator = separator

    def read(self, value: Any) -> tuple[str, ...] | None:
        """Returns the labels, sorted."""
        if value is None:
            return None
        one = OneLabel()
        if isinstance(value, list):
            parts = [one.read(part) for part in value]
        elif self._separator:
            parts = [one.read(part.strip()) for part in str(value).split(self._separator)]
        else:
            raise ValueError("the label is not a list; --label_separator splits a text of several")
        return tuple(sorted({part for part in parts if part is not None}))

    def names(self, labels: Sequence[tuple[str, ...]]) -> list[str]:
        """Returns the labels, numbers by value and before words."""
        return sorted({label for row in labels for label in row}, key=_by_value)

    def activation(self, labels: Sequence[tuple[str, ...]]) -> str | None:
        """Returns a sigmoid: no label excludes another."""
        return "sigmoid"

    def targets(self, labels: Sequence[tuple[str, ...]], names: Sequence[str]) -> np.ndarray:
        """Returns float32 `[rows, names]`: 1 for each label that a row has."""
        index = {name: number for number, name in enumerate(names)}
        targets = np.zeros((len(labels), len(names)), np.float32)
        for row, found in enumerate(labels):
            targets[row, [index[label] for label in found]] = 1
        return targets

    def counts(self, labels: Sequence[tuple[str, ...]]) -> Counter[str]:
        """Returns the rows of each label; a row counts for each of its labels."""
        return Counter(label for row in labels for label in row)

    def strata(self, labels: Sequence[tuple[str, ...]]) -> list[Hashable]:
        """Returns the rarest label of each row."""
        counts = self.counts(labels)
        return [min(row, key=lambda label: (counts[label], label), default=()) for row in labels]

    def predict(self, scores: np.ndarray) -> np.ndarray:
        """Returns 1 for each label that is likely enough."""
        return (scores >= THRESHOLD).astype(np.float32)

    def evaluate(
        self, scores: np.ndarray, targets: np.ndarray, names: Sequence[str]
    ) -> dict[str, Any]:
        """See `models.training.evaluation.evaluate_label_sets`."""
        return evaluation.evaluate_label_sets(scores, targets, names, THRESHOLD)

    def majority(self, targets: np.ndarray) -> Any:
        """Returns the labels that most rows have; the most common label if there are none."""
        shares = targets.mean(axis=0)
        return (shares >= min(0.5, shares.max())).astype(np.float32)

    def metric(self, is_weighted: bool) -> tuple[str, Metric]:
        """Returns micro F1."""
        return "micro_f1", evaluation.micro_f1


class OneNumber(LabelKind):
    """A row has a number, which is learned by regression.

    Args:
        column: The column of the number, which is also its name.
    """

    name = "a number"

    def __init__(self, column: str) -> None:
        self._column = column

    def read(self, value: Any) -> float | None:
        """Returns the number."""
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if isinstance(value, float) and math.isnan(value):
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError("the label is not a number") from None
        if not math.isfinite(number):
            raise ValueError("the label is not finite")
        return number

    def names(self, labels: Sequence[float]) -> list[str]:
        """Returns the name of the number."""
        return [self._column]

    def activation(self, labels: Sequence[float]) -> str | None:
        """Returns a sigmoid for numbers that are spread between 0 and 1, as similarities are.

        These are learned as sentence-transformers' CrossEncoder learns them, by cross-entropy.
        """
        low, high = min(labels), max(labels)
        return "sigmoid" if 0 <= low <= high <= 1 and high - low > _SPREAD else None

    def targets(self, labels: Sequence[float], names: Sequence[str]) -> np.ndarray:
        """Returns float64 `[rows]`."""
        return np.array(labels, np.float64)

    def counts(self, labels: Sequence[float]) -> Counter[str]:
        """Returns all rows under the name of the number."""
        return Counter({self._column: len(labels)})

    def strata(self, labels: Sequence[float]) -> list[Hashable]:
        """Returns which fifth of the values each row's number is in."""
        edges = np.quantile(labels, [0.2, 0.4, 0.6, 0.8]) if labels else np.array([])
        return [int(group) for group in np.searchsorted(edges, labels)]

    def scale(self, numbers: np.ndarray) -> tuple[float, float]:
        """Returns the mean and standard deviation of numbers, by which they are scaled.

        Raises:
            UserError: A model, which computes in float32, cannot tell them apart.
        """
        largest = float(np.abs(numbers).max())
        deviation = float(numbers.std()) if largest < _LARGEST else math.inf
        if not _SMALLEST * largest < deviation < _LARGEST or deviation < 1 / _LARGEST:
            raise UserError(
                f"the numbers of {self._column!r}, from {numbers.min():.10g} to "
                f"{numbers.max():.10g}, are too large, too small or too close to each other for a "
                "model to tell apart; subtract a constant or divide by one"
            )
        return float(numbers.mean()), deviation

    def predict(self, scores: np.ndarray) -> np.ndarray:
        """Returns the number."""
        return scores[:, 0].astype(np.float64)

    def evaluate(
        self, scores: np.ndarray, targets: np.ndarray, names: Sequence[str]
    ) -> dict[str, Any]:
        """See `models.training.evaluation.evaluate_numbers`."""
        return evaluation.evaluate_numbers(self.predict(scores), targets)

    def majority(self, targets: np.ndarray) -> Any:
        """Returns the mean."""
        return targets.mean()

    def metric(self, is_weighted: bool) -> tuple[str, Metric]:
        """Returns the root of the mean squared error."""
        return "rmse", evaluation.negative_rmse


def label_names(found: list[str], names: list[str] | None) -> list[str]:
    """Returns the names of labels: their own, or those that `--label_names` gives.

    Raises:
        UserError: There are not as many names, or two are the same.
    """
    if names is None:
        return found
    if len(names) != len(found) or len(set(names)) != len(names):
        raise UserError(
            f"--label_names must be {len(found)} different names, for the labels "
            f"{printable(', '.join(found), 500)}"
        )
    return names


def class_weights(counts: Mapping[str, int], names: Sequence[str]) -> np.ndarray | None:
    """Returns how much a row of each class counts, or `None` if classes are not skewed.

    It is the square root of what would make all classes count the same: rare classes are learned,
    and common ones stay likelier.

    Args:
        counts: Rows of each class.
        names: Names of the classes, in order.
    """
    rows = np.array([counts[name] for name in names], np.float64)
    if rows.max() < SKEWED * rows.min():
        return None
    weights = np.sqrt(rows.mean() / rows)
    return (weights * rows.sum() / (weights * rows).sum()).astype(np.float32)


SKEWED = 3
"""Weights are used if the most common class has at least this many times the rarest one's rows."""


def _by_value(label: str) -> tuple[float, str]:
    try:
        value = float(label)
    except ValueError:
        value = math.inf
    return (value if math.isfinite(value) else math.inf), label
