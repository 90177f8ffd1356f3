"""Tokenizers and preprocessors are Keras layers: in a model, in a configuration, in a process."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import (
    BertMaskedLMPreprocessor,
    BertPreprocessor,
    BertTokenizer,
    MaskedLMPreprocessor,
    PresetError,
    TextClassifierPreprocessor,
    Tokenizer,
)
from tests.models.family_cases import LENGTH

TEXTS = ["the good film", "", "an awful play!"]

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a graph of strings is TensorFlow's"
)


def made(family):
    """A layer of each kind of the family, and the attribute that its ids are found by."""
    tokenizer = family.tokenizer
    return [
        tokenizer,
        family.ours("Tokenizer")(**family.arguments, sequence_length=5, dtype="string"),
        family.ours("Preprocessor")(tokenizer, 9, "waterfall"),
        family.ours("MaskedLMPreprocessor")(tokenizer, 9, mask_selection_length=4),
    ]


def rows(features):
    return {name: np.asarray(values).tolist() for name, values in features.items()}


def test_each_is_a_layer_with_a_name_and_no_weights(family):
    for layer in made(family):
        assert isinstance(layer, keras.layers.Layer)
        assert layer.name.startswith(f"{family.family}_")
        assert (layer.built, layer.weights) == (True, [])


def test_a_configuration_is_json_and_gives_the_layer_again(family):
    for layer in made(family):
        config = json.loads(json.dumps(layer.get_config()))
        assert type(layer).from_config(config).get_config() == layer.get_config()


@keras.saving.register_keras_serializable("test")
class Holder(keras.layers.Layer):
    """A layer of somebody else's with one of ours among its arguments."""

    def __init__(self, part, **layer):
        super().__init__(**layer)
        self.part = part

    def get_config(self):
        return {**super().get_config(), "part": keras.saving.serialize_keras_object(self.part)}

    @classmethod
    def from_config(cls, config):
        part = keras.saving.deserialize_keras_object(config.pop("part"))
        return cls(part, **config)


def test_one_may_be_an_argument_of_another_layer(family):
    for layer in made(family):
        written = json.dumps(keras.saving.serialize_keras_object(Holder(layer)))
        found = keras.saving.deserialize_keras_object(json.loads(written)).part
        assert type(found) is type(layer)
        assert found.get_config() == layer.get_config()


@pytest.mark.parametrize(
    "sent", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy], ids=["pickle", "copy"]
)
def test_one_can_be_sent_to_another_process(family, sent):
    for layer in made(family):
        assert sent(layer).get_config() == layer.get_config()
    preprocessor = made(family)[2]
    assert rows(sent(preprocessor)(TEXTS)) == rows(preprocessor(TEXTS))


@tensorflow_only
def test_a_model_may_begin_with_a_preprocessor(family, randomize):
    backbone = family.ours("Backbone")(**family.config)
    randomize(backbone)
    preprocessor = family.ours("Preprocessor")(family.tokenizer, LENGTH)
    texts = keras.Input((), dtype="string")
    model = keras.Model(texts, backbone(preprocessor(texts)))
    found = model.predict(tf.constant(TEXTS), verbose=0)
    expected = backbone.predict(preprocessor(TEXTS), verbose=0)
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@tensorflow_only
def test_a_model_may_begin_with_pairs(family):
    preprocessor = family.ours("Preprocessor")(family.tokenizer, 12)
    first, second = keras.Input((), dtype="string"), keras.Input((), dtype="string")
    model = keras.Model((first, second), preprocessor(x=(first, second)))
    pair = (TEXTS, ["awful", "good", "film"])
    found = model.predict(tuple(map(tf.constant, pair)), verbose=0)
    assert rows(found) == rows(preprocessor(pair))


@tensorflow_only
def test_a_model_may_begin_with_a_tokenizer_of_one_length(family):
    tokenizer = family.ours("Tokenizer")(**family.arguments, sequence_length=6)
    texts = keras.Input((), dtype="string")
    model = keras.Model(texts, tokenizer(texts))
    assert model.output.shape == (None, 6)
    found = model.predict(tf.constant(TEXTS), verbose=0)
    assert found.tolist() == np.asarray(tokenizer(TEXTS)).tolist()


def test_a_classifiers_layers_are_without_its_preprocessor(classifier):
    assert classifier.preprocessor is not None
    assert not any(isinstance(layer, TextClassifierPreprocessor) for layer in classifier.layers)


def test_no_vocabulary_is_copied_or_wrapped(vocabulary):
    tokenizer = BertTokenizer(vocabulary)
    preprocessor = BertPreprocessor(tokenizer)
    assert type(tokenizer._tokens) is list
    assert type(tokenizer._ids) is dict
    assert preprocessor.tokenizer is tokenizer


def test_the_base_classes_find_the_family_of_a_preset(preset, tmp_path):
    tokenizer = Tokenizer.from_preset(preset, sequence_length=7)
    assert type(tokenizer) is BertTokenizer
    assert tokenizer("the film").shape == (7,)
    preprocessor = TextClassifierPreprocessor.from_preset(preset, sequence_length=11)
    assert (type(preprocessor), preprocessor.sequence_length) == (BertPreprocessor, 11)
    masked = MaskedLMPreprocessor.from_preset(preset, mask_selection_length=3)
    assert (type(masked), masked.mask_selection_length) == (BertMaskedLMPreprocessor, 3)
    with pytest.raises(PresetError, match="is not a folder, a URI or a known name"):
        Tokenizer.from_preset(str(tmp_path / "nothing"))


def test_the_base_classes_find_each_kind_of_a_checkpoint(roberta, xlm_roberta):
    for folder, kind in ((roberta, "pipeline"), (xlm_roberta, "sentence_piece")):
        tokenizer = Tokenizer.from_preset(folder)
        assert tokenizer.kind == kind
        assert TextClassifierPreprocessor.from_preset(folder).tokenizer.kind == kind


def test_the_presets_of_a_base_class_are_those_of_all_families():
    assert Tokenizer.presets.keys() >= {"bert_base_en_cased", "roberta_base", "xlm_roberta_base"}
    assert "roberta_base" not in BertTokenizer.presets


@pytest.mark.parity
def test_grain_gets_arrays_of_numpy(family):
    source = pytest.importorskip("grain").MapDataset.source
    tokenizer, _, preprocessor, masked = made(family)
    ids = list(source(TEXTS).map(tokenizer))
    assert [type(row) for row in ids] == [np.ndarray] * 3
    assert [row.tolist() for row in ids] == tokenizer(TEXTS).to_list()
    batch = next(iter(source(TEXTS).batch(3).map(lambda texts: tokenizer(texts))))
    assert [row.tolist() for row in batch] == tokenizer(TEXTS).to_list()
    labelled = list(source(list(zip(TEXTS, [1, 0, 1], strict=True))).map(preprocessor).batch(3))
    features, labels = labelled[0]
    assert all(type(values) is np.ndarray for values in features.values())
    assert rows(features) == rows(preprocessor(TEXTS))
    assert labels.tolist() == [1, 0, 1]
    features, hidden, weights = next(iter(source(TEXTS).map(masked)))
    assert {type(v) for v in (*features.values(), hidden, weights)} == {np.ndarray}


@pytest.mark.parity
def test_outside_of_grain_there_are_tensors_though_it_is_imported(family):
    pytest.importorskip("grain")
    features = made(family)[2](TEXTS)
    assert all(keras.ops.is_tensor(values) for values in features.values())
