"""How many floating-point operations an encoder takes, counted exactly, and how many bytes."""

from typing import Any

import numpy as np

from models.inference.cost import EncoderShape


class Shape(EncoderShape):
    """The size of an encoder that is measured."""

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
        """Returns the operations of all layers for rows, exactly; see `operations`.

        Args:
            lengths: int64 `[rows]`: tokens of each row, padding included if it is computed.
        """
        lengths = np.asarray(lengths, np.int64)
        return int(self.operations(int(lengths.sum()), int((lengths**2).sum())))

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
