"""The tokenizers with published vocabularies, on real text; and each known difference.

What is found here is written down in docs/tokenizers.md.
"""

import io
import itertools
import unicodedata

import numpy as np
import pytest
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer

from models import BertTokenizer, RobertaTokenizer, XLMRobertaTokenizer
from tests.models.presets import hostile
from tests.models.tokenizers import published, spm
from tests.models.tokenizers.test_sentence_piece import assert_equal_or_tied

pytestmark = pytest.mark.parity

SENTENCES = [
    "日本語の文章を、ここに書いてみました。カタカナとﾊﾝｶｸも。",
    "한국어 문장도 하나 적어 봅니다.",
    "Это предложение написано по-русски, ёлки.",
    "Η πρόταση αυτή γράφτηκε στα ελληνικά",
    "هذه جملة باللغة العربية، مع تشكيلٍ قليلٍ.",
    "זה משפט בעברית.",
    "यह वाक्य हिन्दी में है।",
    "ประโยคนี้เป็นภาษาไทย",
    "Câu này viết bằng tiếng Việt.",
    "这句话是用中文写的，𠀀字也在。",
    "Groß, Café, naïve, Ærø, Łódź, Ünïcödé — “quotes” … ½ ™ Ａ１",
    "👩‍💻 works 🏳️‍🌈 and 👨‍👩‍👧 ❤️!",
]
# Characters that `tokenizers` deletes and Google does not.
PRIVATE = {"\ue000", "\U000f0000"}


def rows(tokenizer, texts):
    tokens = tokenizer.encode(texts)
    bounds = itertools.pairwise(tokens.splits.tolist())
    return [tokens.ids[start:end].tolist() for start, end in bounds]


def spelled(tokenizer, text):
    return [tokenizer.id_to_token(int(token_id)) for token_id in tokenizer(text)]


@pytest.fixture(scope="module")
def texts():
    forms = [unicodedata.normalize(form, t) for form in ("NFC", "NFD", "NFKC") for t in SENTENCES]
    return [*published.corpus(), *forms, *hostile.FRAGMENTS]


def bert_reference(preset):
    lowercase = preset.endswith("uncased")
    ids = {token: index for index, token in enumerate(published.wordpiece(preset))}
    return BertWordPieceTokenizer(ids, lowercase=lowercase, strip_accents=lowercase)


@pytest.fixture(scope="module")
def bert():
    return BertTokenizer(published.wordpiece("bert_base_en_uncased"), lowercase=True)


@pytest.mark.parametrize("preset", published.BERT)
def test_bert_gives_the_ids_of_tokenizers(preset, texts):
    texts = [text for text in texts if text not in PRIVATE]
    reference = bert_reference(preset)
    reference._tokenizer.encode_special_tokens = True
    expected = reference.encode_batch(texts, add_special_tokens=False)
    ours = BertTokenizer(published.wordpiece(preset), lowercase=preset.endswith("uncased"))
    assert rows(ours, texts) == [encoding.ids for encoding in expected]


@pytest.fixture(scope="module")
def roberta():
    return RobertaTokenizer(*published.roberta())


def test_roberta_gives_the_ids_of_tokenizers(roberta, texts):
    vocabulary, merges = published.roberta()
    reference = ByteLevelBPETokenizer(vocabulary, [tuple(m.split(" ")) for m in merges])
    assert rows(roberta, texts) == [encoding.ids for encoding in reference.encode_batch(texts)]
    # As published: what vocabulary and merges were put together from is whole.
    assert rows(roberta, ["Hello world"]) == [[31414, 232]]


@pytest.fixture(scope="module")
def proto():
    """A model of XLM-R's pieces with made-up scores, and SentencePiece's own rules."""
    sentencepiece = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        vocab_size=300,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return published.xlm_roberta_proto(model.getvalue())


@pytest.fixture(scope="module")
def xlm_roberta(proto):
    return XLMRobertaTokenizer(proto)


def test_xlm_roberta_gives_the_ids_of_sentencepiece(xlm_roberta, proto, texts):
    sentencepiece = pytest.importorskip("sentencepiece")
    reference = sentencepiece.SentencePieceProcessor(model_proto=proto)
    expected = [[i + 1 if i else 3 for i in row] for row in reference.encode(texts)]
    found = rows(xlm_roberta, texts)
    assert_equal_or_tied(found, expected, reference)
    assert sum(a != b for a, b in zip(found, expected, strict=True)) < len(texts) / 1000
    assert xlm_roberta.vocabulary_size() == 250_002
    assert rows(xlm_roberta, ["Hello world!"]) == [[35378, 8999, 38]]


class TestDifferencesOfBert:
    def test_tokenizers_takes_spelled_special_tokens_for_special(self, bert):
        theirs = bert_reference("bert_base_en_uncased").encode("[SEP]", add_special_tokens=False)
        assert theirs.tokens == ["[SEP]"]
        assert spelled(bert, "[SEP]") == ["[", "sep", "]"]

    def test_tokenizers_knows_no_sigma_at_the_end_of_a_word(self):
        reference = bert_reference("bert_base_en_uncased")
        assert reference.normalize("ΑΣ") == "ασ"
        assert "ΑΣ".lower() == "ας"
        ours = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ας", "ασ"], True)
        assert spelled(ours, "ΑΣ") == ["ας"]

    @pytest.mark.parametrize("character", sorted(PRIVATE))
    def test_tokenizers_deletes_private_use_and_google_does_not(self, bert, character):
        assert unicodedata.category(character) == "Co"
        theirs = bert_reference("bert_base_en_uncased").encode(character, add_special_tokens=False)
        assert theirs.tokens == []
        assert spelled(bert, character) == ["[UNK]"]

    def test_google_spells_words_of_up_to_200_characters(self, bert):
        assert spelled(bert, "a" * 101) == ["[UNK]"]
        theirs = bert_reference("bert_base_en_uncased")
        assert theirs.encode("a" * 101, add_special_tokens=False).tokens == ["[UNK]"]
        assert len(spelled(bert, "a" * 100)) > 1

    def test_keras_hub_keeps_accents_unless_told(self, bert):
        theirs = self.keras_hub(bert)
        assert ids_of(theirs, "café") != rows(bert, ["café"])[0]
        assert ids_of(self.keras_hub(bert, strip_accents=True), "café") == rows(bert, ["café"])[0]

    @pytest.mark.parametrize("space", ["\xa0", "\u2003", "\u3000"])
    def test_keras_hub_does_not_split_at_every_space(self, bert, space):
        theirs = self.keras_hub(bert, strip_accents=True)
        assert spelled(bert, f"the{space}film") == ["the", "film"]
        assert ids_of(theirs, f"the{space}film") != rows(bert, ["the film"])[0]

    @staticmethod
    def keras_hub(bert, **options):
        models = pytest.importorskip("keras_hub").models
        return models.BertTokenizer(bert.get_vocabulary(), lowercase=True, **options)


def ids_of(tokenizer, text):
    return np.asarray(tokenizer(text)).tolist()


class TestDifferencesOfRoberta:
    def test_transformers_takes_spelled_special_tokens_for_special(self, roberta):
        transformers = pytest.importorskip("transformers")
        vocabulary, merges = published.roberta()
        theirs = transformers.RobertaTokenizer(
            vocab=vocabulary, merges=[tuple(merge.split(" ")) for merge in merges]
        )
        assert "<mask>" in theirs.tokenize("a <mask> b")
        assert spelled(roberta, "a <mask> b") == ["a", "Ġ<", "mask", ">", "Ġb"]
        plain = ["it's 1234567", "x\n\ny", "the fox 's den", "a  b ", ""]
        expected = [theirs.encode(text, add_special_tokens=False) for text in plain]
        assert rows(roberta, plain) == expected

    @pytest.mark.parametrize(
        ("text", "tokens"),
        [
            ("the fox 's den", ["the", "Ġfox", "Ġ'", "s", "Ġden"]),
            ("x\n\ny", ["x", "Ċ", "Ċ", "y"]),
        ],
    )
    def test_keras_hub_splits_otherwise(self, roberta, text, tokens):
        models = pytest.importorskip("keras_hub").models
        theirs = models.RobertaTokenizer(*published.roberta(), unsplittable_tokens=[])
        assert spelled(roberta, text) == tokens
        assert ids_of(theirs, text) != rows(roberta, [text])[0]

    def test_tokenizers_drops_a_byte_that_the_vocabulary_lacks(self):
        vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a"]
        ids = {token: index for index, token in enumerate(vocabulary)}
        assert ByteLevelBPETokenizer(ids, []).encode("aba").tokens == ["a", "a"]
        assert spelled(RobertaTokenizer(ids, []), "aba") == ["a", "<unk>", "a"]


@pytest.fixture(scope="module")
def their_xlm_roberta(proto, xlm_roberta):
    transformers = pytest.importorskip("transformers")
    sentencepiece = pytest.importorskip("sentencepiece")
    reference = sentencepiece.SentencePieceProcessor(model_proto=proto)
    scores = [reference.get_score(i) for i in range(3, reference.vocab_size())]
    tokens = xlm_roberta.get_vocabulary()
    return transformers.XLMRobertaTokenizer(
        vocab=list(zip(tokens, [0.0] * 4 + scores + [0.0], strict=True)),
        _spm_precompiled_charsmap=spm.normalization(proto),
    )


class TestDifferencesOfXLMRoberta:
    def test_transformers_agrees_on_composed_text(self, xlm_roberta, their_xlm_roberta):
        texts = [unicodedata.normalize("NFC", text) for text in SENTENCES]
        expected = [their_xlm_roberta.encode(text, add_special_tokens=False) for text in texts]
        assert rows(xlm_roberta, texts) == expected

    @pytest.mark.parametrize("text", ["한국어", "viết"])
    def test_transformers_does_not_compose_decomposed_text(
        self, xlm_roberta, their_xlm_roberta, text
    ):
        decomposed = unicodedata.normalize("NFD", text)
        assert spelled(xlm_roberta, decomposed) == spelled(xlm_roberta, text)
        assert their_xlm_roberta.tokenize(decomposed) != their_xlm_roberta.tokenize(text)

    def test_transformers_takes_spelled_special_tokens_for_special(
        self, xlm_roberta, their_xlm_roberta
    ):
        assert their_xlm_roberta.tokenize("<s>") == ["<s>"]
        assert spelled(xlm_roberta, "<s>") == ["▁<", "s", ">"]

    def test_transformers_splits_at_the_control_character_next_line(
        self, xlm_roberta, their_xlm_roberta
    ):
        assert their_xlm_roberta.tokenize("\x85") == []
        assert spelled(xlm_roberta, "\x85") == ["▁", "\x85"]
