"""Pooled vectors beside those that float64 gives."""

import numpy as np
import pytest
from keras import ops

from models.places import Places
from models.pooling import BY_NAME

TOKENS = np.random.default_rng(0).normal(1.0, 0.2, (4, 512, 64)).astype(np.float32)
LENGTHS = np.asarray([512, 300, 17, 1])


def places() -> Places:
    positions = np.arange(TOKENS.shape[1], dtype=np.int32)[None, :]
    members = ops.convert_to_tensor(positions < LENGTHS[:, None])
    return Places(
        members=ops.expand_dims(members, 1),
        starts=ops.zeros((len(TOKENS), 1), "int32"),
        positions=ops.convert_to_tensor(positions),
        attended=members,
        is_shared=False,
    )


@pytest.mark.parametrize(("name", "power"), [("mean", 1.0), ("mean_sqrt_len_tokens", 0.5)])
def test_a_sum_of_many_tokens_keeps_the_digits_of_float32(name, power):
    found = np.asarray(BY_NAME[name](ops.convert_to_tensor(TOKENS), places()))[:, 0]
    for row, length in enumerate(LENGTHS):
        expected = TOKENS[row, :length].sum(0, dtype=np.float64) / length**power
        # Adding one token after the other is off by up to 8e-7.
        np.testing.assert_allclose(found[row], expected, rtol=4e-7, atol=0)


def test_what_a_padded_place_holds_is_not_pooled():
    spoiled = TOKENS.copy()
    for row, length in enumerate(LENGTHS):
        spoiled[row, length:] = np.nan
    for name, pool in BY_NAME.items():
        found = np.asarray(pool(ops.convert_to_tensor(spoiled), places()))
        expected = np.asarray(pool(ops.convert_to_tensor(TOKENS), places()))
        np.testing.assert_array_equal(found, expected, err_msg=name)
