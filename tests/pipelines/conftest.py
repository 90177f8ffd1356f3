"""A preset that is small enough to make anew, and the command `classify` with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.inference import runtime
from models.inference.predictor import Predictor
from pipelines import classify as classify_command
from tests.pipelines.command_runs import Run, run

TEXTS = [
    "The soup was hot and the bread was fresh.",
    "The soup was cold and the bread was stale.",
    "A warm film with a clever end, we laughed all the way home.",
    "A long film without an end, we slept all the way through.",
    "Clean room, kind people, and a view over the old harbour.",
    "Dirty room, rude people, and a view of the bins.",
    "I would come back for the garden alone.",
    "I would not come back, not even for the garden.",
    "The train was early; nobody minded.",
    "The train was late, as ever!",
]


@pytest.fixture(scope="session")
def tiny_preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random classifier that finds about as many texts positive as negative."""
    runtime.start()
    import keras

    from models.families.bert import BertBackbone, BertClassifier, BertPreprocessor, BertTokenizer
    from models.tokenizers.vocabulary import train_wordpiece

    keras.utils.set_random_seed(1)
    vocabulary = train_wordpiece(TEXTS * 2, 400, lowercase=True)
    backbone = BertBackbone(len(vocabulary), 1, 2, 16, 32, max_sequence_length=128)
    preprocessor = BertPreprocessor(BertTokenizer(vocabulary, lowercase=True), 128)
    classifier = BertClassifier(backbone, 2, preprocessor, labels=["negative", "positive"])
    classifier.logits.kernel.assign(20 * classifier.logits.kernel)
    classifier.logits.bias.assign(-classifier.predict(TEXTS, verbose=0).mean(axis=0))
    folder = tmp_path_factory.mktemp("presets") / "tiny"
    classifier.save_to_preset(folder)
    return folder


@pytest.fixture(scope="session")
def predictor(tiny_preset: Path) -> Predictor:
    return Predictor.from_preset(tiny_preset)


@pytest.fixture
def classify(tiny_preset: Path, tmp_path: Path) -> Callable[..., Run]:
    """Runs the command in this process, with the tiny preset and an output folder of the test."""

    def run_classify(*flags: str) -> Run:
        folder = tmp_path / "out"
        given = (f"--preset={tiny_preset}", f"--output={folder}")
        return run(classify_command.main, folder, *given, *flags)

    return run_classify
