"""How rows come to stand side by side in lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.inference.lines import SHORTEST, line_lengths, shared_lines
from models.inference.micro_batches import Work
from models.packing import Tokens
from models.places import ROW_LENGTHS
from models.tasks.embedder import NUM_SKIPPED

AREA = 1024


def work_of(lengths, has_segments=True, num_skipped=None):
    lengths = np.array(lengths, np.int64)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.arange(splits[-1], dtype=np.int32) + 1
    rows = np.arange(len(lengths))
    skipped = np.zeros_like(lengths) if num_skipped is None else np.array(num_skipped)
    tokens = Tokens(ids, splits, -ids if has_segments else None)
    return Work(tokens, rows, np.empty((len(rows), 1), np.float32), skipped, pad_id=0)


def cut(lengths, area=AREA, lines=(128, 512)):
    lengths = np.array(lengths, np.int64)
    return list(shared_lines(np.arange(len(lengths)), lengths, area, lines))


def rows_of(features, name="token_ids"):
    """The rows that stand in the lines, in the order of their results."""
    for line, lengths in zip(features[name], features[ROW_LENGTHS], strict=True):
        ends = np.cumsum(lengths)
        yield from (line[end - n : end].tolist() for end, n in zip(ends, lengths, strict=True))


@given(lengths=st.lists(st.integers(0, 512), max_size=80), area=st.integers(1, 4096))
def test_every_row_stands_in_one_line_whole(lengths, area):
    batches = cut(lengths, area)
    assert sorted(i for batch in batches for i in batch.chosen.tolist()) == list(
        range(len(lengths))
    )
    work = work_of(lengths)
    for batch in batches:
        features = batch.features(work)
        assert batch.area == features["token_ids"].size <= max(area, batch.length)
        assert (features[ROW_LENGTHS].sum(axis=1) <= batch.length).all()
        for name, flat in (("token_ids", work.tokens.ids), ("segment_ids", -work.tokens.ids)):
            found = list(rows_of(features, name))
            assert len(found) == batch.num_results
            own = batch.own(np.array([str(row) for row in found], object))
            splits = work.tokens.splits
            expected = [str(flat[splits[i] : splits[i + 1]].tolist()) for i in batch.chosen]
            assert own.tolist() == expected
            assert np.count_nonzero(features[name]) == batch.lengths.sum()


@given(lengths=st.lists(st.integers(0, 512), max_size=80), area=st.integers(1024, 4096))
def test_shapes_are_few(lengths, area):
    shapes = {(len(batch.counts), batch.length) for batch in cut(lengths, area)}
    most = {length: area // length for length in (128, 512)}
    assert shapes <= {(n, length) for length, m in most.items() for n in (m, max(1, m // 4))}


def test_a_family_without_segments_has_none():
    features = cut([5, 9])[0].features(work_of([5, 9], has_segments=False))
    assert features.keys() == {"token_ids", ROW_LENGTHS}


def test_how_many_tokens_are_not_pooled_stands_where_the_rows_length_does():
    lengths, skipped = np.arange(1, 40), np.arange(1, 40) % 3
    work = work_of(lengths, num_skipped=skipped)
    for batch in cut(lengths):
        features = batch.features(work)
        assert features[NUM_SKIPPED].shape == features[ROW_LENGTHS].shape
        own = batch.own(features[NUM_SKIPPED].reshape(-1, 1))[:, 0]
        np.testing.assert_array_equal(own, skipped[batch.chosen])


def test_halves_keep_the_shape_and_share_the_rows():
    (batch,) = cut([30] * 10 + [100, 50], area=512)
    left = [batch]
    while any(len(each.chosen) > 1 for each in left):
        left = [half for each in left for half in (each.halves() or [each])]
    assert [each.chosen.tolist() for each in left] == [[i] for i in batch.chosen.tolist()]
    work = work_of([30] * 10 + [100, 50])
    for each in left:
        assert each.area == batch.area
        (row,) = [row for row in rows_of(each.features(work)) if row]
        start = work.tokens.splits[each.chosen[0]]
        assert row == list(range(start + 1, start + 1 + each.lengths[0]))


def test_smaller_ones_have_half_of_the_lines_and_no_empty_one_is_computed():
    (batch,) = cut([100] * 7, area=1024)
    assert len(batch.counts) == 8
    first, second = batch.smaller()
    assert (len(first.chosen), len(second.chosen)) == (4, 3)
    assert first.area == second.area == batch.area // 2
    (half,) = first.halves()[0].smaller()
    assert len(half.counts) == 2
    assert [len(each.chosen) for each in second.smaller()] == [2, 1]
    (line,) = cut([100], area=128)
    assert line.smaller() == []


def test_rows_apart_have_a_line_each():
    (batch,) = cut([40] * 12 + [128], area=640)
    alone = int(np.flatnonzero(batch.lengths == 128)[0])
    (apart,) = batch.apart(np.array([alone, 1, 2, 3]))
    assert apart.chosen.tolist() == batch.chosen[[1, 2, 3]].tolist()
    assert apart.counts.tolist() == [1, 1, 1, 0, 0]
    everything = batch.apart(np.arange(len(batch.chosen)))
    assert [each.counts.sum() for each in everything] == [5, 5, 2]
    assert all(each.apart(np.arange(len(each.chosen))) == [] for each in everything)


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        ((24, 24), (256,)),
        ((128, 512), (256, 512)),
        ((512, 512), (256, 512)),
        ((600, 2000), (256, 768, 1024, 2048)),
        ((8192, 8192), (256, 1024, 4096, 8192)),
    ],
    ids=str,
)
def test_lines_are_multiples_of_the_shortest_and_hold_the_longest_rows(longest, expected):
    assert line_lengths(longest) == expected
    assert expected[0] == SHORTEST


def share_of_padding(lengths, rows):
    """The share of padding with record batches of so many rows."""
    batches = [
        batch
        for at in range(0, len(lengths), rows)
        for batch in cut(lengths[at : at + rows], 16_384, line_lengths((512, 512)))
    ]
    return 1 - sum(lengths) / sum(batch.area for batch in batches)


@pytest.mark.parametrize("median", [30, 60, 120, 250])
def test_little_of_a_record_batch_is_padding(median):
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(np.log(median), 0.8, 8192).astype(int), 8, 512)
    assert share_of_padding(lengths.tolist(), rows=2048) < 0.03


@pytest.mark.parametrize("rows", [2048, 10_001])
def test_little_of_news_is_padding(rows):
    """The lengths of AG News as BERT's tokens: about normal, none far from its mean of 52."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.normal(52, 15, 10_001).astype(int), 10, 256)
    assert share_of_padding(lengths.tolist(), rows) < 0.03
