import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training import evaluation

sklearn_metrics = pytest.importorskip("sklearn.metrics")

LABELS = ["a", "b", "c"]


def shares(generator, rows, columns):
    """Probabilities that sum to 1 in each row."""
    numbers = generator.random((rows, columns)).astype("float32")
    return numbers / numbers.sum(axis=1, keepdims=True)


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_figures_of_one_label_are_those_of_scikit_learn(seed, rows):
    generator = np.random.default_rng(seed)
    probabilities, classes = shares(generator, rows, 3), generator.integers(0, 3, rows)
    found = evaluation.evaluate_classes(probabilities, classes, LABELS)
    predicted = probabilities.argmax(axis=1)
    expected = sklearn_metrics.classification_report(
        classes, predicted, labels=range(3), target_names=LABELS, output_dict=True, zero_division=0
    )
    assert found["accuracy"] == pytest.approx(np.mean(classes == predicted), abs=1e-5)
    assert (
        found["confusion"]
        == sklearn_metrics.confusion_matrix(classes, predicted, labels=range(3)).tolist()
    )
    macro = sklearn_metrics.f1_score(classes, predicted, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(macro, abs=1e-5)
    for label in LABELS:
        for name, theirs in zip(
            ("precision", "recall", "f1", "rows"),
            ("precision", "recall", "f1-score", "support"),
            strict=True,
        ):
            assert found["labels"][label][name] == pytest.approx(expected[label][theirs], abs=1e-5)


def test_the_pairs_confused_most_are_listed_and_each_labels_predictions_counted():
    classes = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.array([1, 1, 2, 0, 0, 1, 2])
    found = evaluation.evaluate_classes(np.eye(3)[predicted], classes, LABELS)
    assert found["confused"] == [
        {"label": "a", "predicted": "b", "rows": 2},
        {"label": "a", "predicted": "c", "rows": 1},
        {"label": "b", "predicted": "a", "rows": 1},
    ]
    assert [found["labels"][label]["predicted"] for label in LABELS] == [2, 3, 2]
    right = evaluation.evaluate_classes(np.eye(3)[classes], classes, LABELS)
    assert right["confused"] == []
    assert "confusion_labels" not in right


def test_of_very_many_labels_the_largest_are_in_the_matrix_and_any_among_the_confused():
    labels = [f"topic {number}" for number in range(1000)]
    classes = np.concatenate([np.arange(1000), np.repeat(np.arange(900, 1000), 3)])
    predicted = classes.copy()
    predicted[:2] = [1, 0]
    predicted[-1] = 900
    predicted[-2] = 3
    found = evaluation.evaluate_classes(np.eye(1000)[predicted], classes, labels)
    assert found["confusion_labels"] == labels[900:]
    matrix = np.array(found["confusion"])
    assert matrix.shape == (evaluation.CONFUSED_LABELS,) * 2
    assert np.diag(matrix).tolist() == [4] * 99 + [2]
    assert matrix.sum() == 399  # one row of these got a label that is not among them
    assert {(pair["label"], pair["predicted"]) for pair in found["confused"]} == {
        ("topic 0", "topic 1"),
        ("topic 1", "topic 0"),
        ("topic 999", "topic 3"),
        ("topic 999", "topic 900"),
    }
    every = evaluation.evaluate_classes(np.eye(1000)[np.roll(classes, 1)], classes, labels)
    assert len(every["confused"]) == evaluation.CONFUSED_PAIRS


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_figures_of_several_labels_are_those_of_scikit_learn(seed, rows):
    generator = np.random.default_rng(seed)
    probabilities = generator.random((rows, 3)).astype("float32")
    targets = generator.integers(0, 2, (rows, 3)).astype("float32")
    found = evaluation.evaluate_label_sets(probabilities, targets, LABELS, 0.5)
    predicted = probabilities >= 0.5
    for average in ("micro", "macro"):
        expected = sklearn_metrics.f1_score(targets, predicted, average=average, zero_division=0)
        assert found[f"{average}_f1"] == pytest.approx(expected, abs=1e-5)
    exact = sklearn_metrics.accuracy_score(targets, predicted)
    assert found["exact"] == pytest.approx(exact, abs=1e-5)


@given(st.integers(0, 10_000), st.integers(3, 40))
def test_figures_of_numbers_are_those_of_scikit_learn(seed, rows):
    generator = np.random.default_rng(seed)
    predicted, targets = generator.normal(size=(2, rows))
    found = evaluation.evaluate_numbers(predicted, targets)
    assert found["r2"] == pytest.approx(sklearn_metrics.r2_score(targets, predicted), rel=1e-5)
    mean_squared = sklearn_metrics.mean_squared_error(targets, predicted)
    assert found["rmse"] == pytest.approx(mean_squared**0.5, rel=1e-5)
    mean_absolute = sklearn_metrics.mean_absolute_error(targets, predicted)
    assert found["mae"] == pytest.approx(mean_absolute, rel=1e-5)
    stats = pytest.importorskip("scipy.stats")
    assert found["pearson"] == pytest.approx(stats.pearsonr(targets, predicted)[0], rel=1e-4)
    tied = np.round(predicted)
    expected = 0 if np.ptp(tied) == 0 else stats.spearmanr(targets, tied)[0]
    spearman = evaluation.evaluate_numbers(tied, targets)["spearman"]
    assert spearman == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_numbers_that_are_all_alike_have_no_correlation():
    found = evaluation.evaluate_numbers(np.full(3, 0.1), np.array([1.0, 2.0, 3.0]))
    assert (found["pearson"], found["spearman"], found["r2"] < 0) == (0.0, 0.0, True)
    assert evaluation.evaluate_numbers(np.ones(3), np.ones(3))["r2"] == 0.0


def test_residuals_and_a_sample_show_how_far_numbers_are_off():
    targets = np.arange(2000.0)
    found = evaluation.evaluate_numbers(targets + np.tile([-1.0, 3.0], 1000), targets)
    residuals = found["residuals"]
    assert (residuals["edges"][0], residuals["edges"][-1]) == (-1.0, 3.0)
    assert len(residuals["edges"]) == len(residuals["rows"]) + 1
    assert (residuals["rows"][0], residuals["rows"][-1], sum(residuals["rows"])) == (
        *(1000, 1000),
        2000,
    )
    assert len(found["sample"]) == evaluation.SAMPLED_ROWS
    assert {predicted - target for target, predicted in found["sample"]} == {-1.0, 3.0}


@pytest.mark.parametrize("residual", [0.0, 5.0, 1e-30, -1e12], ids=str)
def test_residuals_that_are_all_alike_have_one_bin(residual):
    found = evaluation.evaluate_numbers(np.full(3, residual), np.zeros(3))["residuals"]
    assert found == {"edges": [residual, residual], "rows": [3]}


@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=30))
def test_every_residual_is_in_a_bin(numbers):
    found = evaluation.evaluate_numbers(np.array(numbers), np.zeros(len(numbers)))["residuals"]
    assert sum(found["rows"]) == len(numbers)


def test_calibration_is_the_distance_of_confidence_and_truth():
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    found = evaluation.calibration(confidence, np.array([True, True, True, False]))
    assert found["error"] == pytest.approx((0.05 + 0.05) / 2)
    assert found["bins"] == [
        {"confidence": 0.55, "accuracy": 0.5, "rows": 2},
        {"confidence": 0.95, "accuracy": 1.0, "rows": 2},
    ]
    sure = evaluation.calibration(np.ones(2), np.ones(2, bool))
    assert (sure["error"], len(sure["bins"])) == (0.0, 1)


def test_better_on_a_few_rows_is_not_clearly_better():
    right = np.zeros(40, int)
    theirs = np.array([1] * 10 + [0] * 30)
    slightly = np.array([1] * 9 + [0] * 31)
    clearly = np.array([1] * 2 + [0] * 38)
    assert not evaluation.is_clearly_better(evaluation.accuracy, right, slightly, theirs)
    assert evaluation.is_clearly_better(evaluation.accuracy, right, clearly, theirs)
    assert not evaluation.is_clearly_better(evaluation.accuracy, right, theirs, theirs)
