from dataclasses import replace

import numpy as np
import pytest

from models import (
    BertClassifier,
    BertPreprocessor,
    DistilBertBackbone,
    DistilBertPreprocessor,
    DistilBertTokenizer,
    Predictor,
    PresetError,
    UserError,
)
from models.presets.embedding import POOLINGS, Dense, EmbeddingSettings, LayerNorm
from models.presets.lookup import open_preset
from models.tasks.embedder import resolve_embedding
from tests.models.family_cases import embedder_of

TEXTS = ["good film", "the play", "awful, the great play is bad!", "a", ""]
WIDTH = 16


@pytest.fixture
def features(classifier):
    return classifier.preprocessor(TEXTS)


@pytest.fixture
def distil(config, vocabulary, randomize):
    """A backbone without a pooler, and its preprocessor."""
    backbone = DistilBertBackbone(**config)
    randomize(backbone)
    return backbone, DistilBertPreprocessor(DistilBertTokenizer(vocabulary, lowercase=True), 24)


def plain(backbone, features, pooling):
    """A row's vector from the backbone's own outputs, row by row in NumPy."""
    outputs = backbone(features, training=False)
    if pooling == "pooled":
        return np.array(outputs["pooled_output"])
    tokens = np.array(outputs["sequence_output"] if isinstance(outputs, dict) else outputs)
    mask = np.array(features["padding_mask"]).astype(bool)
    pool = {
        "cls": lambda row: row[0],
        "mean": lambda row: row.mean(axis=0),
        "max": lambda row: row.max(axis=0),
        "mean_sqrt_len_tokens": lambda row: row.sum(axis=0) / np.sqrt(len(row)),
        "weightedmean": lambda row: np.average(row, axis=0, weights=np.arange(len(row)) + 1),
        "lasttoken": lambda row: row[-1],
    }[pooling]
    return np.stack([pool(row[real]) for row, real in zip(tokens, mask, strict=True)])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_are_those_of_the_backbones_outputs(classifier, features, pooling):
    embedder = embedder_of(classifier.backbone, classifier.preprocessor, EmbeddingSettings(pooling))
    expected = plain(classifier.backbone, features, pooling)
    np.testing.assert_allclose(embedder.vectors(features), expected, atol=1e-5)


@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name != "pooled"])
def test_a_family_without_a_pooler_has_the_other_poolings(distil, pooling):
    backbone, preprocessor = distil
    features = preprocessor(TEXTS)
    embedder = embedder_of(backbone, preprocessor, EmbeddingSettings(pooling))
    expected = plain(backbone, features, pooling)
    np.testing.assert_allclose(embedder.vectors(features), expected, atol=1e-5)


def test_several_poolings_follow_one_another(classifier, features):
    settings = EmbeddingSettings(("max", "cls", "mean"), normalize=True)
    embedder = embedder_of(classifier.backbone, classifier.preprocessor, settings)
    parts = [plain(classifier.backbone, features, pooling) for pooling in settings.poolings]
    expected = np.concatenate(parts, axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.vectors(features), expected, atol=1e-5)
    assert embedder.dimensions == 3 * WIDTH


def test_modules_follow_pooling_and_dimensions_follow_them(classifier, features):
    random = np.random.default_rng(0)
    kernel, bias = random.standard_normal((WIDTH, 7)), random.standard_normal(7)
    weights = {"2/kernel": kernel, "2/bias": bias, "3/gamma": bias + 1, "3/beta": bias * 2}
    settings = EmbeddingSettings("max", True, (Dense("2", WIDTH, 7, "relu"), LayerNorm("3", 7)))
    weights = [(name, values.astype(np.float32)) for name, values in weights.items()]
    arguments = (classifier.backbone, classifier.preprocessor, settings)
    expected = np.maximum(plain(classifier.backbone, features, "max") @ kernel + bias, 0)
    expected -= expected.mean(axis=1, keepdims=True)
    expected /= np.sqrt(expected.var(axis=1, keepdims=True) + 1e-5)
    expected = (expected * (bias + 1) + bias * 2)[:, :5]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = embedder_of(*arguments, 5, weights).vectors(features)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(UserError, match="vectors of 7 dimensions: cannot keep 8"):
        embedder_of(*arguments, 8, weights)


@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name != "pooled"])
def test_a_prefix_that_is_not_pooled_is_read_all_the_same(classifier, pooling):
    settings = EmbeddingSettings(pooling, prefix="good film ", pools_prefix=False)
    embedder = embedder_of(classifier.backbone, classifier.preprocessor, settings)
    assert embedder.num_skipped == 3  # [CLS] and two words
    features = classifier.preprocessor([f"good film {text}" for text in TEXTS])
    outputs = classifier.backbone(features, training=False)
    tokens = {"sequence_output": np.array(outputs["sequence_output"])[:, 3:]}
    rest = {"padding_mask": np.array(features["padding_mask"])[:, 3:]}
    if pooling == "weightedmean":
        weights = np.arange(4, 4 + rest["padding_mask"].shape[1]) * rest["padding_mask"]
        total = np.einsum("rtw,rt->rw", tokens["sequence_output"], weights)
        expected = total / weights.sum(axis=1, keepdims=True)
    else:
        expected = plain(lambda *_, **__: tokens, rest, pooling)
    np.testing.assert_allclose(embedder.vectors(features), expected, atol=1e-5)


def test_a_normalized_vector_has_the_length_one(classifier, features):
    settings = EmbeddingSettings("mean", normalize=True)
    embedder = embedder_of(classifier.backbone, classifier.preprocessor, settings)
    expected = plain(classifier.backbone, features, "mean")
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.vectors(features), expected, atol=1e-5)


def test_fewer_dimensions_are_the_first_and_normalized_again(classifier, features):
    backbone, preprocessor = classifier.backbone, classifier.preprocessor
    cut = plain(backbone, features, "cls")[:, :5]
    plainly = embedder_of(backbone, preprocessor, EmbeddingSettings("cls"), 5)
    np.testing.assert_allclose(plainly.vectors(features), cut, atol=1e-5)
    normalized = embedder_of(backbone, preprocessor, EmbeddingSettings("cls", normalize=True), 5)
    cut /= np.linalg.norm(cut, axis=1, keepdims=True)
    np.testing.assert_allclose(normalized.vectors(features), cut, atol=1e-5)


def test_a_vector_of_zeros_stays_one(new_classifier):
    classifier = new_classifier()
    last = classifier.backbone.encoder.layers[-1].output_norm
    last.gamma.assign(np.zeros(WIDTH))
    last.beta.assign(np.zeros(WIDTH))
    settings = EmbeddingSettings("mean", normalize=True)
    embedder = embedder_of(classifier.backbone, classifier.preprocessor, settings)
    vectors = embedder.vectors(classifier.preprocessor(TEXTS))
    np.testing.assert_array_equal(vectors, np.zeros((len(TEXTS), WIDTH)))
    np.testing.assert_array_equal(embedder.normalized(np.zeros((2, WIDTH))), np.zeros((2, WIDTH)))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_half_precision_pools_in_single(new_classifier, features, pooling):
    half = new_classifier(dtype="bfloat16")
    settings = EmbeddingSettings(pooling, normalize=True)
    vectors = np.array(embedder_of(half.backbone, half.preprocessor, settings).vectors(features))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_settings_are_the_presets_unless_others_are_asked_for(preset):
    preset = open_preset(preset)
    assert resolve_embedding(preset) == (EmbeddingSettings("mean", False), WIDTH)
    asked_for = resolve_embedding(preset, "pooled", normalize=True, dimensions=3)
    assert asked_for == (EmbeddingSettings("pooled", True), 3)


def test_more_dimensions_than_there_are_is_refused(preset, classifier):
    with pytest.raises(UserError, match="vectors of 16 dimensions: cannot keep 17"):
        resolve_embedding(open_preset(preset), dimensions=17)
    with pytest.raises(UserError, match="backbone makes vectors of 16 dimensions: cannot keep 17"):
        embedder_of(classifier.backbone, classifier.preprocessor, EmbeddingSettings(), 17)


def test_an_unknown_pooling_is_refused_with_those_that_are(preset):
    with pytest.raises(UserError, match="'sum' is not one of cls, mean, max, mean_sqrt_len_tok"):
        resolve_embedding(open_preset(preset), "sum")


def test_a_pooler_that_is_not_there_is_refused(distil, tmp_path):
    backbone, preprocessor = distil
    backbone.save_to_preset(tmp_path)
    with pytest.raises(PresetError, match="no pooler for the pooling 'pooled'; choose from cls, m"):
        resolve_embedding(open_preset(tmp_path), "pooled")
    with pytest.raises(UserError, match="no pooler"):
        embedder_of(backbone, preprocessor, EmbeddingSettings("pooled"))


def test_families_with_a_pooler_are_known_without_their_classes(classifier, distil, tmp_path):
    for name, backbone in (("bert", classifier.backbone), ("distil_bert", distil[0])):
        backbone.save_to_preset(tmp_path / name)
        assert open_preset(tmp_path / name).has_pooler == backbone.record.has_pooler


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_saved_embedder_comes_back_in_place_of_a_classifier(
    classifier, preset, pooling, normalize
):
    saved = embedder_of(
        classifier.backbone, classifier.preprocessor, EmbeddingSettings(pooling, normalize)
    )
    saved.save_to_preset(preset)
    opened = open_preset(preset)
    assert opened.embedding == saved.settings
    assert not opened.has_classifier
    assert not {"labels.json", "task.weights.h5"} & set(opened.files)
    loaded = Predictor.from_preset(preset, task="embed")
    expected = saved.vectors(saved.preprocessor(TEXTS))
    np.testing.assert_allclose(loaded(TEXTS), expected, atol=1e-6)


def test_a_classifier_can_be_trained_from_an_embedder(classifier, tmp_path):
    embedder_of(classifier.backbone, classifier.preprocessor, EmbeddingSettings()).save_to_preset(
        tmp_path
    )
    trained = BertClassifier.from_preset(tmp_path, num_classes=2)
    assert trained.predict(TEXTS).shape == (len(TEXTS), 2)


def test_what_keras_hub_has_no_class_for_is_not_saved(classifier, distil, tmp_path):
    bert = classifier.backbone, classifier.preprocessor
    for embedder, problem in [
        (embedder_of(*distil, EmbeddingSettings()), "families bert and xlm_roberta, not of distil"),
        (embedder_of(*bert, EmbeddingSettings("pooled")), "poolings mean, cls, max, not 'pooled'"),
        (
            embedder_of(*bert, EmbeddingSettings(("cls", "max"))),
            r"poolings mean, cls, max, not 'cls\+max'",
        ),
        (
            embedder_of(*bert, EmbeddingSettings(modules=(Dense("2_Dense", WIDTH, WIDTH),))),
            "no further modules such as its Dense 16→16 tanh",
        ),
        (
            embedder_of(*bert, EmbeddingSettings(token_modules=(LayerNorm("1_LayerNorm", WIDTH),))),
            "no further modules such as its LayerNorm",
        ),
        (embedder_of(*bert, EmbeddingSettings(), 5), "have all 16 dimensions, not 5"),
        (
            embedder_of(*bert, EmbeddingSettings(prefix="query: ")),
            "read texts alone, without 'query: ' before them",
        ),
    ]:
        with pytest.raises(UserError, match=f"Keras Hub has only embedders .*{problem}"):
            embedder.save_to_preset(tmp_path)
    assert not list(tmp_path.iterdir())


def test_special_tokens_that_keras_hub_puts_elsewhere_are_not_saved(classifier, tmp_path):
    own = classifier.preprocessor
    packing = replace(own.packing, single=(0, "[SEP]"))
    others = BertPreprocessor(own.tokenizer, packing=packing)
    for model in (
        embedder_of(classifier.backbone, others, EmbeddingSettings()),
        BertClassifier(classifier.backbone, 2, others),
        others,
    ):
        with pytest.raises(UserError, match="no place for the special tokens that stand around"):
            model.save_to_preset(tmp_path)
    assert not list(tmp_path.iterdir())
