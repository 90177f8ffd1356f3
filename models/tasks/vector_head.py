"""The layer that makes one vector of a text's tokens."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from models import pooling
from models.places import places_of
from models.presets.embedding import Dense, EmbeddingSettings, Module, Normalize
from models.tasks.embedder import NUM_SKIPPED


class VectorHead(keras.layers.Layer):
    """Pools tokens, and takes what comes of them through modules; computes in float32.

    Args:
        settings: How the token vectors become one.
        dimensions: How many dimensions of a vector to keep, from its start.
        num_skipped: How many tokens at the beginning of a row are not pooled.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, settings: EmbeddingSettings, dimensions: int, num_skipped: int, **kwargs: Any
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.settings = settings
        self.dimensions = dimensions
        self.num_skipped = num_skipped
        self.named: dict[str, keras.Variable] = {}

    def build(self, hidden_shape: Any, padding_mask_shape: Any = None) -> None:
        """Creates the weights of the modules, by the names that `Preset.module_weights` has."""
        for module in (*self.settings.token_modules, *self.settings.modules):
            if isinstance(module, Normalize):
                continue
            if not isinstance(module, Dense):
                self._add(f"{module.name}/gamma", (module.width,), "ones")
                self._add(f"{module.name}/beta", (module.width,), "zeros")
                continue
            shape = (module.inputs, module.outputs)
            self._add(f"{module.name}/kernel", shape, "glorot_uniform")
            if module.has_bias:
                self._add(f"{module.name}/bias", shape[1:], "zeros")
            if module.projects:
                self._add(f"{module.name}/residual", shape, "glorot_uniform")
        self.built = True

    def _add(self, name: str, shape: tuple[int, ...], initializer: str) -> None:
        variable = name.replace("/", "_")
        self.named[name] = self.add_weight(shape, initializer, name=variable)

    def call(self, hidden: Any, padding_mask: Any = None) -> Any:
        """Returns the vectors of texts, float32 `[batch, dimensions]`.

        Args:
            hidden: Vectors of their tokens, `[batch, length, hidden_dim]`; if these are pooled
                already, `[batch, hidden_dim]`.
            padding_mask: `[batch, length]`, 1 at real tokens; `None` if there is nothing to pool.
        """
        if padding_mask is None:
            return self.finished(hidden)
        features = {"token_ids": padding_mask, "padding_mask": padding_mask}
        return self.finished(self.pooled(hidden, features))

    def pooled(self, tokens: Any, features: Mapping[str, Any]) -> Any:
        """Returns what pooling makes of rows' tokens, float32 `[lines * rows, width]`.

        Args:
            tokens: Their vectors, `[lines, length, hidden_dim]`.
            features: The backbone's inputs, or with several rows to a line (`models.places`), and
                how many tokens of each row are not pooled.
        """
        tokens = self.of_tokens(tokens)
        places = places_of(features)
        if self.num_skipped:
            skipped = features.get(NUM_SKIPPED, ops.full((1, 1), self.num_skipped, "int32"))
            is_after = ops.expand_dims(places.positions, 1) >= ops.expand_dims(skipped, 2)
            places = replace(places, members=ops.logical_and(places.members, is_after))
        pooled = [pooling.BY_NAME[name](tokens, places) for name in self.settings.poolings]
        vectors = pooled[0] if len(pooled) == 1 else ops.concatenate(pooled, axis=2)
        return ops.reshape(vectors, (-1, vectors.shape[2]))

    def of_tokens(self, tokens: Any) -> Any:
        """Returns the vectors of tokens as they are pooled, float32 `[…, width]`."""
        return self._through(self.settings.token_modules, ops.cast(tokens, "float32"))

    def finished(self, pooled: Any) -> Any:
        """Returns the vectors of texts, float32 `[rows, dimensions]`.

        Args:
            pooled: What pooling made of their tokens, `[rows, width]`.
        """
        vectors = self._through(self.settings.modules, ops.cast(pooled, "float32"))
        vectors = vectors[:, : self.dimensions]
        return pooling.unit(vectors) if self.settings.normalize else vectors

    def _through(self, modules: tuple[Module, ...], vectors: Any) -> Any:
        """Returns what modules make of vectors, float32 `[…, width]`."""
        for module in modules:
            if isinstance(module, Dense):
                vectors = self._dense(module, vectors)
            elif isinstance(module, Normalize):
                vectors = pooling.unit(vectors)
            else:
                gamma, beta = (self.named[f"{module.name}/{part}"] for part in ("gamma", "beta"))
                vectors = pooling.normalized(vectors, gamma, beta)
        return vectors

    def _dense(self, module: Dense, vectors: Any) -> Any:
        made = ops.tensordot(vectors, self.named[f"{module.name}/kernel"], 1)
        if module.has_bias:
            made += self.named[f"{module.name}/bias"]
        made = keras.activations.get(module.activation)(made)
        if module.is_residual:
            residual = self.named.get(f"{module.name}/residual")
            made += vectors if residual is None else ops.tensordot(vectors, residual, 1)
        return made

    def compute_output_shape(self, hidden_shape: Any, padding_mask_shape: Any = None) -> Any:
        """Returns `[batch, dimensions]`."""
        return (hidden_shape[0], self.dimensions)
