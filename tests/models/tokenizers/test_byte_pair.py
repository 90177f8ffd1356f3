import itertools
import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import ByteLevelBPETokenizer

from models import PresetError, RobertaBackbone, RobertaTokenizer
from models.presets.vocabulary_files import read_merges
from tests.models.presets import hostile

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
CORPUS = [
    "the quick brown fox jumps over the lazy dog, they're told; it's 42 times",
    "The fox's café — naïve, <b>bold</b> and <s>struck</s>: don't mask <mask> it",
    "日本語 and 한국어 are written so, 中国 too, and émigrés write élan",
] * 5


def train() -> tuple[dict[str, int], list[str]]:
    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(CORPUS, vocab_size=420, min_frequency=2, special_tokens=SPECIAL)
    model = json.loads(trainer.to_str())["model"]
    return model["vocab"], [" ".join(pair) for pair in model["merges"]]


VOCABULARY, MERGES = train()
SIZE = len(VOCABULARY)
TOKENIZER = RobertaTokenizer(VOCABULARY, MERGES)
REFERENCE = ByteLevelBPETokenizer(VOCABULARY, [tuple(merge.split(" ")) for merge in MERGES])

# As GPT-2 splits: contractions, letters, numbers, other characters, white space; the last space of
# several belongs to what follows.
_PARTS = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)


def byte_characters() -> dict[int, str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = itertools.count(0x100)
    return {b: chr(b if b in printable else next(others)) for b in range(256)}


def gpt2(text: str) -> list[int]:
    """The algorithm, step by step."""
    characters = byte_characters()
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(MERGES)}
    ids = []
    for part in _PARTS.findall(text):
        symbols = [characters[byte] for byte in part.encode()]
        while len(symbols) > 1:
            pairs = list(itertools.pairwise(symbols))
            best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
            if best not in ranks:
                break
            merged, index = [], 0
            while index < len(symbols):
                width = 2 if tuple(symbols[index : index + 2]) == best else 1
                merged.append("".join(symbols[index : index + width]))
                index += width
            symbols = merged
        ids += [VOCABULARY[symbol] for symbol in symbols]
    return ids


def ids(texts) -> list[list[int]]:
    tokens = TOKENIZER.encode(texts)
    assert tokens.ids.dtype == np.int32
    return [
        tokens.ids[start:end].tolist() for start, end in itertools.pairwise(tokens.splits.tolist())
    ]


@settings(max_examples=300)
@given(batch=hostile.batches)
def test_any_text_gets_the_ids_of_tokenizers(batch):
    expected = REFERENCE.encode_batch(batch)
    assert ids(batch) == [encoding.ids for encoding in expected]


@settings(max_examples=300)
@given(text=hostile.texts)
def test_any_text_gets_the_ids_of_the_algorithm_of_gpt_2(text):
    assert ids([text]) == [gpt2(text)]


@settings(max_examples=200)
@given(text=hostile.texts)
def test_ids_spell_the_text_again(text):
    assert TOKENIZER.detokenize(TOKENIZER(text)) == text


@settings(max_examples=100)
@given(batch=st.lists(st.text("a '\uffff\ufffe\U0010ffff", max_size=8), max_size=4))
def test_what_is_no_character_has_ids_as_well(batch):
    assert ids(batch) == [encoding.ids for encoding in REFERENCE.encode_batch(batch)]


LONG = {
    "one letter": "a" * 300_000,
    "one word": "thequickbrownfox" * 20_000,
    "white space": " " * 300_000 + "x",
    "apostrophes": "'s''" * 50_000,
    "ideographs": "日本語中国" * 20_000,
    "no characters": "\0\uffff" * 50_000,
}


@pytest.mark.parametrize("case", LONG)
def test_long_texts_get_the_ids_of_tokenizers(case):
    assert ids([LONG[case], "the fox"]) == [
        encoding.ids for encoding in REFERENCE.encode_batch([LONG[case], "the fox"])
    ]


def test_threads_get_the_same_ids():
    batches = [[f"{text} {number}" for text in CORPUS] for number in range(40)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ids, batches)) == [ids(batch) for batch in batches]


def test_a_tokenizer_can_be_sent_to_another_process():
    sent = pickle.loads(pickle.dumps(TOKENIZER))
    assert sent.encode(CORPUS).ids.tolist() == TOKENIZER.encode(CORPUS).ids.tolist()


@pytest.mark.parametrize("token", SPECIAL)
def test_a_text_that_spells_a_special_token_is_text(token):
    special = {TOKENIZER.token_to_id(special) for special in SPECIAL}
    for text in (token, f"a {token} b", token * 3):
        assert not special & set(TOKENIZER(text).numpy().tolist())
        assert TOKENIZER.detokenize(TOKENIZER(text)) == text


def test_no_merge_makes_a_special_token_of_a_text():
    spelling = ["< /", "</ s", "</s >"]
    vocabulary = dict(VOCABULARY)
    for token in ("</", "</s"):
        vocabulary.setdefault(token, len(vocabulary))
    tokenizer = RobertaTokenizer(vocabulary, [*spelling, *(m for m in MERGES if m not in spelling)])
    found = tokenizer("</s>").numpy().tolist()
    assert [tokenizer.id_to_token(token_id) for token_id in found] == ["</", "s", ">"]


def test_a_byte_that_the_vocabulary_lacks_is_unknown():
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, "a", "b", "ab"])}
    assert RobertaTokenizer(vocabulary, ["a b"])("abcab").numpy().tolist() == [7, 3, 7]


def test_special_ids_are_those_of_the_vocabulary():
    assert TOKENIZER.start_token_id == VOCABULARY["<s>"]
    assert TOKENIZER.pad_token_id == VOCABULARY["<pad>"]
    assert TOKENIZER.end_token_id == VOCABULARY["</s>"]
    assert TOKENIZER.unk_token_id == VOCABULARY["<unk>"]
    assert TOKENIZER.mask_token_id == VOCABULARY["<mask>"]


def test_ids_and_tokens_lead_to_each_other():
    assert TOKENIZER.vocabulary_size() == len(VOCABULARY)
    assert TOKENIZER.get_vocabulary() == sorted(VOCABULARY, key=VOCABULARY.__getitem__)
    assert all(TOKENIZER.id_to_token(i) == token for token, i in VOCABULARY.items())
    assert TOKENIZER.token_to_id("nowhere") == TOKENIZER.unk_token_id
    with pytest.raises(IndexError, match=str(SIZE)):
        TOKENIZER.detokenize([5, SIZE])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_arrow_arrays_and_their_slices_are_batches(kind):
    array = pa.array(["bad", "the fox", "", "dog", "bad"], kind).slice(1, 3)
    assert ids(array) == ids(["the fox", "", "dog"])
    assert ids(pa.array([], kind)) == ids([]) == []


def test_vocabulary_and_merges_may_be_files(tmp_path):
    vocabulary, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    vocabulary.write_text(json.dumps(VOCABULARY))
    merges.write_bytes("\r\n".join(["#version: 0.2", *MERGES, ""]).encode())
    for kind in (str, lambda path: path):
        read = RobertaTokenizer(kind(vocabulary), kind(merges))
        assert read.get_config() == TOKENIZER.get_config()


def test_only_a_first_line_is_taken_for_a_version(tmp_path):
    file = tmp_path / "merges.txt"
    file.write_text("#version: 0.2\n#version x\n# #\n")
    assert read_merges(file) == ["#version x", "# #"]


def without(*tokens):
    kept = [token for token in VOCABULARY if token not in tokens]
    return {token: index for index, token in enumerate(kept)}


WRONG = {
    "a special token is missing": (without("<pad>", "<mask>"), [], "lacks <pad>, <mask>"),
    "two tokens have an id": ({**VOCABULARY, "zz": 7}, [], "same id, 7"),
    "an id is missing": ({**VOCABULARY, "zz": SIZE + 1}, [], f"no token has the id {SIZE},"),
    "an id is negative": ({**VOCABULARY, "zz": -1}, [], "'zz' has the id -1"),
    "an id is no number": ({**VOCABULARY, "zz": "5"}, [], "'zz' has the id '5'"),
    "an id is a truth value": ({**VOCABULARY, "zz": True}, [], "'zz' has the id True"),
    "a token is half a character": ({**VOCABULARY, "z\ud800": SIZE}, [], r"'z\\ud800' has half a"),
    "a merge is one token": (VOCABULARY, [MERGES[0], "the"], "merge 1, 'the'"),
    "a merge is three tokens": (VOCABULARY, ["t h e"], "merge 0, 't h e'"),
    "a merge is empty": (VOCABULARY, [""], "merge 0, ''"),
    "a merge is of an unknown token": (VOCABULARY, ["t Ω"], "lacks 'Ω'"),
    "a merge makes an unknown token": (VOCABULARY, ["z q"], "lacks 'zq'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_unusable_vocabulary_is_refused_in_one_line(case):
    vocabulary, merges, message = WRONG[case]
    with pytest.raises(ValueError, match=message) as error:
        RobertaTokenizer(vocabulary, merges)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["[]", "{", "\xff"])
def test_a_vocabulary_file_that_is_no_json_object_is_refused(tmp_path, content):
    file = tmp_path / "vocab.json"
    file.write_text(content, "latin-1")
    with pytest.raises(ValueError, match=r"must be a JSON object|not valid JSON"):
        RobertaTokenizer(file, MERGES)


def test_a_preset_gives_the_tokenizer_again(tmp_path):
    RobertaBackbone(SIZE, 1, 2, 8, 16, max_sequence_length=8).save_to_preset(tmp_path)
    TOKENIZER.save_to_preset(tmp_path)
    assert RobertaTokenizer.from_preset(tmp_path).get_config() == TOKENIZER.get_config()
    assert (
        RobertaTokenizer.from_preset(tmp_path, merges=MERGES[:3]).get_config()["merges"]
        == MERGES[:3]
    )
    with pytest.raises(PresetError, match=r"vocabulary\.json: .*lacks <mask>"):
        RobertaTokenizer.from_preset(tmp_path, vocabulary=without("<mask>"))


def test_what_is_saved_is_what_keras_hub_loads(tmp_path):
    theirs = pytest.importorskip("keras_hub").models
    backbone = theirs.RobertaBackbone(SIZE, 1, 2, 8, 16, max_sequence_length=8)
    backbone.save_to_preset(str(tmp_path))
    TOKENIZER.save_to_preset(tmp_path)
    loaded = theirs.RobertaTokenizer.from_preset(str(tmp_path))
    assert dict(loaded.vocabulary) == VOCABULARY
    assert loaded.merges == MERGES
    for name in ("start", "pad", "end", "mask"):
        key = f"{name}_token_id"
        assert getattr(loaded, key) == getattr(TOKENIZER, key)
    plain = ["the quick brown fox", "they're over <mask> it", ""]
    assert [np.asarray(loaded(text)).tolist() for text in plain] == ids(plain)


def test_what_keras_hub_saves_is_read(tmp_path):
    theirs = pytest.importorskip("keras_hub").models.RobertaTokenizer(VOCABULARY, MERGES)
    theirs.save_to_preset(str(tmp_path))
    assets = tmp_path / "assets/tokenizer"
    ours = RobertaTokenizer(assets / "vocabulary.json", assets / "merges.txt")
    assert ours.get_config() == TOKENIZER.get_config()
    written = json.loads((tmp_path / "tokenizer.json").read_text())["config"]
    known = {"name", "trainable", "dtype", "config_file", "sequence_length"}
    assert written.keys() - known == TOKENIZER.settings().keys()
