import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text

from models import (
    BertPreprocessor,
    BertTokenizer,
    PresetError,
    RobertaPreprocessor,
    RobertaTokenizer,
    UserError,
    XLMRobertaTokenizer,
)
from models.families.record import FAMILIES, Packing
from models.presets.lookup import open_preset
from models.tokenizers.of_preset import tokenizer_of
from tests.models.presets.hugging_face_folders import (
    BYTE_PAIRS,
    WORDPIECE,
    byte_pair_json,
    edit,
    unigram_json,
    wordpiece_json,
    write,
)
from tests.models.presets.hugging_face_refusals import CONFIG, SETTINGS, TOKENIZER, assert_refused

GENERAL = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
LIKE_BERTS = {"vocabulary": WORDPIECE, "as_transformers": True}


def arguments_of(folder):
    return open_preset(folder).tokenizer_arguments


def ids_of(folder, *texts):
    tokens = tokenizer_of(open_preset(folder)).encode(list(texts))
    bounds = itertools.pairwise(tokens.splits.tolist())
    return [tokens.ids[start:end].tolist() for start, end in bounds]


def packing_of(folder):
    return open_preset(folder).packing


def test_wordpiece_lowercases_unless_the_settings_say_otherwise(bert):
    assert arguments_of(bert) == {**LIKE_BERTS, "lowercase": True}
    write(bert, SETTINGS, {"do_lower_case": False})
    assert arguments_of(bert) == {**LIKE_BERTS, "lowercase": False}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, True), ({"tokenizer_class": "BertTokenizerFast"}, True), (GENERAL, False)],
)
def test_what_tokenizer_json_says_counts_only_for_a_general_class(bert, settings, expected):
    content = wordpiece_json()
    content["normalizer"]["lowercase"] = False
    write(bert, TOKENIZER, content)
    write(bert, SETTINGS, settings)
    assert arguments_of(bert)["lowercase"] is expected


def test_the_class_may_be_named_in_config_json(bert):
    content = wordpiece_json()
    content["normalizer"]["lowercase"] = False
    write(bert, TOKENIZER, content)
    edit(bert, CONFIG, tokenizer_class="PreTrainedTokenizerFast")
    write(bert, SETTINGS, {"pad_token": "[PAD]"})
    assert arguments_of(bert)["lowercase"] is False


def test_a_folder_with_tokenizer_json_alone_has_a_tokenizer(bert):
    write(bert, TOKENIZER, wordpiece_json())
    (bert / "vocab.txt").unlink()
    assert BertTokenizer.from_preset(bert)("A [sep] b").numpy().tolist() == [5, 1, 1, 1, 6]


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "before", "expected"),
    [
        (True, None, False, {"lowercase": True}),
        (True, True, False, {"lowercase": True}),
        (True, False, False, {"lowercase": True, "strip_accents": False}),
        (False, True, False, {"lowercase": False, "strip_accents": True}),
        (False, None, True, {"lowercase": True, "strip_accents": False}),
    ],
)
@pytest.mark.parametrize("file", [TOKENIZER, SETTINGS])
def test_accents_are_a_setting_of_their_own_where_it_differs(
    bert, file, lowercase, strip_accents, before, expected
):
    write(bert, "sentence_bert_config.json", {"do_lower_case": before})
    if file == TOKENIZER:
        content = wordpiece_json()
        content["normalizer"] |= {"lowercase": lowercase, "strip_accents": strip_accents}
        write(bert, SETTINGS, GENERAL)
    else:
        content = {"do_lower_case": lowercase, "strip_accents": strip_accents}
    write(bert, file, content)
    assert arguments_of(bert) == {**LIKE_BERTS, **expected}


def test_a_lowercase_step_before_the_others_is_followed(bert):
    content = wordpiece_json()
    content["normalizer"]["lowercase"] = False
    steps = [{"type": "Lowercase"}, content["normalizer"]]
    content["normalizer"] = {"type": "Sequence", "normalizers": steps}
    write(bert, TOKENIZER, content)
    write(bert, SETTINGS, GENERAL)
    expected = {**LIKE_BERTS, "lowercase": True, "strip_accents": False}
    assert arguments_of(bert) == expected
    write(bert, "sentence_bert_config.json", {"do_lower_case": True})  # once is enough
    assert arguments_of(bert) == expected


@pytest.mark.parametrize("merge", [["a", "b"], "a b"])
@pytest.mark.parametrize("file", [TOKENIZER, "vocab.json"])
def test_byte_pairs_come_with_their_merges_in_both_spellings(roberta, file, merge):
    if file == TOKENIZER:
        content = byte_pair_json()
        content["model"]["merges"] = [merge]
        write(roberta, TOKENIZER, content)
        (roberta / "vocab.json").unlink()
    # What the vocabulary lacks is left out, as transformers does.
    ids = {token: index for index, token in enumerate(BYTE_PAIRS)}
    assert ids_of(roberta, "ab", "abz", "</s>") == [[ids["ab"]], [ids["ab"]], []]


def test_a_unigram_vocabulary_becomes_a_sentence_piece_model(xlm_roberta):
    arguments = arguments_of(xlm_roberta)
    assert arguments.keys() == {"proto", "as_transformers"}
    tokenizer = tensorflow_text.SentencepieceTokenizer(arguments["proto"], tf.string)
    names = tokenizer.id_to_string(tf.range(tokenizer.vocab_size())).numpy().tolist()
    assert [name.decode() for name in names] == [
        *("<unk>", "<s>", "</s>", "\u2581a", "b", "\u2581", "a", "ab"),
    ]
    ids = tensorflow_text.SentencepieceTokenizer(arguments["proto"]).tokenize(["a  b<s>", ""])
    assert ids.to_list() == [[3, 5, 4, 0], []]


def test_a_sentence_piece_model_alone_is_a_tokenizer(xlm_roberta):
    proto = arguments_of(xlm_roberta)["proto"]
    before = ids_of(xlm_roberta, "a b", "ab")
    (xlm_roberta / TOKENIZER).unlink()
    (xlm_roberta / "sentencepiece.bpe.model").write_bytes(proto)
    assert arguments_of(xlm_roberta)["proto"] == proto
    assert ids_of(xlm_roberta, "a b", "ab") == before
    (xlm_roberta / "sentencepiece.bpe.model").write_bytes(b"model")
    with pytest.raises(PresetError, match="not a SentencePiece model"):
        arguments_of(xlm_roberta)


# A tokenizer's kind is not its family's.


def test_word_pieces_may_stand_before_a_roberta(roberta):
    for file in ("vocab.json", "merges.txt"):
        (roberta / file).unlink()
    write(roberta, "vocab.txt", "\n".join(WORDPIECE))
    write(roberta, SETTINGS, {"tokenizer_class": "BertTokenizer"})
    preprocessor = RobertaPreprocessor.from_preset(roberta)
    assert isinstance(preprocessor.tokenizer, BertTokenizer)
    assert np.asarray(preprocessor(["a b"])["token_ids"]).tolist() == [[2, 5, 6, 3, 0, 0, 0, 0]]
    with pytest.raises(UserError, match="before a RobertaBackbone it knows a RobertaTokenizer"):
        preprocessor.save_to_preset(roberta / "saved")
    with pytest.raises(PresetError, match=r"RobertaPreprocessor\.from_preset makes it"):
        RobertaTokenizer.from_preset(roberta)


def test_pieces_of_xlm_roberta_may_stand_before_a_bert(bert):
    write(bert, TOKENIZER, unigram_json())
    write(bert, SETTINGS, {"tokenizer_class": "XLMRobertaTokenizer"})
    preprocessor = BertPreprocessor.from_preset(bert)
    assert isinstance(preprocessor.tokenizer, XLMRobertaTokenizer)
    features = preprocessor((["a"], ["b"]))
    assert not np.asarray(features["segment_ids"]).any()
    ids = preprocessor.tokenizer
    assert preprocessor.packing.pair == ("<s>", 0, "</s>", "</s>", 1, "</s>")
    again = BertPreprocessor.from_config(preprocessor.get_config())
    assert again.packing == preprocessor.packing
    assert ids.token_to_id("<s>") == 0


def test_special_tokens_may_have_other_names(bert):
    renamed = ["<pad>", "<unk>", "<s>", "</s>", "<mask>", *WORDPIECE[5:]]
    write(bert, "vocab.txt", "\n".join(renamed))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    write(bert, SETTINGS, dict(zip(names, renamed, strict=False)))
    assert packing_of(bert).single == ("<s>", 0, "</s>")
    assert ids_of(bert, "a b </s>") == [[5, 6, 1, 1, 1, 1]]  # as any other text
    (bert / SETTINGS).unlink()
    said = {name: {"content": token} for name, token in zip(names, renamed, strict=False)}
    write(bert, "special_tokens_map.json", said)
    assert packing_of(bert).single == ("<s>", 0, "</s>")


def test_added_tokens_are_cut_out_of_texts(bert):
    write(bert, SETTINGS, {"added_tokens_decoder": {"15": {"content": "<e1>"}}})
    assert ids_of(bert, "a<e1>b", "a <e 1>") == [[5, 15, 6], [5, 1, 9, 1, 1]]
    (bert / SETTINGS).unlink()
    write(bert, "added_tokens.json", {"<e1>": 15})
    assert ids_of(bert, "a<e1>b") == [[5, 15, 6]]
    write(bert, "added_tokens.json", {"[MASK]": 4})  # in the vocabulary: nothing new
    assert arguments_of(bert) == {**LIKE_BERTS, "lowercase": True}


def test_a_token_that_is_twice_in_a_vocabulary_has_its_last_id(bert):
    write(bert, "vocab.txt", "\n".join([*WORDPIECE, "a"]))
    assert ids_of(bert, "a b") == [[15, 6]]


def test_a_vocabulary_without_a_mask_is_one(bert):
    write(bert, "vocab.txt", "\n".join(token for token in WORDPIECE if token != "[MASK]"))
    assert ids_of(bert, "a") == [[4]]
    assert tokenizer_of(open_preset(bert)).vocabulary_size() == len(WORDPIECE) - 1


@pytest.mark.parametrize(
    ("path", "value", "texts", "expected"),
    [
        ("normalizer", None, ("A a",), [[1, 5]]),
        ("normalizer", {"type": "NFKC"}, ("\uff41\uff42",), [[1]]),
        ("normalizer/handle_chinese_chars", False, ("\u6771a",), [[1]]),
        ("pre_tokenizer/type", "WhitespaceSplit", ("a.b", "[SEP]"), [[1], [1]]),
        ("model/continuing_subword_prefix", "@@", ("a",), [[5]]),
        ("model/max_input_chars_per_word", 1, ("a ab",), [[5, 1]]),
    ],
)
def test_other_pipelines_are_followed(bert, path, value, texts, expected):
    write(bert, TOKENIZER, at(wordpiece_json(), path, value))
    write(bert, SETTINGS, GENERAL | {"unk_token": "[UNK]", "sep_token": "[SEP]"})
    assert open_preset(bert).tokenizer_kind == "pipeline"
    assert ids_of(bert, *texts) == expected


TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
}
BERTS = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
ROBERTAS = {**BERTS, "type": "RobertaProcessing", "trim_offsets": True, "add_prefix_space": False}


@pytest.mark.parametrize(
    ("processor", "names", "expected"),
    [
        (None, [], Packing((0,), (0, 1), (0, 0))),
        (TEMPLATE, ["token_type_ids"], Packing(("[CLS]", 0), (0, 1), (0, 1))),
        (TEMPLATE, [], Packing(("[CLS]", 0), (0, 1), (0, 0))),
        (BERTS, ["token_type_ids"], FAMILIES["bert"].packing),
        (
            {"type": "Sequence", "processors": [ROBERTAS, {"type": "ByteLevel"}]},
            [],
            Packing(("[CLS]", 0, "[SEP]"), ("[CLS]", 0, "[SEP]", "[SEP]", 1, "[SEP]"), (0,) * 6),
        ),
    ],
)
def test_a_general_class_puts_special_tokens_where_tokenizer_json_says(
    bert, processor, names, expected
):
    write(bert, TOKENIZER, {**wordpiece_json(), "post_processor": processor})
    write(bert, SETTINGS, GENERAL | {"model_input_names": names})
    assert packing_of(bert) == expected


def test_a_roberta_takes_no_segments(roberta):
    write(roberta, TOKENIZER, {**byte_pair_json(), "post_processor": BERTS})
    write(roberta, SETTINGS, GENERAL | {"model_input_names": ["token_type_ids"]})
    preset = open_preset(roberta)
    preset.check_texts(1)
    with pytest.raises(PresetError, match="tells two texts apart by segments, which its model"):
        preset.check_texts(2)


def test_windows_need_a_token_that_ends_a_text(bert):
    open_preset(bert).check_texts(2, windows=True)
    write(bert, TOKENIZER, {**wordpiece_json(), "post_processor": None})
    write(bert, SETTINGS, GENERAL)
    open_preset(bert).check_texts(2)
    with pytest.raises(PresetError, match="ends no text with a special token"):
        open_preset(bert).check_texts(1, windows=True)
    preprocessor = BertPreprocessor.from_preset(bert)
    with pytest.raises(ValueError, match="windows need a tokenizer that ends each text"):
        preprocessor.encode_windows(["a"])


def test_segments_are_given_only_if_they_are_asked_for(bert):
    write(bert, SETTINGS, {"model_input_names": ["input_ids", "attention_mask"]})
    assert packing_of(bert).pair_segments == (0,) * 5
    distil = {"tokenizer_class": "DistilBertTokenizer"}
    write(bert, SETTINGS, distil)
    assert packing_of(bert).pair_segments == (0,) * 5
    write(bert, SETTINGS, distil | {"model_input_names": ["token_type_ids"]})
    assert packing_of(bert).pair_segments == (0, 0, 0, 1, 1)


def test_a_herbert_needs_the_ids_that_its_class_puts_around_texts(bert):
    content = byte_pair_json()
    content["model"]["end_of_word_suffix"] = "</w>"
    write(bert, TOKENIZER, content)
    write(bert, SETTINGS, {"tokenizer_class": "HerbertTokenizerFast"})
    assert packing_of(bert).single == ("<s>", 0, "</s>")
    ids = content["model"]["vocab"]
    ids["<s>"], ids["<pad>"] = ids["<pad>"], ids["<s>"]
    write(bert, TOKENIZER, content)
    assert_refused(bert, TOKENIZER, "needs a vocabulary in which <s> is 0 and </s> is 2")


def at(content, path, value):
    """Sets what is at a path of keys; returns the whole."""
    part = content
    *keys, last = path.split("/")
    for key in keys:
        part = part[int(key) if key.isdigit() else key]
    part[last] = value
    return content
