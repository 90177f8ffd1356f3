import pytest

from models.tokenizers.unigram import character_map_of, cut_model, merges_pairs, pieces_of
from tests.models.tokenizers import spm
from tests.models.tokenizers.test_sentence_piece import KINDS, PROTO


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_some_pieces_is_otherwise_the_same(kind):
    model = KINDS[kind]
    pieces = pieces_of(model)
    gone = {text for text, _, type_ in pieces if type_ == spm.NORMAL and "o" in text}
    assert gone
    cut = cut_model(model, {text for text, _, _ in pieces} - gone)
    assert pieces_of(cut) == [piece for piece in pieces if piece[0] not in gone]
    assert character_map_of(cut) == character_map_of(model)
    assert merges_pairs(cut) == merges_pairs(model) == (kind == "pairs")


def test_pieces_that_no_text_is_made_of_stay():
    pieces = [*pieces_of(PROTO)[:3], ("<x>", 0.0, spm.USER_DEFINED), ("a", -1.0, spm.NORMAL)]
    assert pieces_of(cut_model(spm.with_pieces(PROTO, pieces), set())) == pieces[:4]


def test_all_pieces_kept_give_the_same_bytes():
    assert cut_model(PROTO, {text for text, _, _ in pieces_of(PROTO)}) == PROTO


@pytest.mark.parametrize("read", [merges_pairs, lambda model: cut_model(model, set())])
def test_what_is_no_model_is_refused(read):
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        read(b"\x0a\xff")
