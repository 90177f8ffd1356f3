"""The weights and descriptions of Keras Hub's preset folders, both ways.

A backbone here keeps queries, keys and values in one kernel and has names of its own; a table says
which arrays of the file each of its weights is made of.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from models.errors import PresetError
from models.presets import FAMILIES, Preset

# A file that unpacks to more than this many times its size holds no weights.
_MAX_EXPANSION = 16

VERSION = "0.32.0"
"""The version of Keras Hub whose format is written."""


@dataclass(frozen=True)
class Weight:
    """One weight of a model here, and what it is in the file.

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


def _same(name: str, path: str, *shape: int) -> Weight:
    return Weight(name, shape, ((path, shape),))


def _dense(name: str, path: str, inputs: int, outputs: int) -> list[Weight]:
    return [
        _same(f"{name}/kernel", f"{path}/vars/0", inputs, outputs),
        _same(f"{name}/bias", f"{path}/vars/1", outputs),
    ]


def _norm(name: str, path: str, width: int) -> list[Weight]:
    return [
        _same(f"{name}/gamma", f"{path}/vars/0", width),
        _same(f"{name}/beta", f"{path}/vars/1", width),
    ]


def _attention(name: str, path: str, hidden: int, heads: int) -> list[Weight]:
    head = hidden // heads
    inputs = [f"{path}/{kind}_dense/vars" for kind in ("query", "key", "value")]
    output = f"{path}/output_dense/vars"
    return [
        Weight(
            f"{name}/qkv/kernel",
            (hidden, 3 * hidden),
            tuple((f"{part}/0", (hidden, heads, head)) for part in inputs),
        ),
        Weight(
            f"{name}/qkv/bias",
            (3 * hidden,),
            tuple((f"{part}/1", (heads, head)) for part in inputs),
        ),
        Weight(
            f"{name}/attention_output/kernel",
            (hidden, hidden),
            ((f"{output}/0", (heads, head, hidden)),),
        ),
        _same(f"{name}/attention_output/bias", f"{output}/1", hidden),
    ]


def _encoder_layer(index: int, config: Mapping[str, Any]) -> list[Weight]:
    hidden, intermediate = config["hidden_dim"], config["intermediate_dim"]
    name = f"encoder/{index}"
    path = "layers/transformer_encoder" + (f"_{index}" if index else "")
    feed_forward = f"{path}/_feedforward"
    return [
        *_attention(name, f"{path}/_self_attention_layer", hidden, config["num_heads"]),
        *_norm(f"{name}/attention_norm", f"{path}/_self_attention_layer_norm", hidden),
        *_dense(f"{name}/intermediate", f"{feed_forward}_intermediate_dense", hidden, intermediate),
        *_dense(f"{name}/output", f"{feed_forward}_output_dense", intermediate, hidden),
        *_norm(f"{name}/output_norm", f"{feed_forward}_layer_norm", hidden),
    ]


def _bert_backbone(config: Mapping[str, Any]) -> list[Weight]:
    hidden = config["hidden_dim"]
    embeddings = (
        ("token", "reversible_embedding", config["vocabulary_size"]),
        ("position", "position_embedding", config["max_sequence_length"]),
        ("segment", "embedding", config["num_segments"]),
    )
    return [
        *(
            _same(f"embeddings/{name}", f"layers/{layer}/vars/0", rows, hidden)
            for name, layer, rows in embeddings
        ),
        *_norm("embeddings/norm", "layers/layer_normalization", hidden),
        *(
            weight
            for index in range(config["num_layers"])
            for weight in _encoder_layer(index, config)
        ),
        *_dense("pooler", "layers/dense", hidden, hidden),
    ]


def _bert_head(config: Mapping[str, Any], num_classes: int) -> list[Weight]:
    return _dense("logits", "layers/dense", config["hidden_dim"], num_classes)


BACKBONE_LAYOUTS: dict[str, Callable[[Mapping[str, Any]], list[Weight]]] = {
    "bert": _bert_backbone,
}
"""For each family, where `model.weights.h5` keeps the weights of a backbone's configuration."""

HEAD_LAYOUTS: dict[str, Callable[[Mapping[str, Any], int], list[Weight]]] = {
    "bert": _bert_head,
}
"""For each family, where `task.weights.h5` keeps the head over a backbone, by classes."""


def _arrays(store: h5py.File) -> dict[str, h5py.Dataset]:
    """Returns the float arrays in a weights file by path; links out of the file are not followed.

    Keras before 3.6 called the group `layers` `_layer_checkpoint_dependencies`. What an optimizer
    left there is none of a model's.
    """
    found = {}

    def visit(path: str, item: Any) -> None:
        path = path.replace("_layer_checkpoint_dependencies/", "layers/")
        if (
            isinstance(item, h5py.Dataset)
            and (item.dtype.kind == "f" or _is_bfloat16(item))
            and not path.startswith("optimizer/")
        ):
            found[path] = item

    store.visititems(visit)
    return found


def _is_bfloat16(array: h5py.Dataset) -> bool:
    """Returns whether Keras wrote an array of bfloat16, a type that HDF5 does not know."""
    return array.dtype == np.dtype("V2") and str(array.attrs.get("dtype")) == "bfloat16"


def read_weights(preset: Preset, file: str, layout: list[Weight]) -> dict[str, np.ndarray]:
    """Reads the weights that a layout names; each array is checked before it is read.

    Args:
        preset: The preset.
        file: Its weights file.
        layout: What must be in the file.

    Returns:
        An array for each weight's name, in the file's type; float32 where that is bfloat16.

    Raises:
        PresetError: The file is no HDF5; an array is missing, of another shape, stored outside of
            the file, or unknown to the layout.
    """
    path = preset.path(file)
    try:
        with h5py.File(path, "r") as store:
            found = _arrays(store)
            expected = {part for weight in layout for part, _ in weight.parts}
            if unknown := sorted(found.keys() - expected):
                raise preset.error(file, f"holds {unknown[0]!r}, which its configuration lacks")
            needed = sum(found[part].nbytes for part in expected & found.keys())
            if needed > _MAX_EXPANSION * path.stat().st_size:
                raise preset.error(file, f"unpacks to {needed} bytes, far more than its size")
            return {weight.name: _read(preset, file, found, weight) for weight in layout}
    except PresetError:
        raise
    except Exception as error:  # h5py raises errors of many kinds for a damaged file
        raise preset.error(file, f"cannot be read as HDF5 ({error})") from None


def _read(
    preset: Preset, file: str, found: Mapping[str, h5py.Dataset], weight: Weight
) -> np.ndarray:
    parts = []
    for path, shape in weight.parts:
        if path not in found:
            raise preset.error(file, f"lacks {path!r}")
        array = found[path]
        if array.shape != shape:
            raise preset.error(
                file,
                f"{path!r} has the shape {list(array.shape)}; its configuration asks for "
                f"{list(shape)}",
            )
        if array.is_virtual or array.external:
            raise preset.error(file, f"{path!r} points to another file")
        parts.append(_values(array).reshape(weight.part_shape))
    return np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def _values(array: h5py.Dataset) -> np.ndarray:
    if _is_bfloat16(array):
        # The upper half of a float32.
        return (array[()].view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return array[()]


def write_weights(
    path: Path, layout: list[Weight], weights: Mapping[str, np.ndarray], dtype: str
) -> None:
    """Writes weights as Keras Hub would.

    Args:
        path: The file to make.
        layout: Where each weight goes.
        weights: An array for each weight's name.
        dtype: Type to store, `float32` or `float16`.
    """
    with h5py.File(path, "w") as store:
        for weight in layout:
            parts = np.split(weights[weight.name], len(weight.parts), axis=-1)
            for (part, shape), array in zip(weight.parts, parts, strict=True):
                store.create_dataset(part, data=array.reshape(shape).astype(dtype))


# Where Keras Hub keeps the classes that a preset's files describe.
_MODULES = {
    "bert": "keras_hub.src.models.bert",
}


def description(
    family: str, file: str, config: Mapping[str, Any], dtype: str = "float32"
) -> dict[str, Any]:
    """Returns the content of one of a preset's JSON files.

    Args:
        family: A key of `FAMILIES`.
        file: Such as `config.json`.
        config: Arguments of the constructor in Keras Hub.
        dtype: Its `dtype`.
    """
    class_name = FAMILIES[family][file][0]
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower()
    return {
        "module": f"{_MODULES[family]}.{module}",
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
