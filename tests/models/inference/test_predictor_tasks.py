import numpy as np
import pytest
import tensorflow as tf

from models import BertClassifier, Predictor, UserError
from models.presets.embedding import POOLINGS
from tests.models.inference.predicting import AREA, make_embedder


@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_keep_the_order_of_rows_and_are_the_embedders(classifier, texts, pooling):
    embedder = make_embedder(classifier, 7, pooling=pooling, normalize=True)
    found = Predictor(embedder, "CPU", batch_tokens=AREA)(texts)
    assert (found.shape, found.dtype) == ((len(texts), 7), np.float32)
    expected = embedder.vectors(classifier.preprocessor(texts))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_backbone_is_enough_to_embed(classifier, texts, tmp_path):
    classifier.backbone.save_to_preset(tmp_path)
    classifier.preprocessor.save_to_preset(tmp_path)
    arguments = {"pooling": "max", "normalize": True, "dimensions": 4}
    predictor = Predictor.from_preset(tmp_path, "embed", precision="float32", **arguments)
    assert (predictor.labels, predictor.width) == ([], 4)
    expected = make_embedder(classifier, 4, pooling="max", normalize=True)
    np.testing.assert_allclose(
        predictor(texts), expected.vectors(classifier.preprocessor(texts)), atol=1e-5
    )


@pytest.mark.parametrize(
    ("task", "arguments", "problem"),
    [
        ("sort", {}, "task 'sort' is not one of classify, embed"),
        ("classify", {"pooling": "cls"}, "belong to the task 'embed'"),
        ("classify", {"normalize": False}, "belong to the task 'embed'"),
        ("embed", {"dimensions": 0}, "cannot keep 0"),
        ("embed", {"long_text": "fold"}, "'fold' is not one of truncate, windows"),
    ],
)
def test_what_does_not_fit_together_is_refused(preset, task, arguments, problem):
    with pytest.raises(UserError, match=problem):
        Predictor.from_preset(preset, task, **arguments)


def test_classes_that_do_not_exclude_each_other_have_probabilities_of_their_own(
    preset, classifier, texts, tmp_path
):
    head = BertClassifier.from_preset(preset, activation="sigmoid")
    head.save_to_preset(tmp_path / "sigmoid")
    found = Predictor.from_preset(tmp_path / "sigmoid", precision="float32")(texts)
    scores = classifier(classifier.preprocessor(texts), training=False)
    np.testing.assert_allclose(found, tf.nn.sigmoid(scores), atol=1e-5)
