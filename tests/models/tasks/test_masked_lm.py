"""Masked language models: their training on raw strings, and what they are saved to."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import Classifier, MaskedLM, TextClassifier, UserError

TEXTS = ["the good film", "the bad play", "a great film and an awful one, playing it"] * 2
LENGTH = 16


class OneBatch(keras.utils.PyDataset):
    """One batch."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    @property
    def num_batches(self):
        return 1

    def __getitem__(self, index):
        return self.batch


@pytest.fixture
def masked_lm(family):
    return make(family)


def make(family, **rates):
    keras.utils.set_random_seed(1)
    backbone = family.ours("Backbone")(**{**family.config, "dropout": 0.0})
    preprocessor = family.ours("MaskedLMPreprocessor")(family.tokenizer, LENGTH, **rates)
    return family.ours("MaskedLM")(backbone, preprocessor)


def all_masked(family):
    return make(family, mask_selection_rate=1.0, mask_token_rate=1.0, random_token_rate=0.0)


def test_it_learns_raw_strings_alone(family):
    model = make(family, mask_selection_rate=0.4)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    before = model.evaluate(TEXTS, verbose=0)[0]
    history = model.fit(TEXTS, batch_size=3, epochs=20, validation_split=0.34, verbose=0).history
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} == history.keys()
    assert model.evaluate(TEXTS, verbose=0)[0] < before / 1.3


def test_the_loss_is_the_mean_over_hidden_tokens(family):
    model = all_masked(family)
    _, labels, weights = model.preprocessor(TEXTS)
    logits = np.asarray(model.predict(TEXTS, verbose=0), np.float64)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    chosen = np.take_along_axis(shares, np.asarray(labels)[..., None], -1)[..., 0]
    counted = np.asarray(weights).astype(bool)
    expected = -np.log(chosen[counted]).mean()
    assert model.evaluate(TEXTS, batch_size=6, verbose=0)[0] == pytest.approx(expected, abs=1e-4)


def test_every_form_of_texts_gives_the_same_scores(family):
    model = all_masked(family)
    expected = model.predict(TEXTS, verbose=0)
    assert expected.shape == (6, 96, model.backbone.vocabulary_size)
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(4)
    np.testing.assert_allclose(model.predict(dataset, verbose=0), expected, atol=1e-5)
    ready = dataset.map(model.preprocessor)
    preprocessor, model.preprocessor = model.preprocessor, None
    np.testing.assert_allclose(model.predict(ready, verbose=0), expected, atol=1e-5)
    features = {name: np.asarray(values) for name, values in preprocessor(TEXTS)[0].items()}
    np.testing.assert_allclose(model.predict(features, verbose=0), expected, atol=1e-5)
    model.preprocessor = preprocessor
    np.testing.assert_allclose(model.predict_on_batch(TEXTS), expected, atol=1e-5)


def test_rows_of_no_weight_count_nothing(family):
    model = all_masked(family)
    weights = np.array([1.0, 1.0, 0.0] * 2, np.float32)
    kept = model.evaluate(
        [text for text, weight in zip(TEXTS, weights, strict=True) if weight],
        batch_size=6,
        verbose=0,
    )
    found = model.evaluate(TEXTS, batch_size=6, sample_weight=weights, verbose=0)
    np.testing.assert_allclose(found, kept, atol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(TEXTS, sample_weight=weights), kept, atol=1e-5)
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, weights)).batch(6)
    dataset = dataset.map(lambda texts, weights: (texts, None, weights))
    for data in (dataset, OneBatch((TEXTS, None, weights))):
        np.testing.assert_allclose(model.evaluate(data, verbose=0), kept, atol=1e-5)
        assert "val_loss" in model.fit(data, validation_data=data, verbose=0).history
        kept = model.evaluate(TEXTS, batch_size=6, sample_weight=weights, verbose=0)


def test_a_weight_is_of_a_text_and_counts_at_each_of_its_places(family):
    preprocessor = all_masked(family).preprocessor
    alike, weights = preprocessor(TEXTS)[2], np.array([1.0, 0.5, 0.0] * 2)
    for found in (preprocessor(TEXTS, None, weights), preprocessor((TEXTS, None, weights))):
        np.testing.assert_allclose(found[2], np.asarray(alike) * weights[:, None])
    np.testing.assert_allclose(preprocessor(TEXTS[0], None, 0.5)[2], np.asarray(alike)[0] * 0.5)
    for wrong in (weights[:5], weights[:, None]):
        with pytest.raises(ValueError, match="6 texts have weights of the shape"):
            preprocessor(TEXTS, sample_weight=wrong)


def test_labels_are_not_taken_for_what_is_hidden(masked_lm):
    with pytest.raises(ValueError, match="a masked LM takes texts alone"):
        masked_lm.fit(TEXTS, [1] * 6)
    with pytest.raises(ValueError, match="a masked LM hides tokens itself"):
        masked_lm.fit(TEXTS, token_dropout=0.1)


def test_every_weight_has_a_name_and_a_place_in_the_file(masked_lm):
    named = masked_lm.backbone.named_weights() | masked_lm.named_head_weights()
    assert {id(weight) for weight in named.values()} == {id(w) for w in masked_lm.weights}
    assert {weight.name: weight.shape for weight in masked_lm.head_layout()} == {
        name: tuple(weight.shape) for name, weight in masked_lm.named_head_weights().items()
    }


def test_scores_are_tied_to_the_embeddings(family, randomize):
    model = make(family)
    randomize(model)
    features, *_ = model.preprocessor(TEXTS)
    before = np.asarray(model(features))
    table = model.backbone.token_embedding.embeddings
    table.assign(table * 0)
    bias = np.asarray(model.masked_lm_head.bias)
    assert not np.allclose(before, np.broadcast_to(bias, before.shape), atol=1e-3)
    np.testing.assert_allclose(model(features), np.broadcast_to(bias, before.shape), atol=1e-5)


def test_what_is_trained_becomes_a_classifier(family, masked_lm, tmp_path):
    masked_lm.fit(TEXTS, verbose=0)
    masked_lm.save_to_preset(tmp_path)
    again = MaskedLM.from_preset(tmp_path)
    features, *_ = masked_lm.preprocessor(TEXTS)
    np.testing.assert_allclose(again(features), masked_lm(features), atol=1e-6)
    with pytest.raises(UserError, match="has no classifier"):
        Classifier.from_preset(tmp_path)
    classifier = TextClassifier.from_preset(tmp_path, num_classes=2)
    assert type(classifier) is family.ours("TextClassifier")
    for name, weight in classifier.backbone.named_weights().items():
        np.testing.assert_array_equal(weight, masked_lm.backbone.named_weights()[name])


def test_a_preset_without_a_head_gets_a_new_one(family, masked_lm, randomize, tmp_path):
    randomize(masked_lm)
    masked_lm.backbone.save_to_preset(tmp_path)
    masked_lm.preprocessor.save_to_preset(tmp_path)
    with pytest.warns(UserWarning, match="stores no head of a masked LM; .* random"):
        model = MaskedLM.from_preset(tmp_path)
    np.testing.assert_array_equal(model.masked_lm_head.bias, 0)
    np.testing.assert_array_equal(
        model.backbone.token_embedding.embeddings, masked_lm.backbone.token_embedding.embeddings
    )


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer:UserWarning")
def test_keras_saves_it_and_its_configuration(family, masked_lm, tmp_path):
    masked_lm.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is family.ours("MaskedLM")
    assert again.get_config() == masked_lm.get_config()
    features, *_ = masked_lm.preprocessor(TEXTS)
    np.testing.assert_allclose(again(features), masked_lm(features), atol=1e-6)


def test_an_unknown_activation_is_refused(family):
    backbone = family.ours("Backbone")(**family.config)
    with pytest.raises(ValueError, match="activation='gulu' is not known; choose from"):
        family.ours("MaskedLM")(backbone, activation="gulu")


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_float16"])
def test_half_precision_gives_about_the_same(family, randomize, policy):
    model = make(family)
    randomize(model)
    half = family.ours("MaskedLM")(family.ours("Backbone")(**family.config, dtype=policy))
    for mine, other in zip(half.weights, model.weights, strict=True):
        mine.assign(other)
    features, *_ = model.preprocessor(TEXTS)
    expected = np.asarray(model(features))
    found = np.asarray(keras.ops.cast(half(features), "float32"))
    np.testing.assert_allclose(found, expected, atol=0.2 * np.abs(expected).max())
