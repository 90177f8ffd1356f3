from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from models import (
    BertMaskedLMPreprocessor,
    BertPreprocessor,
    BertTokenizer,
    PresetError,
)
from models.families.record import FAMILIES
from models.packing import TRUNCATION_SIDES, TRUNCATIONS

TEXTS = ["The film!", ""]
SECONDS = ["good", "bad film"]


@pytest.fixture
def preprocessor(vocabulary):
    return BertPreprocessor(BertTokenizer(vocabulary, lowercase=True), sequence_length=8)


def spell(preprocessor, features):
    """The tokens of each row, without padding."""
    rows = zip(np.asarray(features["token_ids"]), np.asarray(features["padding_mask"]), strict=True)
    vocabulary = preprocessor.tokenizer.get_vocabulary()
    return [[vocabulary[token_id] for token_id in ids[mask == 1]] for ids, mask in rows]


SINGLES = [["[CLS]", "the", "film", "!", "[SEP]"], ["[CLS]", "[SEP]"]]
PAIRS = [
    ["[CLS]", "the", "film", "!", "[SEP]", "good", "[SEP]"],
    ["[CLS]", "[SEP]", "bad", "film", "[SEP]"],
]
batches = pytest.mark.parametrize(
    "as_batch", [list, np.array, tf.constant, pa.array], ids=["list", "numpy", "tensor", "arrow"]
)


@batches
def test_a_batch_of_texts_is_packed_and_padded(preprocessor, as_batch):
    features = preprocessor(as_batch(TEXTS))
    assert spell(preprocessor, features) == SINGLES
    assert list(features) == preprocessor.features
    assert {(f.shape[1], np.asarray(f).dtype.name) for f in features.values()} == {(8, "int32")}
    assert np.asarray(features["token_ids"][1]).tolist()[2:] == [0] * 6
    assert not np.asarray(features["segment_ids"]).any()


@batches
def test_a_tuple_of_batches_is_pairs(preprocessor, as_batch):
    features = preprocessor((as_batch(TEXTS), as_batch(SECONDS)))
    assert spell(preprocessor, features) == PAIRS
    assert np.asarray(features["segment_ids"]).tolist() == [
        [0, 0, 0, 0, 0, 1, 1, 0],
        [0, 0, 1, 1, 1, 0, 0, 0],
    ]


@pytest.mark.parametrize("text", [TEXTS[0], TEXTS[0].encode(), tf.constant(TEXTS[0])])
def test_one_text_gives_one_row(preprocessor, text):
    features = preprocessor(text)
    assert all(f.shape == (8,) for f in features.values())
    batch = preprocessor([TEXTS[0]])
    for name in features:
        assert np.asarray(features[name]).tolist() == np.asarray(batch[name][0]).tolist()


def test_one_pair_gives_one_row(preprocessor):
    features = preprocessor((TEXTS[0], SECONDS[0]))
    assert features["token_ids"].shape == (8,)
    assert spell(preprocessor, {k: v[None] for k, v in features.items()}) == PAIRS[:1]


def test_labels_and_weights_pass_through_untouched(preprocessor):
    y, sample_weight = object(), object()
    features, passed = preprocessor(TEXTS, y)
    assert passed is y
    assert spell(preprocessor, features) == SINGLES
    _, passed, weight = preprocessor(TEXTS, y, sample_weight)
    assert (passed, weight) == (y, sample_weight)


def test_it_maps_a_dataset_of_batches_with_labels_and_weights(preprocessor):
    data = tf.data.Dataset.from_tensor_slices((TEXTS, [0, 1], [0.5, 2.0])).batch(2)
    mapped = data.map(preprocessor)
    assert {s.shape.as_list()[-1] for s in mapped.element_spec[0].values()} == {8}
    ((features, y, weight),) = mapped
    assert spell(preprocessor, features) == SINGLES
    assert np.asarray(y).tolist() == [0, 1]
    assert np.asarray(weight).tolist() == [0.5, 2.0]


def test_it_maps_a_dataset_of_texts_alone(preprocessor):
    (features,) = tf.data.Dataset.from_tensors(TEXTS).map(preprocessor)
    assert spell(preprocessor, features) == SINGLES


def test_it_maps_single_texts_before_they_are_batched(preprocessor):
    data = tf.data.Dataset.from_tensor_slices((TEXTS, [0, 1])).map(preprocessor).batch(2)
    ((features, _),) = data
    assert spell(preprocessor, features) == SINGLES


def test_it_maps_a_dataset_of_pairs(preprocessor):
    data = tf.data.Dataset.from_tensor_slices(((TEXTS, SECONDS), [0, 1])).batch(2)
    ((features, y),) = data.map(preprocessor)
    assert spell(preprocessor, features) == PAIRS
    assert np.asarray(y).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("truncate", "expected"),
    [
        ("round_robin", ["[CLS]", "a", "b", "c", "[SEP]", "x", "y", "[SEP]"]),
        ("waterfall", ["[CLS]", "a", "b", "c", "d", "[SEP]", "x", "[SEP]"]),
        ("longest_first", ["[CLS]", "a", "b", "c", "[SEP]", "x", "y", "[SEP]"]),
    ],
)
def test_a_pair_is_cut_as_asked(preprocessor, truncate, expected):
    preprocessor = BertPreprocessor(preprocessor.tokenizer, 8, truncate)
    assert spell(preprocessor, preprocessor((["a b c d"], ["x y z"]))) == [expected]


def test_the_end_of_each_text_stays_when_the_left_is_cut(preprocessor):
    preprocessor = BertPreprocessor(preprocessor.tokenizer, 8, truncation_side="left")
    pair = preprocessor((["a b c d"], ["x y z"]))
    assert spell(preprocessor, pair) == [["[CLS]", "b", "c", "d", "[SEP]", "y", "z", "[SEP]"]]
    assert np.asarray(pair["segment_ids"]).tolist() == [[0] * 5 + [1] * 3]
    single = ["[CLS]", *"defghi", "[SEP]"]
    assert spell(preprocessor, preprocessor(["a b c d e f g h i"])) == [single]


def test_windows_are_the_same_wherever_a_text_is_cut(preprocessor):
    tokenizer = preprocessor.tokenizer
    pair = (["a b c d e f g h"], ["x y z a b c d e f"])
    right = BertPreprocessor(tokenizer, 8).encode_windows(*pair)[0]
    left = BertPreprocessor(tokenizer, 8, "longest_first", "left").encode_windows(*pair)[0]
    assert right.ids.tolist() == left.ids.tolist()


def test_encoding_counts_the_tokens_before_the_cut(preprocessor):
    tokens, num_tokens = preprocessor.encode(["a " * 20, "a", ""])
    assert tokens.lengths.tolist() == [8, 3, 2]
    assert num_tokens.tolist() == [22, 3, 2]


def test_an_empty_batch_gives_no_rows(preprocessor):
    assert preprocessor([])["token_ids"].shape == (0, 8)


def test_rows_are_512_tokens_unless_told_otherwise(preprocessor):
    assert BertPreprocessor(preprocessor.tokenizer)("a")["token_ids"].shape == (512,)


def test_a_length_without_room_for_text_is_refused(preprocessor):
    short = BertPreprocessor(preprocessor.tokenizer, 3)
    assert short("a b")["token_ids"].shape == (3,)
    with pytest.raises(ValueError, match="at least 4"):
        short(("a", "b"))


def test_an_unknown_way_to_cut_is_refused_with_the_choices(preprocessor):
    with pytest.raises(ValueError, match="round_robin, waterfall"):
        BertPreprocessor(preprocessor.tokenizer, truncate="middle")
    with pytest.raises(ValueError, match="truncation_side='middle' is not one of right, left"):
        BertPreprocessor(preprocessor.tokenizer, truncation_side="middle")


@pytest.mark.parametrize("truncate", TRUNCATIONS)
@pytest.mark.parametrize("side", TRUNCATION_SIDES)
def test_a_saved_preprocessor_comes_back_equal(preprocessor, preset, truncate, side):
    saved = BertPreprocessor(preprocessor.tokenizer, 10, truncate, side)
    saved.save_to_preset(preset)
    loaded = BertPreprocessor.from_preset(preset)
    assert loaded.sequence_length == 10
    assert (loaded.truncate, loaded.truncation_side) == (truncate, side)
    assert loaded.tokenizer.get_config() == saved.tokenizer.get_config()


def test_arguments_override_the_preset(preset, preprocessor):
    loaded = BertPreprocessor.from_preset(
        preset, 7, truncate="waterfall", tokenizer=preprocessor.tokenizer
    )
    assert loaded.tokenizer is preprocessor.tokenizer
    config = loaded.get_config()
    names = ("sequence_length", "truncate", "truncation_side", "packing")
    assert [config[name] for name in names] == [
        *(7, "waterfall", "right"),
        asdict(FAMILIES["bert"].packing),
    ]


def test_a_length_beyond_the_backbones_positions_is_refused(preset):
    with pytest.raises(PresetError, match="at most 24 tokens, not a sequence_length of 25"):
        BertPreprocessor.from_preset(preset, 25)


def test_a_preset_without_a_preprocessor_uses_all_positions(preset):
    (preset / "preprocessor.json").unlink()
    loaded = BertPreprocessor.from_preset(preset)
    assert (loaded.sequence_length, loaded.truncate) == (24, "round_robin")


@pytest.mark.parametrize("kind", [BertPreprocessor, BertMaskedLMPreprocessor])
def test_another_tokenizer_changes_nothing_else(kind, vocabulary):
    own = {"mask_selection_rate": 0.5} if kind is BertMaskedLMPreprocessor else {}
    packing = replace(FAMILIES["bert"].packing, single=("[SEP]", 0, "[CLS]"))
    own |= {"truncation_side": "left", "packing": packing}
    first = kind(BertTokenizer(vocabulary), 9, "waterfall", **own)
    before = first.get_config()
    tokenizer = BertTokenizer(vocabulary[::-1], lowercase=True)
    other = first.with_tokenizer(tokenizer)
    assert type(other) is kind
    assert other.tokenizer is tokenizer
    assert other.special_ids == [tokenizer.token_to_id(t) for t in packing.tokens]
    after = other.get_config()
    assert {k: after[k] for k in before if k != "tokenizer"} == {
        k: before[k] for k in before if k != "tokenizer"
    }
    assert first.get_config() == before
