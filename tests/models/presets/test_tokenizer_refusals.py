import pytest

from tests.models.presets.hugging_face_folders import (
    WORDPIECE,
    byte_pair_json,
    unigram_json,
    wordpiece_json,
    write,
)
from tests.models.presets.hugging_face_refusals import CONFIG, SETTINGS, TOKENIZER, assert_refused
from tests.models.presets.test_hugging_face_tokenizer import GENERAL, TEMPLATE, at


@pytest.mark.parametrize(
    ("family", "path", "value", "problem"),
    [
        ("bert", "model", None, "model must be an object with a vocabulary"),
        ("bert", "model/type", "BPE", "holds a BPE vocabulary, and the tokenizer class of"),
        ("bert", "model/vocab", [], "model.vocab must be an object of ids by token"),
        ("bert", "model/vocab", {"a": "0"}, "model.vocab must be an object of ids by token"),
        ("bert", "added_tokens", [{"id": 15}], "added_tokens must be an array of objects"),
        ("roberta", "model/merges", [1], "model.merges must be an array of pairs"),
        ("roberta", "model/merges", [["a"]], "merge 0, ['a'], must be two tokens"),
        ("roberta", "model/merges", 1, "model.merges must be an array of pairs"),
        ("roberta", "model/merges", ["a z"], "no tokenizer can be made of it"),
        ("xlm_roberta", "normalizer/precompiled_charsmap", "?", "must be in base64"),
        ("xlm_roberta", "normalizer/precompiled_charsmap", "AAAA", "character map is damaged"),
        ("xlm_roberta", "model/vocab", [["<s>", 0.0]], "no tokenizer can be made of it"),
        ("xlm_roberta", "model/vocab", [["<s>"]], "must be an array of tokens with their scores"),
        ("xlm_roberta", "model/vocab", [["a", 10**400]], "tokens with their scores"),
    ],
)
def test_a_tokenizer_that_cannot_be_made_is_refused(request, family, path, value, problem):
    folder = request.getfixturevalue(family)
    content = {"bert": wordpiece_json, "roberta": byte_pair_json, "xlm_roberta": unigram_json}
    write(folder, TOKENIZER, at(content[family](), path, value))
    assert_refused(folder, TOKENIZER, problem)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("normalizer/type", "Mine", "its normalizer has the part 'Mine', which is not one of"),
        ("normalizer", 1, "its normalizer has the part 1, which is not one of"),
        ("pre_tokenizer/type", "Mine", "its pre_tokenizer has the part 'Mine'"),
        (
            "normalizer",
            {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""},
            "the regular expression '(a+)+$', which could take for ever",
        ),
        ("post_processor", {"type": "Mine"}, "(post_processor) is not understood: the type 'Mine'"),
        ("post_processor", [], "(post_processor) is not understood"),
        (
            "post_processor",
            {**TEMPLATE, "pair": TEMPLATE["single"]},
            "(post_processor) is not understood: does not have each text once",
        ),
        ("model/type", "Mine", "its model has the part 'Mine'"),
        ("model/unk_token", 1, "no tokenizer can be made of it"),
        ("model/unk_token", "<u>", "the vocabulary lacks '<u>', which stands for what is unknown"),
        ("model", {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "<u>"}, "lacks '<u>'"),
        (
            "model",
            {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "<u>"},
            "lacks '<u>'",
        ),
        ("model", {"type": "Unigram", "vocab": [["a", 0.0]]}, "model.unk_id is null"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_pipeline_that_is_not_known_is_refused(bert, path, value, problem):
    write(bert, TOKENIZER, at(wordpiece_json(), path, value))
    write(bert, SETTINGS, GENERAL)
    assert_refused(bert, TOKENIZER, problem)


@pytest.mark.parametrize(
    ("family", "file", "content", "problem"),
    [
        ("bert", SETTINGS, {"tokenize_chinese_chars": 0}, "must be true or false, not 0"),
        ("bert", SETTINGS, {"do_lower_case": "yes"}, "must be true or false, not 'yes'"),
        ("bert", SETTINGS, {"strip_accents": "yes"}, "must be null or true or false, not 'yes'"),
        ("bert", SETTINGS, {"cls_token": 1}, "cls_token must be a token, not 1"),
        ("bert", SETTINGS, {"cls_token": None}, "cls_token is null, and texts need it"),
        ("bert", SETTINGS, {"added_tokens_decoder": {"9": 1}}, "must list tokens by id"),
        ("bert", SETTINGS, {"added_tokens_decoder": {"x": {"content": "a"}}}, "no number"),
        ("bert", SETTINGS, {"additional_special_tokens": [1]}, "must be an array of tokens"),
        ("bert", "added_tokens.json", {"<e1>": "x"}, "'<e1>' must have a number as id"),
        ("bert", SETTINGS, [], "must be an object"),
        ("bert", SETTINGS, {"tokenizer_class": 1}, "tokenizer_class must be a name, not 1"),
        (
            "bert",
            SETTINGS,
            {"tokenizer_class": "BertJapaneseTokenizer"},
            "its tokenizer is a BertJapaneseTokenizer, which is not known here",
        ),
        ("roberta", SETTINGS, {"add_prefix_space": 1}, "must be false or true, not 1"),
        ("roberta", "vocab.json", [], "must be a JSON object of ids by token"),
    ],
)
def test_settings_that_make_no_sense_are_refused(request, family, file, content, problem):
    folder = request.getfixturevalue(family)
    write(folder, file, content)
    assert_refused(folder, file, problem)


def test_a_vocabulary_without_a_token_for_what_it_lacks_is_refused(bert):
    write(bert, "vocab.txt", "\n".join(token for token in WORDPIECE if token != "[UNK]"))
    assert_refused(
        bert, "vocab.txt", "the vocabulary lacks '[UNK]', which stands for what is unknown"
    )


def test_a_general_class_needs_tokenizer_json_and_a_token_for_padding(bert):
    write(bert, SETTINGS, GENERAL)
    assert_refused(bert, TOKENIZER, "no such file, and tokenizer_class 'PreTrainedTokenizerFast'")
    write(bert, TOKENIZER, wordpiece_json())
    write(bert, SETTINGS, {"tokenizer_class": "PreTrainedTokenizerFast"})
    assert_refused(bert, SETTINGS, "names no pad_token")


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, SETTINGS, "sentence_bert_config.json"])
def test_what_is_no_json_is_refused(bert, file, content):
    write(bert, file, content)
    assert_refused(bert, file, "not valid JSON")


def test_a_missing_vocabulary_is_named(bert):
    (bert / "vocab.txt").unlink()
    assert_refused(bert, "vocab.txt", "no such file")
