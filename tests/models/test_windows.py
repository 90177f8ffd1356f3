from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.families.record import FAMILIES
from models.packing import Tokens
from models.windows import pack_windows, split_windows

IDS = {
    "bert": {"[CLS]": 101, "[SEP]": 102},
    "roberta": {"<s>": 0, "</s>": 2},
}
families = st.sampled_from(sorted(IDS))
words = st.integers(200, 999)


def as_tokens(rows):
    splits = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Tokens(np.array(list(chain(*rows)), np.int32), splits)


def as_rows(tokens, values=None):
    values = tokens.ids if values is None else values
    return [values[a:b].tolist() for a, b in pairwise(tokens.splits.tolist())]


def packed(*texts, length, family="bert"):
    packing = FAMILIES[family].packing
    has_segments = FAMILIES[family].num_segments > 0
    tokens = [as_tokens(rows) for rows in texts]
    return pack_windows(tokens, packing, IDS[family], length, has_segments)


def split(tokens, length, family="bert"):
    return split_windows(tokens, FAMILIES[family].packing, IDS[family], length)


def windows_slowly(texts, length, family):
    """The windows of one row with the tokens that each of them adds, as the definition says."""
    packing, ids = FAMILIES[family].packing, IDS[family]
    room = length - packing.num_special(len(texts))
    *firsts, long = texts
    if firsts:
        firsts = [firsts[0][: max(room - room // 2, room - len(long))]]
        room -= len(firsts[0])
    windows, weights, start = [], [], 0
    while True:
        part = [*firsts, long[start : start + room]]
        window = [
            [ids[piece]] if isinstance(piece, str) else part[piece]
            for piece in packing.pieces(len(texts))
        ]
        windows.append(list(chain(*window)))
        weights.append(len(windows[0]) if start == 0 else len(part[-1]) - room // 4)
        if start + room >= len(long):
            return windows, weights
        start += room - room // 4


def test_a_text_that_fits_is_one_row():
    tokens, num_tokens, truncated = packed([[7, 8], []], length=4)
    assert as_rows(tokens) == [[101, 7, 8, 102], [101, 102]]
    assert as_rows(tokens, tokens.segment_ids) == [[0] * 4, [0] * 2]
    assert (num_tokens.tolist(), truncated.tolist()) == ([4, 2], [False, False])


def test_a_long_text_becomes_windows_that_share_a_quarter_of_their_room():
    text = list(range(200, 209))
    tokens, num_tokens, truncated = packed([text], length=6)
    first, second, third = text[:4], text[3:7], text[6:]
    assert as_rows(tokens) == [[101, *first, 102, 101, *second, 102, 101, *third, 102]]
    assert (num_tokens.tolist(), truncated.tolist()) == ([11], [False])
    windows = split(tokens, 6)
    assert windows.tokens.lengths.tolist() == [6, 6, 5]
    assert windows.bounds.tolist() == [0, 3]
    assert windows.weights.tolist() == [6, 3, 2]


def test_windows_run_over_the_second_text_of_a_pair():
    tokens, num_tokens, truncated = packed([[7, 8]], [list(range(200, 207))], length=9)
    assert as_rows(tokens) == [
        [101, 7, 8, 102, 200, 201, 202, 203, 102, 101, 7, 8, 102, 203, 204, 205, 206, 102]
    ]
    assert as_rows(tokens, tokens.segment_ids) == [[0, 0, 0, 0, 1, 1, 1, 1, 1] * 2]
    assert (num_tokens.tolist(), truncated.tolist()) == ([12], [False])
    assert split(tokens, 9).weights.tolist() == [9, 3]


def test_the_first_text_of_a_pair_is_cut_where_it_leaves_no_room():
    firsts = [list(range(300, 310)), list(range(300, 310)), [300]]
    seconds = [list(range(200, 205)), [200], list(range(200, 204))]
    tokens, num_tokens, truncated = packed(firsts, seconds, length=9)
    windows = as_rows(split(tokens, 9).tokens)
    assert windows[0] == [101, 300, 301, 302, 102, 200, 201, 202, 102]
    assert windows[1] == [101, 300, 301, 302, 102, 203, 204, 102]
    assert windows[2] == [101, 300, 301, 302, 303, 304, 102, 200, 102]
    assert windows[3] == [101, 300, 102, 200, 201, 202, 203, 102]
    assert num_tokens.tolist() == [18, 14, 8]
    assert truncated.tolist() == [True, True, False]


@given(
    family=families,
    num_texts=st.integers(1, 2),
    length=st.integers(6, 24),
    rows=st.lists(
        st.tuples(st.lists(words, max_size=60), st.lists(words, max_size=60)), max_size=5
    ),
)
def test_windows_are_cut_as_defined_and_found_again(family, num_texts, length, rows):
    rows = [row[:num_texts] for row in rows]
    texts = [[row[i] for row in rows] for i in range(num_texts)]
    tokens, num_tokens, truncated = packed(*texts, length=length, family=family)
    windows = split(tokens, length, family)
    expected = [windows_slowly(row, length, family) for row in rows]
    assert as_rows(windows.tokens) == [window for row, _ in expected for window in row]
    assert windows.weights.tolist() == [weight for _, weights in expected for weight in weights]
    assert windows.bounds.tolist() == [0, *np.cumsum([len(row) for row, _ in expected])]
    # Every token of a row counts once, whatever the number of its windows.
    totals = [sum(weights) for _, weights in expected]
    assert [n for n, cut in zip(num_tokens, truncated, strict=True) if not cut] == [
        n for n, cut in zip(totals, truncated, strict=True) if not cut
    ]
    if num_texts == 1:
        assert not truncated.any()


def test_a_result_is_the_mean_over_the_tokens_of_the_windows():
    tokens, _, _ = packed([[7], list(range(200, 209))], length=6)
    windows = split(tokens, 6)
    outputs = np.array([[1, 2], [3, 3], [5, 6], [9, 8]], np.float32)
    expected = (6 * outputs[1] + 3 * outputs[2] + 2 * outputs[3]) / 11
    np.testing.assert_allclose(windows.combine(outputs), [outputs[0], expected], rtol=1e-6)


@pytest.mark.parametrize(("num_texts", "needed"), [(1, 3), (2, 5)])
def test_a_length_without_room_for_windows_is_refused(num_texts, needed):
    texts = [[[7, 8, 9]]] * num_texts
    with pytest.raises(ValueError, match=f"at least {needed} is needed"):
        packed(*texts, length=needed - 1)
    tokens, _, _ = packed(*texts, length=needed)
    assert len(split(tokens, needed).tokens) == 3
