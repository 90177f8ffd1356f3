import pytest

from models import BertTokenizer
from models.tokenizers.vocabulary import SPECIAL_TOKENS, train_wordpiece

CORPUS = ["The quick brown fox jumps", "the lazy dog, the quick dog", "Café crème, cafés"] * 5


def spell(vocabulary, lowercase, text):
    tokenizer = BertTokenizer(vocabulary, lowercase)
    return [vocabulary[token_id] for token_id in tokenizer(text).numpy()]


def test_special_tokens_come_first_and_padding_is_0():
    vocabulary = train_wordpiece(CORPUS, 200, lowercase=True)
    assert tuple(vocabulary[:5]) == SPECIAL_TOKENS
    assert vocabulary[0] == "[PAD]"
    assert len(set(vocabulary)) == len(vocabulary) <= 200


def test_the_corpus_is_spelled_without_unknown_words():
    for lowercase in (True, False):
        vocabulary = train_wordpiece(CORPUS, 60, lowercase)
        assert not any("[UNK]" in spell(vocabulary, lowercase, text) for text in CORPUS)


def test_frequent_words_are_tokens_and_stripped_as_asked():
    assert spell(train_wordpiece(CORPUS, 200, True), True, "THE quick CAFÉ") == [
        "the",
        "quick",
        "cafe",
    ]
    assert "Café" in train_wordpiece(CORPUS, 200, False)


def test_more_tokens_are_learned_where_there_is_room():
    small, large = (train_wordpiece(CORPUS, size, True) for size in (50, 70))
    assert len(small) < len(large) <= 70


@pytest.mark.parametrize("corpus", [[], ["", " \n"]])
def test_an_empty_corpus_gives_the_special_tokens(corpus):
    assert train_wordpiece(corpus, 100, True) == list(SPECIAL_TOKENS)


def test_words_longer_than_a_token_may_be_do_no_harm():
    vocabulary = train_wordpiece(["y" * 600, "film"] * 5, 5_000, True)
    assert spell(vocabulary, True, f"film {'y' * 600}") == ["film", "[UNK]"]


def test_the_same_corpus_gives_the_same_vocabulary():
    assert train_wordpiece(CORPUS, 100, True) == train_wordpiece(CORPUS, 100, True)
