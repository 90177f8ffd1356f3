"""Tiny models with random weights, and the folders that they are saved to."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models import BertBackbone, BertClassifier, BertPreprocessor, BertTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *("good", "bad", "great", "awful", "film", "play", "the", "##ing", ",", ".", "!"),
    *("[", "]"),
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
]
LENGTH = 24
CONFIG = {
    "vocabulary_size": len(VOCABULARY),
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 24,
    "max_sequence_length": LENGTH,
}
LABELS = ["negative", "neutral", "positive"]


def randomize_weights(model: keras.Model, seed: int = 0) -> None:
    """Sets every weight, biases and norms too, so that none can be left out unseen."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(random.normal(0.1, 0.3, weight.shape).astype("float32"))


def make_classifier(**overrides: Any) -> BertClassifier:
    """Returns a classifier with random weights; `overrides` go to the backbone."""
    tokenizer = BertTokenizer(VOCABULARY, lowercase=True)
    classifier = BertClassifier(
        BertBackbone(**{**CONFIG, **overrides}),
        len(LABELS),
        BertPreprocessor(tokenizer, LENGTH),
        labels=LABELS,
    )
    randomize_weights(classifier)
    return classifier


@pytest.fixture
def vocabulary() -> list[str]:
    return list(VOCABULARY)


@pytest.fixture
def config() -> dict[str, Any]:
    return dict(CONFIG)


@pytest.fixture
def randomize() -> Callable[..., None]:
    return randomize_weights


@pytest.fixture
def new_classifier() -> Callable[..., BertClassifier]:
    """Makes classifiers that a test may change."""
    return make_classifier


@pytest.fixture(scope="session")
def classifier() -> BertClassifier:
    """A classifier that no test changes."""
    return make_classifier()


@pytest.fixture(scope="session")
def _saved(classifier: BertClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preset") / "tiny"
    classifier.save_to_preset(folder)
    return folder


@pytest.fixture
def preset(_saved: Path, tmp_path: Path) -> Path:
    """A folder of `classifier`'s preset that a test may damage."""
    return Path(shutil.copytree(_saved, tmp_path / "tiny"))
