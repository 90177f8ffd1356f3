"""The base class of tokenizers with a byte-level byte-pair vocabulary, as in GPT-2 and RoBERTa.

Gives the same ids as GPT-2's own tokenizer (https://github.com/openai/gpt-2): a text is split by a
regular expression, and the UTF-8 bytes of each part, written as one printable character each, are
merged pair by pair. The library tiktoken does this, once per distinct part of a batch; where it
would merge otherwise than the vocabulary says, `tokenizers` does it all.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tokenizers
from typing_extensions import Self, override

from models.packing import Tokens
from models.presets.keras_hub_preset import (
    BYTE_PAIR_MERGES,
    BYTE_PAIR_VOCABULARY,
    OWN_SETTINGS,
)
from models.presets.preset import Preset
from models.presets.vocabulary_files import read_merges, read_vocabulary
from models.tokenizers.library import library_tokens, tokens_by_two
from models.tokenizers.library_tokenizers import byte_pair_model, byte_pairs
from models.tokenizers.ranked_merges import RankedMerges
from models.tokenizers.spelled import encode_spelled
from models.tokenizers.splitting import split
from models.tokenizers.tokenizer import Tokenizer


def _in_order(vocabulary: Mapping[str, int]) -> list[str]:
    """Returns the tokens in the order of their ids, which must be 0, 1, 2 and so on."""
    for token, token_id in vocabulary.items():
        if not isinstance(token_id, int) or isinstance(token_id, bool):
            raise ValueError(f"token {token!r} has the id {token_id!r}, which is not an integer")
        try:
            token.encode()
        except UnicodeEncodeError:  # JSON can spell it
            raise ValueError(f"token {token!r} has half a character, a surrogate") from None
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    for index, token in enumerate(tokens):
        token_id = vocabulary[token]
        if token_id < 0:
            raise ValueError(f"token {token!r} has the id {token_id}, which is negative")
        if token_id < index:
            raise ValueError(f"{tokens[index - 1]!r} and {token!r} have the same id, {token_id}")
        if token_id > index:
            raise ValueError(f"no token has the id {index}, though {token!r} has {token_id}")
    return tokens


class BytePairTokenizer(Tokenizer):
    """Tokenizes as GPT-2 and RoBERTa do.

    Args:
        vocabulary: Ids by token, or a JSON file of them. It must hold the special tokens.
        merges: Pairs of tokens separated by a space, the first to merge first; or a file with one
            pair per line.
        unsplittable_tokens: Tokens of the vocabulary that a text may spell, such as `<mask>`.
        **layer: `sequence_length`, `dtype` and Keras's arguments, as of a `Tokenizer`.

    Raises:
        ValueError: The vocabulary lacks a special token other than `<unk>`, the ids are not 0, 1, 2
            and so on, or a merge is not two tokens that together form another.
    """

    kind = "byte_pair"
    start_token = "<s>"
    pad_token = "<pad>"
    end_token = "</s>"
    unk_token = "<unk>"
    mask_token = "<mask>"
    # No merge can form one: letters and angle brackets are in different parts.
    special_tokens = (start_token, pad_token, end_token, unk_token, mask_token)
    optional_tokens = frozenset({unk_token})

    def __init__(
        self,
        vocabulary: str | os.PathLike[str] | Mapping[str, int],
        merges: str | os.PathLike[str] | Sequence[str],
        unsplittable_tokens: Sequence[str] = (),
        **layer: Any,
    ) -> None:
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = read_vocabulary(Path(vocabulary))
        if not isinstance(vocabulary, Mapping):
            raise ValueError("the vocabulary must give each token its id: {token: id, …}")
        if isinstance(merges, (str, os.PathLike)):
            merges = read_merges(Path(merges))
        super().__init__(_in_order(vocabulary), **layer)
        if missing := [token for token in unsplittable_tokens if token not in self._ids]:
            raise ValueError(f"unsplittable_tokens: the vocabulary lacks {', '.join(missing)}")
        self.unsplittable_tokens = list(unsplittable_tokens)
        self._merges = list(merges)
        self.start_token_id = self._ids[self.start_token]
        self.end_token_id = self._ids[self.end_token]
        pairs = self._pairs()
        # A vocabulary without one gets an id beyond its own, which is found again.
        ids = {**self._ids, self.unk_token: self._ids.get(self.unk_token, len(self._ids))}
        bpe = byte_pair_model(ids, pairs, self.unk_token)
        self._bpe = byte_pairs(bpe)
        self._ranked = RankedMerges.of(self._ids, ids[self.unk_token], pairs, bpe)

    @classmethod
    @override
    def of_files(cls, preset: Preset, **overrides: Any) -> Self:
        """Creates the tokenizer of a preset; see `Tokenizer.of_files`.

        Raises:
            PresetError: The files are invalid, or cannot spell every text.
        """
        tokenizer = super().of_files(preset, **overrides)
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        if tokenizer.unk_token_id is None and not tokenizer._ids.keys() >= set(alphabet):
            problem = f"the vocabulary lacks {cls.unk_token}, and bytes that a text may have"
            raise preset.error(preset.vocabulary_file, problem)
        return tokenizer

    def _pairs(self) -> list[tuple[str, str]]:
        """Returns the merges, checked."""
        pairs = []
        for index, merge in enumerate(self._merges):
            first, _, second = merge.partition(" ")
            if not first or not second or " " in second:
                raise ValueError(
                    f"merge {index}, {merge[:40]!r}, must be two tokens separated by a space"
                )
            if missing := [t for t in (first, second, first + second) if t not in self._ids]:
                raise ValueError(f"merge {index}, {merge!r}: the vocabulary lacks {missing[0]!r}")
            pairs.append((first, second))
        return pairs

    def settings(self) -> dict[str, Any]:
        """Returns the arguments that Keras Hub's tokenizer takes besides the vocabulary."""
        return {
            "add_prefix_space": False,
            # By default these are all the special tokens, which texts could then spell.
            "unsplittable_tokens": self.unsplittable_tokens,
        }

    def description(self) -> dict[str, Any]:
        """Returns the content of `tokenizer.json`."""
        own = {"unsplittable_tokens": self.unsplittable_tokens}
        return super().description() | ({OWN_SETTINGS: own} if self.unsplittable_tokens else {})

    def assets(self) -> dict[str, bytes]:
        """Returns the vocabulary and the merges as files of a preset, content by path."""
        return {
            BYTE_PAIR_VOCABULARY: json.dumps(self._ids, ensure_ascii=False).encode(),
            BYTE_PAIR_MERGES: "".join(f"{merge}\n" for merge in self._merges).encode(),
        }

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "vocabulary": dict(self._ids),
            "merges": list(self._merges),
            "unsplittable_tokens": list(self.unsplittable_tokens),
        }

    def encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        """Returns the tokens of a batch of texts in flat NumPy arrays.

        Args:
            texts: Strings `[rows]`, none of them null.

        Raises:
            ValueError: The vocabulary lacks a byte of a text, and `<unk>` as well.
        """
        if self.unsplittable_tokens:
            spelled = {token: self._ids[token] for token in self.unsplittable_tokens}
            tokens = encode_spelled(texts, spelled, self._encode)
        else:
            tokens = self._encode(texts)
        if self.unk_token_id is None and (rows := tokens.ids == len(self._tokens)).any():
            row = int(np.searchsorted(tokens.splits, np.flatnonzero(rows)[0], side="right")) - 1
            raise ValueError(
                f"the vocabulary lacks a byte of the text {str(texts[row])[:40]!r}, and has no "
                f"{self.unk_token} to stand for it"
            )
        return tokens

    def _encode(self, texts: pa.Array | Sequence[str]) -> Tokens:
        if not isinstance(texts, pa.Array):
            texts = pa.array(texts, pa.string())
        ranked = self._ranked
        if ranked is None:
            return library_tokens(self._bpe, texts)
        parts, splits = split(texts)
        distinct = parts.dictionary_encode()
        of_distinct = tokens_by_two(
            distinct.dictionary, ranked.cannot, ranked.encode, lambda: self._bpe
        )
        tokens = of_distinct.take(distinct.indices.to_numpy())
        return Tokens(tokens.ids, tokens.splits[splits])

    def spell(self, token_ids: Sequence[int]) -> str:
        """Returns the text that ids spell; bytes that are not UTF-8 become U+FFFD."""
        for token_id in token_ids:
            self.id_to_token(token_id)  # raises if there is none
        return self._bpe.decode(token_ids, skip_special_tokens=False)
