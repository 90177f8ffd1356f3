import itertools
import os
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer

from models.tokenizers.wordpiece import WordPiece

# What hypothesis mixes most: each of these is in the vocabulary, so that a difference shows.
SPELLABLE = (
    "abzABZéÉñÅßıİſ09.,!?-_$+[](){}'«»¿…“—中国学龍㐀𠀀豈あアガ한글กำเ́̈̊αΣςЖйひ😀👩💻❤ﬁＡ１！½™²"
)
# Tokens of the vocabulary beyond single characters, and what would be read as control.
FRAGMENTS = [
    *("the", "film", "##s", "[SEP]", "[CLS]", "[UNK]", "[MASK]", "[PAD]", "naïve", "NAÏVE"),
    *("\u200d", "\ufe0f", "\x00", "\x07", "\x1f", "\x7f", "\x85", "\u00ad", "\ufeff", "\ufffd"),
    *(" ", "  ", "\t", "\n", "\r", "\x0b", "\xa0", "\u2003", "\u3000", "\u2028", "\u200b"),
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
UNKNOWN = SPECIAL.index("[UNK]")

# `tokenizers` 0.23 classifies characters by the tables of Unicode 8, Python and TensorFlow by
# newer ones. Both agree on characters whose category has been the same since Unicode 3.2, and on
# the emoji of Unicode 6. Private use, surrogates and unassigned code points are left out.
EMOJI = [chr(code) for code in range(0x1F300, 0x1F650)]
STABLE = [
    character
    for character in map(chr, range(0x110000))
    if unicodedata.ucd_3_2_0.category(character) == unicodedata.category(character)
    and unicodedata.category(character) not in ("Cn", "Co", "Cs")
] + EMOJI


def spell_out(text: str) -> list[str]:
    forms = [form(text) for form in (str, str.lower, str.upper)]
    forms += [unicodedata.normalize("NFD", form) for form in forms]
    return sorted({character for form in forms for character in form})


CHARACTERS = spell_out(SPELLABLE)
WORDS = [word for word in FRAGMENTS if word.isalpha()] + ["naive", "[S"]
VOCABULARY = list(
    dict.fromkeys([*SPECIAL, *WORDS, "##s", *CHARACTERS, *(f"##{c}" for c in CHARACTERS)])
)
OURS = {
    lowercase: WordPiece(VOCABULARY, lowercase, lowercase, "[UNK]") for lowercase in (True, False)
}


def reference(lowercase: bool) -> BertWordPieceTokenizer:
    tokenizer = BertWordPieceTokenizer(
        {token: index for index, token in enumerate(VOCABULARY)},
        lowercase=lowercase,
        strip_accents=lowercase,
    )
    # Else a text that spells a special token becomes that token.
    tokenizer._tokenizer.encode_special_tokens = True
    return tokenizer


REFERENCES = {lowercase: reference(lowercase) for lowercase in (True, False)}


def ids(texts: list[str], lowercase: bool) -> list[list[int]]:
    tokens = OURS[lowercase].encode(texts)
    bounds = tokens.splits.tolist()
    return [tokens.ids[start:end].tolist() for start, end in itertools.pairwise(bounds)]


def spelled(text: str, lowercase: bool = False) -> list[str]:
    return [VOCABULARY[token_id] for token_id in ids([text], lowercase)[0]]


def assert_equal_to_reference(texts: list[str], lowercase: bool) -> None:
    if lowercase:
        # A capital sigma at a word's end has a lowercase of its own, which `tokenizers` knows not.
        texts = [text.replace("Σ", "σ") for text in texts]
    batch = REFERENCES[lowercase].encode_batch(texts, add_special_tokens=False)
    assert ids(texts, lowercase) == [encoding.ids for encoding in batch]


both_cases = pytest.mark.parametrize("lowercase", [True, False], ids=["uncased", "cased"])
normal_forms = st.sampled_from(
    [str, *(lambda t, f=f: unicodedata.normalize(f, t) for f in ("NFC", "NFD", "NFKC"))]
)
pieces = st.one_of(st.sampled_from(SPELLABLE), st.sampled_from(FRAGMENTS), st.sampled_from(STABLE))
texts = st.builds(
    lambda parts, form: form("".join(parts)), st.lists(pieces, max_size=30), normal_forms
)
# Words of about the greatest length, beside punctuation, ideographs and what vanishes.
long_words = st.builds(
    lambda character, count: character * count,
    st.sampled_from("aéÉ한กß😀中.\u200d"),
    st.sampled_from([1, 32, 33, 34, 49, 50, 51, 99, 100, 101, 102]),
)
long_texts = st.lists(
    st.one_of(long_words, st.sampled_from(["\x00", " ", "\xa0", "\u2028", "!", "国", "b"])),
    max_size=8,
).map("".join)


@both_cases
@settings(max_examples=400)
@given(batch=st.lists(texts, max_size=6))
def test_any_text_gets_the_ids_of_the_reference(lowercase, batch):
    assert_equal_to_reference(batch, lowercase)


@both_cases
@settings(max_examples=150)
@given(batch=st.lists(long_texts, max_size=4))
def test_long_words_anywhere_get_the_ids_of_the_reference(lowercase, batch):
    assert_equal_to_reference(batch, lowercase)


@both_cases
def test_every_character_gets_the_ids_of_the_reference(lowercase):
    assert_equal_to_reference([f"a{c}b {c} the{c}" for c in STABLE[::7]], lowercase)


@pytest.mark.parametrize("character", ["a", "é", "한", "ก", "😀"])
def test_a_word_of_100_characters_is_spelled_and_one_of_101_is_unknown(character):
    assert spelled(character * 100) == [character, *[f"##{character}"] * 99]
    assert spelled(character * 101) == ["[UNK]"]
    for count in (100, 101):
        for lowercase in (True, False):
            assert_equal_to_reference([f"the {character * count}, film"], lowercase)


def test_a_word_is_measured_after_its_accents_are_stripped():
    assert spelled("É" * 100, lowercase=True) == ["e", *["##e"] * 99]
    assert spelled("É" * 101, lowercase=True) == ["[UNK]"]
    assert_equal_to_reference(["z\u0308\u030a" * 100, "z\u0308" * 101, "한" * 51], True)


def test_a_long_word_takes_no_neighbour_along():
    assert spelled(f"the {'a' * 101}, film") == ["the", "[UNK]", ",", "film"]
    assert spelled(f"film{'.' * 101}film") == ["film", *["."] * 101, "film"]
    assert spelled("中" * 101) == ["中"] * 101


@pytest.mark.parametrize(
    "vanishing", ["\x00", "\x07", "\x7f", "\x9f", "\u200d", "\u00ad", "\ufffd"]
)
def test_control_characters_inside_of_a_word_vanish(vanishing):
    assert spelled(vanishing.join("film")) == ["film"]
    assert spelled(vanishing.join("a" * 100)) == ["a", *["##a"] * 99]


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r", "\xa0", "\u2003", "\u3000"])
def test_every_white_space_splits_words(space):
    assert spelled(f"the{space}film") == ["the", "film"]


@pytest.mark.parametrize("token", SPECIAL)
def test_a_text_that_spells_a_special_token_is_text(token):
    special = VOCABULARY.index(token)
    for lowercase in (True, False):
        (found,) = ids([f"{token}"], lowercase)
        assert special not in set(found) - {UNKNOWN}
        assert found[0] == VOCABULARY.index("[")
        assert found[-1] == VOCABULARY.index("]")


def test_lowercasing_strips_accents_and_the_other_keeps_them():
    assert spelled("NAÏVE", lowercase=True) == ["naive"]
    assert spelled("NAÏVE") == ["NAÏVE"]


def test_a_sigma_at_the_end_of_a_word_is_lowercased_as_google_does():
    text = "ΑΣΑΣ ΑΣ, Σ"
    assert ids([text], True) == ids([text.lower()], False)


def test_the_language_of_the_machine_changes_nothing():
    code = (
        "from models.tokenizers.wordpiece import WordPiece\n"
        "tokenizer = WordPiece(['[UNK]', 'film', 'i'], True, True, '[UNK]')\n"
        "print(tokenizer.encode(['FILM I İ']).ids.tolist())"
    )
    turkish = {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | turkish,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.strip() == "[1, 2, 2]"


def test_texts_without_words_have_no_tokens():
    assert ids(["", "film", " \t\n", "\x00\u200d"], True) == [
        [],
        [VOCABULARY.index("film")],
        [],
        [],
    ]


@pytest.mark.parametrize("batch", [[], pa.array([], pa.string()), pa.array([], pa.large_string())])
def test_an_empty_batch_gives_an_empty_batch(batch):
    tokens = OURS[True].encode(batch)
    assert len(tokens) == 0
    assert tokens.ids.dtype == "int32"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_arrow_arrays_and_their_slices_are_batches(kind):
    array = pa.array(["bad", "the film", "", "film", "bad"], kind).slice(1, 3)
    tokens = OURS[True].encode(array)
    assert [VOCABULARY[i] for i in tokens.ids] == ["the", "film", "film"]
    assert tokens.lengths.tolist() == [2, 0, 1]


@pytest.mark.parametrize("character", ["a", "é"])
def test_ten_megabytes_without_a_space_are_one_unknown_word_in_seconds(character):
    word = character * (10_000_000 // len(character.encode()))
    start = time.monotonic()
    assert ids([word, "film"], True) == [[UNKNOWN], [VOCABULARY.index("film")]]
    # A second or two; what grows with the square of the length would take hours.
    assert time.monotonic() - start < 60
