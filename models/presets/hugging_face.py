"""Where Hugging Face's checkpoints keep the weights of each family.

PyTorch's linear layers keep their kernels as `[outputs, inputs]`, the transpose of Keras's, and
queries, keys and values are three layers. RoBERTa's positions begin after that of padding, and all
its tokens belong to segment 0, whose embedding is added to the positions here.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.families.record import Family, LayerNames
from models.presets.embedding import Dense, LayerNorm
from models.presets.weights.safetensors_weights import TensorWeight

# Few enough that what is read and what is written both stay in a core's cache.
_ROWS_TRANSPOSED = 32


def _itself(values: np.ndarray) -> np.ndarray:
    return values


def _joined(*values: np.ndarray) -> np.ndarray:
    return np.concatenate(values) if len(values) > 1 else values[0]


def _transposed(*values: np.ndarray) -> np.ndarray:
    """Returns the kernel of one linear layer, or those of several side by side."""
    kernel = np.empty((values[0].shape[1], sum(map(len, values))), values[0].dtype)
    start = 0
    for value in values:
        for row in range(0, len(value), _ROWS_TRANSPOSED):
            rows = value[row : row + _ROWS_TRANSPOSED]
            kernel[:, start : start + len(rows)] = rows.T
            start += len(rows)
    return kernel


def same(name: str, path: str, *shape: int) -> TensorWeight:
    """Returns a weight that is one array of its own shape."""
    return TensorWeight(name, ((path, shape),), _itself)


def dense(name: str, paths: tuple[str, ...], inputs: int, outputs: int) -> list[TensorWeight]:
    """Returns the weights of a dense layer made of one linear layer or of several."""
    kernels = tuple((f"{path}.weight", (outputs, inputs)) for path in paths)
    biases = tuple((f"{path}.bias", (outputs,)) for path in paths)
    return [
        TensorWeight(f"{name}/kernel", kernels, _transposed),
        TensorWeight(f"{name}/bias", biases, _joined),
    ]


def norm(name: str, path: str, width: int) -> list[TensorWeight]:
    """Returns the weights of a normalization."""
    return [
        same(f"{name}/gamma", f"{path}.weight", width),
        same(f"{name}/beta", f"{path}.bias", width),
    ]


def _encoder_layer(index: int, config: Mapping[str, Any], names: LayerNames) -> list[TensorWeight]:
    hidden, intermediate = config["hidden_dim"], config["intermediate_dim"]
    name, path = f"encoder/{index}", f"{names.path}.{index}"
    inputs = tuple(f"{path}.{part}" for part in names.query_key_value)
    return [
        *dense(f"{name}/qkv", inputs, hidden, hidden),
        *dense(f"{name}/attention_output", (f"{path}.{names.attention_output}",), hidden, hidden),
        *norm(f"{name}/attention_norm", f"{path}.{names.attention_norm}", hidden),
        *dense(f"{name}/intermediate", (f"{path}.{names.intermediate}",), hidden, intermediate),
        *dense(f"{name}/output", (f"{path}.{names.output}",), intermediate, hidden),
        *norm(f"{name}/output_norm", f"{path}.{names.output_norm}", hidden),
    ]


_POSITIONS = "embeddings.position_embeddings.weight"
_SEGMENTS = "embeddings.token_type_embeddings.weight"
POOLER = "pooler.dense"
"""BERT's pooler, missing from checkpoints pretrained without next-sentence prediction."""


def backbone_weights(
    family: Family, config: Mapping[str, Any], stored: Mapping[str, Any]
) -> list[TensorWeight]:
    """Returns where a checkpoint keeps the weights of a backbone.

    Args:
        family: The backbone's family.
        config: All arguments of its constructor.
        stored: What else is known about the checkpoint: `pooler`, whether it has one;
            `unused_positions`, how many are for padding; `segments`, how many have embeddings.
    """
    hidden = config["hidden_dim"]
    names = family.hugging_face.layer
    layers = range(config["num_layers"])
    return [
        same(
            *("embeddings/token", "embeddings.word_embeddings.weight"),
            *(config["vocabulary_size"], hidden),
        ),
        *_embeddings(family, config, stored),
        *norm("embeddings/norm", "embeddings.LayerNorm", hidden),
        *(weight for index in layers for weight in _encoder_layer(index, config, names)),
        *(dense("pooler", (POOLER,), hidden, hidden) if stored["pooler"] else []),
    ]


def _embeddings(
    family: Family, config: Mapping[str, Any], stored: Mapping[str, Any]
) -> list[TensorWeight]:
    """Returns the embeddings of positions and segments."""
    hidden, positions = config["hidden_dim"], config["max_sequence_length"]
    if family.hugging_face.pads_first:
        unused = stored["unused_positions"]
        parts = (
            (_POSITIONS, (unused + positions, hidden)),
            (_SEGMENTS, (stored["segments"], hidden)),
        )
        return [
            TensorWeight(
                "embeddings/position",
                parts,
                lambda positions, segments: positions[unused:] + segments[0],
            )
        ]
    return [
        same("embeddings/position", _POSITIONS, positions, hidden),
        *(
            [same("embeddings/segment", _SEGMENTS, config["num_segments"], hidden)]
            if family.num_segments
            else []
        ),
    ]


def head_weights(
    family: Family, width: int, hidden_dim: int, num_classes: int
) -> list[TensorWeight]:
    """Returns where a checkpoint keeps the weights of a classifier's head.

    Args:
        family: The classifier's family.
        width: Width of the backbone.
        hidden_dim: Width of the head's first layer, in a family that has one.
        num_classes: Number of classes.
    """
    *first, last = family.hugging_face.head
    if not first:
        return dense("logits", (last,), width, num_classes)
    return [
        *dense("pooled_dense", tuple(first), width, hidden_dim),
        *dense("logits", (last,), hidden_dim, num_classes),
    ]


def module_weights(module: Dense | LayerNorm) -> list[TensorWeight]:
    """Returns where a module of sentence-transformers keeps its weights, in a file of its own."""
    if isinstance(module, LayerNorm):
        return norm(module.name, "norm", module.width)
    inputs, outputs = module.inputs, module.outputs
    weights = dense(module.name, ("linear",), inputs, outputs)
    if not module.has_bias:
        weights = weights[:1]
    if module.projects:
        kernel = (("residual.weight", (outputs, inputs)),)
        weights.append(TensorWeight(f"{module.name}/residual", kernel, _transposed))
    return weights


def head_names(family: Family) -> tuple[str, ...]:
    """Returns the prefixes of the names of a classifier head's weights."""
    return tuple(f"{name.split('.')[0]}." for name in family.hugging_face.head)


def ignored_names(family: Family) -> tuple[str, ...]:
    """Returns the prefixes of the names of stored arrays that no output depends on.

    They belong to the heads of other tasks, and to constants.
    """
    return (*_CONSTANTS, *family.hugging_face.other_heads)


def rename(family: Family, name: str) -> str:
    """Returns the name to look up for a name in a file.

    A model with a head puts the family's prefix before it; old checkpoints call the weights of a
    normalization gamma and beta.
    """
    return _OLD_NORM.sub(
        lambda old: old[1] + _NORM_NAMES[old[2]],
        name.removeprefix(f"{family.hugging_face.prefix}."),
    )


_OLD_NORM = re.compile(r"(LayerNorm\.|layer_norm\.)(gamma|beta)$")
_NORM_NAMES = {"gamma": "weight", "beta": "bias"}

_CONSTANTS = ("embeddings.position_ids", "embeddings.token_type_ids")
