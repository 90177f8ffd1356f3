"""The counts of `--plan` beside those of the tokenizers that a run has."""

import numpy as np
import pyarrow as pa
import pytest

from models import Preprocessor
from models.presets.embedding import EmbeddingSettings
from models.presets.lookup import open_preset
from pipelines.planning.counting import TokenCounter
from tests.models.family_cases import FAMILIES, LENGTH, case
from tests.models.presets.hostile import FRAGMENTS
from tests.models.presets.hugging_face_folders import make_folder, wordpiece_json, write
from tests.models.tokenizers import published

TEXTS = [
    "the good film",
    "",
    "an awful play! the great film, playing it, " * 3,
    "[CLS] a </s> b [SEP]",
    "play" * 40,
    "Ünïcödé ½ ™ 日本",
]
SECONDS = ["x", "bad play " * 20, "the film", "", "good", "the"]


@pytest.fixture(scope="module", params=[*FAMILIES, "hugging face", "pipeline"])
def preset(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("preset") / "tiny"
    if request.param in FAMILIES:
        case(request.param).classifier(["a", "b"]).save_to_preset(folder)
    else:
        make_folder(folder, "bert", head=True)
    if request.param == "pipeline":
        ends = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
        other = {"normalizer": {"type": "NFKC"}, "post_processor": ends}
        write(folder, "tokenizer.json", wordpiece_json() | other)
        tokens = {"pad_token": "[PAD]", "unk_token": "[UNK]", "sep_token": "[SEP]"}
        names = ["input_ids", "token_type_ids", "attention_mask"]
        general = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": names}
        write(folder, "tokenizer_config.json", general | tokens)
        assert open_preset(folder).tokenizer_kind == "pipeline"
    return open_preset(folder)


@pytest.fixture
def length(preset):
    return min(LENGTH, preset.sequence_length)


def of_run(preset, segments, length, long_text="truncate"):
    """Tokens, what the model reads of them and whether rows are cut, as a run has them."""
    preprocessor = Preprocessor.from_preset(preset, length)
    if long_text == "windows":
        rows, tokens, truncated = preprocessor.encode_windows(*segments)
        lengths = preprocessor.split_windows(rows).tokens.lengths
        return tokens, rows.lengths, (lengths**2).sum(), truncated
    rows, tokens = preprocessor.encode(*segments)
    return tokens, rows.lengths, (rows.lengths**2).sum(), tokens > rows.lengths


@pytest.mark.parametrize("long_text", ["truncate", "windows"])
@pytest.mark.parametrize("num_texts", [1, 2])
def test_counts_are_those_of_a_run(preset, length, num_texts, long_text):
    segments = [pa.array(texts) for texts in (TEXTS, SECONDS)[:num_texts]]
    tokens, computed, squares, truncated = of_run(preset, segments, length, long_text)
    found = TokenCounter(preset, length, long_text).count(segments)
    np.testing.assert_array_equal(found.tokens, tokens)
    np.testing.assert_array_equal(found.computed, computed)
    np.testing.assert_array_equal(found.truncated, truncated)
    assert found.squares.sum() == squares
    assert truncated.any() or long_text == "windows"


def test_a_prefix_counts(preset, length):
    settings = EmbeddingSettings(prefix="good film, ")
    texts = pa.array(TEXTS)
    expected, *_ = of_run(preset, [pa.array([f"good film, {text}" for text in TEXTS])], length)
    found = TokenCounter(preset, length, embedding=settings).count([texts])
    np.testing.assert_array_equal(found.tokens, expected)


def test_a_long_text_is_counted_by_its_beginning(preset, length):
    text = "the good film, playing it. " * 4000
    counter = TokenCounter(preset, length)
    assert counter.most_characters < len(text)
    expected, computed, _, truncated = of_run(preset, [pa.array([text])], length)
    found = counter.count([pa.array([text])])
    assert found.tokens[0] == pytest.approx(expected[0], rel=0.01)
    assert (found.computed[0], found.truncated[0]) == (computed[0], truncated[0])


def test_no_text_has_no_counts(preset, length):
    found = TokenCounter(preset, length).count([pa.array([], pa.string())])
    assert len(found.tokens) == len(found.truncated) == 0


@pytest.mark.parity
@pytest.mark.parametrize("kind", ["uncased", "cased", "byte pairs", "pieces"])
def test_counts_of_real_texts_with_published_vocabularies_are_those_of_a_run(kind):
    from models import BertTokenizer, RobertaTokenizer, XLMRobertaTokenizer
    from models.tokenizers.library import library_tokens
    from models.tokenizers.library_tokenizers import (
        byte_pair_model,
        byte_pairs,
        sentence_piece,
        wordpiece,
    )

    texts = pa.array([*published.corpus()[::3], *FRAGMENTS])
    if kind == "byte pairs":
        vocabulary, merges = published.roberta()
        tokenizer = RobertaTokenizer(vocabulary, merges)
        pairs = [tuple(merge.split(" ")) for merge in merges]
        library = byte_pairs(byte_pair_model(vocabulary, pairs))
    elif kind == "pieces":
        proto = published.xlm_roberta_proto(case("xlm_roberta").arguments["proto"])
        tokenizer, library = XLMRobertaTokenizer(proto), sentence_piece(proto)
    else:
        name = "bert_base_en_uncased" if kind == "uncased" else "bert_base_en"
        vocabulary = published.wordpiece(name)
        tokenizer = BertTokenizer(vocabulary, lowercase=kind == "uncased")
        ids = {token: index for index, token in enumerate(vocabulary)}
        library = wordpiece(ids, kind == "uncased", kind == "uncased")
    ours = tokenizer.encode(texts).lengths
    theirs = library_tokens(library, texts).lengths
    assert theirs.sum() == pytest.approx(ours.sum(), rel=1e-3)
    assert (theirs == ours).mean() > 0.99
