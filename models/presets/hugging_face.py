"""Where Hugging Face's checkpoints keep the weights of each family.

PyTorch's linear layers keep their kernels as `[outputs, inputs]`, the transpose of Keras's, and
queries, keys and values are three layers. RoBERTa's positions begin behind that of padding, and
every token of it is of segment 0, whose embedding is added to the positions here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.presets.safetensors_weights import Weight

# Few enough that what is read and what is written both stay in a core's cache.
_ROWS_TRANSPOSED = 32


def _itself(values: np.ndarray) -> np.ndarray:
    return values


def _joined(*values: np.ndarray) -> np.ndarray:
    return np.concatenate(values) if len(values) > 1 else values[0]


def _transposed(*values: np.ndarray) -> np.ndarray:
    """Returns one kernel of those of one linear layer, or of several side by side."""
    kernel = np.empty((values[0].shape[1], sum(map(len, values))), values[0].dtype)
    start = 0
    for value in values:
        for row in range(0, len(value), _ROWS_TRANSPOSED):
            rows = value[row : row + _ROWS_TRANSPOSED]
            kernel[:, start : start + len(rows)] = rows.T
            start += len(rows)
    return kernel


def _same(name: str, path: str, *shape: int) -> Weight:
    return Weight(name, ((path, shape),), _itself)


def _dense(name: str, paths: tuple[str, ...], inputs: int, outputs: int) -> list[Weight]:
    """Returns the weights of a dense layer made of one linear layer or of several."""
    kernels = tuple((f"{path}.weight", (outputs, inputs)) for path in paths)
    biases = tuple((f"{path}.bias", (outputs,)) for path in paths)
    return [Weight(f"{name}/kernel", kernels, _transposed), Weight(f"{name}/bias", biases, _joined)]


def _norm(name: str, path: str, width: int) -> list[Weight]:
    return [
        _same(f"{name}/gamma", f"{path}.weight", width),
        _same(f"{name}/beta", f"{path}.bias", width),
    ]


@dataclass(frozen=True)
class _Names:
    """What a family calls the parts of an encoder layer."""

    layer: str
    query_key_value: tuple[str, str, str]
    attention_output: str
    attention_norm: str
    intermediate: str
    output: str
    output_norm: str


_BERT_NAMES = _Names(
    layer="encoder.layer",
    query_key_value=("attention.self.query", "attention.self.key", "attention.self.value"),
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    intermediate="intermediate.dense",
    output="output.dense",
    output_norm="output.LayerNorm",
)
_DISTIL_BERT_NAMES = _Names(
    layer="transformer.layer",
    query_key_value=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    attention_output="attention.out_lin",
    attention_norm="sa_layer_norm",
    intermediate="ffn.lin1",
    output="ffn.lin2",
    output_norm="output_layer_norm",
)


def _encoder_layer(index: int, config: Mapping[str, Any], names: _Names) -> list[Weight]:
    hidden, intermediate = config["hidden_dim"], config["intermediate_dim"]
    name, path = f"encoder/{index}", f"{names.layer}.{index}"
    inputs = tuple(f"{path}.{part}" for part in names.query_key_value)
    return [
        *_dense(f"{name}/qkv", inputs, hidden, hidden),
        *_dense(f"{name}/attention_output", (f"{path}.{names.attention_output}",), hidden, hidden),
        *_norm(f"{name}/attention_norm", f"{path}.{names.attention_norm}", hidden),
        *_dense(f"{name}/intermediate", (f"{path}.{names.intermediate}",), hidden, intermediate),
        *_dense(f"{name}/output", (f"{path}.{names.output}",), intermediate, hidden),
        *_norm(f"{name}/output_norm", f"{path}.{names.output_norm}", hidden),
    ]


def _backbone(
    config: Mapping[str, Any], embeddings: list[Weight], names: _Names, pooler: str | None = None
) -> list[Weight]:
    """Returns the weights of a backbone.

    Args:
        config: All arguments of its constructor.
        embeddings: Those of positions and segments.
        names: What its parts are called.
        pooler: The linear layer that is its pooler, if it has one.
    """
    hidden = config["hidden_dim"]
    layers = range(config["num_layers"])
    return [
        _same(
            *("embeddings/token", "embeddings.word_embeddings.weight"),
            *(config["vocabulary_size"], hidden),
        ),
        *embeddings,
        *_norm("embeddings/norm", "embeddings.LayerNorm", hidden),
        *(weight for index in layers for weight in _encoder_layer(index, config, names)),
        *(_dense("pooler", (pooler,), hidden, hidden) if pooler else []),
    ]


_POSITIONS = "embeddings.position_embeddings.weight"
_SEGMENTS = "embeddings.token_type_embeddings.weight"
POOLER = "pooler.dense"
"""BERT's pooler, which checkpoints without its pretraining's second task lack."""


def _bert(config: Mapping[str, Any], stored: Mapping[str, Any]) -> list[Weight]:
    hidden = config["hidden_dim"]
    embeddings = [
        _same("embeddings/position", _POSITIONS, config["max_sequence_length"], hidden),
        _same("embeddings/segment", _SEGMENTS, config["num_segments"], hidden),
    ]
    return _backbone(config, embeddings, _BERT_NAMES, POOLER if stored["pooler"] else None)


def _roberta(config: Mapping[str, Any], stored: Mapping[str, Any]) -> list[Weight]:
    hidden, unused = config["hidden_dim"], stored["unused_positions"]

    def positions(positions: np.ndarray, segments: np.ndarray) -> np.ndarray:
        return positions[unused:] + segments[0]

    parts = (
        (_POSITIONS, (unused + config["max_sequence_length"], hidden)),
        (_SEGMENTS, (stored["segments"], hidden)),
    )
    embeddings = [Weight("embeddings/position", parts, positions)]
    return _backbone(config, embeddings, _BERT_NAMES)


def _distil_bert(config: Mapping[str, Any], stored: Mapping[str, Any]) -> list[Weight]:
    rows = config["max_sequence_length"]
    embeddings = [_same("embeddings/position", _POSITIONS, rows, config["hidden_dim"])]
    return _backbone(config, embeddings, _DISTIL_BERT_NAMES)


def _bert_head(width: int, hidden_dim: int, num_classes: int) -> list[Weight]:
    return _dense("logits", ("classifier",), width, num_classes)


def _roberta_head(width: int, hidden_dim: int, num_classes: int) -> list[Weight]:
    return [
        *_dense("pooled_dense", ("classifier.dense",), width, hidden_dim),
        *_dense("logits", ("classifier.out_proj",), hidden_dim, num_classes),
    ]


def _distil_bert_head(width: int, hidden_dim: int, num_classes: int) -> list[Weight]:
    return [
        *_dense("pooled_dense", ("pre_classifier",), width, hidden_dim),
        *_dense("logits", ("classifier",), hidden_dim, num_classes),
    ]


@dataclass(frozen=True)
class Layout:
    """Where the checkpoints of a family keep its weights.

    Attributes:
        prefix: Before the names of a backbone's weights in a model with a head.
        backbone: Gives the weights of a backbone for all arguments of its constructor and what
            else is known of the checkpoint: `pooler`, `unused_positions`, `segments`.
        head: Gives the weights of a classifier's head for the backbone's width, the width of the
            head's first layer and the number of classes.
        head_names: Beginnings of the names of a classifier's head.
        ignored: Beginnings of the names of what a checkpoint may hold that no output here depends
            on: heads of other tasks, and constants.
    """

    prefix: str
    backbone: Callable[[Mapping[str, Any], Mapping[str, Any]], list[Weight]]
    head: Callable[[int, int, int], list[Weight]]
    head_names: tuple[str, ...]
    ignored: tuple[str, ...]

    def rename(self, name: str) -> str:
        """Returns the name that this layout has for a name in a file.

        Old checkpoints call the weights of a normalization gamma and beta.
        """
        return _OLD_NORM.sub(
            lambda old: old[1] + _NORM_NAMES[old[2]], name.removeprefix(f"{self.prefix}.")
        )


_OLD_NORM = re.compile(r"(LayerNorm\.|layer_norm\.)(gamma|beta)$")
_NORM_NAMES = {"gamma": "weight", "beta": "bias"}

_CONSTANTS = ("embeddings.position_ids", "embeddings.token_type_ids")
_ROBERTA = Layout(
    prefix="roberta",
    backbone=_roberta,
    head=_roberta_head,
    head_names=("classifier.",),
    ignored=(*_CONSTANTS, "pooler.", "lm_head.", "qa_outputs."),
)

LAYOUTS: dict[str, Layout] = {
    "bert": Layout(
        prefix="bert",
        backbone=_bert,
        head=_bert_head,
        head_names=("classifier.",),
        ignored=(*_CONSTANTS, "cls.", "qa_outputs."),
    ),
    "roberta": _ROBERTA,
    "xlm_roberta": _ROBERTA,
    "distil_bert": Layout(
        prefix="distilbert",
        backbone=_distil_bert,
        head=_distil_bert_head,
        head_names=("pre_classifier.", "classifier."),
        ignored=(
            *_CONSTANTS,
            *("vocab_transform.", "vocab_projector.", "vocab_layer_norm.", "qa_outputs."),
        ),
    ),
}
"""For each family, where its checkpoints keep the weights."""
