"""The losses of a student beside the formulas that they name, in NumPy's float64."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from models.training.distillation import (
    NO_LABEL,
    DistillationLoss,
    LabelAccuracy,
    LabelF1,
    VectorLoss,
    soft_objective,
    targets_of,
    vector_objective,
)

RANDOM = np.random.default_rng(2)
ROWS, CLASSES = 6, 4
KINDS = ("one label", "several labels")
HAS_LABELS = np.array([True, False, True, True, False, True])

kinds = pytest.mark.parametrize("kind", KINDS)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def divergence(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Kullback and Leibler's, of each row."""
    return (wanted * np.log(wanted / found)).sum(-1)


def of_several(function: Callable[..., Any], wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The mean over probabilities of a function of what is true and what is not."""
    both = (np.stack([each, 1 - each], -1) for each in (wanted, found))
    return function(*both).mean(-1)


def cross_entropy(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    return -(wanted * np.log(found)).sum(-1)


def expected_loss(kind, teacher, labels, student, temperature, label_weight):
    """The loss of each row, of the logits of teacher and student."""
    if kind == "one label":
        soft = divergence(softmax(teacher / temperature), softmax(student / temperature))
        hard = cross_entropy(labels, softmax(student))
    else:
        softened = (sigmoid(each / temperature) for each in (teacher, student))
        soft = of_several(divergence, *softened)
        hard = of_several(cross_entropy, labels, sigmoid(student))
    weight = label_weight * HAS_LABELS
    return (1 - weight) * temperature**2 * soft + weight * np.where(HAS_LABELS, hard, 0)


def probabilities(kind, logits):
    return softmax(logits) if kind == "one label" else sigmoid(logits)


def scores(kind, logits):
    """What a classifier gives while it is trained."""
    return logits if kind == "one label" else sigmoid(logits)


def make_labels(kind) -> np.ndarray:
    if kind == "one label":
        return np.eye(CLASSES)[RANDOM.integers(CLASSES, size=ROWS)]
    return RANDOM.integers(2, size=(ROWS, CLASSES)).astype(float)


def logits() -> np.ndarray:
    return RANDOM.normal(0, 2, (ROWS, CLASSES))


def gradient(loss, targets, given) -> np.ndarray:
    if keras.backend.backend() == "jax":
        import jax

        found = jax.grad(lambda given: keras.ops.sum(loss(targets, given)))(
            np.asarray(given, np.float32)
        )
        return np.asarray(found)
    given = tf.constant(given, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = loss(targets, given)
    return np.asarray(tape.gradient(value, given))


@kinds
@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("label_weight", [0.0, 0.3, 1.0])
def test_the_loss_is_that_of_the_formula(kind, temperature, label_weight):
    teacher, student, labels = logits(), logits(), make_labels(kind)
    known = np.where(HAS_LABELS[:, None], labels, NO_LABEL)
    loss = DistillationLoss(kind, temperature, label_weight, reduction="none")
    targets = targets_of(probabilities(kind, teacher), known)
    assert (targets.shape, targets.dtype) == ((ROWS, 2 * CLASSES), np.float32)
    found = loss(targets, scores(kind, student).astype(np.float32))
    expected = expected_loss(kind, teacher, labels, student, temperature, label_weight)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@kinds
def test_a_batch_has_the_mean_of_its_rows_weighted_if_asked(kind):
    targets = targets_of(probabilities(kind, logits()), make_labels(kind))
    given = scores(kind, logits()).astype(np.float32)
    rows = np.asarray(DistillationLoss(kind, 2.0, 0.5, reduction="none")(targets, given))
    weights = np.arange(ROWS, dtype=np.float32)
    loss = DistillationLoss(kind, 2.0, 0.5)
    np.testing.assert_allclose(loss(targets, given), rows.mean(), rtol=1e-5)
    np.testing.assert_allclose(
        loss(targets, given, sample_weight=weights), (rows * weights).mean(), rtol=1e-5
    )


@kinds
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_student_that_says_the_same_has_nothing_to_learn(kind, temperature):
    teacher = logits()
    targets = targets_of(probabilities(kind, teacher), np.full((ROWS, CLASSES), NO_LABEL))
    loss = DistillationLoss(kind, temperature, 1.0, reduction="none")
    given = scores(kind, teacher)
    np.testing.assert_allclose(loss(targets, given.astype(np.float32)), 0, atol=1e-5)
    np.testing.assert_allclose(gradient(loss, targets, given), 0, atol=1e-4)


@kinds
def test_the_temperature_leaves_the_size_of_gradients(kind):
    # Hinton et al. (2015, section 2): they shrink with the square of the temperature.
    teacher, student = 0.1 * logits(), 0.1 * logits()
    targets = targets_of(probabilities(kind, teacher), np.full((ROWS, CLASSES), NO_LABEL))
    sizes = [
        np.linalg.norm(gradient(DistillationLoss(kind, t, 0.0), targets, scores(kind, student)))
        for t in (1.0, 10.0)
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.2)


@kinds
@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("label_weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("wanted", [0.0, 1.0])
def test_certainty_gives_finite_losses_and_gradients(kind, temperature, label_weight, wanted):
    certain = np.eye(2)[[0, 0, 1, 1, 0, 1]]
    sure = np.eye(2)[[0, 1, 0, 1, 1, 1]]
    labels = np.where(HAS_LABELS[:, None], np.full((ROWS, 2), wanted), NO_LABEL)
    given = sure if kind == "several labels" else 200 * (2 * sure - 1)
    loss = DistillationLoss(kind, temperature, label_weight, reduction="none")
    targets = targets_of(certain, labels)
    assert np.isfinite(loss(targets, given.astype(np.float32))).all()
    assert np.isfinite(gradient(loss, targets, given)).all()


def test_vectors_are_compared_by_their_angles_and_by_those_to_each_other():
    teacher, student = (RANDOM.normal(size=(ROWS, 5)) for _ in range(2))
    wanted, found = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (teacher, student))
    angle = 1 - (wanted * found).sum(1)
    similarity = ((wanted @ wanted.T - found @ found.T) ** 2).mean(1)
    for weight in (0.0, 1.0, 2.5):
        loss = VectorLoss(weight, reduction="none")(
            teacher.astype(np.float32), student.astype(np.float32)
        )
        np.testing.assert_allclose(loss, angle + weight * similarity, rtol=1e-4, atol=1e-6)


def test_the_same_directions_have_no_loss_whatever_their_lengths():
    teacher, student = (RANDOM.normal(size=(ROWS, 5)).astype(np.float32) for _ in range(2))
    lengths = RANDOM.uniform(0.1, 9, (ROWS, 1)).astype(np.float32)
    loss = VectorLoss(reduction="none")
    np.testing.assert_allclose(loss(teacher, teacher), 0, atol=1e-6)
    np.testing.assert_allclose(loss(teacher, lengths * teacher), 0, atol=1e-6)
    expected = loss(teacher, student)
    assert (np.asarray(expected) > 0.01).all()
    np.testing.assert_allclose(loss(teacher, lengths * student), expected, rtol=1e-5)
    np.testing.assert_allclose(loss(lengths * teacher, student), expected, rtol=1e-5)


def test_a_vector_of_zeros_gives_a_finite_loss_and_gradient():
    teacher = RANDOM.normal(size=(ROWS, 5)).astype(np.float32)
    student = teacher * (np.arange(ROWS) > 0)[:, None]
    assert np.isfinite(VectorLoss(reduction="none")(teacher, student)).all()
    assert np.isfinite(gradient(VectorLoss(), teacher, student)).all()


def test_metrics_are_of_the_labels_and_not_of_the_teacher():
    labels = np.eye(3)[[0, 1, 2, 2]]
    teacher = np.eye(3)[[2, 2, 0, 1]]
    given = np.eye(3)[[0, 1, 2, 0]]
    accuracy = LabelAccuracy(name="accuracy")
    accuracy.update_state(targets_of(teacher, labels), given)
    assert float(accuracy.result()) == 0.75
    several = np.array([[1, 1, 0], [0, 0, 1]], float)
    f1 = LabelF1(average="micro", threshold=0.5, name="f1")
    f1.update_state(targets_of(1 - several, several), np.array([[0.9, 0.2, 0.8], [0.1, 0.4, 0.7]]))
    assert float(f1.result()) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    f1.reset_state()
    f1.update_state(targets_of(1 - several, several), several)
    assert float(f1.result()) == 1


def test_a_temperature_brings_back_what_a_teacher_hardly_believes():
    answers = np.full((1, 1000), 1e-12)
    answers[0, 0] = 1
    labels = np.full_like(answers, NO_LABEL)
    loss = DistillationLoss("one label", 4.0, 0.3)
    given = np.log(answers).astype(np.float32)
    assert float(loss(targets_of(answers, labels), given)) == pytest.approx(0, abs=1e-4)


def test_of_rows_without_labels_metrics_take_what_the_teacher_says():
    answers = np.eye(3)[[0, 1, 2]]
    labels = np.where([[True], [False], [True]], answers, NO_LABEL)
    given = np.eye(3)[[0, 0, 1]]
    accuracy = LabelAccuracy(name="accuracy")
    accuracy.update_state(targets_of(answers, labels), given)
    assert float(accuracy.result()) == pytest.approx(1 / 3)
    accuracy.reset_state()
    accuracy.update_state(targets_of(answers, labels), given, np.array([3.0, 1.0, 1.0]))
    assert float(accuracy.result()) == pytest.approx(3 / 5)
    f1 = LabelF1(average="micro", threshold=0.5, name="f1")
    f1.update_state(targets_of(0.8 * answers, labels), given)
    assert float(f1.result()) == pytest.approx(1 / 3)


@kinds
def test_an_objective_trains_towards_the_teacher_and_reports_the_labels(kind):
    keras.utils.set_random_seed(0)
    objective = soft_objective(kind, 2.0, 0.5)
    model = keras.Sequential([keras.layers.Dense(2)])
    if kind == "several labels":
        model.add(keras.layers.Activation("sigmoid"))
    features = np.array([[1.0, 0.0], [0.0, 1.0]] * 8, np.float32)
    labels = features.copy()
    labels[::4] = NO_LABEL
    targets = targets_of(np.clip(features, 0.1, 0.9), labels)
    complete = targets_of(np.clip(features, 0.1, 0.9), features)
    model.compile("adam", objective.loss, weighted_metrics=objective.weighted_metrics)
    model.optimizer.learning_rate = 0.1
    history = model.fit(
        features, targets, epochs=25, validation_data=(features, complete), verbose=0
    ).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history[objective.chosen_by][-1] == 1


def test_vectors_are_chosen_by_their_loss():
    objective = vector_objective()
    assert isinstance(objective.loss, VectorLoss)
    assert (objective.metrics, objective.chosen_by) == (None, "val_loss")


@pytest.mark.parametrize(
    "made",
    [
        DistillationLoss("several labels", 3.0, 0.25, name="mine"),
        VectorLoss(0.5),
        LabelAccuracy(name="accuracy"),
        LabelF1(average="micro", threshold=0.5, name="f1"),
    ],
    ids=lambda made: type(made).__name__,
)
def test_a_configuration_makes_them_again(made):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    assert not isinstance(made, VectorLoss) or again.similarity_weight == 0.5


def test_what_is_made_again_computes_the_same():
    labels = np.where(HAS_LABELS[:, None], make_labels("several labels"), NO_LABEL)
    targets = targets_of(sigmoid(logits()), labels)
    given = ops.convert_to_tensor(sigmoid(logits()).astype(np.float32))
    loss = DistillationLoss("several labels", 3.0, 0.25)
    again = DistillationLoss.from_config(loss.get_config())
    assert float(again(targets, given)) == float(loss(targets, given))
    other = DistillationLoss("several labels", 3.0, 0.5)
    assert float(other(targets, given)) != float(loss(targets, given))
