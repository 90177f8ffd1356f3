"""The commands with classifiers of every family and of both formats."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.inference.predictor import Predictor
from pipelines import classify, embed
from tests.models.conftest import randomize_weights
from tests.models.family_cases import FAMILIES, case
from tests.models.presets.hugging_face_folders import make_folder
from tests.pipelines.command_runs import run
from tests.pipelines.labelling import predicted

TEXTS = ["the good film", "", "an awful play!", "the great film, playing it", "a b c"]
SECONDS = ["x", "bad play", "the film", "", "good"]


@pytest.fixture(scope="module", params=[*FAMILIES, "hugging face"])
def preset(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("preset") / "tiny"
    if request.param == "hugging face":
        return make_folder(folder, "bert", head=True)
    classifier = case(request.param).classifier(["negative", "neutral", "positive"])
    randomize_weights(classifier)
    classifier.save_to_preset(folder)
    return folder


@pytest.fixture
def pairs(tmp_path) -> Path:
    rows = [{"text": a, "second": b} for a, b in zip(TEXTS, SECONDS, strict=True)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "pairs.jsonl"


@pytest.mark.parametrize("is_pair", [False, True])
def test_texts_and_pairs_are_labelled(preset, pairs, tmp_path, is_pair):
    flags = [f"--preset={preset}", f"--input={pairs}", f"--output={tmp_path}/out"]
    flags += ["--probabilities", *(["--text_pair_column=second"] if is_pair else [])]
    found = run(classify.main, tmp_path / "out", *flags)
    assert found.code == 0, found.err
    texts = (TEXTS, SECONDS) if is_pair else (TEXTS,)
    labels, probabilities = predicted(Predictor.from_preset(preset), *texts)
    assert found.column("label") == labels
    found_probabilities = [list(row.values()) for row in found.column("probabilities")]
    np.testing.assert_allclose(found_probabilities, probabilities, atol=1e-6)


def test_texts_become_vectors(preset, pairs, tmp_path):
    flags = [f"--preset={preset}", f"--input={pairs}", f"--output={tmp_path}/out"]
    found = run(embed.main, tmp_path / "out", *flags)
    assert found.code == 0, found.err
    expected = Predictor.from_preset(preset, task="embed")(TEXTS)
    np.testing.assert_allclose(found.column("embedding"), expected, atol=1e-6)
