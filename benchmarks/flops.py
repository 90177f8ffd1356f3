"""How many floating-point operations an encoder's matrix products take, counted exactly."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Shape:
    """The size of an encoder.

    Attributes:
        num_layers: Encoder layers.
        hidden_dim: Width of a token's vector.
        num_heads: Attention heads of a layer.
        intermediate_dim: Width inside the feed-forward networks.
        vocabulary_size: Number of token ids.
    """

    num_layers: int
    hidden_dim: int
    num_heads: int
    intermediate_dim: int
    vocabulary_size: int = 30_522

    def config(self) -> dict[str, Any]:
        """Returns the arguments of `BertBackbone`."""
        return {
            "vocabulary_size": self.vocabulary_size,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "max_sequence_length": 512,
        }

    def flops(self, lengths: np.ndarray) -> int:
        """Returns the operations of all layers for rows of tokens, two for each multiply-add.

        A token goes through four products of `hidden_dim` by `hidden_dim` (query, key, value and
        the output of attention) and two of `hidden_dim` by `intermediate_dim`. For a row of L
        tokens attention takes L × L scores of `hidden_dim` multiply-adds over all heads, and as
        many to weight the values. Nothing else is counted: no biases, normalizations, softmax or
        gelu.

        Args:
            lengths: int64 `[rows]`: tokens of each row, padding included if it is computed.
        """
        lengths = np.asarray(lengths, np.int64)
        width = self.hidden_dim
        token = 4 * width * width + 2 * width * self.intermediate_dim
        pair = 2 * width
        multiply_adds = int(lengths.sum()) * token + int((lengths**2).sum()) * pair
        return 2 * self.num_layers * multiply_adds


SHAPES = {"bert_base": Shape(12, 768, 12, 3072), "minilm": Shape(6, 384, 12, 1536)}
"""BERT base, and all-MiniLM-L6-v2."""
