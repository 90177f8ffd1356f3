"""The vocabularies that the models were published with, as far as packages of PyPI carry them.

`blingfire` 0.1.8 holds the tokens of each in files of its own format: a marker, the number of
tokens, where each begins and the last one ends, then the tokens as UTF-8, one after another, `▁`,
`Ġ` and what begins a word a space. It does not hold what SentencePiece knows of a piece beside its
text, its score; and the four bytes 0 to 3 of RoBERTa are spaces in it, which this takes to be in
order. GPT-2 numbers its tokens in the order of its merges, so its file tells these too.
"""

import functools
import importlib.util
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from tokenizers.pre_tokenizers import ByteLevel

from tests.models.tokenizers import spm

DATA = Path(__file__).parents[4] / "shared" / "data"

_MARKER = 70
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROBERTA_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")

BERT = {
    "bert_base_en_uncased": "bert_base_tok",
    "bert_base_en": "bert_base_cased_tok",
    "bert_base_zh": "bert_chinese",
    "bert_base_multi": "bert_multi_cased",
}
"""The file of each vocabulary of BERT."""


def package(name: str) -> Path:
    """Returns the folder of an installed package without importing it; skips where it is absent."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs the package {name}, in the parity extra")
    return Path(spec.submodule_search_locations[0])


def _tokens(name: str) -> list[bytes]:
    content = (package("blingfire") / f"{name}.i2w").read_bytes()
    numbers = np.frombuffer(content[: len(content) // 4 * 4], np.int32)
    at = int(np.flatnonzero(numbers[:64] == _MARKER)[-1]) + 1
    count = int(numbers[at])
    bounds = numbers[at + 1 : at + 2 + count].tolist()
    text = content[4 * (at + 2 + count) :]
    return [text[start:end] for start, end in itertools.pairwise(bounds)]


@functools.cache
def wordpiece(preset: str) -> list[str]:
    """Returns a vocabulary of BERT."""
    special = {f" {token.lower()}": token for token in _SPECIAL}
    tokens = []
    for token in _tokens(BERT[preset]):
        text = token.decode()
        if text in ("[PAD]", *special, *(f" {token}" for token in _SPECIAL)):
            tokens.append(special.get(text, text.strip()))
        else:
            tokens.append(text[1:] if text.startswith(" ") else f"##{text}")
    return tokens


def _byte_characters() -> list[str]:
    """Returns the character that GPT-2 writes for each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    characters = [chr(byte if byte in printable else next(others)) for byte in range(256)]
    assert sorted(characters) == sorted(ByteLevel.alphabet())
    return characters


@functools.cache
def roberta() -> tuple[dict[str, int], list[str]]:
    """Returns the vocabulary of RoBERTa, and the merges, which are GPT-2's."""
    characters = _byte_characters()
    merged = _tokens("gpt2")[256:-1]
    ranks = {bytes([byte]): -1 for byte in range(256)} | {t: i for i, t in enumerate(merged)}
    merges = []
    for token in merged:
        first, second = _halves(token, ranks)
        merges.append(" ".join("".join(characters[b] for b in half) for half in (first, second)))
    vocabulary: dict[str, int] = {}
    lost = iter(range(4))
    for index, token in enumerate(_tokens("roberta")):
        text = token.decode("latin-1") if len(token) == 1 else ""
        if text == " " and characters[ord(" ")] in vocabulary:
            token = bytes([next(lost)])
        special = token.decode("utf-8", "replace") in (*_ROBERTA_SPECIAL, "<|endoftext|>")
        name = token.decode() if special else "".join(characters[byte] for byte in token)
        vocabulary[name] = index
    return vocabulary, merges


def _halves(token: bytes, ranks: dict[bytes, int]) -> list[bytes]:
    """Returns the two tokens that a token was merged of: what the merges before it leave."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = [(ranks.get(parts[i] + parts[i + 1], math.inf), i) for i in range(len(parts) - 1)]
        _, at = min(pairs)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


@functools.cache
def xlm_roberta_pieces() -> list[str]:
    """Returns the pieces of XLM-R's SentencePiece model, in order, without its special ones."""
    return [token.decode().replace(" ", "▁") for token in _tokens("xlm_roberta_base")[4:-1]]


def xlm_roberta_proto(settings: bytes) -> bytes:
    """Returns a SentencePiece model of the pieces of XLM-R.

    Their scores are made up, falling with the rank as real ones do: it splits words much as XLM-R
    does, and what depends on the code and not on the scores can be compared.

    Args:
        settings: A model that characters are replaced as in.
    """
    special = [("<unk>", 0.0, spm.UNKNOWN), ("<s>", 0.0, spm.CONTROL), ("</s>", 0.0, spm.CONTROL)]
    pieces = [(p, -math.log(i + 20), spm.NORMAL) for i, p in enumerate(xlm_roberta_pieces())]
    return spm.with_pieces(settings, [*special, *pieces])


def corpus() -> list[str]:
    """Returns real English texts, some with markup left in; skips where they are absent."""
    texts = []
    for name, rows in (("agnews.tsv", 4000), ("sst_train.tsv", 2000)):
        path = DATA / name
        if not path.is_file():
            pytest.skip(f"reads {name}, which is not in ../shared/data")
        with path.open(encoding="utf-8") as lines:
            texts += [line.rstrip("\n").split("\t")[0] for line in itertools.islice(lines, rows)]
    return texts
