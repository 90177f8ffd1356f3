import itertools
import re

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import models as library_models
from tokenizers import normalizers, pre_tokenizers

from models.tokenizers.library import (
    finds,
    library_tokens,
    repeats,
    tokens_by_two,
    unsettled,
    unspelled,
)
from models.tokenizers.wordpiece import WordPiece

# Neighbours that matter: an accent of its own, a letter with one, an ideograph, a sigma.
AROUND = ("a{}", "{}", "é{} x", "中{}!", "e\u0301{}b", "x{0}{0}")
VOCABULARY = ["[UNK]", *"abexé中!ασς", "##a", "##b", "##x", "##é", "##σ", "##ς", "##\u0301"]


def rows(tokens):
    return [tokens.ids[a:b].tolist() for a, b in itertools.pairwise(tokens.splits)]


def library(lowercase, strip_accents):
    ids = {token: index for index, token in enumerate(VOCABULARY)}
    made = tokenizers.Tokenizer(library_models.WordPiece(ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


@pytest.mark.parametrize(("lowercase", "strip_accents"), [(True, True), (False, False)])
def test_the_library_agrees_on_every_settled_character(lowercase, strip_accents):
    pattern = unsettled(without=("Σ",)) if lowercase else unsettled()
    characters = pa.array([chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000])
    settled = characters.filter(pa.array(~finds(characters, pattern))).to_pylist()
    assert len(settled) > 90_000
    quick = WordPiece(VOCABULARY, lowercase, strip_accents, "[UNK]")
    exact = library(lowercase, strip_accents)
    for around in AROUND:
        texts = pa.array([around.format(character) for character in settled])
        ours, theirs = quick.encode(texts), library_tokens(exact, texts)
        assert np.array_equal(ours.splits, theirs.splits)
        assert np.array_equal(ours.ids, theirs.ids)


@pytest.mark.parametrize("character", ["\ue000", "\U0001f3fd", "\u0378", "\ud7cb", "Σ", "\u061d"])
def test_what_tokenizers_may_differ_on_is_unsettled(character):
    assert finds(pa.array([f"a{character}"]), unsettled(without=("Σ",))).all()


def test_some_texts_go_through_the_library_and_all_keep_their_places():
    texts = ["a b", "ΑΣ", "", "x", "ab Σ", "é"]
    exact = library(True, True)
    expected = rows(library_tokens(exact, pa.array(texts)))
    for chosen in (texts, texts[:1], texts[1:2], []):
        found = tokens_by_two(
            chosen,
            lambda given: finds(given, unsettled(without=("Σ",))),
            WordPiece(VOCABULARY, True, True, "[UNK]").encode,
            lambda: exact,
        )
        assert rows(found) == [expected[texts.index(text)] for text in chosen]


@example(["", "aaa"], 0)
@given(st.lists(st.text("ab é東", max_size=12), max_size=8), st.integers(0, 2))
def test_repetitions_are_found_within_a_text(texts, skipped):
    def repeated(text):
        return re.search(rb"(.{1,4}|.{6})\1\1", text.encode(), re.DOTALL) is not None

    found = repeats(pa.array(["aaa"] * skipped + texts, pa.string()).slice(skipped))
    assert found.tolist() == [repeated(text) for text in texts]


def test_no_text_spells_a_hidden_token():
    ids = {unspelled("[X]"): 0, "[": 1, "X": 2, "]": 3, "?": 4}
    made = tokenizers.Tokenizer(library_models.WordPiece(ids, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    texts = pa.array(["[X]", unspelled("[X]"), "\0[X]"])
    assert 0 not in library_tokens(made, texts).ids
