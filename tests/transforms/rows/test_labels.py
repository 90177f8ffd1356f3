"""What classifiers tell that do not just choose one of two labels."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest

from models.inference.predictor import Predictor
from tests.transforms.rows.running import PRESET, TEXTS, run
from transforms import ClassifyText

NAMES = ["calm", "glad"]


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    """Saves a preset with the bundled one's outputs, for another kind of head."""
    from models import BertClassifier

    def make(**head):
        folder = tmp_path_factory.mktemp("presets") / "preset"
        BertClassifier.from_preset(PRESET, **head).save_to_preset(folder)
        return folder

    return make


def test_a_text_may_have_several_labels(save):
    preset = save(activation="sigmoid", labels=NAMES)
    scores = dict(zip(TEXTS, Predictor.from_preset(preset)(TEXTS), strict=True))
    threshold = float(np.median([each for row in scores.values() for each in row]))
    for row in run(TEXTS, ClassifyText(preset, threshold=threshold)):
        assert row._fields == ("text", "label", "score", "labels")
        ranked = sorted(zip(scores[row.text], NAMES, strict=True), reverse=True)
        expected = [name for score, name in ranked if score >= threshold]
        assert [entry.label for entry in row.labels] == expected


def test_numbers_are_scores_by_name(save):
    preset = save(is_regression=True, labels=NAMES)
    scores = dict(zip(TEXTS, Predictor.from_preset(preset)(TEXTS), strict=True))
    for row in run(TEXTS, ClassifyText(preset)):
        assert row._fields == ("text", "scores")
        found = [row.scores[name] for name in NAMES]
        np.testing.assert_allclose(found, scores[row.text], atol=1e-6)
    with pytest.raises(ValueError, match=r"^top_k is for presets with labels"):
        run(TEXTS, ClassifyText(preset, top_k=2))


@pytest.mark.parametrize("kind", ["dict", "row", "batch"])
def test_pairs_of_texts_are_read_as_pairs(kind):
    seconds = TEXTS[::-1]
    scores = Predictor.from_preset(PRESET)(TEXTS, seconds).max(axis=1)
    columns = {"a": TEXTS, "b": seconds, "n": list(range(len(TEXTS)))}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    given = {
        "dict": rows,
        "row": [beam.Row(**row) for row in rows],
        "batch": [pa.RecordBatch.from_pydict(columns)],
    }
    found = run(given[kind], ClassifyText(PRESET, "a", "b"))
    if kind == "batch":
        found = found[0].to_pylist()
    by_number = {row["n"]: row["score"] for row in map(as_dict, found)}
    np.testing.assert_allclose([by_number[n] for n in columns["n"]], scores, atol=1e-6)


def as_dict(row) -> dict:
    return row if isinstance(row, dict) else row._asdict()


def test_long_texts_can_be_read_in_windows():
    texts = ["a good day " * 40, "short"]
    predictor = Predictor.from_preset(PRESET, sequence_length=16, long_text="windows")
    scores = dict(zip(texts, predictor(texts).max(axis=1), strict=True))
    windows = ClassifyText(PRESET, sequence_length=16, long_text="windows", token_counts=True)
    for row in run(texts, windows):
        assert row.score == pytest.approx(scores[row.text], abs=1e-6)
        assert not row.truncated
