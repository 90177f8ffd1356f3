"""Weights in `tf_model.h5`, as transformers wrote them for TensorFlow until its version 4.

The file is HDF5 of Keras 2, without code in it: a group for each layer of the model, and in it the
weights by their names, which begin with that of the model, such as
`bert/tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0`. These are turned into the names
and the shapes of PyTorch.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from typing_extensions import override

from models.presets.preset import Preset
from models.presets.weights import hdf5
from models.presets.weights.safetensors_weights import StoredArray, TensorFiles

WEIGHTS = "tf_model.h5"

_KERNEL = "kernel"
_PYTORCH = {
    **dict.fromkeys((_KERNEL, "gamma", "embeddings", "weight"), "weight"),
    **dict.fromkeys(("beta", "bias"), "bias"),
}
_DTYPES = {8: "F64", 4: "F32", 2: "F16"}


def _own(path: str) -> str | None:
    """Returns a path, unless it is of a weight that another layer has too.

    A head that shares weights with the backbone lists them under its own name again.
    """
    layer, *rest = path.split("/")
    return None if len(rest) > 2 and rest[1] != layer else path


def _name(path: str) -> str:
    """Returns PyTorch's name of the weight at a path."""
    *parts, kind = path.split("/")[2:]
    # `mlm___cls` is `cls`, and `layer_._0` is `layer.0`.
    parts = [part.rpartition("___")[2].replace("_._", ".") for part in parts]
    return ".".join([*parts, _PYTORCH.get(kind.removesuffix(":0"), kind)])


def _is_kernel(path: str) -> bool:
    """Returns whether it is the kernel of a dense layer, which PyTorch keeps transposed."""
    return path.rpartition("/")[2].removesuffix(":0") == _KERNEL


class TensorFlowWeights(TensorFiles):
    """The arrays of a preset's `tf_model.h5`, by their names in PyTorch.

    Args:
        preset: The preset.
        rename: Returns a layout's name for a name in PyTorch.
    """

    def __init__(self, preset: Preset, rename: Callable[[str], str]) -> None:
        self._preset = preset
        self._rename = rename

    @property
    @override
    def files(self) -> list[str]:
        return [WEIGHTS]

    @cached_property
    @override
    def arrays(self) -> dict[str, StoredArray]:
        arrays: dict[str, StoredArray] = {}
        with hdf5.opened(self._preset, WEIGHTS, _own) as found:
            hdf5.check_expansion(self._preset, WEIGHTS, found.values())
            for path, stored in found.items():
                hdf5.check_array(self._preset, WEIGHTS, path, stored)
                shape = stored.shape[::-1] if _is_kernel(path) else stored.shape
                array = StoredArray(WEIGHTS, path, _DTYPES[stored.dtype.itemsize], shape)
                other = arrays.setdefault(self._rename(_name(path)), array)
                if other is not array:
                    raise self._preset.error(
                        WEIGHTS, f"{path!r} and {other.name!r} are the same weight"
                    )
        return arrays

    @override
    def read(self, array: StoredArray) -> np.ndarray:
        values = hdf5.read(self._preset, WEIGHTS, array.name)
        return values.T if _is_kernel(array.name) else values
