import pytest
import tensorflow as tf
import tensorflow_text

from models import (
    BertTokenizer,
)
from models.presets.lookup import open_preset
from tests.models.presets.hugging_face_folders import (
    BYTE_PAIRS,
    WORDPIECE,
    byte_pair_json,
    unigram_json,
    wordpiece_json,
    write,
)
from tests.models.presets.hugging_face_refusals import CONFIG, SETTINGS, TOKENIZER, assert_refused


def tokenizer_arguments(folder):
    return open_preset(folder).tokenizer_arguments


def test_wordpiece_lowercases_unless_a_file_says_otherwise(bert):
    assert tokenizer_arguments(bert) == {"vocabulary": WORDPIECE, "lowercase": True}
    content = wordpiece_json()
    content["normalizer"]["lowercase"] = False
    write(bert, TOKENIZER, content)
    assert tokenizer_arguments(bert) == {"vocabulary": WORDPIECE, "lowercase": False}


@pytest.mark.parametrize(
    ("tokenizer_class", "expected"),
    [("BertTokenizer", False), (None, False), ("PreTrainedTokenizerFast", True)],
)
def test_settings_of_berts_own_classes_come_before_tokenizer_json(bert, tokenizer_class, expected):
    write(bert, TOKENIZER, wordpiece_json())
    write(bert, SETTINGS, {"do_lower_case": False, "tokenizer_class": tokenizer_class})
    assert tokenizer_arguments(bert)["lowercase"] is expected


def test_a_folder_with_tokenizer_json_alone_has_a_tokenizer(bert):
    write(bert, TOKENIZER, wordpiece_json())
    (bert / "vocab.txt").unlink()
    assert BertTokenizer.from_preset(bert)("A [sep] b").numpy().tolist() == [5, 1, 1, 1, 6]


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "expected"),
    [
        (True, None, {"lowercase": True}),
        (True, True, {"lowercase": True}),
        (True, False, {"lowercase": True, "strip_accents": False}),
        (False, True, {"lowercase": False, "strip_accents": True}),
    ],
)
@pytest.mark.parametrize("file", [TOKENIZER, SETTINGS])
def test_accents_are_a_setting_of_their_own_where_it_differs(
    bert, file, lowercase, strip_accents, expected
):
    if file == TOKENIZER:
        content = wordpiece_json()
        content["normalizer"] |= {"lowercase": lowercase, "strip_accents": strip_accents}
    else:
        content = {"do_lower_case": lowercase, "strip_accents": strip_accents}
    write(bert, file, content)
    arguments = tokenizer_arguments(bert)
    del arguments["vocabulary"]
    assert arguments == expected


@pytest.mark.parametrize("merge", [["a", "b"], "a b"])
@pytest.mark.parametrize("file", [TOKENIZER, "vocab.json"])
def test_byte_pairs_come_with_their_merges_in_both_spellings(roberta, file, merge):
    if file == TOKENIZER:
        content = byte_pair_json()
        content["model"]["merges"] = [merge]
        write(roberta, TOKENIZER, content)
        (roberta / "vocab.json").unlink()
    vocabulary = {token: index for index, token in enumerate(BYTE_PAIRS)}
    assert tokenizer_arguments(roberta) == {"vocabulary": vocabulary, "merges": ["a b"]}


def test_a_unigram_vocabulary_becomes_a_sentence_piece_model(xlm_roberta):
    proto = tokenizer_arguments(xlm_roberta)["proto"]
    tokenizer = tensorflow_text.SentencepieceTokenizer(proto, tf.string)
    names = tokenizer.id_to_string(tf.range(tokenizer.vocab_size())).numpy().tolist()
    assert [name.decode() for name in names] == [
        *("<unk>", "<s>", "</s>", "\u2581a", "b", "\u2581", "a", "ab"),
    ]
    ids = tensorflow_text.SentencepieceTokenizer(proto).tokenize(["a  b<s>", ""]).to_list()
    assert ids == [[3, 5, 4, 0], []]


def test_a_sentence_piece_model_is_taken_as_it_is(xlm_roberta):
    (xlm_roberta / "sentencepiece.bpe.model").write_bytes(b"model")
    assert tokenizer_arguments(xlm_roberta) == {"proto": b"model"}


def at(content, path, value):
    """Sets what is at a path of keys; returns the whole."""
    part = content
    *keys, last = path.split("/")
    for key in keys:
        part = part[int(key) if key.isdigit() else key]
    part[last] = value
    return content


@pytest.mark.parametrize(
    ("family", "path", "value", "problem"),
    [
        ("bert", "normalizer", None, "normalizer is None, which is not supported"),
        ("bert", "normalizer/type", "NFC", "normalizer.type 'NFC' is not supported"),
        ("bert", "normalizer/handle_chinese_chars", False, "normalizer.handle_chinese_chars False"),
        ("bert", "normalizer/clean_text", False, "normalizer.clean_text False is not supported"),
        ("bert", "normalizer/lowercase", 1, "normalizer.lowercase 1 is not supported; must be"),
        ("bert", "pre_tokenizer/type", "Whitespace", "pre_tokenizer.type 'Whitespace' is not"),
        ("bert", "model/type", "BPE", "model.type 'BPE' is not supported; must be 'WordPiece'"),
        ("bert", "model/continuing_subword_prefix", "@@", "model.continuing_subword_prefix '@@'"),
        ("bert", "model/max_input_chars_per_word", 200, "model.max_input_chars_per_word 200"),
        ("bert", "model/vocab", [], "model.vocab must be an object of ids by token"),
        ("bert", "model/vocab", {"a": 0, "b": 2}, "should have"),
        ("bert", "model/vocab", {"a": "0"}, "model.vocab must be an object of ids by token"),
        ("bert", "model/vocab/[SEP]", 9, "'[SEP]' has the ids 9 and 3"),
        ("bert", "added_tokens", [{"id": 15, "content": "<e1>"}], "added token '<e1>' is not"),
        ("bert", "added_tokens", [{"id": 15}], "added_tokens must be an array of objects"),
        ("roberta", "normalizer", {"type": "Lowercase"}, "a normalizer is not supported"),
        ("roberta", "pre_tokenizer/add_prefix_space", True, "pre_tokenizer.add_prefix_space True"),
        ("roberta", "model/dropout", 0.1, "model.dropout 0.1 is not supported"),
        ("roberta", "model/byte_fallback", True, "model.byte_fallback True is not supported"),
        ("roberta", "model/merges", [1], "model.merges must be an array of pairs"),
        ("xlm_roberta", "normalizer/type", "NFKC", "normalizer.type 'NFKC' is not supported"),
        ("xlm_roberta", "normalizer/precompiled_charsmap", "?", "must be in base64"),
        ("xlm_roberta", "pre_tokenizer", None, "pre_tokenizer is None, which is not supported"),
        ("xlm_roberta", "pre_tokenizer/pretokenizers/1/prepend_scheme", "never", "prepend_scheme"),
        ("xlm_roberta", "model/unk_id", 0, "model.unk_id 0 is not supported"),
        ("xlm_roberta", "model/vocab", [["<s>", 0.0]], "model.vocab must begin with <s>, <pad>"),
        ("xlm_roberta", "model/vocab", [["<s>"]], "must be an array of tokens with their scores"),
        ("xlm_roberta", "model/vocab", [["a", 10**400]], "tokens with their scores"),
        ("xlm_roberta", "added_tokens", [{"id": 4, "content": "<mask>"}], "has the id 4, should"),
    ],
)
def test_a_tokenizer_that_splits_otherwise_is_refused(request, family, path, value, problem):
    folder = request.getfixturevalue(family)
    content = {"bert": wordpiece_json, "roberta": byte_pair_json, "xlm_roberta": unigram_json}
    write(folder, TOKENIZER, at(content[family](), path, value))
    assert_refused(folder, TOKENIZER, problem)


@pytest.mark.parametrize(
    ("family", "file", "content", "problem"),
    [
        ("bert", SETTINGS, {"tokenize_chinese_chars": False}, "tokenize_chinese_chars False is"),
        ("bert", SETTINGS, {"do_lower_case": "yes"}, "do_lower_case 'yes' is not supported"),
        ("bert", SETTINGS, {"cls_token": "<s>"}, "cls_token must be '[CLS]', not '<s>'"),
        (
            "bert",
            SETTINGS,
            {"added_tokens_decoder": {"9": {"content": "<e>"}}},
            "added token '<e>'",
        ),
        ("bert", "special_tokens_map.json", {"sep_token": {"content": "|"}}, "sep_token must be"),
        ("bert", "added_tokens.json", {"<e1>": 15}, "the added token '<e1>' is not supported"),
        ("bert", SETTINGS, [], "must be an object"),
        ("roberta", SETTINGS, {"add_prefix_space": True}, "add_prefix_space True is not supported"),
        ("roberta", "vocab.json", [], "must be a JSON object of ids by token"),
    ],
)
def test_settings_that_tokenize_otherwise_are_refused(request, family, file, content, problem):
    folder = request.getfixturevalue(family)
    write(folder, file, content)
    assert_refused(folder, file, problem)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, SETTINGS])
def test_what_is_no_json_is_refused(bert, file, content):
    write(bert, file, content)
    assert_refused(bert, file, "not valid JSON")


def test_a_missing_vocabulary_is_named(bert):
    (bert / "vocab.txt").unlink()
    assert_refused(bert, "vocab.txt", "no such file")
