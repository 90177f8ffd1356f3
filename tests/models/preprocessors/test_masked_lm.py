"""Preprocessors of masked language models: what is hidden, where it stood, what is kept."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.preprocessors.masking import Masking, mask

TEXTS = ["the good film, the bad play!", "", "an awful play"]
LENGTH = 16


def masked(family, **settings):
    tokenizer = settings.pop("tokenizer", None) or family.tokenizer
    return family.ours("MaskedLMPreprocessor")(tokenizer, LENGTH, **settings)


def everything(**settings):
    rates = {"mask_selection_rate": 1.0, "mask_token_rate": 1.0, "random_token_rate": 0.0}
    return {**rates, **settings}


def numbers(outputs):
    return keras.tree.map_structure(np.asarray, outputs)


def restored(features, labels, weights):
    ids = features["token_ids"].copy()
    rows, places = np.nonzero(weights)
    ids[rows, features["mask_positions"][rows, places]] = labels[rows, places]
    return ids


def test_what_was_hidden_and_where_give_the_row_again(family):
    plain = numbers(family.ours("Preprocessor")(family.tokenizer, LENGTH)(TEXTS))
    features, labels, weights = numbers(masked(family, **everything())(TEXTS))
    assert np.array_equal(restored(features, labels, weights), plain["token_ids"])
    for name in plain.keys() - {"token_ids"}:
        assert np.array_equal(features[name], plain[name])
    tokenizer = family.tokenizer
    texts = plain["padding_mask"].astype(bool)
    special = np.isin(plain["token_ids"], tokenizer.special_token_ids)
    chosen = texts & ~special
    assert np.array_equal(features["token_ids"] == tokenizer.mask_token_id, chosen)
    assert weights.sum() == chosen.sum()
    assert (labels[weights == 0] == 0).all()


def test_arrays_have_the_shapes_and_types_of_keras_hubs(family):
    features, labels, weights = numbers(masked(family, mask_selection_length=5)(TEXTS))
    assert features.keys() - {"segment_ids"} == {"token_ids", "padding_mask", "mask_positions"}
    assert ("segment_ids" in features) == family.has_segments
    assert features["mask_positions"].shape == labels.shape == weights.shape == (3, 5)
    types = (features["mask_positions"].dtype, labels.dtype, weights.dtype)
    assert types == (np.int32, np.int32, np.float32)


def test_as_many_are_chosen_as_there_is_room_for_in_the_order_of_their_places(family):
    features, _, weights = numbers(masked(family, **everything(mask_selection_length=2))(TEXTS))
    assert weights.tolist() == [[1, 1], [0, 0], [1, 1]]
    positions = features["mask_positions"]
    assert (positions[[0, 2], 0] < positions[[0, 2], 1]).all()
    assert positions[1].tolist() == [0, 0]


def test_nothing_is_hidden_at_the_rate_0(family):
    plain = numbers(family.ours("Preprocessor")(family.tokenizer, LENGTH)(TEXTS))
    features, labels, weights = numbers(masked(family, mask_selection_rate=0)(TEXTS))
    assert np.array_equal(features["token_ids"], plain["token_ids"])
    assert not labels.any()
    assert not weights.any()


def test_one_text_gives_one_row_and_labels_are_of_no_account(family):
    preprocessor = masked(family, **everything(mask_selection_length=LENGTH))
    batch = keras.tree.flatten(numbers(preprocessor([TEXTS[2]])))
    text = TEXTS[2]
    for single in (preprocessor(text), preprocessor(text, 1), preprocessor((text, 1))):
        for one, row in zip(keras.tree.flatten(numbers(single)), batch, strict=True):
            assert np.array_equal(one, row[0])


def test_a_pair_is_packed_and_hidden(family):
    pair = (["good film"], ["bad"])
    plain = numbers(family.ours("Preprocessor")(family.tokenizer, LENGTH)(pair))
    features, labels, weights = numbers(masked(family, **everything())(pair))
    assert np.array_equal(restored(features, labels, weights), plain["token_ids"])


def test_it_maps_a_dataset(family):
    preprocessor = masked(family, **everything(mask_selection_length=4))
    expected = keras.tree.flatten(numbers(preprocessor(TEXTS)))
    data = tf.data.Dataset.from_tensor_slices((TEXTS, [0, 1, 0]))
    for mapped in (data.batch(3).map(preprocessor), data.map(preprocessor).batch(3)):
        shapes = {spec.shape.as_list()[-1] for spec in keras.tree.flatten(mapped.element_spec)}
        assert shapes == {LENGTH, 4}
        (found,) = mapped
        for one, other in zip(keras.tree.flatten(numbers(found)), expected, strict=True):
            assert one.shape == other.shape
        assert np.array_equal(np.asarray(found[2]).sum(1), expected[-1].sum(1))


def test_keras_seed_repeats_the_choice(family):
    preprocessor = masked(family, mask_selection_rate=0.5)
    found = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        found.append(numbers(preprocessor(TEXTS * 10))[0]["token_ids"])
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_the_shares_are_those_that_were_asked_for():
    ids = np.random.default_rng(0).integers(10, 1000, (400, 100)).astype(np.int32)
    ids[:, ::10] = 3
    keras.utils.set_random_seed(0)
    settings = Masking(0.2, 60, 0.5, 0.3, 4, 1000, [3, 4])
    masked_ids, positions, labels, weights = mask(ids, settings)
    rows, places = np.nonzero(weights)
    assert not (ids[rows, positions[rows, places]] == 3).any()
    assert np.array_equal(labels[rows, places], ids[rows, positions[rows, places]])
    assert weights.sum() / (ids != 3).sum() == pytest.approx(0.2, abs=0.01)
    now = masked_ids[rows, positions[rows, places]]
    assert (now == 4).mean() == pytest.approx(0.5, abs=0.02)
    assert (now == labels[rows, places]).mean() == pytest.approx(0.2, abs=0.02)
    untouched = masked_ids.copy()
    untouched[rows, positions[rows, places]] = labels[rows, places]
    assert np.array_equal(untouched, ids)
    columns = np.bincount(positions[rows, places], minlength=100)
    assert np.delete(columns, np.arange(0, 100, 10)).min() > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mask_selection_rate": 1.5}, "mask_selection_rate must be from 0 to 1, not 1.5"),
        ({"mask_token_rate": 1.0}, "must be at most 1 together"),
        ({"mask_selection_length": 0}, "mask_selection_length must be at least 1"),
    ],
    ids=["rate", "sum", "length"],
)
def test_impossible_shares_are_refused(family, wrong, message):
    with pytest.raises(ValueError, match=message):
        masked(family, **wrong)


def test_a_preset_keeps_the_settings_for_both(family, tmp_path):
    family.ours("Backbone")(**family.config).save_to_preset(tmp_path)
    saved = masked(family, mask_selection_rate=0.25, mask_selection_length=7, mask_token_rate=0.5)
    saved.save_to_preset(tmp_path)
    described = json.loads((tmp_path / "preprocessor.json").read_text())
    assert described["class_name"] == f"{family.prefix}MaskedLMPreprocessor"
    loaded = family.ours("MaskedLMPreprocessor").from_preset(tmp_path)
    assert loaded.get_config() == saved.get_config()
    assert family.ours("Preprocessor").from_preset(tmp_path).sequence_length == LENGTH
    theirs = family_of_keras_hub(family).from_preset(str(tmp_path))
    names = ("sequence_length", "mask_selection_rate", "mask_selection_length", "mask_token_rate")
    assert [getattr(theirs, name) for name in names] == [LENGTH, 0.25, 7, 0.5]


def family_of_keras_hub(family):
    pytest.importorskip("keras_hub")
    return family.theirs("MaskedLMPreprocessor")


def test_all_hidden_rows_are_those_of_keras_hub(family):
    preprocessor = family_of_keras_hub(family)
    theirs = preprocessor(
        family.theirs("Tokenizer")(**family.arguments, **family.their_arguments),
        sequence_length=LENGTH,
        **everything(mask_selection_length=LENGTH),
    )
    texts = ["the good film the bad play", "awful", "a great play"]
    expected = numbers(theirs(texts))
    found = numbers(masked(family, **everything(mask_selection_length=LENGTH))(texts))
    assert found[0].keys() == expected[0].keys()
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        assert np.array_equal(one, other)
