"""What a backbone computes that was made of parts of a larger one."""

import keras
import numpy as np
import pytest

from models.errors import UserError
from models.students.weights import chosen_layers, shrunken
from tests.models.family_cases import case

TEXTS = ["the good film", "an awful play!", ""]
TOLERANCE = 1e-6


@pytest.fixture(params=["bert", "roberta", "xlm_roberta"])
def backbone(request, randomize):
    family = case(request.param)
    made = family.ours("Backbone")(**family.config, activation="relu", layer_norm_epsilon=1e-6)
    randomize(made)
    return made


@pytest.fixture
def features(backbone):
    family = case(backbone.family)
    return family.ours("Preprocessor")(family.tokenizer, 12)(TEXTS)


def every_token(backbone) -> np.ndarray:
    return np.arange(backbone.vocabulary_size)


def all_layers(backbone) -> list[int]:
    return list(range(backbone.num_layers))


def assert_same_vectors(found, expected, features, their_features=None):
    theirs = features if their_features is None else their_features
    for compute in ("tokens", "first"):
        np.testing.assert_allclose(
            getattr(found, compute)(features), getattr(expected, compute)(theirs), atol=TOLERANCE
        )


def test_all_parts_together_are_the_same_model(backbone, features):
    student = shrunken(backbone, all_layers(backbone), every_token(backbone))
    assert type(student) is type(backbone)
    assert student.architecture() == backbone.architecture()
    assert_same_vectors(student, backbone, features)


def test_a_student_shares_no_weights_with_its_teacher(backbone, features):
    before = np.asarray(backbone.tokens(features))
    student = shrunken(backbone, all_layers(backbone), every_token(backbone))
    for weight in student.weights:
        weight.assign(keras.ops.zeros_like(weight))
    np.testing.assert_array_equal(backbone.tokens(features), before)


@pytest.mark.parametrize("layers", [[1, 0], [1], [0, 0, 1]])
def test_layers_follow_each_other_as_asked(backbone, features, layers):
    student = shrunken(backbone, layers, every_token(backbone))
    assert student.num_layers == len(layers)
    mask = features["padding_mask"]
    segments = features.get("segment_ids")
    hidden = backbone.embeddings(features["token_ids"], segments)
    for layer in layers:
        one = shrunken(backbone, [layer], every_token(backbone))
        hidden = one.encoder(hidden, mask)
    np.testing.assert_allclose(student.tokens(features), hidden, atol=TOLERANCE)


def test_tokens_take_their_vectors_along(backbone, features):
    # From the last one to the first: the new id of each is what is left to the end.
    ids = every_token(backbone)[::-1].copy()
    student = shrunken(backbone, all_layers(backbone), ids)
    renumbered = {**features, "token_ids": len(ids) - 1 - features["token_ids"]}
    assert_same_vectors(student, backbone, renumbered, features)


def test_some_tokens_are_enough(backbone, features):
    old = np.asarray(features["token_ids"])
    ids = np.unique(old)
    assert len(ids) < backbone.vocabulary_size
    student = shrunken(backbone, all_layers(backbone), ids)
    assert student.token_embedding.embeddings.shape == (len(ids), backbone.hidden_dim)
    new = {**features, "token_ids": np.searchsorted(ids, old)}
    assert_same_vectors(student, backbone, new, features)


@pytest.mark.parametrize("layers", [[0, 1], [1]])
def test_units_that_are_gone_are_as_units_without_weights(backbone, features, layers):
    student = shrunken(backbone, layers, every_token(backbone), intermediate_dim=5)
    for layer in layers:
        found = backbone.encoder.layers[layer]
        into, out = (np.array(d.kernel) for d in (found.intermediate, found.output_dense))
        sizes = np.linalg.norm(into, axis=0) * np.linalg.norm(out, axis=1)
        out[np.argsort(sizes)[:-5]] = 0
        found.output_dense.kernel.assign(out)
    assert {layer.intermediate.kernel.shape[1] for layer in student.encoder.layers} == {5}
    expected = shrunken(backbone, layers, every_token(backbone))
    assert_same_vectors(student, expected, features)


def test_the_first_positions_stay(backbone, features):
    student = shrunken(backbone, all_layers(backbone), every_token(backbone), num_positions=12)
    assert student.max_sequence_length == 12
    assert_same_vectors(student, backbone, features)
    assert student.embeddings.position.shape[0] == 12
    with pytest.raises(ValueError, match="12 positions"):
        student.tokens({name: np.ones((1, 13), "int32") for name in features})


def test_a_student_is_of_its_teachers_type(backbone):
    small = type(backbone)(**backbone.architecture(), dtype="bfloat16")
    assert shrunken(small, [0], every_token(small)).dtype_policy.name == "bfloat16"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("all", [0, 1, 2, 3, 4, 5]),
        ("first:2", [0, 1]),
        ("last:2", [4, 5]),
        ("first:6", [0, 1, 2, 3, 4, 5]),
        ("last:6", [0, 1, 2, 3, 4, 5]),
        ([0, 5, 2], [0, 5, 2]),
        ((3, 3), [3, 3]),
    ],
)
def test_layers_have_names(layers, expected):
    assert chosen_layers(layers, 6) == expected


@pytest.mark.parametrize("layers", ["first:7", "last:7", [6], [-1], [0, 6], ["0"], [1.0]])
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(UserError, match=r"the preset has the layers 0 to 5$") as error:
        chosen_layers(layers, 6)
    assert str(error.value).startswith(f"layers={layers!r}: ")


@pytest.mark.parametrize("layers", ["first:0", "last:0", []])
def test_a_model_without_layers_is_refused(layers):
    with pytest.raises(UserError, match="a model needs at least one"):
        chosen_layers(layers, 6)


@pytest.mark.parametrize(
    "layers", ["", "first", "first:", "first:-1", "first:x", "middle:2", "first 2", "2", "ALL"]
)
def test_words_for_layers_that_mean_nothing_are_refused_with_those_that_do(layers):
    message = f"^layers={layers!r} is not first:N, last:N, all or a list of layers, from 0$"
    with pytest.raises(UserError, match=message):
        chosen_layers(layers, 6)
