"""Tiny models with random weights, and the folders that they are saved to."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models import BertBackbone, BertClassifier, BertPreprocessor, BertTokenizer, Predictor
from tests.models.family_cases import CONFIG, FAMILIES, LENGTH, VOCABULARY, case
from tests.models.inference.predicting import AREA, SHORT_LENGTH, WORDS
from tests.models.presets.hugging_face_folders import make_folder, unigram_json, write

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


@pytest.fixture(params=FAMILIES)
def family(request):
    """Each of the families, with its tiny configuration."""
    return case(request.param)


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


@pytest.fixture
def bert(tmp_path):
    return make_folder(tmp_path / "bert", "bert", head=True)


@pytest.fixture
def roberta(tmp_path):
    return make_folder(tmp_path / "roberta", "roberta", head=True)


@pytest.fixture
def xlm_roberta(tmp_path):
    folder = make_folder(tmp_path / "xlm_roberta", "xlm_roberta", head=True)
    write(folder, "tokenizer.json", unigram_json())
    return folder


@pytest.fixture
def predictor(classifier):
    return Predictor(classifier, "CPU", batch_tokens=AREA)


@pytest.fixture
def texts():
    """Rows of shuffled lengths, no two of them alike."""
    random = np.random.default_rng(3)
    counts = random.permutation(np.arange(60) % 18)
    return [
        " ".join([*random.choice(WORDS, n), chr(97 + i % 26), chr(97 + i // 26)])
        for i, n in enumerate(counts)
    ]


@pytest.fixture
def short_classifier(preset):
    return BertClassifier.from_preset(
        preset, preprocessor=BertPreprocessor.from_preset(preset, SHORT_LENGTH)
    )
