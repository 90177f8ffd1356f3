"""How many floating-point operations an encoder takes, counted exactly, and how many bytes."""

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

    def bytes_moved(self, num_tokens: int, passes: int, itemsize: int) -> int:
        """Returns the bytes that tokens move if every step reads and writes memory once.

        The steps of a layer are its four products (the first makes query, key and value), attention
        in one step that keeps its scores to itself, and two additions with a normalization. What a
        cache or a fusion of steps saves is counted all the same; biases, padding, the embeddings'
        other summands and the results are not.

        Args:
            num_tokens: Real tokens.
            passes: How often the weights of the layers are read: the number of micro-batches.
            itemsize: Bytes of a number.
        """
        width, inner = self.hidden_dim, self.intermediate_dim
        # Read and written: 1 + 3, 3 + 1, 1 + 1, 2 + 1, then the feed-forward network, 2 + 1.
        token = 16 * width + 2 * (width + inner)
        weights = 4 * width * width + 2 * width * inner
        numbers = self.num_layers * (num_tokens * token + passes * weights)
        return itemsize * (numbers + 2 * num_tokens * width)


SHAPES = {
    "bert_base": Shape(12, 768, 12, 3072),
    "minilm": Shape(6, 384, 12, 1536),
    "xlmr_base": Shape(12, 768, 12, 3072, vocabulary_size=250_002),
}
"""BERT base, all-MiniLM-L6-v2, and XLM-R base: BERT base with a larger vocabulary."""
