"""Merging the bytes of many parts of texts at once, with the library tiktoken.

GPT-2's merges (https://github.com/openai/gpt-2) name two neighbours, and the first in their list
that a part of a text has are merged. tiktoken (https://github.com/openai/tiktoken) knows tokens
only: it merges the two neighbours whose bytes together are the token of the lowest rank.

That is the same where one merge alone makes each token, after those that make its halves, and the
bytes of a token by themselves are merged into it: two neighbours that spell a token are then the
two that its merge names. Vocabularies that were trained are so; others are for the library
`tokenizers`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tokenizers
from typing_extensions import Self

from models.packing import Tokens

# Between the parts that tiktoken gets as one text: no character, and of no use in a text.
_BETWEEN = "\uffff"


def _byte_characters() -> dict[str, int]:
    """Returns the byte that each character stands for: itself if printable, or the next one."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    in_order = sorted(range(256), key=lambda byte: chr(byte) not in alphabet)
    return dict(zip(alphabet, in_order, strict=True))


class RankedMerges:
    """Gives the ids of parts of texts.

    Args:
        tokens: The bytes of every token that a text can have in it, by what the vocabulary writes
            for them; the first to merge first.
        ids: The vocabulary.
        unknown_id: The id of a byte that the vocabulary lacks.
    """

    def __init__(
        self, tokens: Mapping[str, bytes], ids: Mapping[str, int], unknown_id: int
    ) -> None:
        import tiktoken  # here, since only this kind of tokenizer needs it

        self._ids = np.array([ids.get(token, unknown_id) for token in tokens], np.int32)
        self._lengths = np.array([len(spelled) for spelled in tokens.values()], np.int64)
        self._encoding = tiktoken.Encoding(
            "byte_pair",
            pat_str=f"[^{_BETWEEN}]+",
            mergeable_ranks={spelled: rank for rank, spelled in enumerate(tokens.values())},
            # Parts are not empty. Without any such token, tiktoken looks for "" everywhere.
            special_tokens={_BETWEEN * 2: len(tokens)},
        )

    @classmethod
    def of(
        cls,
        ids: Mapping[str, int],
        unknown_id: int,
        pairs: Sequence[tuple[str, str]],
        bpe: tokenizers.models.BPE,
    ) -> Self | None:
        """Returns what gives the ids of a list of merges; `None` if tiktoken may give others.

        Args:
            ids: The vocabulary, which holds the two of each merge and what they make.
            unknown_id: The id of a byte that the vocabulary lacks.
            pairs: The merges, the first to merge first.
            bpe: The library's model of the same.
        """
        tokens = {character: bytes([byte]) for character, byte in _byte_characters().items()}
        for first, second in pairs:
            if first not in tokens or second not in tokens or first + second in tokens:
                return None
            tokens[first + second] = tokens[first] + tokens[second]
        if any(len(bpe.tokenize(first + second)) > 1 for first, second in pairs):
            return None
        return cls(tokens, ids, unknown_id)

    @staticmethod
    def cannot(parts: pa.Array) -> np.ndarray:
        """Returns which parts hold the character that is between parts here, bool `[parts]`."""
        return pc.match_substring(parts, _BETWEEN).to_numpy(zero_copy_only=False)

    def encode(self, parts: pa.Array) -> Tokens:
        """Returns the tokens of each part.

        Args:
            parts: Strings `[parts]`, none of them null or empty or one that it cannot encode.
        """
        text = _BETWEEN.join(parts.to_pylist())
        ranks = self._encoding.encode_to_numpy(text, disallowed_special=())
        ends = np.cumsum(pc.binary_length(parts).to_numpy())
        splits = np.zeros(len(parts) + 1, np.int64)
        splits[1:] = 1 + np.searchsorted(np.cumsum(self._lengths[ranks]), ends)
        return Tokens(self._ids[ranks], splits)
