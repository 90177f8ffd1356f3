import itertools

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel

from models.tokenizers.splitting import split
from tests.models.presets import hostile

LIBRARY = ByteLevel(add_prefix_space=False)
# The expression of GPT-2.
PARTS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
# Contractions and what looks like one, kinds of white space, and some of each kind beyond ASCII.
close_calls = st.text("aasStlrevemd''  \n\t\x0b1.,\x00\x1céé\xa0\u3000½中", max_size=14)


def parts_of(texts) -> list[list[str]]:
    parts, splits = split(texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string()))
    parts.validate(full=True)
    strings = parts.to_pylist()
    return [strings[start:end] for start, end in itertools.pairwise(splits.tolist())]


def parts_of_the_library(text) -> list[str]:
    return [text[start:end] for _, (start, end) in LIBRARY.pre_tokenize_str(text)]


@settings(max_examples=500)
@given(batch=st.lists(st.one_of(close_calls, hostile.texts), max_size=4))
def test_any_text_is_split_as_by_tokenizers(batch):
    assert parts_of(batch) == [parts_of_the_library(text) for text in batch]


@pytest.mark.parametrize("around", ["a{0} {0}1", " {0}{0}!", "'s{0} 's"])
def test_every_character_is_of_the_kind_that_tokenizers_takes_it_for(around):
    codes = [*range(0xD800), *range(0xE000, 0x20000), *range(0x2F800, 0x2FA20), 0xE0001, 0x10FFFF]
    texts = [around.format(chr(code)) for code in codes]
    found = parts_of(texts)
    assert found == [parts_of_the_library(text) for text in texts]


@settings(max_examples=500)
@given(batch=st.lists(close_calls.map(lambda t: t.encode("ascii", "ignore").decode()), max_size=4))
def test_ascii_is_split_as_gpt_2_splits_it(batch):
    assert parts_of(batch) == [PARTS.findall(text) for text in batch]


def test_other_alphabets_are_split_as_ascii_is():
    assert parts_of(["The café's open, it's  late", "Ещё\u2003\u2003раз: 中文½ ❤️"]) == [
        ["The", " café", "'s", " open", ",", " it", "'s", " ", " late"],
        ["Ещё", "\u2003", "\u2003", "раз", ":", " 中文", "½", " ❤️"],
    ]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_and_empty_texts_are_batches(kind):
    array = pa.array(["bad", "", "a b", "", "é", "", "bad"], kind)
    assert parts_of(array.slice(1, 5)) == [[], ["a", " b"], [], ["é"], []]
    assert parts_of(array.slice(1, 1)) == [[]]
    assert parts_of(array.slice(2, 0)) == []


def test_parts_are_not_copied():
    texts = pa.array(["the quick fox"] * 3)
    parts, splits = split(texts)
    assert parts.buffers()[2].address == texts.buffers()[2].address
    np.testing.assert_array_equal(splits, [0, 3, 6, 9])
