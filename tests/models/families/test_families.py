"""What holds of all four families alike."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import models

TEXTS = ["the good film", "", "an awful play!", "the great film, playing it"]
SEPARABLE = np.array(["good film", "great play", "good play", "bad film", "awful play", "bad play"])
CLASSES = np.array([1, 1, 1, 0, 0, 0])
LABELS = ["negative", "positive"]


@pytest.fixture
def classifier(family, randomize):
    classifier = family.classifier(LABELS)
    randomize(classifier)
    return classifier


def test_a_saved_classifier_comes_back_equal(family, classifier, tmp_path):
    classifier.save_to_preset(tmp_path)
    loaded = family.ours("Classifier").from_preset(tmp_path)
    assert loaded.labels == LABELS
    assert loaded.backbone.architecture() == classifier.backbone.architecture()
    np.testing.assert_array_equal(loaded.predict(TEXTS), classifier.predict(TEXTS))


def test_a_configuration_makes_the_models_again(family):
    settings = {"dropout": 0.2, "activation": "relu", "layer_norm_epsilon": 1e-6}
    if family.has_segments:
        settings["num_segments"] = 3
    classifier = family.classifier(LABELS, **settings)
    again = type(classifier).from_config(classifier.get_config())
    assert isinstance(again, family.ours("Classifier"))
    assert again.get_config().keys() == classifier.get_config().keys()
    backbone = type(classifier.backbone).from_config(classifier.backbone.get_config())
    assert backbone.get_config() == classifier.backbone.get_config()
    assert backbone.get_config().items() >= settings.items()
    assert [w.shape for w in backbone.weights] == [w.shape for w in classifier.backbone.weights]


def test_every_weight_has_a_name_and_a_place_in_the_file(classifier):
    named = classifier.backbone.named_weights() | classifier.named_head_weights()
    assert {id(weight) for weight in named.values()} == {
        id(weight) for weight in classifier.weights
    }
    assert {weight.name: weight.shape for weight in classifier.backbone.layout()} == {
        name: tuple(weight.shape) for name, weight in classifier.backbone.named_weights().items()
    }


def test_scores_for_inference_are_the_models_own(classifier):
    features = classifier.preprocessor(TEXTS)
    expected = classifier(features, training=False)
    np.testing.assert_allclose(classifier.scores(features), expected, atol=1e-5)


def test_padding_changes_no_score(classifier):
    features = {name: np.array(array) for name, array in classifier.preprocessor(TEXTS).items()}
    longest = features["padding_mask"].sum(axis=1).max()
    short = {name: array[:, :longest] for name, array in features.items()}
    features["token_ids"][features["padding_mask"] == 0] = 7  # what stands there must not matter
    for compute in (classifier, classifier.scores):
        np.testing.assert_allclose(compute(features), compute(short), atol=1e-5)


@pytest.mark.slow
def test_it_learns_raw_strings(family):
    keras.utils.set_random_seed(1)
    classifier = family.classifier(LABELS, dropout=0.0, num_layers=1)
    classifier.compile(optimizer=keras.optimizers.Adam(0.01))
    before = classifier.evaluate(SEPARABLE, CLASSES, verbose=0)[0]
    classifier.fit(SEPARABLE, CLASSES, batch_size=6, epochs=40, verbose=0)
    loss, accuracy = classifier.evaluate(SEPARABLE, CLASSES, verbose=0)
    assert loss < before / 2
    assert accuracy == 1


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.2), ("float16", 0.05)])
def test_half_precision_gives_about_the_same(family, classifier, tmp_path, dtype, tolerance):
    classifier.save_to_preset(tmp_path)
    half = family.ours("Classifier").from_preset(tmp_path, dtype=dtype)
    assert half.backbone.compute_dtype == dtype
    expected = classifier.predict(TEXTS, verbose=0)
    found = half.predict(TEXTS, verbose=0).astype("float32")
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


def test_a_width_of_its_own_for_the_heads_first_layer(family, tmp_path, randomize):
    kind = family.ours("Classifier")
    backbone = family.ours("Backbone")(**family.config)
    preprocessor = family.ours("Preprocessor")(family.tokenizer, 16)
    if kind.record.head_activation is None:
        with pytest.raises(ValueError, match="hidden_dim=7: the head of bert has one layer"):
            kind(backbone, 2, preprocessor, hidden_dim=7)
        return
    classifier = kind(backbone, 2, preprocessor, hidden_dim=7)
    randomize(classifier)
    classifier.save_to_preset(tmp_path)
    loaded = kind.from_preset(tmp_path)
    assert loaded.hidden_dim == 7
    np.testing.assert_array_equal(loaded.predict(TEXTS), classifier.predict(TEXTS))


def test_segments_are_refused_where_there_are_none(family):
    kind, config = family.ours("Backbone"), {**family.config, "num_segments": 3}
    if family.has_segments:
        assert kind(**config).num_segments == 3
    else:
        with pytest.raises(ValueError, match=f"num_segments=3: {family.family} has no segments"):
            kind(**config)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_gives_about_the_same_scores(family, classifier, randomize, policy):
    mixed = family.classifier(LABELS, dtype=policy)
    randomize(mixed)
    expected = classifier.scores(classifier.preprocessor(TEXTS))
    for compute in (mixed, mixed.scores):
        found = keras.ops.cast(compute(mixed.preprocessor(TEXTS)), "float32")
        np.testing.assert_allclose(found, expected, atol=0.15)


def test_in_mixed_float16_the_loss_is_scaled(family):
    optimizer = family.classifier(LABELS, dtype="mixed_float16").optimizer
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


BATCH = ["the good film", "", "awful"]


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_tokenizers_map_datasets_of_batches_and_of_single_texts(family, rows):
    tokenizer = family.tokenizer
    expected = tokenizer(BATCH).to_list()
    texts = tf.data.Dataset.from_tensor_slices(BATCH)
    for tokenize in (tokenizer, lambda text: tokenizer.tokenize(text)):
        assert [np.asarray(ids).tolist() for ids in texts.map(tokenize)] == expected
        batches = texts.batch(rows).map(tokenize)
        assert [ids for batch in batches for ids in batch.to_list()] == expected


def test_a_batch_of_ids_of_any_kind_becomes_its_texts(family):
    tokenizer = family.tokenizer
    ids = tokenizer(BATCH)
    expected = [tokenizer.detokenize(row) for row in ids.to_list()]
    assert expected[1] == ""
    for batch in (ids, ids.to_list(), list(ids)):
        assert tokenizer.detokenize(batch) == expected
    same_length = [np.asarray(ids[0])] * 2
    for batch in (same_length, np.array(same_length), tf.constant(same_length)):
        assert tokenizer.detokenize(batch) == [expected[0]] * 2
    assert tokenizer.detokenize(np.zeros((0, 3), np.int32)) == []
    assert tokenizer.detokenize([]) == ""


@pytest.mark.parametrize(
    "part", ["Tokenizer", "Preprocessor", "Backbone", "Classifier", "MaskedLM"]
)
def test_the_base_of_the_families_makes_nothing_itself(part):
    with pytest.raises(TypeError, match=rf"make one of Bert{part}, .* or let {part}\.from_preset"):
        getattr(models, part)(None)
