from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.families.record import FAMILIES
from models.packing import Tokens, kept_lengths, pack

CLS, SEP, PAD = 101, 102, 0
SPECIAL_IDS = {"[CLS]": CLS, "[SEP]": SEP}
PACKING = FAMILIES["bert"].packing

row_lists = st.lists(st.lists(st.integers(200, 999), max_size=12), max_size=6)
pair_lists = st.lists(
    st.tuples(*[st.lists(st.integers(200, 999), max_size=12)] * 2), max_size=6
).map(lambda pairs: ([a for a, _ in pairs], [b for _, b in pairs]))
truncations = st.sampled_from(["round_robin", "waterfall"])


def as_tokens(rows, segments=None):
    splits = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    segment_ids = None if segments is None else np.array(list(chain(*segments)), np.int32)
    return Tokens(np.array(list(chain(*rows)), np.int32), splits, segment_ids)


def as_rows(tokens, values=None):
    values = tokens.ids if values is None else values
    bounds = tokens.splits.tolist()
    return [values[a:b].tolist() for a, b in pairwise(bounds)]


def pack_rows(*segments, length, truncate="round_robin"):
    return pack(
        [as_tokens(rows) for rows in segments], PACKING, SPECIAL_IDS, length, truncate, True
    )


def cut_slowly(texts, room, truncate):
    """What is kept of one row's texts: place by place, as the definition says."""
    kept = [[] for _ in texts]
    left = [list(text) for text in texts]
    turn = 0
    while room and any(left):
        if truncate == "waterfall":
            turn = next(index for index, rest in enumerate(left) if rest)
        if left[turn]:
            kept[turn].append(left[turn].pop(0))
            room -= 1
        turn = (turn + 1) % len(texts)
    return kept


def pack_slowly(texts, length, truncate):
    """The ids and the segment ids of one row."""
    kept = cut_slowly(texts, length - 1 - len(texts), truncate)
    ids = [CLS]
    segment_ids = [0]
    for segment, text in enumerate(kept):
        ids += [*text, SEP]
        segment_ids += [segment] * (len(text) + 1)
    return ids, segment_ids


def test_a_text_stands_between_cls_and_sep():
    tokens, num_tokens = pack_rows([[7, 8], []], length=10)
    assert as_rows(tokens) == [[CLS, 7, 8, SEP], [CLS, SEP]]
    assert as_rows(tokens, tokens.segment_ids) == [[0, 0, 0, 0], [0, 0]]
    assert num_tokens.tolist() == [4, 2]


def test_each_text_of_a_pair_is_closed_by_sep_and_the_second_is_segment_1():
    tokens, num_tokens = pack_rows([[7, 8], []], [[9], [5]], length=10)
    assert as_rows(tokens) == [[CLS, 7, 8, SEP, 9, SEP], [CLS, SEP, 5, SEP]]
    assert as_rows(tokens, tokens.segment_ids) == [[0, 0, 0, 0, 1, 1], [0, 0, 1, 1]]
    assert num_tokens.tolist() == [6, 4]


def test_round_robin_gives_the_odd_place_to_the_first_text():
    tokens, _ = pack_rows([[1, 2, 3, 4]], [[5, 6, 7, 8]], length=8)
    assert as_rows(tokens) == [[CLS, 1, 2, 3, SEP, 5, 6, SEP]]


def test_waterfall_fills_the_first_text_before_the_second():
    tokens, _ = pack_rows([[1, 2, 3, 4]], [[5, 6, 7, 8]], length=8, truncate="waterfall")
    assert as_rows(tokens) == [[CLS, 1, 2, 3, 4, SEP, 5, SEP]]


@given(rows=row_lists, length=st.integers(3, 16), truncate=truncations)
def test_single_texts_are_packed_as_defined(rows, length, truncate):
    tokens, num_tokens = pack_rows(rows, length=length, truncate=truncate)
    expected = [pack_slowly([row], length, truncate) for row in rows]
    assert as_rows(tokens) == [ids for ids, _ in expected]
    assert as_rows(tokens, tokens.segment_ids) == [segments for _, segments in expected]
    assert num_tokens.tolist() == [len(row) + 2 for row in rows]


@given(pairs=pair_lists, length=st.integers(4, 30), truncate=truncations)
def test_pairs_are_packed_as_defined(pairs, length, truncate):
    tokens, num_tokens = pack_rows(*pairs, length=length, truncate=truncate)
    rows = list(zip(*pairs, strict=True))
    expected = [pack_slowly(row, length, truncate) for row in rows]
    assert as_rows(tokens) == [ids for ids, _ in expected]
    assert as_rows(tokens, tokens.segment_ids) == [segments for _, segments in expected]
    assert num_tokens.tolist() == [len(a) + len(b) + 3 for a, b in rows]
    assert tokens.ids.dtype == tokens.segment_ids.dtype == np.int32


@given(
    lengths=st.lists(st.tuples(*[st.integers(0, 10**6)] * 2), min_size=1),
    budget=st.integers(1, 10**6),
    truncate=truncations,
)
def test_a_cut_uses_all_the_room_and_no_more(lengths, budget, truncate):
    first, second = np.array(lengths, np.int64).T
    kept = kept_lengths([first, second], budget, truncate)
    assert (kept[0] <= first).all()
    assert (kept[1] <= second).all()
    assert (kept[0] + kept[1] == np.minimum(first + second, budget)).all()


@pytest.mark.parametrize(("num_texts", "needed"), [(1, 3), (2, 4)])
def test_a_length_without_room_for_text_is_refused(num_texts, needed):
    segments = [[[7]]] * num_texts
    for length in (-1, 0, needed - 1):
        with pytest.raises(ValueError, match=f"at least {needed} is needed"):
            pack_rows(*segments, length=length)
    tokens, _ = pack_rows(*segments, length=needed)
    assert tokens.lengths.tolist() == [needed]


def test_a_family_without_segments_gets_none():
    tokens, _ = pack([as_tokens([[7]])], FAMILIES["distil_bert"].packing, SPECIAL_IDS, 5)
    assert tokens.segment_ids is None
    assert "segment_ids" not in tokens.pad(np.array([0]), 4, PAD)


def test_rows_are_taken_in_any_order():
    tokens = as_tokens([[1], [], [2, 3, 4], [5, 6]], [[0], [], [0, 1, 1], [1, 1]])
    taken = tokens.take(np.array([2, 0, 2, 1]))
    assert as_rows(taken) == [[2, 3, 4], [1], [2, 3, 4], []]
    assert as_rows(taken, taken.segment_ids) == [[0, 1, 1], [0], [0, 1, 1], []]


def test_padding_takes_rows_in_the_order_asked_for():
    tokens = as_tokens([[1], [], [2, 3, 4], [5, 6]], [[0], [], [0, 1, 1], [1, 1]])
    features = tokens.pad(np.array([3, 1, 2, 3]), 4, pad_id=9)
    assert {name: array.tolist() for name, array in features.items()} == {
        "token_ids": [[5, 6, 9, 9], [9, 9, 9, 9], [2, 3, 4, 9], [5, 6, 9, 9]],
        "padding_mask": [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]],
        "segment_ids": [[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0], [1, 1, 0, 0]],
    }
    assert {array.dtype.name for array in features.values()} == {"int32"}


@given(rows=row_lists, data=st.data())
def test_padding_can_be_undone_by_the_mask(rows, data):
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8) if rows else st.just([]))
    length = max((len(rows[index]) for index in chosen), default=0) + data.draw(st.integers(0, 3))
    features = as_tokens(rows).pad(np.array(chosen, np.int64), length, PAD)
    ids, mask = features["token_ids"], features["padding_mask"].astype(bool)
    assert ids.shape == mask.shape == (len(chosen), length)
    assert [row[m].tolist() for row, m in zip(ids, mask, strict=True)] == [rows[i] for i in chosen]
    assert (ids[~mask] == PAD).all()


def test_a_row_that_is_longer_than_the_padding_is_refused():
    with pytest.raises(ValueError):  # noqa: PT011 - NumPy's own words
        as_tokens([[1, 2, 3]]).pad(np.array([0]), 2, PAD)


@given(batches=st.lists(row_lists, min_size=1, max_size=4))
def test_concatenated_batches_have_the_rows_of_all(batches):
    parts = [as_tokens(rows, [[1] * len(row) for row in rows]) for rows in batches]
    whole = Tokens.concatenate(parts)
    assert as_rows(whole) == list(chain(*batches))
    assert len(whole) == sum(map(len, batches))
    assert as_rows(whole, whole.segment_ids) == [[1] * len(row) for row in list(chain(*batches))]


def test_concatenated_batches_without_segments_have_none():
    whole = Tokens.concatenate([as_tokens([[1, 2]]), as_tokens([]), as_tokens([[], [3]])])
    assert as_rows(whole) == [[1, 2], [], [3]]
    assert whole.segment_ids is None
