"""The transformer encoder that all families share."""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras import ops

from models import backends
from models.backends import kernels
from models.backends.kernels import ACTIVATIONS, affine
from models.backends.layer_norm import LayerNorm
from models.serialization import register

_is_loading = contextvars.ContextVar("_is_loading", default=False)


@contextlib.contextmanager
def unset_weights() -> Iterator[None]:
    """Leaves the kernels and embeddings of models created in the body uninitialized.

    For models whose weights are about to be loaded: nothing is drawn or written for them, and no
    memory is touched.
    """
    token = _is_loading.set(True)
    try:
        yield
    finally:
        _is_loading.reset(token)


class _Unset(keras.initializers.Initializer):
    """Leaves a weight with whatever its memory holds.

    Nothing loads the weights of what is made of its configuration, such as a clone.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return backends.empty(shape, dtype or keras.config.floatx())

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> keras.initializers.Initializer:
        """Returns what weights begin with that are not loaded."""
        return kernel_initializer()


register(_Unset)


def kernel_initializer() -> keras.initializers.Initializer:
    """Returns the initializer of BERT's kernels and embeddings: normal, truncated at 2 sigma."""
    if _is_loading.get():
        return _Unset()
    return keras.initializers.TruncatedNormal(stddev=0.02)


def dense(units: int, dtype: Any, **arguments: Any) -> keras.layers.Dense:
    """Returns a dense layer that begins as BERT's do; other arguments are those of Keras."""
    return keras.layers.Dense(
        units, kernel_initializer=kernel_initializer(), dtype=dtype, **arguments
    )


class Embeddings(keras.layers.Layer):
    """Sums the embeddings of tokens, positions and (if any) segments, and normalizes the sum.

    Args:
        vocabulary_size: Number of token ids.
        hidden_dim: Width of an embedding.
        max_sequence_length: Number of positions; no sequence may be longer.
        num_segments: Number of segment ids, 0 for a family without segments.
        dropout: Dropout rate of the normalized sum in training.
        layer_norm_epsilon: Added to the variance.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        max_sequence_length: int,
        num_segments: int,
        dropout: float,
        layer_norm_epsilon: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.max_sequence_length = max_sequence_length
        self._arguments = {
            "vocabulary_size": vocabulary_size,
            "hidden_dim": hidden_dim,
            "max_sequence_length": max_sequence_length,
            "num_segments": num_segments,
            "dropout": dropout,
            "layer_norm_epsilon": layer_norm_epsilon,
        }
        self.token = self._embedding(vocabulary_size, "token")
        self.segment = self._embedding(num_segments, "segment") if num_segments else None
        self.norm = LayerNorm(epsilon=layer_norm_epsilon, dtype=self.dtype_policy, name="norm")
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def _embedding(self, rows: int, name: str) -> keras.layers.Embedding:
        return keras.layers.Embedding(
            rows, self.hidden_dim, kernel_initializer(), dtype=self.dtype_policy, name=name
        )

    def build(
        self, token_ids_shape: Any, segment_ids_shape: Any = None, positions_shape: Any = None
    ) -> None:
        """Creates the weights."""
        self.token.build(token_ids_shape)
        if self.segment is not None:
            self.segment.build(segment_ids_shape)
        self.position = self.add_weight(
            name="position",
            shape=(self.max_sequence_length, self.hidden_dim),
            initializer=kernel_initializer(),
        )
        self.norm.build((None, None, self.hidden_dim))
        self.built = True

    def call(
        self,
        token_ids: Any,
        segment_ids: Any = None,
        positions: Any = None,
        training: bool | None = None,
    ) -> Any:
        """Returns the embeddings.

        Args:
            token_ids: int32 `[batch, length]`.
            segment_ids: int32 `[batch, length]`, for a family with segments.
            positions: int32 `[batch, length]`, below the number of positions; counted from the
                beginning of each line if `None`.
            training: Whether to apply dropout.
        """
        length = ops.shape(token_ids)[1]
        if positions is not None:
            position = ops.take(self.position, positions, axis=0)
        elif isinstance(length, int) and length > self.max_sequence_length:
            raise ValueError(
                f"rows of {length} tokens; there are {self.max_sequence_length} positions"
            )
        else:
            position = self.position[:length]
        hidden = self.token(token_ids) + position
        if self.segment is not None:
            hidden = hidden + self.segment(segment_ids)
        return self.dropout(self.norm(hidden), training=training)

    def compute_output_shape(
        self, token_ids_shape: Any, segment_ids_shape: Any = None, positions_shape: Any = None
    ) -> Any:
        """Returns `[batch, length, hidden_dim]`."""
        return (*token_ids_shape, self.hidden_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), **self._arguments}


class Encoder(keras.layers.Layer):
    """A stack of encoder layers.

    Between its first and its last layer, the tokens of all rows form one matrix,
    `[batch * length, hidden_dim]`, for the sake of `models.backends.kernels.affine`.

    Args:
        num_layers: Number of layers.
        hidden_dim: Width of a token's vector.
        layer: The other arguments of each `EncoderLayer`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, num_layers: int, hidden_dim: int, layer: Mapping[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self._arguments = {"num_layers": num_layers, "hidden_dim": hidden_dim, "layer": dict(layer)}
        self.layers = [
            EncoderLayer(hidden_dim, **layer, dtype=self.dtype_policy, name=f"layer_{index}")
            for index in range(num_layers)
        ]

    def build(self, hidden_shape: Any, padding_mask_shape: Any = None) -> None:
        """Creates the weights."""
        for layer in self.layers:
            layer.build((None, self.hidden_dim))
        self.built = True

    def call(self, hidden: Any, padding_mask: Any, training: bool | None = None) -> Any:
        """Returns the tokens' vectors, `[batch, length, hidden_dim]`.

        Args:
            hidden: `[batch, length, hidden_dim]`, from `Embeddings`.
            padding_mask: `[batch, length]`, 1 at real tokens, or `[batch, length, length]`, 1 where
                a token attends to another.
            training: Whether to apply dropout.
        """
        shape = ops.shape(hidden)
        bias = self._attention_bias(padding_mask)
        hidden = ops.reshape(hidden, (-1, self.hidden_dim))
        for layer in self.layers:
            hidden = layer(hidden, bias, training=training)
        return ops.reshape(hidden, shape)

    def first(self, hidden: Any, padding_mask: Any, starts: Any) -> Any:
        """Returns only the vectors of rows' first tokens, for inference.

        The last layer computes only what they depend on; in a model with two layers that saves two
        in five matrix products.

        Args:
            hidden: `[batch, length, hidden_dim]`, from `Embeddings`.
            padding_mask: As of `call`.
            starts: int32 `[batch, rows]`: where these tokens are.

        Returns:
            `[batch * rows, hidden_dim]`.
        """
        bias = self._attention_bias(padding_mask)
        hidden = ops.reshape(hidden, (-1, self.hidden_dim))
        for layer in self.layers[:-1]:
            hidden = layer(hidden, bias)
        return self.layers[-1](hidden, bias, starts=starts)

    def _attention_bias(self, padding_mask: Any) -> Any:
        """Returns what is added to attention scores: 0, or very negative where none is wanted.

        It is `[batch, 1, 1 or length, length]`.
        """
        # The largest float16 is 65,504.
        lowest = -3e4 if self.compute_dtype == "float16" else -1e9
        bias = (1.0 - ops.cast(padding_mask, self.compute_dtype)) * lowest
        return ops.expand_dims(bias, (1, 2) if len(bias.shape) == 2 else 1)

    def compute_output_shape(self, hidden_shape: Any, padding_mask_shape: Any = None) -> Any:
        """Returns the shape of `hidden`."""
        return hidden_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), **self._arguments}


register(Embeddings)
register(Encoder)


class EncoderLayer(keras.layers.Layer):
    """Self-attention and a feed-forward network, each added to its input and then normalized.

    Queries, keys and values come from one matrix product. Follows "Attention Is All You Need"
    (https://arxiv.org/abs/1706.03762) with BERT's order of normalization
    (https://arxiv.org/abs/1810.04805).

    Args:
        hidden_dim: Width of a token's vector.
        num_heads: Attention heads; must divide `hidden_dim`.
        intermediate_dim: Width between the two products of the feed-forward network.
        activation: A key of `ACTIVATIONS`.
        dropout: Dropout rate in training, of the attention weights and of both outputs.
        layer_norm_epsilon: Added to the variance.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        intermediate_dim: int,
        activation: str,
        dropout: float,
        layer_norm_epsilon: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if hidden_dim % num_heads:
            raise ValueError(f"hidden_dim={hidden_dim} is not a multiple of num_heads={num_heads}")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation={activation!r} is not known; choose from {sorted(ACTIVATIONS)}"
            )
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        # Names, since a map of policies tells layers by their paths.
        self.qkv = self._dense(3 * hidden_dim, "qkv")
        self.attention_output = self._dense(hidden_dim, "attention_output")
        self.attention_norm = self._norm(layer_norm_epsilon, "attention_norm")
        self.intermediate = self._dense(intermediate_dim, "intermediate")
        self.output_dense = self._dense(hidden_dim, "output_dense")
        self.output_norm = self._norm(layer_norm_epsilon, "output_norm")
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        return dense(units, self.dtype_policy, name=name)

    def _norm(self, epsilon: float, name: str) -> LayerNorm:
        return LayerNorm(epsilon=epsilon, dtype=self.dtype_policy, name=name)

    def build(self, hidden_shape: Any, bias_shape: Any = None) -> None:
        """Creates the weights."""
        hidden = (None, self.hidden_dim)
        for layer in (self.qkv, self.attention_output, self.intermediate):
            layer.build(hidden)
        self.output_dense.build((None, self.intermediate_dim))
        for layer in (self.attention_norm, self.output_norm):
            layer.build(hidden)
        self.built = True

    def call(self, hidden: Any, bias: Any, training: bool | None = None, starts: Any = None) -> Any:
        """Returns the layer's output, of the shape of `hidden`.

        Args:
            hidden: `[batch * length, hidden_dim]`.
            bias: `[batch, 1, 1 or length, length]`, added to attention scores.
            training: Whether to apply dropout.
            starts: int32 `[batch, rows]`: which tokens alone to compute,
                `[batch * rows, hidden_dim]`, for inference; all if `None`.
        """
        if starts is not None:
            return self._first(hidden, bias, starts)
        context = self._attend(hidden, bias, training)
        return self._feed_forward(hidden, context, training)

    def _first(self, hidden: Any, bias: Any, starts: Any) -> Any:
        batch, length = ops.shape(bias)[0], ops.shape(bias)[3]
        width, heads, head_dim = self.hidden_dim, self.num_heads, self.hidden_dim // self.num_heads
        if bias.shape[2] == 1:  # one row to a line
            rows = 1
            first = ops.reshape(hidden, (batch, length, width))[:, 0]
        else:
            rows = ops.shape(starts)[1]
            lines = ops.expand_dims(ops.arange(batch, dtype="int32") * length, 1)
            places = ops.reshape(starts + lines, (-1,))
            first = ops.take(hidden, places, axis=0)
            bias = ops.take(ops.reshape(bias, (-1, length)), places, axis=0)
            bias = ops.reshape(bias, (batch, 1, rows, length))
        query = affine(self.qkv, first, columns=slice(width))
        both = affine(self.qkv, hidden, columns=slice(width, None))
        both = ops.reshape(both, (batch, length, 2, heads, head_dim))
        key, value = ops.unstack(ops.transpose(both, (2, 0, 3, 1, 4)), 2)
        query = ops.transpose(ops.reshape(query, (batch, rows, heads, head_dim)), (0, 2, 1, 3))
        context = ops.transpose(self._mix(query, key, value, bias, None), (0, 2, 1, 3))
        return self._feed_forward(first, ops.reshape(context, (-1, width)), None)

    def _attend(self, hidden: Any, bias: Any, training: bool | None) -> Any:
        """Returns the attention context of each token, of the shape of `hidden`."""
        batch, length = ops.shape(bias)[0], ops.shape(bias)[3]
        head_dim = self.hidden_dim // self.num_heads
        if (attend := kernels.used().attend) is not None:
            # Parts of one product would be copied, to stand apart as attention wants them.
            width, shape = self.hidden_dim, (batch, length, self.num_heads, head_dim)
            query, key, value = (
                ops.reshape(affine(self.qkv, hidden, columns=slice(at, at + width)), shape)
                for at in (0, width, 2 * width)
            )
            return ops.reshape(attend(query, key, value, bias), (-1, width))
        qkv = ops.reshape(affine(self.qkv, hidden), (batch, length, 3, self.num_heads, head_dim))
        query, key, value = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3)
        context = ops.transpose(self._mix(query, key, value, bias, training), (0, 2, 1, 3))
        return ops.reshape(context, (-1, self.hidden_dim))

    def _mix(self, query: Any, key: Any, value: Any, bias: Any, training: bool | None) -> Any:
        """Returns the weighted values for each query; all are `[batch, heads, …, head_dim]`."""
        scale = query.shape[-1] ** -0.5
        if query.dtype == "float16":  # scores may be too large for it before they are scaled
            scores = ops.matmul(query * scale, ops.swapaxes(key, -1, -2))
        else:  # what TensorFlow fuses, with the addition, into one pass over memory on a CPU
            scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) * scale
        scores = scores + ops.cast(bias, scores.dtype)
        # Keras warns of a softmax over one number.
        weights = ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores)
        if training:
            weights = self.dropout(weights, training=training)
        return ops.matmul(weights, value)

    def _feed_forward(self, hidden: Any, context: Any, training: bool | None) -> Any:
        """Returns the layer's output for tokens whose attention context is known."""
        attended = affine(self.attention_output, context)
        hidden = self.attention_norm(hidden + self.dropout(attended, training=training))
        fed_forward = affine(self.intermediate, hidden, self.activation)
        fed_forward = affine(self.output_dense, fed_forward)
        return self.output_norm(hidden + self.dropout(fed_forward, training=training))

    def compute_output_shape(self, hidden_shape: Any, bias_shape: Any = None) -> Any:
        """Returns the shape of `hidden`."""
        return hidden_shape
