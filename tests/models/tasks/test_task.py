"""What all tasks have in common, and a model that Keras Hub's users know."""

import json
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from models import Backbone, Classifier, MaskedLM, TextClassifier, TextEmbedder, UserError, backends
from models.families.record import FAMILIES as RECORDS
from models.presets import keras_hub
from tests.models.family_cases import case

TEXTS = ["the good film", "the bad play", "a great film and an awful one, playing it", "good"]
CLASSES = np.array([1, 0, 1, 1])
LABELS = ["negative", "positive"]


class Batched(keras.utils.PyDataset):
    """Two batches of texts and classes, which counts its epochs."""

    def __init__(self, preprocessor=None, **settings):
        super().__init__(**settings)
        self.preprocessor = preprocessor
        self.epochs = 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = slice(2 * index, 2 * index + 2)
        texts = TEXTS[rows] if self.preprocessor is None else self.preprocessor(TEXTS[rows])
        return texts, CLASSES[rows]

    def on_epoch_end(self):
        self.epochs += 1


@pytest.fixture
def classifier(family, randomize):
    made = family.classifier(LABELS, dropout=0.0)
    randomize(made)
    return made


# Tasks do the same with every family.
of_one_family = pytest.mark.parametrize("family", ["bert"], indirect=True)


@of_one_family
@pytest.mark.parametrize("is_ready", [False, True], ids=["texts", "features"])
def test_batches_of_a_py_dataset_are_preprocessed_where_they_are_texts(classifier, is_ready):
    data = Batched(classifier.preprocessor if is_ready else None, workers=2)
    expected = classifier.predict(TEXTS, verbose=0)
    np.testing.assert_allclose(classifier.predict(data, verbose=0), expected, atol=1e-5)
    score = classifier.evaluate(TEXTS, CLASSES, verbose=0)
    np.testing.assert_allclose(classifier.evaluate(data, verbose=0), score, atol=1e-5)
    before = data.epochs
    classifier.fit(data, validation_data=Batched(), epochs=2, verbose=0)
    assert data.epochs >= before + 2


class Counted(keras.utils.PyDataset):
    """Batches without a length, as Keras 3 has them, which counts how often one is asked for."""

    def __init__(self, num_batches):
        super().__init__()
        self._num_batches = num_batches
        self.loads = 0

    @property
    def num_batches(self):
        return self._num_batches

    def __getitem__(self, index):
        self.loads += 1
        return TEXTS, CLASSES


@of_one_family
def test_batches_of_a_py_dataset_may_have_no_length_and_no_end(classifier):
    expected = classifier.predict(TEXTS, verbose=0)
    for data, steps in ((Counted(2), None), (Counted(None), 2)):
        found = classifier.predict(data, steps=steps, verbose=0)
        np.testing.assert_allclose(found, np.concatenate([expected] * 2), atol=1e-5)
        assert classifier.evaluate(data, steps=steps, verbose=0)
    assert classifier.predict(Counted(0), verbose=0).shape == (0, 2)
    history = classifier.fit(
        Counted(None), steps_per_epoch=2, validation_data=Counted(2), verbose=0
    )
    assert "val_loss" in history.history


@of_one_family
def test_batches_to_validate_on_are_loaded_once_an_epoch(classifier):
    loads = []
    for epochs in (1, 3):
        data = Counted(1)
        classifier.fit(TEXTS, CLASSES, validation_data=data, epochs=epochs, verbose=0)
        loads.append(data.loads)
    assert loads[1] == loads[0] + 2


def test_without_its_preprocessor_a_task_takes_features_alone(classifier):
    expected = classifier.predict(TEXTS, verbose=0)
    preprocessor, classifier.preprocessor = classifier.preprocessor, None
    features = preprocessor(TEXTS)
    np.testing.assert_allclose(classifier.predict(features, verbose=0), expected, atol=1e-5)
    np.testing.assert_allclose(classifier.predict_on_batch(features), expected, atol=1e-5)
    with pytest.raises(TypeError, match="without a preprocessor a model takes its inputs, a dict"):
        classifier.predict(TEXTS, verbose=0)


def test_what_is_not_compiled_cannot_be_trained(family, classifier):
    bare = family.ours("Classifier")(classifier.backbone, 2, classifier.preprocessor, compile=False)
    with pytest.raises(ValueError, match="You must call `compile"):
        bare.fit(TEXTS, CLASSES, verbose=0)
    bare.compile("auto")
    assert float(bare.optimizer.learning_rate) == pytest.approx(5e-5)


def test_a_summary_shows_what_makes_the_inputs(family, classifier):
    lines = []
    classifier.summary(print_fn=lambda text, line_break=False: lines.append(text))
    page = "\n".join(lines)
    assert f"Preprocessor: {family.prefix}Preprocessor, 24 tokens a row" in page
    assert f"Tokenizer: {family.prefix}Tokenizer, " in page
    assert "Total params" in page
    classifier.preprocessor = None
    lines.clear()
    classifier.summary(print_fn=lambda text, line_break=False: lines.append(text))
    assert "Preprocessor" not in "\n".join(lines)


def test_a_configuration_is_json_and_makes_an_equal_model(classifier):
    config = classifier.get_config()
    again = type(classifier).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    serialized = json.dumps(keras.saving.serialize_keras_object(classifier))
    again = keras.saving.deserialize_keras_object(json.loads(serialized))
    assert again.get_config() == config


def test_base_classes_find_the_family(family, classifier, tmp_path):
    classifier.save_to_preset(tmp_path)
    for base, part in ((TextClassifier, "Classifier"), (Backbone, "Backbone")):
        assert type(base.from_preset(tmp_path)) is family.ours(part)
    embedder = TextEmbedder.from_preset(tmp_path)
    assert type(embedder) is family.ours("TextEmbedder")
    other = next(record for name, record in RECORDS.items() if name != family.family)
    kind = getattr(models, f"{other.prefix}TextClassifier")
    with pytest.raises(models.PresetError, match="is of the family"):
        kind.from_preset(tmp_path)


@pytest.fixture
def made_of_a_preset(family, classifier, tmp_path):
    """For each task, a function that makes it of a preset."""
    classifier.save_to_preset(tmp_path / "classifier")
    masked_lm = family.ours("MaskedLM")(classifier.backbone)
    tokenizer = classifier.preprocessor.tokenizer
    masked_lm.preprocessor = family.ours("MaskedLMPreprocessor")(tokenizer, 16)
    masked_lm.save_to_preset(tmp_path / "masked_lm")
    return {
        "Classifier": partial(Classifier.from_preset, tmp_path / "classifier"),
        "MaskedLM": partial(MaskedLM.from_preset, tmp_path / "masked_lm"),
        "TextEmbedder": partial(TextEmbedder.from_preset, tmp_path / "classifier"),
    }


@of_one_family
def test_each_file_of_a_preset_is_written_once(classifier, tmp_path, monkeypatch):
    written, write = [], keras_hub.write_json

    def count(folder, name, content):
        written.append(name)
        write(folder, name, content)

    monkeypatch.setattr(keras_hub, "write_json", count)
    embedder = models.BertTextEmbedder(classifier.backbone, classifier.preprocessor)
    embedder.save_to_preset(tmp_path)
    assert len(written) == len(set(written)) > 3
    stored = json.loads((tmp_path / "preprocessor.json").read_text())
    assert stored["class_name"] == "BertTextEmbedderPreprocessor"


@of_one_family
def test_what_is_not_trainable_is_the_whole_task(made_of_a_preset):
    for make in made_of_a_preset.values():
        assert make().trainable_weights
        task = make(trainable=False, name="frozen", compile=False)
        assert (task.name, task.trainable, task.trainable_weights) == ("frozen", False, [])


@of_one_family
def test_a_task_of_a_preset_may_have_a_backbone_that_is_given(family, made_of_a_preset, randomize):
    backbone = family.ours("Backbone")(**family.config)
    randomize(backbone)
    for make in made_of_a_preset.values():
        usual, task = make(), make(backbone=backbone)
        assert task.backbone is backbone
        for name, weight in usual.named_head_weights().items():
            np.testing.assert_array_equal(task.named_head_weights()[name], weight)
        with pytest.raises(ValueError, match=r"a backbone that is given .* leave dtype out"):
            make(backbone=backbone, dtype="float16")


def test_a_registered_backbone_is_known_by_its_name_alone():
    found = Backbone.from_preset("bert_tiny_en_uncased", load_weights=False)
    assert type(found) is models.BertBackbone
    assert "bert_tiny_en_uncased" in Backbone.presets
    assert "roberta_base" in Classifier.presets


def test_keras_hubs_names_are_the_same_classes(family):
    assert family.ours("TextClassifier") is family.ours("Classifier")
    assert TextClassifier is Classifier
    assert issubclass(family.ours("TextClassifier"), TextClassifier)


def test_arguments_stand_in_the_order_of_keras_hub(family):
    import inspect

    keras_hub = pytest.importorskip("keras_hub")
    for part in ("Backbone", "TextClassifier", "MaskedLM"):
        ours, theirs = (
            [
                name
                for name, argument in inspect.signature(kind).parameters.items()
                if argument.kind is argument.POSITIONAL_OR_KEYWORD
            ]
            for kind in (family.ours(part), getattr(keras_hub.models, f"{family.prefix}{part}"))
        )
        assert ours == theirs, part


# Keras warns of each layer that has no product.
quantizes = pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize:UserWarning")


@quantizes
@pytest.mark.parametrize("family", ["bert", "xlm_roberta"], indirect=True)
def test_a_quantized_backbone_leaves_a_policy_that_makes_another(classifier):
    backbone, features = classifier.backbone, classifier.preprocessor(TEXTS)
    before = np.asarray(backbone.tokens(features))
    backbone.quantize("int8")
    config = json.loads(json.dumps(backbone.get_config()))
    again = type(backbone).from_config(config)
    again.set_weights(backbone.get_weights())
    assert again.get_config() == backbone.get_config()
    layers = [layer for layer in again._flatten_layers() if type(layer) is keras.layers.Dense]
    assert {layer.quantization_mode for layer in layers} == {"int8"}
    after = np.asarray(backbone.tokens(features))
    np.testing.assert_allclose(again.tokens(features), after, atol=1e-5)
    np.testing.assert_allclose(after, before, atol=0.3 * np.abs(before).max())


@quantizes
@of_one_family
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer:UserWarning")
@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_a_quantized_model_is_saved_by_keras_and_not_as_a_preset(classifier, tmp_path):
    classifier.quantize("int8")
    with pytest.raises(UserError, match=r"quantized to int8, and a preset holds weights as they"):
        classifier.save_to_preset(tmp_path)
    assert not list(tmp_path.iterdir())
    classifier.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    expected = classifier.predict(TEXTS, verbose=0)
    np.testing.assert_allclose(again.predict(TEXTS, verbose=0), expected, atol=1e-5)


@pytest.mark.skipif(backends.name() != "tensorflow", reason="a SavedModel is of TensorFlow")
@pytest.mark.parametrize("part", ["Backbone", "Classifier", "MaskedLM", "TextEmbedder"])
def test_it_is_exported_to_a_saved_model(family, classifier, tmp_path, part):
    backbone = classifier.backbone
    made = {
        "Backbone": lambda kind: backbone,
        "Classifier": lambda kind: classifier,
    }.get(part, lambda kind: kind(backbone))
    model = made(family.ours(part))
    model.export(tmp_path / "saved", verbose=False)
    features = {name: np.asarray(each) for name, each in classifier.preprocessor(TEXTS).items()}
    if part == "MaskedLM":
        features["mask_positions"] = np.array([[1, 2]] * 4, "int32")
    features = {name: features[name] for name in model.input}
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = loaded.serve(features)
    expected = model(features)
    for found, wanted in zip(keras.tree.flatten(served), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("part", ["Backbone", "Classifier", "MaskedLM", "TextEmbedder"])
def test_what_it_is_not_exported_to_is_said(monkeypatch, part, tmp_path):
    bert = case("bert")
    classifier = bert.classifier(LABELS)
    backbone = classifier.backbone
    made = {"Backbone": backbone, "Classifier": classifier}
    model = made.get(part) or bert.ours(part)(backbone)
    file = tmp_path / "model"
    for unknown, problem in (
        ("torch", "format='torch'; choose 'tf_saved_model', 'litert', 'onnx' or 'openvino'"),
        ("ONNX", "format='ONNX'; choose"),
        ("onxx", "did you mean 'onnx'[?] choose"),
        (None, "format=None; choose"),
    ):
        with pytest.raises(UserError, match=problem):
            model.export(file, format=unknown)
    monkeypatch.setattr("models.backends.name", lambda: "jax")
    with pytest.raises(UserError, match="set KERAS_BACKEND=tensorflow before Keras is imported"):
        model.export(file)
    monkeypatch.setattr("models.backends.name", lambda: "tensorflow")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install onnx tf2onnx, or leave format out"):
        model.export(file, format="onnx")
    with pytest.raises(UserError, match="pip install openvino, or leave format out"):
        model.export(file, format="openvino")
    assert not file.exists()
