import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from models import BertTokenizer, PresetError


@pytest.fixture
def tokenizer(vocabulary):
    return BertTokenizer(vocabulary, lowercase=True)


def spell(tokenizer, ids):
    return [tokenizer.id_to_token(int(token_id)) for token_id in ids]


def test_one_text_gives_a_flat_tensor(tokenizer):
    ids = tokenizer("The FILMS, playing!")
    assert ids.dtype == tf.int32
    assert spell(tokenizer, ids) == ["the", "film", "##s", ",", "play", "##ing", "!"]


@pytest.mark.parametrize(
    "as_batch",
    [list, np.array, tf.constant, pa.array, lambda texts: np.array([t.encode() for t in texts])],
    ids=["list", "numpy", "tensor", "arrow", "bytes"],
)
def test_a_batch_gives_a_ragged_tensor(tokenizer, as_batch):
    ids = tokenizer(as_batch(["the film", "", "good"]))
    assert isinstance(ids, tf.RaggedTensor)
    assert [spell(tokenizer, row) for row in ids] == [["the", "film"], [], ["good"]]


def test_an_empty_batch_gives_an_empty_ragged_tensor(tokenizer):
    assert tokenizer([]).to_list() == []


def test_tokenizing_is_what_calling_does(tokenizer):
    assert (
        tokenizer.tokenize("good film").numpy().tolist() == tokenizer("good film").numpy().tolist()
    )


def test_no_special_token_comes_from_text(tokenizer):
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.mask_token_id}
    assert not special & set(tokenizer("[CLS] a [SEP] [MASK]").numpy().tolist())


def test_ids_and_tokens_lead_to_each_other(tokenizer, vocabulary):
    assert tokenizer.vocabulary_size() == len(vocabulary)
    assert tokenizer.get_vocabulary() == vocabulary
    assert [tokenizer.token_to_id(token) for token in vocabulary] == list(range(len(vocabulary)))
    assert spell(tokenizer, range(len(vocabulary))) == vocabulary
    assert tokenizer.token_to_id("nowhere") == tokenizer.unk_token_id


@pytest.mark.parametrize("token_id", [-1, 10_000])
def test_an_id_that_no_token_has_is_refused(tokenizer, token_id):
    with pytest.raises(IndexError, match=str(token_id)):
        tokenizer.id_to_token(token_id)


def test_detokenizing_joins_the_pieces_of_words(tokenizer):
    assert tokenizer.detokenize(tokenizer("Playing the films")) == "playing the films"


def test_what_a_caller_does_to_the_vocabulary_does_not_reach_the_tokenizer(vocabulary):
    tokenizer = BertTokenizer(vocabulary)
    expected = list(vocabulary)
    vocabulary.reverse()
    tokenizer.get_vocabulary().clear()
    assert tokenizer.get_vocabulary() == expected


def test_a_vocabulary_may_be_a_file(vocabulary, tmp_path):
    file = tmp_path / "vocabulary.txt"
    file.write_bytes("\r\n".join(vocabulary).encode())
    for path in (file, str(file)):
        assert BertTokenizer(path).get_vocabulary() == vocabulary


def test_line_breaks_of_unicode_are_tokens_not_ends_of_lines(vocabulary, tmp_path):
    saved = BertTokenizer([*vocabulary, "\u2028", "\x85", "é"])
    saved.save_to_preset(tmp_path)
    file = tmp_path / "assets/tokenizer/vocabulary.txt"
    assert BertTokenizer(file).get_vocabulary() == saved.get_vocabulary()


def test_a_token_held_twice_is_named(vocabulary):
    with pytest.raises(ValueError, match="'film' twice"):
        BertTokenizer([*vocabulary, "film"])


@pytest.mark.parametrize("token", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
def test_a_missing_special_token_is_named(vocabulary, token):
    vocabulary.remove(token)
    with pytest.raises(ValueError, match="lacks") as error:
        BertTokenizer(vocabulary)
    assert token in str(error.value)


@pytest.mark.parametrize("token", ["é" * 129, "##" + "y" * 255, "a\0b", "\0"])
def test_a_token_that_cannot_be_matched_is_named(vocabulary, token):
    with pytest.raises(ValueError, match=f"token {len(vocabulary)}, "):
        BertTokenizer([*vocabulary, token])


def test_the_longest_tokens_are_matched(vocabulary):
    longest = ["y" * 100, "##" + "z" * 99]
    tokenizer = BertTokenizer([*vocabulary, *longest, "q" * 256])
    assert spell(tokenizer, tokenizer(f"{'y' * 100} a{'z' * 99}")) == [longest[0], "a", longest[1]]


@pytest.mark.parametrize("wrong", [7, None, [None], ["a", 3], np.zeros(2), {"a": 1}])
def test_what_is_no_text_is_refused(tokenizer, wrong):
    with pytest.raises(TypeError):
        tokenizer(wrong)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False, None])
def test_a_saved_tokenizer_comes_back_equal(vocabulary, preset, lowercase, strip_accents):
    saved = BertTokenizer(vocabulary, lowercase, strip_accents)
    saved.save_to_preset(preset)
    assert BertTokenizer.from_preset(preset).get_config() == saved.get_config()


def test_a_configuration_makes_the_tokenizer_again(tokenizer):
    again = BertTokenizer(**tokenizer.get_config())
    assert again("Films").numpy().tolist() == tokenizer("Films").numpy().tolist()


def test_arguments_override_the_preset(preset, vocabulary):
    tokenizer = BertTokenizer.from_preset(preset, lowercase=False, vocabulary=vocabulary[:20])
    config = tokenizer.get_config()
    assert config["vocabulary"] == vocabulary[:20]
    assert not any(config[name] for name in ("lowercase", "strip_accents", "as_transformers"))


def test_an_unusable_vocabulary_of_a_preset_is_a_preset_error(preset, vocabulary):
    file = preset / "assets/tokenizer/vocabulary.txt"
    file.write_text("\n".join([*vocabulary, "x" * 257]))
    with pytest.raises(PresetError, match=r"vocabulary\.txt: token"):
        BertTokenizer.from_preset(preset)


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "expected"),
    [
        (True, True, ["f", "##e"]),
        (True, False, ["f", "##é"]),
        (False, True, ["F", "##e"]),
        (False, False, ["F", "##é"]),
    ],
)
def test_case_and_accents_are_settings_of_their_own(vocabulary, lowercase, strip_accents, expected):
    tokenizer = BertTokenizer([*vocabulary, "F", "##é"], lowercase, strip_accents)
    assert spell(tokenizer, tokenizer("Fé")) == expected
