"""Counting the tokens of texts as a run would, without starting TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.inference import cores
from models.packing import Tokens, pack
from models.presets.embedding import EmbeddingSettings
from models.presets.preset import Preset
from models.tokenizers.library import library_tokens
from models.tokenizers.library_tokenizers import library_of
from models.windows import LongText, pack_windows
from transforms.storage.ahead import in_order

_TEXTS_A_TASK = 128

# Characters of a text that are tokenized: at least so many, and so many for each token that a row
# has room for, so that it is certain whether the text fits. The rest is taken to be like them.
_LEAST_CHARACTERS = 16 << 10
_CHARACTERS_A_TOKEN = 16


@dataclass(frozen=True)
class Counts:
    """What rows are to a model, each an array `[rows]`.

    Attributes:
        tokens: Tokens, special ones included, before anything is cut.
        computed: Tokens that the model reads, those of overlapping windows each time.
        squares: The sum of the squares of the lengths of what it reads: a row, or its windows.
        truncated: Whether the row is cut.
    """

    tokens: np.ndarray
    computed: np.ndarray
    squares: np.ndarray
    truncated: np.ndarray

    @classmethod
    def concatenate(cls, parts: "Sequence[Counts]") -> "Counts":
        """Returns the counts of several batches as one."""
        names = ("tokens", "computed", "squares", "truncated")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class TokenCounter:
    """Counts the tokens of rows.

    Args:
        preset: The preset.
        sequence_length: Tokens of a row, or of a window.
        long_text: What becomes of longer rows.
        embedding: How texts become vectors, if they do.

    Raises:
        PresetError: The preset's files are invalid.
    """

    def __init__(
        self,
        preset: Preset,
        sequence_length: int,
        long_text: LongText = "truncate",
        embedding: EmbeddingSettings | None = None,
    ) -> None:
        self._library = library_of(preset)
        self._packing = preset.packing
        self._settings = preset.preprocessor_settings
        self._length = sequence_length
        self._long_text = long_text
        self._embedding = embedding or EmbeddingSettings()
        self.most_characters = max(_LEAST_CHARACTERS, _CHARACTERS_A_TOKEN * sequence_length)
        """Characters of a text that are tokenized."""

    def count(self, segments: Sequence[pa.Array]) -> Counts:
        """Returns the counts of rows.

        Args:
            segments: Strings `[rows]`, none of them null: single texts, or the first and the second
                texts of pairs.
        """
        spans = range(0, len(segments[0]), _TEXTS_A_TASK)
        parts = list(
            in_order(
                spans,
                lambda start: self._count([s.slice(start, _TEXTS_A_TASK) for s in segments]),
                cores.own(),
            )
        )
        nothing = np.zeros(0, np.int64)
        return Counts.concatenate(parts or [Counts(nothing, nothing, nothing, nothing)])

    def _count(self, segments: Sequence[pa.Array]) -> Counts:
        prepared = self._embedding.prepare(segments)
        texts = [self._lengths(text) for text in prepared]
        special = dict.fromkeys(self._packing.tokens, 0)
        if self._long_text == "windows":
            rows, tokens, truncated = pack_windows(texts, self._packing, special, self._length)
            whole, rest = np.divmod(rows.lengths, self._length)
            return Counts(tokens, rows.lengths, whole * self._length**2 + rest**2, truncated)
        settings = self._settings
        rows, tokens = pack(
            texts,
            self._packing,
            special,
            self._length,
            **{
                name: settings[name] for name in ("truncate", "truncation_side") if name in settings
            },
        )
        return Counts(tokens, rows.lengths, rows.lengths**2, tokens > rows.lengths)

    def _lengths(self, texts: pa.Array | Sequence[str]) -> Tokens:
        """Returns as many tokens as each text has; which ones they are does not matter."""
        if not isinstance(texts, pa.Array):
            texts = pa.array(texts, pa.string())
        characters = pc.utf8_length(texts).to_numpy()
        heads = texts
        is_long = characters > self.most_characters
        if is_long.any():
            heads = pc.utf8_slice_codeunits(texts, 0, self.most_characters)
        lengths = library_tokens(self._library, heads).lengths
        share = np.maximum(characters, 1) / np.minimum(
            np.maximum(characters, 1), self.most_characters
        )
        splits = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(np.where(is_long, np.rint(lengths * share), lengths), out=splits[1:])
        return Tokens(np.zeros(splits[-1], np.int32), splits)
