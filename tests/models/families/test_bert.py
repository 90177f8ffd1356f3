import keras
import numpy as np
import pytest

from models import BertBackbone, PresetError


def batch(length=6, rows=2, real=None, seed=0):
    random = np.random.default_rng(seed)
    mask = np.arange(length) < np.full((rows, 1), length if real is None else real)
    return {
        "token_ids": (random.integers(5, 40, (rows, length)) * mask).astype("int32"),
        "segment_ids": (random.integers(0, 2, (rows, length)) * mask).astype("int32"),
        "padding_mask": mask.astype("int32"),
    }


def outputs(backbone, features):
    result = backbone(features, training=False)
    return {k: keras.ops.convert_to_numpy(keras.ops.cast(v, "float32")) for k, v in result.items()}


def test_it_gives_a_vector_for_each_token_and_one_for_the_text(classifier):
    found = outputs(classifier.backbone, batch(6, rows=3))
    assert {name: array.shape for name, array in found.items()} == {
        "sequence_output": (3, 6, 16),
        "pooled_output": (3, 16),
    }


@pytest.mark.parametrize("length", [1, 2, 23, 24])
def test_any_length_up_to_its_positions_goes(classifier, length):
    assert outputs(classifier.backbone, batch(length))["sequence_output"].shape == (2, length, 16)


def test_a_row_does_not_depend_on_its_neighbours(classifier):
    features = batch(6, rows=4)
    alone = {k: array[2:3] for k, array in features.items()}
    np.testing.assert_allclose(
        outputs(classifier.backbone, features)["pooled_output"][2:3],
        outputs(classifier.backbone, alone)["pooled_output"],
        atol=1e-5,
    )


@pytest.mark.parametrize("feature", ["token_ids", "segment_ids", "padding_mask"])
def test_every_input_matters(classifier, feature):
    features = batch(6)
    changed = {**features, feature: features[feature].copy()}
    changed[feature][:, 2:] = 0
    assert not np.allclose(
        outputs(classifier.backbone, features)["pooled_output"],
        outputs(classifier.backbone, changed)["pooled_output"],
        atol=1e-3,
    )


def test_the_order_of_tokens_matters(classifier):
    features = batch(6)
    swapped = {**features, "token_ids": features["token_ids"][:, [0, 2, 1, 3, 4, 5]]}
    assert not np.allclose(
        outputs(classifier.backbone, features)["pooled_output"],
        outputs(classifier.backbone, swapped)["pooled_output"],
        atol=1e-3,
    )


def test_activations_differ_and_unknown_ones_are_refused(config, randomize):
    found = []
    for activation in ("gelu_approximate", "gelu", "relu"):
        backbone = BertBackbone(**config, activation=activation)
        randomize(backbone)
        found.append(outputs(backbone, batch())["pooled_output"])
    assert 1e-6 < np.abs(found[0] - found[1]).max() < 1e-2
    assert np.abs(found[0] - found[2]).max() > 1e-2
    with pytest.raises(ValueError, match=r"'swish' is not known; choose from .*'gelu'"):
        BertBackbone(**config, activation="swish")


def test_dropout_works_in_training_only(config, randomize):
    backbone = BertBackbone(**{**config, "dropout": 0.5})
    randomize(backbone)
    first, second = (backbone(batch(), training=True)["pooled_output"] for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    first, second = (backbone(batch(), training=False)["pooled_output"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_rows_longer_than_its_positions_are_refused(classifier):
    with pytest.raises(ValueError, match="rows of 25 tokens; there are 24 positions"):
        classifier.backbone(batch(25))


def test_heads_must_divide_the_width(config):
    with pytest.raises(ValueError, match="hidden_dim=16 is not a multiple of num_heads=3"):
        BertBackbone(**{**config, "num_heads": 3})


@pytest.mark.parametrize(("vocabulary_size", "parameters"), [(30_522, 4_385_920), (1_000, 607_104)])
def test_it_has_the_parameters_of_googles_smallest_model(vocabulary_size, parameters):
    backbone = BertBackbone(vocabulary_size, 2, 2, 128, 512)
    assert backbone.count_params() == parameters


def test_settings_that_keras_hub_lacks_are_kept_too(config, tmp_path):
    settings = {**config, "activation": "relu", "layer_norm_epsilon": 1e-5}
    BertBackbone(**settings).save_to_preset(tmp_path)
    assert BertBackbone.from_preset(tmp_path).get_config().items() >= settings.items()


def test_without_its_weights_a_preset_gives_random_ones(classifier, preset):
    (preset / "model.weights.h5").unlink()
    fresh = BertBackbone.from_preset(preset, load_weights=False)
    assert fresh.architecture() == classifier.backbone.architecture()
    loaded, random = (np.asarray(m.embeddings.position) for m in (classifier.backbone, fresh))
    assert not np.allclose(loaded, random)
    with pytest.raises(PresetError, match=r"model\.weights\.h5: no such file"):
        BertBackbone.from_preset(preset)


def test_arguments_override_the_preset(preset):
    assert BertBackbone.from_preset(preset, dropout=0.3).dropout == 0.3


@pytest.mark.parametrize("num_layers", [1, 3])
def test_first_tokens_alone_are_what_the_model_gives_them(config, randomize, num_layers):
    backbone = BertBackbone(**{**config, "num_layers": num_layers})
    randomize(backbone)
    features = batch(9, rows=3, real=7)
    whole = outputs(backbone, features)
    np.testing.assert_allclose(backbone.first(features), whole["pooled_output"], atol=1e-5)
    np.testing.assert_allclose(backbone.tokens(features), whole["sequence_output"], atol=1e-5)


def test_an_epsilon_of_0_is_no_default(config):
    backbone = BertBackbone(**config | {"layer_norm_epsilon": 0.0})
    assert backbone.layer_norm_epsilon == 0.0
    assert backbone.encoder.layers[0].output_norm.epsilon == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_segments": 0}, "num_segments=0: bert needs at least one segment"),
        ({"layer_norm_epsilon": -1.0}, "layer_norm_epsilon=-1.0 is below 0"),
        ({"layer_norm_epsilon": float("nan")}, "layer_norm_epsilon=nan is below 0"),
        ({"activation": ""}, "activation"),
    ],
    ids=str,
)
def test_a_value_that_makes_no_sense_is_refused(config, arguments, message):
    with pytest.raises(ValueError, match=message):
        BertBackbone(**config | arguments)
