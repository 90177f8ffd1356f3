"""Keras's own saving of models, tokenizers and preprocessors."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from models.training.train import WarmupThenDecay

# Keras warns of the optimizer of every model that is saved before it was trained.
untrained = pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer:UserWarning")

TEXTS = ["the good film", "", "an awful play!"]
LABELS = ["negative", "positive"]


@pytest.fixture
def classifier(family, randomize):
    classifier = family.classifier(LABELS)
    randomize(classifier)
    return classifier


def saved_and_loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


@untrained
def test_a_classifier_comes_back_as_it_was(family, classifier, tmp_path):
    loaded = saved_and_loaded(classifier, tmp_path)
    assert type(loaded) is family.ours("Classifier")
    assert loaded.labels == LABELS
    np.testing.assert_array_equal(
        loaded.predict(TEXTS, verbose=0), classifier.predict(TEXTS, verbose=0)
    )


def test_any_class_of_the_package_makes_all_known_to_keras(classifier, tmp_path):
    classifier.save_to_preset(tmp_path / "preset")
    type(classifier).from_preset(tmp_path / "preset").save(tmp_path / "model.keras")
    program = """
import sys
from models import TextClassifier
import keras
print(type(keras.saving.load_model(sys.argv[1])).__name__)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "model.keras")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == type(classifier).__name__, ran.stderr


def test_what_was_loaded_from_a_preset_can_be_cloned(classifier, tmp_path):
    classifier.backbone.save_to_preset(tmp_path)
    backbone = type(classifier.backbone).from_preset(tmp_path)
    clone = keras.models.clone_model(backbone)
    assert [weight.shape for weight in clone.weights] == [w.shape for w in backbone.weights]
    assert all(np.abs(kernel).max() <= 0.05 for kernel in clone.get_weights() if kernel.ndim > 1)
    clone.set_weights(backbone.get_weights())
    features = classifier.preprocessor(TEXTS)
    for cloned, expected in zip(
        keras.tree.flatten(clone(features)), keras.tree.flatten(backbone(features)), strict=True
    ):
        np.testing.assert_allclose(cloned, expected, atol=1e-6)


@pytest.mark.slow
def test_training_goes_on_where_it_was_saved(classifier, tmp_path):
    schedule = WarmupThenDecay(0.01, 10)
    classifier.compile(optimizer=keras.optimizers.AdamW(schedule), loss="auto")
    classifier.fit(TEXTS, [0, 1, 0], verbose=0)
    loaded = saved_and_loaded(classifier, tmp_path)
    assert float(loaded.optimizer.learning_rate) == pytest.approx(float(schedule(1)))
    for found, expected in zip(
        loaded.optimizer.variables, classifier.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    loaded.fit(TEXTS, [0, 1, 0], verbose=0)


@untrained
def test_a_classifier_without_a_preprocessor_comes_back_without(family, classifier, tmp_path):
    bare = family.ours("Classifier")(classifier.backbone, 2, activation="softmax", name="bare")
    loaded = saved_and_loaded(bare, tmp_path)
    assert (loaded.preprocessor, loaded.name) == (None, "bare")
    assert loaded.activation is keras.activations.softmax


def test_a_backbone_keeps_its_name_its_precision_and_that_it_is_frozen(family, tmp_path):
    backbone = family.ours("Backbone")(**family.config, dtype="mixed_bfloat16", name="mine")
    backbone.trainable = False
    loaded = saved_and_loaded(backbone, tmp_path)
    assert type(loaded) is type(backbone)
    assert loaded.get_config() == backbone.get_config()
    assert (loaded.name, loaded.dtype_policy.name) == ("mine", "mixed_bfloat16")
    assert not loaded.trainable_weights


@pytest.mark.parametrize("join", ["layers", "model"])
def test_a_model_on_top_of_a_backbone_comes_back_as_it_was(family, classifier, tmp_path, join):
    backbone = classifier.backbone
    outputs = backbone.output if join == "layers" else backbone(backbone.input)
    tokens = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
    model = keras.Model(backbone.input, keras.layers.Dense(3)(tokens))
    loaded = saved_and_loaded(model, tmp_path)
    features = classifier.preprocessor(TEXTS)
    np.testing.assert_allclose(loaded(features), model(features), atol=1e-6)


def test_layers_can_be_cloned(classifier):
    clone = keras.models.clone_model(classifier.backbone)
    assert [w.shape for w in clone.weights] == [w.shape for w in classifier.backbone.weights]


@pytest.mark.parametrize("part", ["Tokenizer", "Preprocessor"])
def test_what_makes_inputs_comes_back_from_its_description(family, classifier, part):
    preprocessor = classifier.preprocessor
    original = preprocessor if part == "Preprocessor" else preprocessor.tokenizer
    for again in (
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(original)),
        type(original).from_config(original.get_config()),
    ):
        assert type(again) is family.ours(part)
        found = again if part == "Tokenizer" else again.tokenizer
        assert found.get_config() == preprocessor.tokenizer.get_config()


@pytest.mark.parametrize("part", ["Backbone", "Classifier"])
def test_an_argument_that_there_is_not_is_refused(family, classifier, tmp_path, part):
    classifier.save_to_preset(tmp_path)
    with pytest.raises(TypeError, match="droput"):
        family.ours(part).from_preset(tmp_path, droput=0.2)
