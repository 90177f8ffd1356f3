import keras
import numpy as np
import pytest
import tensorflow as tf

from models import BertBackbone, BertClassifier, BertPreprocessor, BertTokenizer, backends
from tests.models.arrays import arrays

TEXTS = ["good film", "awful film", "", "the great play, good!", "bad"]
SECONDS = ["a", "b c", "bad film", "", "x"]
SEPARABLE = np.array(["good film", "great play", "good play", "bad film", "awful play", "bad play"])
CLASSES = np.array([1, 1, 1, 0, 0, 0])
IS_EAGER = keras.backend.backend() == "tensorflow"
"""So few steps are not worth a graph; on JAX each operation of a step would compile by itself."""


def logits(classifier, *texts):
    """The scores of texts by way of the preprocessor and the model itself."""
    features = classifier.preprocessor(texts if len(texts) > 1 else texts[0])
    return np.asarray(classifier(features, training=False))


@pytest.fixture
def learner(vocabulary, config, randomize):
    """A small untrained classifier of two classes that learns in a few steps."""
    keras.utils.set_random_seed(1)
    classifier = BertClassifier(
        BertBackbone(**{**config, "num_layers": 1, "dropout": 0.0}),
        num_classes=2,
        preprocessor=BertPreprocessor(BertTokenizer(vocabulary, lowercase=True), 12),
        dropout=0.0,
    )
    randomize(classifier)
    return classifier


def test_it_predicts_raw_strings_in_their_order(classifier):
    expected = logits(classifier, TEXTS)
    for texts in (TEXTS, np.array(TEXTS), tf.constant(TEXTS)):
        np.testing.assert_allclose(classifier.predict(texts, 2, verbose=0), expected, atol=1e-5)


def test_scores_for_inference_are_the_models_own(classifier):
    features = classifier.preprocessor(TEXTS)
    np.testing.assert_allclose(classifier.scores(features), logits(classifier, TEXTS), atol=1e-5)


def test_it_predicts_pairs(classifier):
    found = classifier.predict((TEXTS, SECONDS), batch_size=3, verbose=0)
    np.testing.assert_allclose(found, logits(classifier, TEXTS, SECONDS), atol=1e-5)


def test_it_predicts_datasets_of_strings_and_of_features(classifier):
    strings = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2)
    expected = logits(classifier, TEXTS)
    np.testing.assert_allclose(classifier.predict(strings, verbose=0), expected, atol=1e-5)
    ready = strings.map(classifier.preprocessor)
    np.testing.assert_allclose(classifier.predict(ready, verbose=0), expected, atol=1e-5)


def test_a_probability_head_gives_the_softmax_of_the_logits(classifier, preset):
    found = BertClassifier.from_preset(preset, activation="softmax")(classifier.preprocessor(TEXTS))
    np.testing.assert_allclose(found, keras.ops.softmax(logits(classifier, TEXTS)), atol=1e-5)


def test_it_evaluates_with_accuracy_and_the_loss_of_its_logits(classifier):
    classes = np.array([0, 2, 1, 0, 2])
    scores = logits(classifier, TEXTS)
    expected_loss = np.asarray(
        keras.losses.sparse_categorical_crossentropy(classes, scores, from_logits=True)
    )
    expected_accuracy = (scores.argmax(axis=1) == classes).mean()
    for arguments in (
        (TEXTS, classes, 2),
        (tf.data.Dataset.from_tensor_slices((TEXTS, classes)).batch(2),),
    ):
        found = classifier.evaluate(*arguments, return_dict=True, verbose=0)
        assert found["loss"] == pytest.approx(expected_loss.mean(), abs=1e-4)
        assert found["accuracy"] == pytest.approx(expected_accuracy, abs=1e-6)


def test_sample_weights_count_in_evaluation(classifier):
    classes = np.array([0, 2, 1, 0, 2])
    alone = classifier.evaluate(TEXTS[1:2], classes[1:2], return_dict=True, verbose=0)["loss"]
    weights = np.array([0.0, 5.0, 0.0, 0.0, 0.0])
    found = classifier.evaluate(TEXTS, classes, sample_weight=weights, return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(alone, abs=1e-4)


def test_a_new_classifier_is_compiled_for_fine_tuning(learner):
    assert learner.compiled
    assert isinstance(learner.optimizer, keras.optimizers.Adam)
    assert float(learner.optimizer.learning_rate) == pytest.approx(5e-5)
    assert learner.loss.get_config()["from_logits"]
    assert learner.jit_compile == (keras.backend.backend() == "jax")


def test_the_loss_of_a_probability_head_takes_probabilities(learner):
    classifier = BertClassifier(learner.backbone, 2, activation="softmax")
    assert not classifier.loss.get_config()["from_logits"]


@pytest.mark.slow
def test_a_few_steps_of_fit_lower_the_loss_on_raw_strings(learner):
    learner.compile(optimizer=keras.optimizers.Adam(3e-2))
    history = learner.fit(
        SEPARABLE,
        CLASSES,
        batch_size=2,
        epochs=40,
        validation_data=(SEPARABLE, CLASSES),
        verbose=0,
    ).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["val_accuracy"][-1] == 1.0
    assert (learner.predict(SEPARABLE, verbose=0).argmax(axis=1) == CLASSES).all()


def test_it_fits_pairs_and_datasets_of_strings(learner):
    learner.compile(run_eagerly=IS_EAGER)
    before = np.asarray(learner.logits.kernel).copy()
    pairs = tf.data.Dataset.from_tensor_slices(((SEPARABLE, SEPARABLE[::-1]), CLASSES)).batch(3)
    history = learner.fit(pairs, validation_data=pairs, epochs=1, verbose=0).history
    assert np.isfinite([history["loss"][0], history["val_loss"][0]]).all()
    between = np.asarray(learner.logits.kernel).copy()
    weights = np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
    learner.fit((SEPARABLE, SEPARABLE[::-1]), CLASSES, 4, sample_weight=weights, verbose=0)
    assert not np.allclose(before, between)
    assert not np.allclose(between, np.asarray(learner.logits.kernel))


def test_an_epoch_of_training_sees_every_row_once(classifier):
    texts = [f"{'a ' * (n % 7)}{letter}" for n, letter in enumerate("bcdefghijklmnopqrstuvw")]
    places = np.arange(22) / 22  # which tell the rows apart, and are less than any class too many
    data = classifier._batches(texts, places, None, 4, shuffle=True)
    orders = [np.concatenate([y for _, y in arrays(data)]) for _ in range(2)]
    assert sorted(orders[0].tolist()) == sorted(orders[1].tolist()) == places.tolist()
    assert orders[0].tolist() != orders[1].tolist()
    assert len(data) == 6
    for features, classes in arrays(data):
        longest = features["padding_mask"].sum(axis=1).max()
        width = 16 if backends.compiles_each_shape() else longest  # the next step
        assert {array.shape for array in features.values()} == {(len(classes), width)}


def test_token_dropout_hides_its_share_of_the_words_and_nothing_else(classifier):
    texts = ["a b c d e f g h i j k l m n o p", "a b c"] * 200
    tokenizer = classifier.preprocessor.tokenizer
    special = [tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id]
    plain = classifier._batches(texts, None, None, 400, token_dropout=0.0)
    (expected,) = arrays(plain)
    shares = []
    for _ in range(2):
        data = classifier._batches(texts, None, None, 400, token_dropout=0.25)
        (features,) = arrays(data)
        hidden = features["token_ids"] != expected["token_ids"]
        assert (features["token_ids"][hidden] == tokenizer.mask_token_id).all()
        assert not np.isin(expected["token_ids"][hidden], special).any()
        np.testing.assert_array_equal(features["padding_mask"], expected["padding_mask"])
        shares.append(hidden.sum() / (~np.isin(expected["token_ids"], special)).sum())
    assert all(0.2 < share < 0.3 for share in shares)
    assert shares[0] != shares[1]


def test_without_a_preprocessor_it_takes_what_the_backbone_takes(classifier, preset):
    bare = BertClassifier.from_preset(preset, preprocessor=None)
    bare.compile(run_eagerly=IS_EAGER)
    features = {k: np.asarray(v) for k, v in classifier.preprocessor(TEXTS).items()}
    expected = logits(classifier, TEXTS)
    np.testing.assert_allclose(bare.predict(features, 2, verbose=0), expected, atol=1e-5)
    data = tf.data.Dataset.from_tensor_slices(features).batch(2)
    np.testing.assert_allclose(bare.predict(data, verbose=0), expected, atol=1e-5)
    classes = expected.argmax(axis=1)
    assert bare.evaluate(features, classes, return_dict=True, verbose=0)["accuracy"] == 1.0
    assert np.isfinite(bare.fit(features, classes, 2, verbose=0).history["loss"]).all()


def test_a_saved_classifier_comes_back_equal(classifier, preset):
    loaded = BertClassifier.from_preset(preset)
    assert loaded.labels == ["negative", "neutral", "positive"]
    assert loaded.preprocessor.sequence_length == classifier.preprocessor.sequence_length
    assert loaded.compiled
    np.testing.assert_array_equal(logits(loaded, TEXTS), logits(classifier, TEXTS))


def test_all_settings_of_the_head_are_saved(classifier, tmp_path):
    labels = ["é", "b", "c"]
    settings = {"activation": "softmax", "dropout": 0.3, "labels": labels}
    saved = BertClassifier(classifier.backbone, 3, classifier.preprocessor, **settings)
    saved.save_to_preset(tmp_path)
    loaded = BertClassifier.from_preset(tmp_path)
    assert (loaded.labels, loaded.dropout) == (labels, 0.3)
    assert loaded.activation is keras.activations.softmax
    np.testing.assert_array_equal(logits(loaded, TEXTS), logits(saved, TEXTS))


def test_a_classifier_saved_without_a_preprocessor_comes_back_without(classifier, tmp_path):
    BertClassifier(classifier.backbone, 2).save_to_preset(tmp_path)
    assert not (tmp_path / "preprocessor.json").exists()
    assert BertClassifier.from_preset(tmp_path, preprocessor=None).num_classes == 2


def test_a_backbones_preset_gets_a_new_head(classifier, tmp_path):
    classifier.backbone.save_to_preset(tmp_path)
    classifier.preprocessor.save_to_preset(tmp_path)
    with pytest.raises(ValueError, match=r"has no classifier.*pass num_classes for a new head"):
        BertClassifier.from_preset(tmp_path)
    loaded = BertClassifier.from_preset(tmp_path, num_classes=2, labels=["no", "yes"], dropout=0.0)
    assert loaded.labels == ["no", "yes"]
    assert loaded.predict(TEXTS, verbose=0).shape == (5, 2)
    np.testing.assert_array_equal(
        loaded.backbone.embeddings.position, classifier.backbone.embeddings.position
    )


def test_a_classifiers_preset_gets_a_new_head_when_classes_are_given(preset):
    loaded = BertClassifier.from_preset(preset, num_classes=4)
    assert loaded.labels == ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"]


def test_without_its_weights_a_preset_gives_a_random_classifier(classifier, preset):
    for file in preset.glob("*.h5"):
        file.unlink()
    loaded = BertClassifier.from_preset(preset, load_weights=False)
    assert loaded.labels == classifier.labels
    assert not np.allclose(loaded.logits.kernel, classifier.logits.kernel)


def test_weights_in_half_precision_give_about_the_same(classifier, tmp_path):
    classifier.save_to_preset(tmp_path / "half", weights_dtype="float16")
    classifier.save_to_preset(tmp_path / "full")
    loaded = BertClassifier.from_preset(tmp_path / "half")
    np.testing.assert_allclose(logits(loaded, TEXTS), logits(classifier, TEXTS), atol=0.02)
    sizes = [sum(f.stat().st_size for f in (tmp_path / n).glob("*.h5")) for n in ("half", "full")]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_it_runs_in_half_precision(classifier, preset, dtype):
    loaded = BertClassifier.from_preset(preset, dtype=dtype)
    found = keras.ops.cast(loaded(loaded.preprocessor(TEXTS)), "float32")
    np.testing.assert_allclose(found, logits(classifier, TEXTS), atol=0.15)


def test_labels_must_be_as_many_as_the_classes(classifier):
    with pytest.raises(ValueError, match="1 labels for num_classes=2"):
        BertClassifier(classifier.backbone, 2, labels=["one"])


def test_a_configuration_makes_the_classifier_again(classifier):
    again = BertClassifier.from_config(classifier.get_config())
    assert isinstance(again, BertClassifier)
    assert again.labels == classifier.labels
    assert again.backbone.get_config() == classifier.backbone.get_config()


def test_classes_that_do_not_exclude_each_other_are_learnt_as_such(classifier, preset):
    learner = BertClassifier.from_preset(preset, activation="sigmoid")
    targets = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 0, 0]])
    texts = ["good film", "bad play", "great", "awful, the play"]
    scores = learner.predict(texts, verbose=0)
    found = learner.evaluate(texts, targets, return_dict=True, verbose=0)
    likelihood = np.where(targets == 1, scores, 1 - scores)
    assert found["loss"] == pytest.approx(-np.log(likelihood).mean(), rel=1e-3)
    assert found["accuracy"] == pytest.approx(((scores > 0.5) == targets).mean())
    logits = classifier.predict(texts, verbose=0)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_as_many_classes_and_weights_as_texts_are_asked_for(learner):
    for classes in (CLASSES[:3], [*CLASSES, 1], 1):
        with pytest.raises(ValueError, match="6 texts have targets of the shape"):
            learner.fit(SEPARABLE, classes, verbose=0)
        with pytest.raises(ValueError, match="6 texts have targets of the shape"):
            learner.evaluate(SEPARABLE, classes, verbose=0)
    with pytest.raises(ValueError, match=r"6 texts have targets of the shape \(2,\)"):
        learner.fit(SEPARABLE, CLASSES, sample_weight=[1.0, 2.0], verbose=0)


def test_targets_are_classes_that_there_are(learner):
    with pytest.raises(ValueError, match="index of a label among the labels, not 'positive'"):
        learner.fit(SEPARABLE, ["positive", "negative"] * 3, verbose=0)
    for wrong in (2, -1):
        for use in (learner.fit, learner.evaluate):
            with pytest.raises(ValueError, match=f"are 0 to 1, and one of the targets is {wrong}"):
                use(SEPARABLE, [*CLASSES[:5], wrong], verbose=0)


def test_no_texts_give_no_scores_and_nothing_to_learn(learner):
    assert learner.predict([], verbose=0).shape == (0, 2)
    for use in (learner.fit, learner.evaluate):
        with pytest.raises(ValueError, match="there are no rows"):
            use([], [], verbose=0)


def test_a_batch_of_strings_is_trained_evaluated_and_predicted_in_one_step(learner):
    expected = logits(learner, SEPARABLE)
    np.testing.assert_allclose(learner.predict_on_batch(SEPARABLE), expected, atol=1e-5)
    before = learner.test_on_batch(SEPARABLE, CLASSES, return_dict=True)
    assert before["accuracy"] == pytest.approx((expected.argmax(axis=1) == CLASSES).mean())
    learner.compile(optimizer=keras.optimizers.Adam(3e-2))
    for _ in range(20):
        learner.train_on_batch(SEPARABLE, CLASSES)
    assert learner.test_on_batch(SEPARABLE, CLASSES, return_dict=True)["loss"] < before["loss"]


@pytest.mark.parametrize("as_pairs", [False, True])
def test_the_last_rows_can_be_split_off_to_validate_on(learner, as_pairs):
    learner.compile(optimizer=keras.optimizers.SGD(0.0))  # so the weights stay
    texts = (SEPARABLE, SEPARABLE[::-1]) if as_pairs else SEPARABLE.tolist()
    last = tuple(part[4:] for part in texts) if as_pairs else texts[4:]
    weights = np.arange(1.0, 7.0)
    expected = learner.evaluate(last, CLASSES[4:], sample_weight=weights[4:], verbose=0)
    found = learner.fit(
        texts, CLASSES, None, sample_weight=weights, validation_split=0.3, verbose=0
    ).history
    assert found["val_loss"][0] == pytest.approx(expected[0], rel=1e-4)
    with pytest.raises(ValueError, match="leaves none on one side"):
        learner.fit(SEPARABLE, CLASSES, validation_split=0.95, verbose=0)
    data = tf.data.Dataset.from_tensor_slices((SEPARABLE, CLASSES)).batch(2)
    with pytest.raises(ValueError, match="takes texts and their targets, not a dataset"):
        learner.fit(data, validation_split=0.5, verbose=0)


def test_features_are_split_too_where_there_is_no_preprocessor(learner):
    bare = BertClassifier(learner.backbone, 2)
    bare.compile(run_eagerly=IS_EAGER)
    features = {name: np.asarray(f) for name, f in learner.preprocessor(SEPARABLE).items()}
    history = bare.fit(features, CLASSES, validation_split=0.5, verbose=0).history
    assert np.isfinite(history["val_loss"][0])


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["a"], "1 labels for num_classes=2"),
        ([0, 1], "a label must be a string, not 0"),
        (["a", "\ud800"], r"label '\\ud800' cannot be written in UTF-8"),
    ],
)
def test_labels_that_no_preset_could_hold_are_refused(classifier, labels, problem):
    with pytest.raises(ValueError, match=problem):
        BertClassifier(classifier.backbone, 2, labels=labels)
