"""What a small model, the student, learns from a large one, the teacher, and how that is judged.

For classes the soft labels of Hinton et al. (2015, *Distilling the Knowledge in a Neural Network*);
for vectors their directions, and their similarities within a batch, as in Park et al. (2019,
*Relational Knowledge Distillation*).
"""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from models.serialization import register
from models.training.train import Objective

Kind = Literal["one label", "several labels"]

NO_LABEL = -1.0
"""What stands in place of the labels of a row that has none."""

_SMALLEST = 1e-7
_SMALLEST_FLOAT = 1e-37  # a temperature brings back what a larger floor would cut off


class _OfLabels(keras.metrics.Metric):
    """A metric of the labels, the second half of the targets, or, without any, the teacher's."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch; the arguments are those of `DistillationLoss.call`."""
        teacher, labels = _halves(y_true)
        has_labels = ops.any(labels != NO_LABEL, axis=-1, keepdims=True)
        right = ops.where(has_labels, labels, self.said_by(teacher))
        return super().update_state(right, y_pred, sample_weight)

    def said_by(self, teacher: Any) -> Any:
        """Returns what a teacher's answers say, in the form of labels."""
        return teacher


class LabelAccuracy(_OfLabels, keras.metrics.CategoricalAccuracy):
    """The share of rows whose label gets the highest score."""


class LabelF1(_OfLabels, keras.metrics.F1Score):
    """The F1 over all labels of all rows."""

    def said_by(self, teacher: Any) -> Any:
        """Returns the labels that are likely enough."""
        return ops.cast(teacher >= self.threshold, teacher.dtype)


class DistillationLoss(keras.losses.Loss):
    """The distance between a student's scores and a teacher's answer, mixed with the labels.

    Args:
        kind: What the scores are.
        temperature: What logits are divided by before they are compared; more than 1 shows more of
            how the teacher orders the classes that it does not choose.
        label_weight: How much the labels of a row count, from 0 to 1, beside the teacher's answer;
            the latter counts alone where a row has no labels.
        **loss: Keras's arguments.
    """

    def __init__(self, kind: Kind, temperature: float, label_weight: float, **loss: Any) -> None:
        super().__init__(**loss)
        self.kind: Kind = kind
        self.temperature = temperature
        self.label_weight = label_weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns a loss for each row, `[rows]`.

        Args:
            y_true: float `[rows, 2 * scores]`, as `targets_of` returns it.
            y_pred: float `[rows, scores]`: logits for one label, probabilities for several labels.
        """
        teacher, labels = _halves(y_true)
        has_labels = ops.cast(ops.any(labels != NO_LABEL, axis=-1), y_pred.dtype)
        weight = self.label_weight * has_labels
        return (1 - weight) * self._soft(teacher, y_pred) + weight * self._hard(labels, y_pred)

    def _soft(self, teacher: Any, scores: Any) -> Any:
        """Returns the distance from the teacher's answer, `[rows]`."""
        square = self.temperature**2  # by which gradients shrink
        if self.kind == "one label":
            logits = ops.log(ops.maximum(teacher, _SMALLEST_FLOAT))
            wanted = ops.softmax(logits / self.temperature)
            found = ops.log_softmax(scores / self.temperature)
            return square * ops.sum(
                wanted * (ops.log(ops.maximum(wanted, _SMALLEST_FLOAT)) - found), -1
            )
        wanted, found = (_softened(each, self.temperature) for each in (teacher, scores))
        return square * (_binary(wanted, found) - _binary(wanted, wanted))

    def _hard(self, labels: Any, scores: Any) -> Any:
        """Returns the distance from the labels, `[rows]`."""
        if self.kind == "one label":
            return -ops.sum(labels * ops.log_softmax(scores), axis=-1)
        return _binary(labels, scores)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "kind": self.kind,
            "temperature": self.temperature,
            "label_weight": self.label_weight,
        }


class VectorLoss(keras.losses.Loss):
    """The distance between a student's vectors and a teacher's, and between their similarities.

    The angle between the two vectors of a row, and, for each row of a batch, the cosines with the
    others: where the student orders them as the teacher does, it finds the same neighbours.

    Args:
        similarity_weight: How much the latter counts beside the former.
        **loss: Keras's arguments.
    """

    def __init__(self, similarity_weight: float = 1.0, **loss: Any) -> None:
        super().__init__(**loss)
        self.similarity_weight = similarity_weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns a loss for each row, `[rows]`; both arguments are float `[rows, dimensions]`."""
        wanted, found = map(_unit, (y_true, y_pred))
        angle = 1 - ops.sum(wanted * found, axis=-1)
        cosines = (ops.matmul(each, ops.transpose(each)) for each in (wanted, found))
        difference = ops.mean(ops.square(ops.subtract(*cosines)), axis=-1)
        return angle + self.similarity_weight * difference

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "similarity_weight": self.similarity_weight}


for _class in (DistillationLoss, LabelAccuracy, LabelF1, VectorLoss):
    register(_class)


def _halves(targets: Any) -> tuple[Any, Any]:
    """Returns the teacher's answers and the labels, each `[rows, scores]`."""
    first, second = ops.split(targets, 2, axis=-1)
    return first, second


def _unit(vectors: Any) -> Any:
    """Returns vectors of length 1; one of zeros stays, with a finite gradient."""
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, _SMALLEST**2))


def _softened(probabilities: Any, temperature: float) -> Any:
    """Returns the probabilities that logits divided by a temperature have."""
    kept = ops.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return ops.sigmoid(ops.log(kept / (1 - kept)) / temperature)


def _binary(wanted: Any, found: Any) -> Any:
    """Returns the mean cross-entropy of several probabilities, `[rows]`."""
    kept = ops.clip(found, _SMALLEST, 1 - _SMALLEST)
    return -ops.mean(wanted * ops.log(kept) + (1 - wanted) * ops.log(1 - kept), axis=-1)


def soft_objective(kind: Kind, temperature: float, label_weight: float) -> Objective:
    """Returns what a student learns from a teacher's probabilities and from labels.

    Args:
        kind: What the probabilities are.
        temperature: As of `DistillationLoss`.
        label_weight: The same.
    """
    loss = DistillationLoss(kind, temperature, label_weight)
    if kind == "one label":
        return Objective(loss, None, [LabelAccuracy(name="accuracy")], "val_accuracy")
    f1 = LabelF1(average="micro", threshold=0.5, name="f1")
    return Objective(loss, None, [f1], "val_f1")


def vector_objective() -> Objective:
    """Returns what a student learns from a teacher's vectors."""
    return Objective(VectorLoss(), None)


def targets_of(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns what `DistillationLoss` takes, float32 `[rows, 2 * scores]`.

    Args:
        answers: float `[rows, scores]`: the teacher's probabilities.
        labels: float `[rows, scores]`: 1 for a row's labels and 0 for the others; `NO_LABEL`
            throughout a row without labels.
    """
    return np.concatenate([answers, labels], axis=1).astype(np.float32)
