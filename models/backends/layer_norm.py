"""Layer normalization (https://arxiv.org/abs/1607.06450)."""

from typing import Any

import keras

from models.backends import kernels


class LayerNorm(keras.layers.LayerNormalization):
    """Normalizes each token's vector."""

    def call(self, inputs: Any) -> Any:
        """Returns the normalized vectors, of the shape of `inputs`, `[…, width]`."""
        normalize = kernels.used().normalize.get(self.compute_dtype)
        if normalize is None:
            return super().call(inputs)
        return normalize(inputs, self.gamma, self.beta, self.epsilon)
