"""Training a product of two low-rank matrices in place of a kernel.

Hu et al., 2021, *LoRA: Low-Rank Adaptation of Large Language Models*
(https://arxiv.org/abs/2106.09685).
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import keras
import numpy as np

from models.errors import did_you_mean
from models.named_weights import dense_weights

LAYERS = ("qkv", "attention_output", "intermediate", "output_dense")
"""The dense layers of an encoder's layer: queries, keys and values in one, what follows attention,
and the two of the feed-forward network."""

_ATTENTION = LAYERS[:2]
_NORMS = ("attention_norm", "output_norm")
_SUFFIX = ".lora.h5"
_RANK = "rank"


class LowRank:
    """A backbone that can be trained in a few of its weights."""

    embeddings: Any
    encoder: Any
    pooler: Any

    def enable_lora(self, rank: int, target_layer_names: Sequence[str] | None = None) -> None:
        """Limits training to a product of two low-rank matrices beside each attention kernel.

        Everything else is frozen, except the biases of these kernels and the pooler. Presets that
        are saved include the products.

        Args:
            rank: Rank of the matrices.
            target_layer_names: Which of `models.training.lora.LAYERS` get them; those of attention
                if `None`.

        Raises:
            ValueError: There is no such layer, or LoRA is enabled already.
        """
        chosen = _ATTENTION if target_layer_names is None else tuple(target_layer_names)
        for name in chosen:
            if name not in LAYERS:
                raise ValueError(
                    f"no layer is named {name!r}; {did_you_mean(name, LAYERS)}LoRA may be beside "
                    f"{', '.join(LAYERS)}"
                )
        if self.lora_rank is not None:
            raise ValueError("LoRA is enabled already, which can be done once")
        self.embeddings.trainable = False
        for layer in self.encoder.layers:
            for name in (*LAYERS, *_NORMS):
                part = getattr(layer, name)
                if name in chosen:
                    part.enable_lora(rank)
                else:
                    part.trainable = False

    @property
    def lora_rank(self) -> int | None:
        """The rank of its matrices; `None` if LoRA is not enabled."""
        return next((layer.lora_rank for layer in self._adapted().values()), None)

    def _dense_layers(self, names: Sequence[str]) -> dict[str, keras.layers.Dense]:
        """Returns the layers that are called so, in every layer of the encoder, by name."""
        return {
            f"encoder/{index}/{name}": getattr(layer, name)
            for index, layer in enumerate(self.encoder.layers)
            for name in names
            if name in LAYERS
        }

    def _adapted(self) -> dict[str, keras.layers.Dense]:
        """Returns the layers that have such matrices, by name."""
        parts = self._dense_layers(LAYERS)
        return {name: part for name, part in parts.items() if part.lora_enabled}

    def _trained(self) -> dict[str, keras.Variable]:
        """Returns what training changes, by the names in a file."""
        found = {
            f"{name}/{part}": getattr(layer, part)
            for name, layer in self._adapted().items()
            for part in ("lora_kernel_a", "lora_kernel_b", "bias")
        }
        return found if self.pooler is None else found | dense_weights("pooler", self.pooler)

    def save_lora_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Writes what training with LoRA changes, a small part of the weights.

        Args:
            filepath: A name that ends in `.lora.h5`.

        Raises:
            ValueError: It does not, or LoRA is not enabled.
        """
        if self.lora_rank is None:
            raise ValueError("LoRA is not enabled: call enable_lora(rank) and train first")
        if not os.fspath(filepath).endswith(_SUFFIX):
            raise ValueError(f"the name must end in {_SUFFIX}, not be {os.fspath(filepath)!r}")
        with h5py.File(filepath, "w") as store:
            store.attrs[_RANK] = self.lora_rank
            for name, weight in self._trained().items():
                store[name] = keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32"))

    def load_lora_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Sets what `save_lora_weights` wrote, after enabling LoRA where it is not enabled.

        Args:
            filepath: The file.

        Raises:
            ValueError: It is of another rank, or of another backbone.
        """
        rank, found = _read(filepath)
        own = self.lora_rank
        if own is not None and own != rank:
            raise ValueError(
                f"{os.fspath(filepath)!r} is of rank {rank}, and the backbone of {own}"
            )
        chosen = sorted({name.split("/")[-2] for name in found if name.startswith("encoder/")})
        layers = self._dense_layers(chosen) if own is None else self._adapted()
        # Before anything is changed: a backbone that refuses a file stays as it was.
        if self._shapes(layers, rank) != {name: values.shape for name, values in found.items()}:
            raise ValueError(f"{os.fspath(filepath)!r} is of a backbone of another shape")
        if own is None:
            self.enable_lora(rank, chosen)
        for name, weight in self._trained().items():
            weight.assign(found[name])

    def _shapes(self, layers: Mapping[str, keras.layers.Dense], rank: int) -> dict[str, Any]:
        """Returns the shapes of what training changes, if these layers have matrices."""
        found: dict[str, Any] = {}
        for name, layer in layers.items():
            inputs, outputs = layer.kernel.shape
            found[f"{name}/lora_kernel_a"] = (inputs, rank)
            found[f"{name}/lora_kernel_b"] = (rank, outputs)
            found[f"{name}/bias"] = (outputs,)
        pooler = {} if self.pooler is None else dense_weights("pooler", self.pooler)
        return found | {name: tuple(weight.shape) for name, weight in pooler.items()}


def _read(filepath: str | os.PathLike[str]) -> tuple[int, dict[str, np.ndarray]]:
    """Returns the rank and the arrays in a file."""
    found: dict[str, np.ndarray] = {}

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(filepath) as store:
        store.visititems(add)
        rank = store.attrs.get(_RANK)
    if rank is None:
        raise ValueError(f"{os.fspath(filepath)!r} was not written by save_lora_weights")
    return int(rank), found
