"""What a tokenizer does whose vocabulary was cut to a corpus."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from models import BertTokenizer, RobertaTokenizer, Tokenizer
from models.errors import UserError
from models.students import vocabulary as students
from models.students.vocabulary import cut_vocabulary
from models.students.weights import shrunken
from models.tokenizers.pipeline_tokenizer import PipelineTokenizer
from models.tokenizers.vocabulary import train_wordpiece
from tests.models.presets import hostile
from tests.models.tokenizers import test_byte_pair, test_sentence_piece

CORPUS = test_sentence_piece.CORPUS
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TOKENIZERS = {
    "wordpiece": BertTokenizer(train_wordpiece(CORPUS, 150, lowercase=False)),
    "wordpiece, lowercase": BertTokenizer(train_wordpiece(CORPUS, 150, lowercase=True), True),
    "byte pairs": test_byte_pair.TOKENIZER,
    **test_sentence_piece.TOKENIZERS,
}
# Tokens of these are not made of others, which would then be kept with them.
WHOLE = ("wordpiece", "wordpiece, lowercase", "unigram", "as is")
kinds = pytest.mark.parametrize("kind", TOKENIZERS)
words = st.sampled_from(sorted({word for text in CORPUS for word in text.split()}))
sentences = st.lists(words, max_size=6).map(" ".join)


def spelled(tokenizer: Tokenizer, texts: list[str]) -> list[list[str]]:
    """The tokens of each text."""
    tokens = tokenizer.encode(texts)
    names = [tokenizer.id_to_token(token_id) for token_id in tokens.ids.tolist()]
    return [names[start:end] for start, end in itertools.pairwise(tokens.splits.tolist())]


def smallest(tokenizer: Tokenizer, texts: list[str]) -> int:
    """The tokens that a corpus cannot do without."""
    with pytest.raises(UserError, match="vocabulary_size=1 is too small") as error:
        cut_vocabulary(tokenizer, texts, 1)
    return int(re.findall(r"are ([\d,]+)$", str(error.value))[0].replace(",", ""))


def byte_pairs(merges: list[str], *others: str, **options) -> RobertaTokenizer:
    made = [merge.replace(" ", "") for merge in merges]
    letters = sorted(set("".join(made)))
    tokens = dict.fromkeys([*SPECIAL, *letters, *made, *others])
    return RobertaTokenizer({token: at for at, token in enumerate(tokens)}, merges, **options)


@kinds
@settings(max_examples=40)
@given(corpus=st.lists(st.one_of(sentences, hostile.texts), max_size=5))
def test_a_corpus_is_made_of_the_same_tokens_as_before(kind, corpus):
    tokenizer = TOKENIZERS[kind]
    cut, ids = cut_vocabulary(tokenizer, corpus)
    assert type(cut) is type(tokenizer)
    before, after = tokenizer.encode(corpus), cut.encode(corpus)
    np.testing.assert_array_equal(ids[after.ids], before.ids)
    np.testing.assert_array_equal(after.splits, before.splits)
    assert spelled(cut, corpus) == spelled(tokenizer, corpus)


@kinds
@pytest.mark.parametrize("room", [None, 0, 9])
def test_ids_are_those_of_the_same_tokens_in_the_old_vocabulary(kind, room):
    tokenizer, corpus = TOKENIZERS[kind], CORPUS[:2]
    size = None if room is None else smallest(tokenizer, corpus) + room
    cut, ids = cut_vocabulary(tokenizer, corpus, size)
    assert [tokenizer.id_to_token(token_id) for token_id in ids] == cut.get_vocabulary()
    assert (np.diff(ids) > 0).all()
    assert len(ids) < tokenizer.vocabulary_size()
    assert size is None or len(ids) == size


@kinds
def test_room_that_a_corpus_leaves_is_filled_with_other_tokens(kind):
    tokenizer = TOKENIZERS[kind]
    size = tokenizer.vocabulary_size()
    assert len(cut_vocabulary(tokenizer, CORPUS[:1])[1]) < size
    assert cut_vocabulary(tokenizer, CORPUS[:1], size)[1].tolist() == list(range(size))


@kinds
def test_special_tokens_and_ascii_stay_whatever_the_corpus(kind):
    tokenizer = TOKENIZERS[kind]
    cut, ids = cut_vocabulary(tokenizer, [])
    kept = set(cut.get_vocabulary())
    assert kept >= set(cut.special_tokens)
    assert kept >= {t for t in tokenizer.get_vocabulary() if len(t) == 1 and t.isascii()}
    assert [ids[i] for i in cut.special_token_ids] == tokenizer.special_token_ids
    assert not spelled(cut, [""])[0]


@kinds
@settings(max_examples=40)
@given(
    texts=st.lists(st.text(st.sampled_from("abcdefgh tué' naïv é,日本語")), max_size=5),
    is_least=st.booleans(),
)
def test_other_texts_of_the_same_characters_have_no_more_unknown_tokens(kind, texts, is_least):
    tokenizer = TOKENIZERS[kind]
    size = smallest(tokenizer, CORPUS) if is_least else None
    cut, _ = cut_vocabulary(tokenizer, CORPUS, size)
    found, expected = (
        [row.count(each.unk_token) for row in spelled(each, texts)] for each in (cut, tokenizer)
    )
    assert found == expected


def test_characters_that_only_longer_tokens_have_stay():
    tokenizer = BertTokenizer([*BertTokenizer.special_tokens, "é", "##é", "ü", "##é!", "caf", "né"])
    cut, _ = cut_vocabulary(tokenizer, ["né"])
    assert cut.get_vocabulary()[5:] == ["é", "##é", "né"]
    assert spelled(cut, ["éé ü"]) == [["é", "##é", "[UNK]"]]


@pytest.mark.parametrize("kind", WHOLE)
def test_the_rarest_tokens_go_first(kind):
    tokenizer = TOKENIZERS[kind]
    corpus = ["the fox the fox the dog they over the lazy the over fox and and and"]
    counts = Counter(token for row in spelled(tokenizer, corpus) for token in row)
    least = smallest(tokenizer, corpus)
    always = set(cut_vocabulary(tokenizer, corpus, least)[0].get_vocabulary())
    vocabularies = [
        set(cut_vocabulary(tokenizer, corpus, least + room)[0].get_vocabulary())
        for room in range(1, 5)
    ]
    ranked = sorted((counts[token] for token in counts.keys() - always), reverse=True)
    assert len(ranked) > 4  # so that some go
    for room, kept in enumerate(vocabularies, 1):
        assert sorted((counts[t] for t in kept - always), reverse=True) == ranked[:room]


def test_a_token_is_kept_with_those_that_it_is_merged_from_or_not_at_all():
    tokenizer = byte_pairs(["t h", "th e", "f o", "fo x", "d o"])
    corpus = ["thethe", "thethefox", "dodo"]
    least = smallest(tokenizer, corpus)

    def merged(room):
        cut, _ = cut_vocabulary(tokenizer, corpus, least + room)
        return cut.get_config()["merges"]

    assert merged(0) == []
    assert merged(1) == ["d o"]  # there is no room for "th" and "the"
    assert merged(2) == ["t h", "th e"]
    assert merged(3) == ["t h", "th e", "d o"]
    assert merged(5) == ["t h", "th e", "f o", "fo x", "d o"]


@pytest.mark.parametrize("room", [None, 0, 9, 30])
def test_every_merge_of_a_kept_token_is_kept_in_its_order(room):
    tokenizer, corpus = TOKENIZERS["byte pairs"], CORPUS[:2]
    size = None if room is None else smallest(tokenizer, corpus) + room
    config = cut_vocabulary(tokenizer, corpus, size)[0].get_config()
    made = [m for m in test_byte_pair.MERGES if m.replace(" ", "") in config["vocabulary"]]
    assert config["merges"] == made


@pytest.mark.parametrize("made", [["ab c", "a bc"], ["a bc", "ab c"]])
def test_a_token_that_two_merges_make_keeps_both(made):
    # Without "bc", "cd" would be merged before "ab" is.
    tokenizer = byte_pairs(["b c", *made, "c d", "a b"])
    corpus = ["abcd", "cd"]
    assert spelled(tokenizer, corpus) == [["abc", "d"], ["cd"]]
    cut, _ = cut_vocabulary(tokenizer, corpus)
    assert spelled(cut, corpus) == spelled(tokenizer, corpus)


def test_byte_pairs_spell_every_text_still():
    cut, _ = cut_vocabulary(TOKENIZERS["byte pairs"], [])
    text = "日本語 é Ω"
    assert cut.detokenize(cut(text)) == text
    assert cut.vocabulary_size() == 256 + len(SPECIAL)


def test_tokens_that_a_text_may_spell_stay():
    tokenizer = byte_pairs(["a b"], "<x>", unsplittable_tokens=["<x>"])
    cut, _ = cut_vocabulary(tokenizer, ["a"])
    assert spelled(cut, ["ab<x>"]) == [["a", "b", "<x>"]]


@kinds
def test_a_corpus_of_many_batches_is_counted_whole(kind, monkeypatch):
    tokenizer = TOKENIZERS[kind]
    size = smallest(tokenizer, CORPUS) + 8
    expected, _ = cut_vocabulary(tokenizer, CORPUS, size)
    monkeypatch.setattr(students, "_BATCH", 2)
    assert cut_vocabulary(tokenizer, CORPUS, size)[0].get_config() == expected.get_config()


@kinds
def test_a_size_without_room_for_what_must_stay_is_refused(kind):
    tokenizer = TOKENIZERS[kind]
    least = smallest(tokenizer, CORPUS)
    assert cut_vocabulary(tokenizer, CORPUS, least)[0].vocabulary_size() == least
    message = (
        rf"^vocabulary_size={least - 1} is too small: special tokens and single characters are "
        rf"{least}$"
    )
    with pytest.raises(UserError, match=message):
        cut_vocabulary(tokenizer, CORPUS, least - 1)


def test_a_vocabulary_of_another_kind_is_refused():
    model = tokenizers.models.WordLevel({"[PAD]": 0, "[UNK]": 1, "the": 2}, "[UNK]")
    pipeline = tokenizers.Tokenizer(model).to_str()
    tokenizer = PipelineTokenizer(pipeline, ["[PAD]"], "[PAD]", "[UNK]")
    with pytest.raises(UserError, match=r"^the vocabulary of .* cannot be cut: leave out [^\n]*$"):
        cut_vocabulary(tokenizer, ["the"])


def test_what_was_cut_comes_back_from_a_preset(family, tmp_path):
    corpus = ["the good film, the bad play!", "good"]
    backbone = family.ours("Backbone")(**family.config)
    preprocessor = family.ours("Preprocessor")(family.tokenizer, 9)
    cut, ids = cut_vocabulary(preprocessor.tokenizer, corpus)
    shrunken(backbone, [0], ids).save_to_preset(tmp_path)
    preprocessor.with_tokenizer(cut).save_to_preset(tmp_path)
    loaded = Tokenizer.from_preset(tmp_path)
    assert type(loaded) is family.ours("Tokenizer")
    assert loaded.get_config() == cut.get_config()
    assert spelled(loaded, corpus) == spelled(family.tokenizer, corpus)
    again = family.ours("Backbone").from_preset(tmp_path)
    assert again.vocabulary_size == loaded.vocabulary_size() == len(ids)


def test_settings_stay(family):
    name, value = {
        "roberta": ("unsplittable_tokens", ["<mask>"]),
        "xlm_roberta": ("as_transformers", True),
    }.get(family.family, ("strip_accents", False))
    options = {name: value, "sequence_length": 7}
    tokenizer = family.ours("Tokenizer")(**family.arguments, **options)
    cut, _ = cut_vocabulary(tokenizer, ["the good film"])
    changed = {"vocabulary", "merges", "proto"}
    found, expected = (each.get_config() for each in (cut, tokenizer))
    assert {k: found[k] for k in found.keys() - changed} == {
        k: expected[k] for k in expected.keys() - changed
    }
    assert found[name] == value
