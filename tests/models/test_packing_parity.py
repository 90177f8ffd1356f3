"""Live comparison with Hugging Face: what is left of texts and pairs that are too long."""

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import BertPreprocessor, BertTokenizer, RobertaPreprocessor, RobertaTokenizer
from models.packing import TRUNCATION_SIDES

pytestmark = pytest.mark.parity

tokenizers = pytest.importorskip("tokenizers", reason="needs the parity extra")
transformers = pytest.importorskip("transformers", reason="needs the parity extra")

LETTERS = "abcdefghij"
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS, "<mask>"]
LONG_AND_LONGER = st.text(LETTERS, max_size=9)
FIRST, SECOND = ["a b c d e f g h", "a b c d", "a"], ["i j a b c d e", "f g h i j", "b c"]


@cache
def with_letters(family):
    """A tokenizer of ours whose tokens are letters, the same of theirs, our preprocessor."""
    processors = tokenizers.processors
    if family == "bert":
        vocabulary, kind, (cls, sep) = BERT, processors.BertProcessing, ("[CLS]", "[SEP]")
        # A word would be one token.
        ours, preprocessor = BertTokenizer([*BERT, *(f"##{c}" for c in LETTERS)]), BertPreprocessor
    else:
        vocabulary, kind, (cls, sep) = ROBERTA, processors.RobertaProcessing, ("<s>", "</s>")
        ours = RobertaTokenizer({token: i for i, token in enumerate(ROBERTA)}, [])
        preprocessor = RobertaPreprocessor
    ids = {token: index for index, token in enumerate(vocabulary)}
    theirs = tokenizers.Tokenizer(tokenizers.models.WordLevel(ids, unk_token=sep))
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.WhitespaceSplit(),
            tokenizers.pre_tokenizers.Split("", "isolated"),
        ]
    )
    theirs.post_processor = kind((sep, ids[sep]), (cls, ids[cls]))
    return ours, theirs, preprocessor


def rows_of(tokens):
    return [row.tolist() for row in np.split(tokens.ids, tokens.splits[1:-1])]


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("side", TRUNCATION_SIDES)
@given(
    pairs=st.lists(st.tuples(LONG_AND_LONGER, LONG_AND_LONGER), min_size=1, max_size=5),
    room=st.integers(1, 13),
)
def test_pairs_are_cut_as_by_tokenizers(family, side, pairs, room):
    ours, theirs, preprocessor = with_letters(family)
    if family == "bert":
        pairs = [(" ".join(first), " ".join(second)) for first, second in pairs]
    length = room + theirs.num_special_tokens_to_add(is_pair=True)
    theirs.enable_truncation(length, strategy="longest_first", direction=side)
    expected = [encoding.ids for encoding in theirs.encode_batch(pairs)]
    first, second = map(list, zip(*pairs, strict=True))
    tokens, num_tokens = preprocessor(ours, length, "longest_first", side).encode(first, second)
    assert rows_of(tokens) == expected
    theirs.no_truncation()
    assert num_tokens.tolist() == [len(encoding.ids) for encoding in theirs.encode_batch(pairs)]


@pytest.mark.parametrize("kind", ["BertTokenizer", "PreTrainedTokenizerFast"])
@pytest.mark.parametrize("direction", [None, "Right", "Left"])
@pytest.mark.parametrize("side", [None, "right", "left"])
def test_a_folder_says_where_texts_are_cut(tmp_path, kind, direction, side):
    ids = {token: index for index, token in enumerate(BERT)}
    transformers.BertTokenizer(vocab=ids).save_pretrained(tmp_path)
    transformers.BertConfig(vocab_size=len(BERT)).save_pretrained(tmp_path)
    stored = {"max_length": 7, "strategy": "OnlySecond", "stride": 0}  # these do not count
    changes = {
        "tokenizer.json": {"truncation": {"direction": direction, **stored}} if direction else {},
        "tokenizer_config.json": {"truncation_side": side} if side else {},
    }
    changes["tokenizer_config.json"]["tokenizer_class"] = kind
    for file, fields in changes.items():
        content = json.loads((tmp_path / file).read_bytes())
        (tmp_path / file).write_text(json.dumps({**content, **fields}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = BertPreprocessor.from_preset(tmp_path, 8)
    for texts in ((FIRST,), (FIRST, SECOND)):
        expected = theirs(*texts, truncation=True, max_length=8)["input_ids"]
        assert rows_of(ours.encode(*texts)[0]) == expected
