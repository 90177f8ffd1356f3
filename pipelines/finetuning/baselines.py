"""What a classifier must beat to be worth its cost: the most common label, and word counts."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipelines.finetuning.labels import OneNumber, SeveralLabels

if TYPE_CHECKING:
    from pipelines.finetuning.labelled import LabelledTexts, TrainingData

MAJORITY = "the most common label"
MEAN = "the mean"
TF_IDF = "TF-IDF and logistic regression"
TF_IDF_RIDGE = "TF-IDF and ridge regression"

INSTALL = "pip install scikit-learn"
"""How to install what the second baseline needs."""


def predictions(data: "TrainingData", is_weighted: bool) -> dict[str, np.ndarray]:
    """Returns what each baseline predicts for the validation rows, in the shape of their targets.

    Args:
        data: The training rows, the classifier's own, and the validation rows.
        is_weighted: Whether rare labels count more in training.
    """
    targets = data.kind.targets(data.train.labels, data.labels)
    majority = data.kind.majority(targets)
    shape = (len(data.validation), *targets.shape[1:])
    is_number = isinstance(data.kind, OneNumber)
    found = {MEAN if is_number else MAJORITY: np.broadcast_to(majority, shape)}
    with contextlib.suppress(ImportError):  # missing, or incompatible with NumPy
        name = TF_IDF_RIDGE if is_number else TF_IDF
        found[name] = _words_counted(data, targets, is_weighted)
    return found


def _words_counted(data: "TrainingData", targets: np.ndarray, is_weighted: bool) -> np.ndarray:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    try:
        vectors = vectorizer.fit_transform(_joined(data.train))
    except ValueError:  # no word in any text
        return np.broadcast_to(
            data.kind.majority(targets), (len(data.validation), *targets.shape[1:])
        )
    judged = vectorizer.transform(_joined(data.validation))
    if isinstance(data.kind, OneNumber):
        return Ridge().fit(vectors, targets).predict(judged)
    regression = LogisticRegression(max_iter=1000, class_weight="balanced" if is_weighted else None)
    if isinstance(data.kind, SeveralLabels):
        regression = OneVsRestClassifier(regression)
    return regression.fit(vectors, targets).predict(judged).astype(targets.dtype)


def _joined(texts: "LabelledTexts") -> Sequence[str]:
    return [" ".join(row) for row in zip(*texts.segments, strict=True)]
