from itertools import chain

import keras
import numpy as np
import pytest

from models import BertPreprocessor, BertTokenizer
from models.packing import Tokens
from models.training.batches import check_targets, split_off, token_batches
from tests.models.arrays import arrays
from tests.models.family_cases import VOCABULARY

ROWS = 23
LENGTHS = np.arange(ROWS) % 7 + 1


@pytest.fixture(scope="module")
def preprocessor():
    return BertPreprocessor(BertTokenizer(VOCABULARY, lowercase=True), 16)


@pytest.fixture
def tokens():
    """Rows of their own number, again and again, above the special tokens."""
    ids = np.repeat(np.arange(ROWS, dtype=np.int32) + 100, LENGTHS)
    splits = np.concatenate([[0], np.cumsum(LENGTHS)])
    return Tokens(ids, splits, np.zeros_like(ids))


def batches(tokens, preprocessor, *, seed=0, shuffle=False, dropout=0.0, targets=True):
    random = np.random.default_rng(seed)
    given = [np.arange(len(tokens)), np.linspace(0, 1, len(tokens))] if targets else []
    return token_batches(tokens, given, preprocessor, 4, random, shuffle, dropout)


def test_every_row_comes_once_with_its_targets_padded_to_the_longest_of_its_batch(
    tokens, preprocessor
):
    data = batches(tokens, preprocessor)
    assert len(data) == 6
    seen = []
    for features, classes, weights in arrays(data):
        assert features.keys() == set(preprocessor.features)
        lengths = features["padding_mask"].sum(axis=1)
        longest = 16 if keras.backend.backend() == "jax" else lengths.max()  # the next step
        assert features["token_ids"].shape == (len(classes), longest)
        for row, ids, length in zip(classes, features["token_ids"], lengths, strict=True):
            assert length == LENGTHS[row]
            assert set(ids[:length]) == {row + 100}
            assert set(ids[length:]) <= {preprocessor.tokenizer.pad_token_id}
        np.testing.assert_allclose(weights, classes / (ROWS - 1))
        seen += classes.tolist()
    assert seen == list(range(ROWS))


def rows_of(data):
    return [classes.tolist() for _, classes, _ in arrays(data)]


def test_every_epoch_has_all_rows_in_another_order_of_which_the_seed_decides(tokens, preprocessor):
    data = batches(tokens, preprocessor, shuffle=True)
    first, second = rows_of(data), rows_of(data)
    for epoch in (first, second):
        assert sorted(chain(*epoch)) == list(range(ROWS))
    assert first != second
    again = batches(tokens, preprocessor, shuffle=True)
    assert [rows_of(again), rows_of(again)] == [first, second]
    assert rows_of(batches(tokens, preprocessor, shuffle=True, seed=1)) != first


def test_rows_of_like_length_are_together_when_shuffled(tokens, preprocessor):
    spread = [
        np.ptp(LENGTHS[rows]) for rows in rows_of(batches(tokens, preprocessor, shuffle=True))
    ]
    assert max(spread) <= 2
    assert max(np.ptp(LENGTHS[rows]) for rows in rows_of(batches(tokens, preprocessor))) > 2


def test_about_the_asked_share_of_tokens_is_hidden_and_never_a_special_one(preprocessor):
    special = preprocessor.special_ids
    row = np.array([special[0], *[100] * 98, special[1]], np.int32)
    tokens = Tokens(np.tile(row, 50), np.arange(51) * 100, np.zeros(5_000, np.int32))
    data = batches(tokens, preprocessor, dropout=0.3)
    mask_id = preprocessor.tokenizer.mask_token_id
    ids = np.concatenate([features["token_ids"] for features, *_ in arrays(data)])
    assert set(ids[:, 0]) == {special[0]}
    assert set(ids[:, -1]) == {special[1]}
    assert set(ids[:, 1:-1].ravel()) == {100, mask_id}
    assert (ids[:, 1:-1] == mask_id).mean() == pytest.approx(0.3, abs=0.05)


def test_without_targets_there_are_features_alone(tokens, preprocessor):
    for features in arrays(batches(tokens, preprocessor, targets=False)):
        assert features.keys() == set(preprocessor.features)


def test_targets_must_be_as_many_as_rows():
    check_targets([np.zeros(3), np.zeros((3, 2))], 3)
    with pytest.raises(ValueError, match=r"3 texts have targets of the shape \(2,\)"):
        check_targets([np.zeros(3), np.zeros(2)], 3)
    with pytest.raises(ValueError, match="there are no rows"):
        check_targets([np.zeros(0)], 0)


def test_the_last_rows_are_split_off():
    x = {"token_ids": np.arange(10)}
    (left, classes, weights), (right, held, _) = split_off((x, np.arange(10), None), 0.3)
    assert left["token_ids"].tolist() == classes.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert right["token_ids"].tolist() == held.tolist() == [7, 8, 9]
    assert weights is None
    with pytest.raises(ValueError, match=r"validation_split=0\.95 of 10 rows leaves none"):
        split_off((x, np.arange(10), None), 0.95)
