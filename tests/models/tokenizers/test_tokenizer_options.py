"""What Keras Hub's users ask of a tokenizer: lengths, pieces, tokens that texts may spell."""

import numpy as np
import pytest
import tensorflow as tf
from tokenizers.pre_tokenizers import ByteLevel

from models import BertTokenizer, PresetError, RobertaTokenizer
from models.packing import Tokens
from models.tokenizers.spelled import encode_spelled
from tests.models.family_cases import case

TEXTS = ["the good film, the bad play!", "", "awful"]


def test_rows_of_one_length_are_cut_and_filled_up(family):
    tokenizer = family.ours("Tokenizer")(**family.arguments, sequence_length=4)
    ragged = family.tokenizer(TEXTS).to_list()
    expected = [(row + [tokenizer.pad_token_id] * 4)[:4] for row in ragged]
    found = tokenizer(TEXTS)
    assert (found.shape, found.numpy().tolist()) == ((3, 4), expected)
    assert tokenizer(TEXTS[0]).numpy().tolist() == expected[0]
    data = tf.data.Dataset.from_tensor_slices(TEXTS)
    assert [row.numpy().tolist() for row in data.map(tokenizer)] == expected
    (batch,) = data.batch(3).map(tokenizer)
    assert batch.numpy().tolist() == expected
    assert data.map(tokenizer).element_spec.shape == (4,)


def test_pieces_are_strings_if_asked(family):
    tokenizer = family.ours("Tokenizer")(**family.arguments, dtype="string")
    ids = family.tokenizer(TEXTS).to_list()
    expected = [[tokenizer.id_to_token(token_id).encode() for token_id in row] for row in ids]
    assert tokenizer(TEXTS).to_list() == expected
    (batch,) = tf.data.Dataset.from_tensors(TEXTS).map(tokenizer)
    assert batch.to_list() == expected


def test_ids_are_of_the_type_that_is_asked_for(family):
    tokenizer = family.ours("Tokenizer")(**family.arguments, dtype="int64")
    assert tokenizer(TEXTS).dtype == tf.int64
    assert tokenizer(TEXTS).to_list() == family.tokenizer(TEXTS).to_list()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dtype": "float32"}, "dtype must be an integer type or string, not 'float32'"),
        ({"sequence_length": 0}, "sequence_length must be a positive integer, not 0"),
    ],
    ids=["type", "length"],
)
def test_other_types_and_lengths_are_refused(family, wrong, message):
    with pytest.raises(ValueError, match=message):
        family.ours("Tokenizer")(**family.arguments, **wrong)


def test_a_dataset_of_ids_becomes_texts(family):
    tokenizer = family.tokenizer
    data = tf.data.Dataset.from_tensor_slices(TEXTS).map(tokenizer)
    expected = [tokenizer.detokenize(tokenizer(text)) for text in TEXTS]
    assert [text.numpy().decode() for text in data.map(tokenizer.detokenize)] == expected
    (batch,) = data.ragged_batch(3).map(tokenizer.detokenize)
    assert [text.decode() for text in batch.numpy()] == expected


def test_special_tokens_have_ids(family):
    tokenizer = family.tokenizer
    assert tokenizer.pad_token_id in tokenizer.special_token_ids
    assert tokenizer.mask_token_id in tokenizer.special_token_ids
    assert tokenizer.unk_token_id not in tokenizer.special_token_ids
    assert tokenizer.id_to_token(tokenizer.start_token_id) == tokenizer.start_token
    assert tokenizer.id_to_token(tokenizer.end_token_id) == tokenizer.end_token


def test_a_text_may_spell_special_tokens_if_asked(vocabulary, preset):
    tokenizer = BertTokenizer(vocabulary, special_tokens_in_strings=True)
    ids = tokenizer(["[CLS] the [MASK]film[SEP]", "", "[MASK]", "good"])
    names = [[tokenizer.id_to_token(token_id) for token_id in row] for row in ids.to_list()]
    assert names == [["[CLS]", "the", "[MASK]", "film", "[SEP]"], [], ["[MASK]"], ["good"]]
    tokenizer.save_to_preset(preset)
    assert BertTokenizer.from_preset(preset).get_config() == tokenizer.get_config()


def test_a_text_may_spell_tokens_that_are_named():
    vocabulary = {t: i for i, t in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a"])}
    tokenizer = RobertaTokenizer(vocabulary, [], unsplittable_tokens=["<mask>", "</s>"])
    assert tokenizer("a<mask></s>").numpy().tolist() == [5, 4, 2]
    assert tokenizer.from_config(tokenizer.get_config())("<mask>a").numpy().tolist() == [4, 5]
    assert 4 not in RobertaTokenizer(vocabulary, [])("a<mask>").numpy()
    with pytest.raises(ValueError, match="unsplittable_tokens: the vocabulary lacks <cls>"):
        RobertaTokenizer(vocabulary, [], unsplittable_tokens=["<cls>"])


def test_a_longer_token_is_found_before_a_shorter_one():
    def encode(texts):
        lengths = [len(text) for text in texts]
        return Tokens(np.zeros(sum(lengths), np.int32), np.cumsum([0, *lengths]))

    tokens = encode_spelled(["x<a><ab", "<ab>", ""], {"<a>": 1, "<ab>": 2, "<": 3}, encode)
    assert tokens.take(np.array([0])).ids.tolist() == [0, 1, 3, 0, 0]
    assert tokens.take(np.array([1, 2])).ids.tolist() == [2]


def test_byte_pairs_may_lack_the_unknown_token():
    vocabulary = {t: i for i, t in enumerate(["a", "b", "<s>", "<pad>", "</s>", "<mask>"])}
    tokenizer = RobertaTokenizer(vocabulary, [])
    assert tokenizer.unk_token_id is None
    assert tokenizer(["ab", ""]).to_list() == [[0, 1], []]
    with pytest.raises(ValueError, match=r"lacks a byte of the text 'bx', and has no <unk>"):
        tokenizer(["ab", "bx"])
    with pytest.raises(KeyError, match="no token for what it lacks"):
        tokenizer.token_to_id("x")


def test_a_preset_that_cannot_spell_every_text_is_refused(tmp_path):
    roberta = case("roberta")
    roberta.ours("Backbone")(**roberta.config).save_to_preset(tmp_path)
    names = [*"abc", "<s>", "<pad>", "</s>", "<mask>"]
    vocabulary = {token: index for index, token in enumerate(names)}
    RobertaTokenizer(vocabulary, []).save_to_preset(tmp_path)
    message = r"vocabulary\.json: the vocabulary lacks <unk>, and bytes that a text may have"
    with pytest.raises(PresetError, match=message):
        RobertaTokenizer.from_preset(tmp_path)
    alphabet = [*ByteLevel.alphabet(), *names[3:]]
    whole = {token: index for index, token in enumerate(alphabet)}
    RobertaTokenizer(whole, []).save_to_preset(tmp_path)
    assert RobertaTokenizer.from_preset(tmp_path).unk_token_id is None


def test_a_vocabulary_without_ids_is_refused():
    with pytest.raises(ValueError, match="must give each token its id"):
        RobertaTokenizer(["a", "b"], [])


def test_a_length_is_kept_in_a_preset(family, tmp_path):
    backbone = family.ours("Backbone")(**family.config)
    tokenizer = family.ours("Tokenizer")(**family.arguments, sequence_length=5)
    preprocessor = family.ours("Preprocessor")(tokenizer, 9)
    family.ours("Classifier")(backbone, 2, preprocessor).save_to_preset(tmp_path)
    loaded = family.ours("Tokenizer").from_preset(tmp_path)
    assert loaded.sequence_length == 5
    assert loaded.get_config() == tokenizer.get_config()
    theirs = pytest.importorskip("keras_hub").models.Tokenizer.from_preset(str(tmp_path))
    assert theirs.sequence_length == 5
