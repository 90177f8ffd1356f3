"""Live comparison with Keras Hub: the same weights, the same files, the same numbers."""

import json
from importlib.metadata import version

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from models import BertBackbone, BertPreprocessor, Predictor, UserError
from models.presets.heads.embedder import POOLINGS
from models.presets.lookup import open_preset
from models.presets.storable import EMBEDDER_FAMILIES
from tests.models.family_cases import case

keras_hub = pytest.importorskip("keras_hub")

# Keras warns of attention over the only token of a text, which is one of the lengths here.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis:UserWarning")

# Tokens of several lengths, some rows padded.
LENGTHS = [1, 2, 7, 24]
TEXTS = ["The film, good!", "", "awful playing [x]" * 3]
LABELS = ["negative", "neutral", "positive"]


def features(length, has_segments=True):
    random = np.random.default_rng(length)
    mask = np.arange(length) < np.array([[length], [max(1, length // 2)], [1]])
    segments = random.integers(0, 2, mask.shape).astype("int32") * mask
    return {
        "token_ids": random.integers(5, 36, mask.shape).astype("int32") * mask,
        "padding_mask": mask.astype("int32"),
        **({"segment_ids": segments} if has_segments else {}),
    }


def assert_same_outputs(ours, theirs, lengths=LENGTHS):
    for length in lengths:
        inputs = features(length, "segment_ids" in ours.input)
        found, expected = ours(inputs), theirs(inputs)
        assert isinstance(found, dict) == isinstance(expected, dict)
        if not isinstance(found, dict):
            found, expected = {"output": found}, {"output": expected}
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            expected_array = keras.ops.convert_to_numpy(keras.ops.cast(array, "float32"))
            np.testing.assert_allclose(found[name], expected_array, atol=1e-5)


@pytest.fixture
def their_backbone(config, randomize):
    def make(family, **overrides):
        backbone = family.theirs("Backbone")(**{**family.config, **overrides})
        randomize(backbone, seed=7)
        return backbone

    return make


@pytest.fixture
def their_classifier(their_backbone, randomize):
    def make(family, **overrides):
        tokenizer = family.theirs("Tokenizer")(**family.arguments, **family.their_arguments)
        preprocessor = family.theirs("TextClassifierPreprocessor")(
            tokenizer, sequence_length=20, truncate="waterfall"
        )
        settings = {"num_classes": 4, "preprocessor": preprocessor, **overrides}
        classifier = family.theirs("TextClassifier")(their_backbone(family), **settings)
        randomize(classifier, seed=8)
        return classifier

    return make


@pytest.mark.parametrize("shape", [{}, {"num_layers": 1, "num_heads": 4}])
def test_a_backbone_that_keras_hub_saved_gives_the_same_outputs(
    family, their_backbone, tmp_path, shape
):
    theirs = their_backbone(family, **shape)
    theirs.save_to_preset(str(tmp_path))
    assert_same_outputs(family.ours("Backbone").from_preset(tmp_path), theirs)


def test_a_backbone_saved_here_gives_the_same_outputs_in_keras_hub(family, randomize, tmp_path):
    ours = family.ours("Backbone")(**family.config)
    randomize(ours)
    ours.save_to_preset(tmp_path)
    assert_same_outputs(ours, keras_hub.models.Backbone.from_preset(str(tmp_path)))


def test_more_than_ten_layers_are_not_mixed_up(their_backbone, tmp_path):
    theirs = their_backbone(case("bert"), num_layers=12, hidden_dim=4, intermediate_dim=6)
    theirs.save_to_preset(str(tmp_path))
    assert_same_outputs(BertBackbone.from_preset(tmp_path), theirs, lengths=[7])


# Keras Hub saves a classifier that it builds from its first inputs.
@pytest.mark.filterwarnings("ignore:`build\\(\\)` was called on layer:UserWarning")
def test_a_classifier_that_keras_hub_saved_gives_the_same_logits(
    family, their_classifier, tmp_path
):
    theirs = their_classifier(family)
    theirs.save_to_preset(str(tmp_path))
    ours = family.ours("Classifier").from_preset(tmp_path)
    assert ours.labels == ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"]
    assert ours.preprocessor.sequence_length == 20
    assert ours.preprocessor.truncate == "waterfall"
    np.testing.assert_allclose(ours.predict(TEXTS), theirs.predict(TEXTS, verbose=0), atol=1e-5)
    assert_same_outputs(ours, theirs)


def test_a_trained_classifier_of_keras_hub_loads_without_its_optimizer(
    family, their_classifier, tmp_path
):
    theirs = their_classifier(family, activation="softmax")
    theirs.optimizer.build(theirs.trainable_variables)
    theirs.save_to_preset(str(tmp_path))
    with h5py.File(tmp_path / "task.weights.h5") as store:
        assert "optimizer" in store
    ours = family.ours("Classifier").from_preset(tmp_path)
    found = np.asarray(ours(features(7, family.has_segments)))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert_same_outputs(ours, theirs, [7])


reads_our_classifiers = pytest.mark.skipif(
    version("keras-hub") < "0.26",
    reason="this Keras Hub looks for the backbone in the file of the head",
)


@reads_our_classifiers
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_a_classifier_saved_here_gives_the_same_logits_in_keras_hub(family, randomize, tmp_path):
    ours = family.classifier(LABELS)
    randomize(ours)
    ours.save_to_preset(tmp_path)
    theirs = keras_hub.models.TextClassifier.from_preset(str(tmp_path))
    assert theirs.preprocessor.sequence_length == ours.preprocessor.sequence_length
    np.testing.assert_allclose(theirs.predict(TEXTS, verbose=0), ours.predict(TEXTS), atol=1e-5)
    assert_same_outputs(ours, theirs)


@reads_our_classifiers
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
@pytest.mark.parametrize(
    ("labels", "activation"),
    [(["score"], None), (["score"], "sigmoid"), (["score"], "hard_tanh"), (LABELS, None)],
    ids=["raw", "sigmoid", "hard_tanh", "several"],
)
def test_numbers_are_the_same_in_keras_hub(family, randomize, tmp_path, labels, activation):
    plain = family.classifier(labels)
    ours = family.ours("Classifier")(
        plain.backbone,
        len(labels),
        plain.preprocessor,
        activation,
        labels=labels,
        is_regression=len(labels) > 1,
    )
    randomize(ours)
    ours.save_to_preset(tmp_path)
    theirs = keras_hub.models.TextClassifier.from_preset(str(tmp_path)).predict(TEXTS, verbose=0)
    found = Predictor.from_preset(tmp_path)(TEXTS)
    assert found.shape == (len(TEXTS), len(labels))
    np.testing.assert_allclose(found, theirs, atol=1e-5)


@pytest.mark.parametrize("truncate", ["round_robin", "waterfall"])
def test_pairs_get_the_same_inputs_as_in_keras_hub(family, truncate):
    length = 13
    tokenizer = family.theirs("Tokenizer")(**family.arguments, **family.their_arguments)
    theirs = family.theirs("TextClassifierPreprocessor")(
        tokenizer, sequence_length=length, truncate=truncate
    )
    ours = family.ours("Preprocessor")(family.tokenizer, length, truncate)
    pair = (["a b c d e f g h i j k", "good", ""], ["l m n o p q r s t u", "bad film", "x"])
    # Without labels Keras Hub takes a tuple for texts and labels.
    expected, _ = theirs(tuple(map(tf.constant, pair)), np.zeros(3))
    found = ours(pair)
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, keras.ops.cast(expected[name], "int32"))


def ids_in_keras_hub(preprocessor, first, second):
    # Without labels Keras Hub takes a tuple for texts and labels.
    features, _ = preprocessor((tf.constant(first), tf.constant(second)), np.zeros(len(first)))
    return keras.ops.convert_to_numpy(features["token_ids"])


def test_longest_first_is_round_robin_in_keras_hub_but_for_an_odd_place(classifier, tmp_path):
    tokenizer = classifier.preprocessor.tokenizer
    ours = BertPreprocessor(tokenizer, 8, "longest_first")
    ours.save_to_preset(tmp_path)
    classifier.backbone.save_to_preset(tmp_path)
    theirs = keras_hub.models.BertTextClassifierPreprocessor.from_preset(str(tmp_path))
    first, second = ["a", "a b c d e", "a b"], ["b c", "a b c", "a b c d e"]
    found = np.asarray(ours((first, second))["token_ids"])
    np.testing.assert_array_equal(found, ids_in_keras_hub(theirs, first, second))
    odd = ["a b c"], ["a b c d e"]
    round_robin = np.asarray(BertPreprocessor(tokenizer, 8, "round_robin")(odd)["token_ids"])
    np.testing.assert_array_equal(round_robin, ids_in_keras_hub(theirs, *odd))
    assert (np.asarray(ours(odd)["token_ids"]) != round_robin).any()


def test_keras_hub_refuses_a_preprocessor_that_cuts_on_the_left(classifier, tmp_path):
    tokenizer = classifier.preprocessor.tokenizer
    BertPreprocessor(tokenizer, 8, truncation_side="left").save_to_preset(tmp_path)
    classifier.backbone.save_to_preset(tmp_path)
    theirs = keras_hub.models.BertTextClassifierPreprocessor.from_preset(str(tmp_path))
    with pytest.raises(ValueError, match="Received round_robin, of texts cut on the left"):
        theirs(["a"])


has_embedders = pytest.mark.skipif(
    not hasattr(keras_hub.models, "BertTextEmbedder"), reason="this Keras Hub has no embedders"
)


@pytest.fixture
def their_embedder(their_backbone):
    def make(family, **settings):
        tokenizer = family.theirs("Tokenizer")(**family.arguments, **family.their_arguments)
        preprocessor = family.theirs("TextEmbedderPreprocessor")(
            tokenizer, sequence_length=20, truncate="waterfall"
        )
        return family.theirs("TextEmbedder")(their_backbone(family), preprocessor, **settings)

    return make


@has_embedders
@pytest.mark.parametrize("name", EMBEDDER_FAMILIES)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("normalize", [True, False])
def test_embedders_of_keras_hub_give_the_same_vectors_and_go_back(
    name, pooling, normalize, their_embedder, tmp_path
):
    theirs = their_embedder(case(name), pooling_mode=pooling, normalize=normalize)
    expected = theirs.predict(TEXTS, verbose=0)
    theirs.save_to_preset(str(tmp_path / "theirs"))
    ours = Predictor.from_preset(tmp_path / "theirs", task="embed")
    assert ours.preprocessor.sequence_length == 20
    assert ours.preprocessor.truncate == "waterfall"
    np.testing.assert_allclose(ours(TEXTS), expected, atol=1e-5)

    ours.model.save_to_preset(tmp_path / "ours")
    again = keras_hub.models.TextEmbedder.from_preset(str(tmp_path / "ours"))
    assert (again.pooling_mode, again.normalize) == (pooling, normalize)
    assert again.preprocessor.sequence_length == 20
    np.testing.assert_allclose(again.predict(TEXTS, verbose=0), expected, atol=1e-5)
    settings = open_preset(tmp_path / "ours").embedding
    assert (settings.pooling, settings.normalize) == (pooling, normalize)


@has_embedders
@pytest.mark.parametrize("name", EMBEDDER_FAMILIES)
def test_pairs_are_embedded_where_keras_hub_packs_them_as_the_family_does(
    name, their_embedder, tmp_path
):
    theirs = their_embedder(case(name))
    theirs.save_to_preset(str(tmp_path))
    ours = Predictor.from_preset(tmp_path, task="embed")
    pair = ["the good film"], ["an awful one"]
    packed = ids_in_keras_hub(theirs.preprocessor, *pair)
    if name == "bert":
        np.testing.assert_array_equal(ours.preprocessor(pair)["token_ids"], packed)
        assert ours(*pair).shape == (1, 16)
        return
    assert (np.asarray(ours.preprocessor(pair)["token_ids"]) != packed).any()
    with pytest.raises(UserError, match="no vectors of pairs: Keras Hub's preprocessor"):
        ours(*pair)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_rounded_to_half_precision_load_in_both(classifier, tmp_path, dtype):
    classifier.backbone.save_to_preset(tmp_path, weights_dtype=dtype)
    with h5py.File(tmp_path / "model.weights.h5") as store:
        assert store["layers/dense/vars/0"].dtype == np.float16
    ours = BertBackbone.from_preset(tmp_path)
    assert {weight.dtype for weight in ours.weights} == {"float32"}
    for stored, weight in zip(ours.weights, classifier.backbone.weights, strict=True):
        rounded = keras.ops.cast(keras.ops.cast(weight, dtype), "float32")
        np.testing.assert_allclose(stored, rounded, atol=1e-7)  # what float16 holds of the smallest
    assert_same_outputs(ours, keras_hub.models.BertBackbone.from_preset(str(tmp_path)))


def test_many_weights_of_half_precision_are_compressed(tmp_path):
    backbone = BertBackbone(20_000, 1, 2, 32, 64)
    sizes = {}
    for dtype in ("float32", "float16", "bfloat16"):
        backbone.save_to_preset(tmp_path / dtype, dtype)
        sizes[dtype] = (tmp_path / dtype / "model.weights.h5").stat().st_size
    assert sizes["float16"] < 0.5 * sizes["float32"]
    assert sizes["bfloat16"] < 0.9 * sizes["float16"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_half_precision_model_of_keras_hub_loads(their_backbone, tmp_path, dtype):
    theirs = their_backbone(case("bert"), dtype=dtype)
    theirs.save_to_preset(str(tmp_path))
    # In float32 on both sides: the same weights, without the rounding of the arithmetic.
    description = json.loads((tmp_path / "config.json").read_text())
    description["config"].pop("dtype")
    exact = keras_hub.models.BertBackbone(
        **{k: v for k, v in description["config"].items() if k not in ("name", "trainable")}
    )
    for weight, half in zip(exact.weights, theirs.weights, strict=True):
        weight.assign(keras.ops.cast(half, "float32"))
    assert_same_outputs(BertBackbone.from_preset(tmp_path), exact)


def test_weights_under_the_group_name_of_older_keras_load(classifier, preset):
    with h5py.File(preset / "model.weights.h5", "r+") as store:
        store.move("layers", "_layer_checkpoint_dependencies")
    loaded = BertBackbone.from_preset(preset)
    np.testing.assert_array_equal(
        loaded(features(7))["pooled_output"], classifier.backbone(features(7))["pooled_output"]
    )
