"""Reading and writing the weights and descriptions of Keras Hub's preset folders.

A backbone here keeps queries, keys and values in one kernel and has names of its own; a table says
which arrays in the file make up each of its weights.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np

from models.errors import PresetError, UserError
from models.families.record import Family
from models.hubs.remote import is_uri
from models.presets.preset import Preset, StoredWeights
from models.presets.weights import hdf5

# What an optimizer left in a file, and the backbone or the embeddings that a head shares with it,
# which Keras Hub before 0.26 also wrote to the file of the head.
_IGNORED = re.compile(r"optimizer/|layers/\w+_backbone/|layers/masked_lm_head/token_embedding/")

VERSION = "0.32.0"
"""The version of Keras Hub whose format is written."""


@dataclass(frozen=True)
class H5Weight:
    """One weight of a model here, and the arrays that hold it in the file.

    Attributes:
        name: Its key in `named_weights()`.
        shape: Its shape here.
        parts: Path and shape of each array in the file. Several are joined along the last axis.
            Keras Hub keeps attention heads as an axis of their own, so each part is reshaped.
    """

    name: str
    shape: tuple[int, ...]
    parts: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def part_shape(self) -> tuple[int, ...]:
        """The shape of each part before they are joined."""
        return (*self.shape[:-1], self.shape[-1] // len(self.parts))


def same(name: str, path: str, *shape: int) -> H5Weight:
    """Returns a weight that is one array of its own shape, at a path."""
    return H5Weight(name, shape, ((path, shape),))


def dense(name: str, path: str, inputs: int, outputs: int) -> list[H5Weight]:
    """Returns the weights of a dense layer at a path."""
    return [
        same(f"{name}/kernel", f"{path}/vars/0", inputs, outputs),
        same(f"{name}/bias", f"{path}/vars/1", outputs),
    ]


def norm(name: str, path: str, width: int) -> list[H5Weight]:
    """Returns the weights of a normalization at a path."""
    return [
        same(f"{name}/gamma", f"{path}/vars/0", width),
        same(f"{name}/beta", f"{path}/vars/1", width),
    ]


def _attention(name: str, path: str, hidden: int, heads: int) -> list[H5Weight]:
    head = hidden // heads
    inputs = [f"{path}/{kind}_dense/vars" for kind in ("query", "key", "value")]
    output = f"{path}/output_dense/vars"
    return [
        H5Weight(
            f"{name}/qkv/kernel",
            (hidden, 3 * hidden),
            tuple((f"{part}/0", (hidden, heads, head)) for part in inputs),
        ),
        H5Weight(
            f"{name}/qkv/bias",
            (3 * hidden,),
            tuple((f"{part}/1", (heads, head)) for part in inputs),
        ),
        H5Weight(
            f"{name}/attention_output/kernel",
            (hidden, hidden),
            ((f"{output}/0", (heads, head, hidden)),),
        ),
        same(f"{name}/attention_output/bias", f"{output}/1", hidden),
    ]


def _encoder_layer(index: int, config: Mapping[str, Any]) -> list[H5Weight]:
    hidden, intermediate = config["hidden_dim"], config["intermediate_dim"]
    name = f"encoder/{index}"
    path = "layers/transformer_encoder" + (f"_{index}" if index else "")
    feed_forward = f"{path}/_feedforward"
    return [
        *_attention(name, f"{path}/_self_attention_layer", hidden, config["num_heads"]),
        *norm(f"{name}/attention_norm", f"{path}/_self_attention_layer_norm", hidden),
        *dense(f"{name}/intermediate", f"{feed_forward}_intermediate_dense", hidden, intermediate),
        *dense(f"{name}/output", f"{feed_forward}_output_dense", intermediate, hidden),
        *norm(f"{name}/output_norm", f"{feed_forward}_layer_norm", hidden),
    ]


def _backbone(
    config: Mapping[str, Any], embeddings: Mapping[str, str], has_pooler: bool = False
) -> list[H5Weight]:
    """Returns the weights of a backbone.

    Args:
        config: All arguments of its constructor.
        embeddings: Path of each embedding.
        has_pooler: Whether the backbone has a pooler.
    """
    hidden = config["hidden_dim"]
    rows = {
        "token": config["vocabulary_size"],
        "position": config["max_sequence_length"],
        "segment": config.get("num_segments"),
    }
    return [
        *(
            same(f"embeddings/{name}", f"layers/{path}/vars/0", rows[name], hidden)
            for name, path in embeddings.items()
        ),
        *norm("embeddings/norm", "layers/layer_normalization", hidden),
        *(
            weight
            for index in range(config["num_layers"])
            for weight in _encoder_layer(index, config)
        ),
        *(dense("pooler", "layers/dense", hidden, hidden) if has_pooler else []),
    ]


def backbone_layout(family: Family, config: Mapping[str, Any]) -> list[H5Weight]:
    """Returns where `model.weights.h5` keeps the weights of a backbone.

    Args:
        family: The backbone's family.
        config: All arguments of its constructor.
    """
    if family.num_segments:
        embeddings = {
            "token": "reversible_embedding",
            "position": "position_embedding",
            "segment": "embedding",
        }
    else:
        embeddings = {
            "token": "token_and_position_embedding/token_embedding",
            "position": "token_and_position_embedding/position_embedding",
        }
    return _backbone(config, embeddings, family.has_pooler)


def head_layout(
    family: Family, config: Mapping[str, Any], hidden_dim: int, num_classes: int
) -> list[H5Weight]:
    """Returns where `task.weights.h5` keeps the weights of a classifier's head.

    Args:
        family: The classifier's family.
        config: All arguments of the backbone's constructor.
        hidden_dim: Width of the head's first layer, in a family that has one.
        num_classes: Number of classes.
    """
    width = config["hidden_dim"]
    if family.head_activation is None:
        return dense("logits", "layers/dense", width, num_classes)
    return [
        *dense("pooled_dense", "layers/dense", width, hidden_dim),
        *dense("logits", "layers/dense_1", hidden_dim, num_classes),
    ]


def _name(path: str) -> str | None:
    """Returns the name of what is at a path; `None` for what is ignored.

    Keras before 3.6 called the group `layers` `_layer_checkpoint_dependencies`.
    """
    name = path.replace("_layer_checkpoint_dependencies", "layers")
    return None if _IGNORED.match(f"{name}/") else name


class H5Weights(StoredWeights):
    """The weights that a layout names in a preset's HDF5 file.

    Arrays have the file's type, or float32 where that is bfloat16.

    Args:
        preset: The preset.
        file: Its weights file.
        layout: What must be in the file.

    Raises:
        PresetError: The file is not HDF5; an array is missing, of another shape, stored outside the
            file, or unknown to the layout.
    """

    def __init__(self, preset: Preset, file: str, layout: list[H5Weight]) -> None:
        self._preset = preset
        self._file = file
        self._layout = layout
        with self._open() as found:
            self._check(found)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Reads one weight after another, as its name and its values.

        Raises:
            PresetError: A value is not finite.
        """
        with self._open() as found:
            for weight in self._layout:
                parts = [
                    self._finite(path, found[path]).reshape(weight.part_shape)
                    for path, _ in weight.parts
                ]
                yield weight.name, np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]

    def _finite(self, path: str, array: h5py.Dataset) -> np.ndarray:
        return self._preset.finite(self._file, path, hdf5.values(array))

    def _open(self) -> AbstractContextManager[dict[str, h5py.Dataset]]:
        """Yields the arrays in the file by path."""
        return hdf5.opened(self._preset, self._file, _name)

    def _check(self, found: Mapping[str, h5py.Dataset]) -> None:
        expected = {path: shape for weight in self._layout for path, shape in weight.parts}
        if unknown := sorted(found.keys() - expected.keys()):
            raise self._error(f"holds {unknown[0]!r}, which its configuration lacks")
        for path, shape in expected.items():
            if path not in found:
                raise self._error(f"lacks {path!r}")
            array = found[path]
            if array.shape != shape:
                raise self._error(
                    f"{path!r} has the shape {list(array.shape)}; its configuration asks for "
                    f"{list(shape)}"
                )
            hdf5.check_array(self._preset, self._file, path, array)
        hdf5.check_expansion(self._preset, self._file, found.values())

    def _error(self, problem: str) -> PresetError:
        return self._preset.error(self._file, problem)


WEIGHTS_DTYPES = ("float32", "float16", "bfloat16")
"""Types that weights can be written in."""


def folder_to_write(folder: str | os.PathLike[str], weights_dtype: str = "float32") -> Path:
    """Returns a preset folder to write to, created if needed.

    Raises:
        UserError: It is not on this machine, or the type is not one of `WEIGHTS_DTYPES`.
    """
    if weights_dtype not in WEIGHTS_DTYPES:
        choices = ", ".join(WEIGHTS_DTYPES)
        raise UserError(f"weights_dtype={weights_dtype!r} is not one of {choices}")
    if is_uri(folder):
        raise UserError(f"{folder!r} is not a folder on this machine; save to one and copy it")
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_weights(
    path: Path, layout: list[H5Weight], weights: Mapping[str, np.ndarray], dtype: str
) -> None:
    """Writes weights as Keras Hub would.

    Args:
        path: The file to make.
        layout: Where each weight goes.
        weights: An array for each weight's name.
        dtype: What weights are rounded to. The file holds `bfloat16` as float16, which has more
            bits but not its range, and compresses both: to about 1.8 and 1.5 bytes a weight.

    Raises:
        ValueError: A weight is not finite, or would not be finite in that type.
    """
    with h5py.File(path, "w") as store:
        for weight in layout:
            with np.errstate(over="ignore"):
                values = stored(weights[weight.name], dtype)
            if not np.isfinite(values).all():
                raise ValueError(
                    f"weight {weight.name!r} has values that are not finite in "
                    + ("float16, in which bfloat16 is stored" if dtype == "bfloat16" else dtype)
                )
            parts = np.split(values, len(weight.parts), axis=-1)
            for (part, shape), array in zip(weight.parts, parts, strict=True):
                # Of float32 nine tenths would be left, and of a few weights more than all.
                packs = dtype != "float32" and array.size >= _PACKED
                packing = {"compression": "gzip", "shuffle": True} if packs else {}
                store.create_dataset(part, data=array.reshape(shape), **packing)


_PACKED = 4096


def stored(weights: np.ndarray, dtype: str) -> np.ndarray:
    """Returns weights as a file holds them whose weights are rounded to a type."""
    if dtype != "bfloat16":
        return weights.astype(dtype)
    return weights.astype(ml_dtypes.bfloat16).astype(np.float16)


def description(
    family: str, class_name: str, config: Mapping[str, Any], dtype: str = "float32"
) -> dict[str, Any]:
    """Returns the content of one of a preset's JSON files.

    Args:
        family: The model's family.
        class_name: What the file describes.
        config: Arguments of the constructor in Keras Hub.
        dtype: Its `dtype`.
    """
    # A capital begins a word unless it is inside an abbreviation, as in XLMRoberta.
    module = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name).lower()
    return {
        "module": f"keras_hub.src.models.{family}.{module}",
        "class_name": class_name,
        "config": {
            "name": module,
            "trainable": True,
            "dtype": {
                "module": "keras",
                "class_name": "DTypePolicy",
                "config": {"name": dtype},
                "registered_name": None,
            },
            **config,
        },
        "registered_name": f"keras_hub>{class_name}",
    }


def write_json(folder: Path, file: str, content: Any) -> None:
    """Writes one of a preset's JSON files."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", "utf-8")
