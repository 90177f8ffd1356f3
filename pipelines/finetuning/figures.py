"""How well a trained classifier does on the validation rows, compared with simpler models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.training.evaluation import is_clearly_better
from pipelines.finetuning import baselines
from pipelines.finetuning.labels import LabelKind, OneLabel, OneNumber
from pipelines.reporting.shown import printable

if TYPE_CHECKING:
    from models.tasks.classifier import Classifier
    from pipelines.finetuning.labelled import TrainingData

_MISTAKES = 50
_SHOWN_CHARACTERS = 70
_TEXTS = ("text", "pair")
_PLACE = ("file", "position")


@dataclass(frozen=True)
class Figures:
    """What the validation rows say about a classifier.

    Attributes:
        metric: Name of the figure by which models are compared.
        model: All figures, as `LabelKind.evaluate` returns them.
        baselines: The figures of each baseline, except those that need probabilities.
        mistakes: The rows that it is most wrong about: `text` and, of pairs, `pair`, `label`,
            `predicted`, `score`, which is how sure it was or, for a number, how far off, and where
            the row is: the name of its `file` and its `position` there.
        warnings: Baselines that it is not clearly better than, one sentence each.
    """

    metric: str
    model: Mapping[str, Any]
    baselines: Mapping[str, Mapping[str, float]]
    mistakes: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]

    def record(self) -> dict[str, Any]:
        """Returns all for `training.json` but the warnings, and but the texts of the mistakes.

        A preset is published more freely than the texts that it was judged by.
        """
        return {
            "metric": self.metric,
            **self.model,
            "baselines": {name: dict(figures) for name, figures in self.baselines.items()},
            "mistakes": [
                {name: value for name, value in mistake.items() if name not in _TEXTS}
                for mistake in self.mistakes
            ],
        }


def measure_classifier(
    classifier: "Classifier", data: "TrainingData", is_weighted: bool
) -> Figures:
    """Judges a classifier on the validation rows, as `measure` does."""
    import keras

    scores = classifier.predict(data.validation.x, verbose=0)
    if isinstance(data.kind, OneLabel) and classifier.activation == keras.activations.linear:
        scores = keras.ops.convert_to_numpy(keras.ops.softmax(scores))
    return measure(data, scores, classifier.labels, is_weighted)


def measure(
    data: "TrainingData", scores: np.ndarray, names: Sequence[str], is_weighted: bool
) -> Figures:
    """Judges a classifier.

    Args:
        data: The data with the validation rows.
        scores: float32 `[rows, classes]`: its probabilities, or its number, for them.
        names: Names of the classes, as the classifier has them.
        is_weighted: Whether rare labels counted more in training.
    """
    kind = data.kind
    targets = kind.targets(data.validation.labels, data.labels)
    predicted = kind.predict(scores)
    name, metric = kind.metric(is_weighted)
    beside, warnings = {}, []
    for baseline, theirs in baselines.predictions(data, is_weighted).items():
        figures = _of_prediction(kind, theirs, targets, names)
        beside[baseline] = figures
        if not is_clearly_better(metric, targets, predicted, theirs):
            warnings.append(
                f"the model is not clearly better than {baseline}, which has "
                f"{spell(name, figures[name])} {TITLES[name]}"
            )
    model = kind.evaluate(scores, targets, names)
    return Figures(
        name, model, beside, _mistakes(data, scores, targets, predicted, names), warnings
    )


TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "exact": "all labels right",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "pearson": "Pearson's r",
    "spearman": "Spearman's ρ",
    "neighbours": "same neighbours",
    "retrieval": "neighbours of its label",
}
"""Names of figures as a person reads them."""

_SHARES = {"accuracy", "macro_f1", "micro_f1", "exact", "neighbours", "retrieval"}


def spell(name: str, value: float) -> str:
    """Returns a figure as a person reads it, shares in percent."""
    return f"{value:.1%}" if name in _SHARES else f"{value:.3g}"


def describe_mistake(mistake: Mapping[str, Any]) -> str:
    """Returns a mistake in one line."""
    texts = " | ".join(mistake[name] for name in _TEXTS if name in mistake)
    text = printable(texts, _SHOWN_CHARACTERS)
    label, said = (_spelled(mistake[name]) for name in ("label", "predicted"))
    if isinstance(mistake["predicted"], float):
        return f"{label}, taken for {said}: {text}"
    return f"{label}, taken for {said} ({mistake['score']:.2f}): {text}"


def _spelled(label: Any) -> str:
    if isinstance(label, list):
        return printable(" + ".join(label)) or "no label"
    return printable(f"{label:g}" if isinstance(label, float) else str(label))


def _of_prediction(
    kind: LabelKind, predicted: np.ndarray, targets: np.ndarray, names: Sequence[str]
) -> dict[str, float]:
    """Returns the figures of a prediction that has no probabilities."""
    if isinstance(kind, OneLabel):
        scores = np.eye(len(names), dtype=np.float32)[predicted]
    else:
        scores = predicted.reshape(len(predicted), -1)
    found = kind.evaluate(scores, targets, names)
    return {name: value for name, value in found.items() if name in TITLES}


def _mistakes(
    data: "TrainingData",
    scores: np.ndarray,
    targets: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """Returns the worst mistakes, the worst first."""
    kind = data.kind
    if isinstance(kind, OneLabel):
        wrong = scores.max(axis=1) * (predicted != targets)
    elif isinstance(kind, OneNumber):
        wrong = np.abs(predicted - targets)
    else:
        is_wrong = (predicted != targets).any(axis=1)
        wrong = np.abs(scores - targets).max(axis=1) * is_wrong

    def spelled(label: Any) -> Any:
        if isinstance(kind, OneLabel):
            return names[label]
        if isinstance(kind, OneNumber):
            return float(f"{label:.6g}")
        return [name for name, is_there in zip(names, label, strict=True) if is_there]

    rows = [int(row) for row in np.argsort(-wrong, kind="stable")[:_MISTAKES] if wrong[row] > 0]
    texts, places = list(data.validation.rows()), data.validation.places
    return [
        {
            **dict(zip(_TEXTS, texts[row], strict=False)),
            **dict(zip(_PLACE, places[row] if places else (), strict=False)),
            "label": spelled(targets[row]),
            "predicted": spelled(predicted[row]),
            "score": float(f"{wrong[row]:.6g}"),
        }
        for row in rows
    ]
