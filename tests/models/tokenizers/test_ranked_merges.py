import itertools
import json

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import ByteLevelBPETokenizer
from tokenizers.pre_tokenizers import ByteLevel

from models import RobertaTokenizer
from models.tokenizers.ranked_merges import RankedMerges
from tests.models.tokenizers import published

ALPHABET = sorted(ByteLevel.alphabet())
SPECIAL = list(RobertaTokenizer.special_tokens)
UNKNOWN = SPECIAL.index("<unk>")


def vocabulary_of(merges, alphabet=ALPHABET) -> dict[str, int]:
    made = ["".join(merge) for merge in merges]
    return {token: i for i, token in enumerate(dict.fromkeys([*SPECIAL, *made, *alphabet]))}


def ranked(merges, vocabulary=None) -> RankedMerges | None:
    ids = vocabulary or vocabulary_of(merges)
    return RankedMerges.of(ids, UNKNOWN, merges, tokenizers.models.BPE(ids, merges))


def rows(tokens) -> list[list[int]]:
    return [tokens.ids[start:end].tolist() for start, end in itertools.pairwise(tokens.splits)]


@st.composite
def merges(draw):
    """Merges of a few letters, by chance of the kind that training gives or of another."""
    tokens = ["a", "b", "c"]
    found = []
    for _ in range(draw(st.integers(0, 8))):
        pair = (draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens)))
        if pair not in found:
            found.append(pair)
            tokens.append("".join(pair))
    return draw(st.permutations(found)) if draw(st.booleans()) else found


AB, BC = ("a", "b"), ("b", "c")
SAME = {
    "no merges": [],
    "each of those before it": [AB, ("ab", "c"), ("abc", "abc")],
    "a letter with itself": [("a", "a"), ("aa", "a"), ("aa", "aa")],
    "two ways to halve a token": [AB, BC, ("ab", "c")],
}
OTHER = {
    "two merges make a token": [AB, BC, ("ab", "c"), ("a", "bc")],
    "a merge comes before what it merges": [("ab", "c"), AB],
    "no merge makes what is merged": [("bc", "a")],
    "others merge the bytes of a token first": [BC, AB, ("ab", "c")],
    "a letter with itself from the wrong side": [("a", "a"), ("a", "aa")],
}


@pytest.mark.parametrize("case", SAME)
def test_what_training_gives_is_for_tiktoken(case):
    assert ranked(SAME[case]) is not None


@pytest.mark.parametrize("case", OTHER)
def test_what_tiktoken_would_merge_otherwise_is_not(case):
    ids = vocabulary_of([*OTHER[case], ("bc",)])
    assert ranked(OTHER[case], ids) is None


def test_tiktoken_would_indeed_merge_another_pair():
    merges = OTHER["others merge the bytes of a token first"]
    ids = vocabulary_of(merges)
    spelled = {t: t.encode() for t in [*map(chr, range(128)), *map("".join, merges)]}
    spelled |= {chr(byte): bytes([byte]) for byte in range(128, 256)}
    careless = RankedMerges(spelled, ids, UNKNOWN)
    assert rows(careless.encode(pa.array(["abc"]))) == [[ids["abc"]]]
    tokenizer = RobertaTokenizer(ids, [" ".join(merge) for merge in merges])
    assert tokenizer("abc").numpy().tolist() == [ids["a"], ids["bc"]]


@settings(max_examples=300)
@given(merges=merges(), batch=st.lists(st.text("abc", max_size=12), max_size=6))
@example(merges=SAME["a letter with itself"], batch=["a" * length for length in range(99, 110)])
@example(merges=SAME["each of those before it"], batch=["abcababc" * 30, "cab" * 50])
def test_any_merges_give_the_ids_of_tokenizers(merges, batch):
    ids = vocabulary_of(merges)
    reference = ByteLevelBPETokenizer(ids, merges)
    tokenizer = RobertaTokenizer(ids, [" ".join(merge) for merge in merges])
    expected = [encoding.ids for encoding in reference.encode_batch(batch)]
    assert rows(tokenizer.encode(batch)) == expected


@settings(max_examples=50)
@given(corpus=st.lists(st.text("ab \u00e9'1", min_size=1, max_size=40), min_size=1, max_size=8))
def test_trained_vocabularies_are_for_tiktoken(corpus):
    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(corpus, 400, 1, show_progress=False, special_tokens=SPECIAL)
    model = json.loads(trainer.to_str())["model"]
    assert ranked([tuple(pair) for pair in model["merges"]], model["vocab"]) is not None


@pytest.mark.parity
def test_the_published_vocabulary_is_for_tiktoken():
    vocabulary, merges = published.roberta()
    assert ranked([tuple(merge.split(" ")) for merge in merges], vocabulary) is not None


def test_bytes_that_the_vocabulary_lacks_are_unknown():
    ids = vocabulary_of([AB], alphabet=["a", "b"])
    merges = ranked([AB], ids)
    assert merges is not None
    assert rows(merges.encode(pa.array(["abcé", "b"]))) == [[ids["ab"], *[UNKNOWN] * 3], [ids["b"]]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_no_parts_have_no_tokens(kind):
    merges = ranked([AB])
    assert merges is not None
    assert rows(merges.encode(pa.array([], kind))) == []
    parts = pa.array(["ab", "\uffff", "a\uffff b"], kind)
    assert merges.cannot(parts).tolist() == [False, True, True]
