"""Preset folders in the format of Hugging Face, read without TensorFlow.

`config.json` describes the model and its labels; `model.safetensors` or its shards hold the
weights. See `models.presets.hugging_face_tokenizer` for the tokenizer's files, and
`models.presets.sentence_transformers` for those that say how texts become vectors.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from models.families.record import (
    FAMILIES,
    Family,
    HuggingFaceFormat,
    Packing,
    TokenizerKind,
)
from models.presets import hugging_face, sentence_transformers
from models.presets.embedding import EmbeddingSettings, Normalize, Prompts
from models.presets.hugging_face import POOLER
from models.presets.hugging_face_tokenizer import ALL_FILES, TokenizerFiles
from models.presets.preset import (
    BACKBONE_FIELDS,
    Preset,
    StoredWeights,
    check_fields,
    default_labels,
    is_text,
)
from models.presets.safetensors_weights import INDEX, Safetensors, SafetensorsWeights

CONFIG = "config.json"

_CLASSIFIER = "ForSequenceClassification"

ACTIVATIONS: dict[str, str] = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_fast": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "gelu_python_tanh": "gelu_approximate",
    "relu": "relu",
}
"""Activations by Hugging Face's names for them."""

_MULTI_LABEL = "multi_label_classification"
_PROBLEM_TYPES = (None, "single_label_classification", _MULTI_LABEL)

# The supported values of each field; fields may be missing.
_ONLY: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
    "quantization_config": (None,),
    "pruned_heads": ({}, None),
}


MODEL_TYPES: dict[str, Family] = {
    model_type: family
    for family in FAMILIES.values()
    for model_type in family.hugging_face.model_types
}
"""The family of each `model_type`."""


class HuggingFacePreset(Preset):
    """A preset folder in the format of Hugging Face.

    Args:
        name: What the user called it.
        folder: Where it is.
        model_folder: The folder in it that has the files of the model and its tokenizer; "" if they
            are in the folder itself.
    """

    config_file = CONFIG
    head_file = CONFIG

    def __init__(self, name: str, folder: Path, model_folder: str = "") -> None:
        super().__init__(name, folder)
        self._model_folder = model_folder

    @override
    def located(self, file: str) -> str:
        if "/" in file or file in sentence_transformers.IN_ROOT or not self._model_folder:
            return file
        return f"{self._model_folder}/{file}"

    @cached_property
    def _config(self) -> dict[str, Any]:
        """The description of the model, with the defaults of its type."""
        config = self.json(CONFIG)
        if not isinstance(config, dict):
            raise self.error(CONFIG, "must be an object with `model_type`")
        model_type = config.get("model_type")
        if not isinstance(model_type, str) or model_type not in MODEL_TYPES:
            raise self.error(
                CONFIG, f"model_type {model_type!r} is not one of {', '.join(MODEL_TYPES)}"
            )
        for name, values in _ONLY.items():
            if name in config and config[name] not in values:
                raise self.error(CONFIG, f"{name} must be {values[0]!r}, not {config[name]!r:.60}")
        return {**MODEL_TYPES[model_type].hugging_face.defaults, **config}

    @property
    def _family(self) -> Family:
        return MODEL_TYPES[self._config["model_type"]]

    @property
    def _type(self) -> HuggingFaceFormat:
        return self._family.hugging_face

    @property
    @override
    def family(self) -> str:
        return self._family.name

    def _checked(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Returns the values of fields, checked against the types of the arguments they become."""
        values = {name: self._config[name] for name in names}
        try:
            check_fields(values, {name: BACKBONE_FIELDS[names[name]] for name in names})
        except ValueError as error:
            raise self.error(CONFIG, str(error)) from None
        return values

    @cached_property
    @override
    def backbone_config(self) -> dict[str, Any]:
        arguments = self._type.arguments
        values = self._checked(arguments)
        config = {arguments[name]: value for name, value in values.items()}
        if config["hidden_dim"] % config["num_heads"]:
            field_of = {argument: name for name, argument in arguments.items()}
            width, heads = field_of["hidden_dim"], field_of["num_heads"]
            raise self.error(
                CONFIG, f"{width} {values[width]} is not a multiple of {heads} {values[heads]}"
            )
        config["max_sequence_length"] -= self._unused_positions
        if config["max_sequence_length"] < 1:
            raise self.error(
                CONFIG,
                f"max_position_embeddings must be more than {self._unused_positions}, the "
                "positions of padding",
            )
        if self._type.pads_first:
            del config["num_segments"]
        activation = self._config[self._type.activation]
        if not isinstance(activation, str) or activation not in ACTIVATIONS:
            raise self.error(
                CONFIG,
                f"{self._type.activation} {activation!r} is not one of {', '.join(ACTIVATIONS)}",
            )
        return {**config, **self._type.fixed, "activation": ACTIVATIONS[activation]}

    @property
    def _unused_positions(self) -> int:
        """How many positions come before that of the first token."""
        if not self._type.pads_first:
            return 0
        pad_id = self._config["pad_token_id"]
        if not isinstance(pad_id, int) or isinstance(pad_id, bool) or pad_id < 0:
            raise self.error(CONFIG, f"pad_token_id must be an id, not {pad_id!r}")
        return pad_id + 1

    @cached_property
    @override
    def has_classifier(self) -> bool:
        architectures = self._config.get("architectures") or []
        if not isinstance(architectures, list):
            raise self.error(CONFIG, f"architectures must be an array, not {architectures!r:.60}")
        return any(str(name).endswith(_CLASSIFIER) for name in architectures)

    @property
    @override
    def is_multi_label(self) -> bool:
        return self.has_classifier and self._config.get("problem_type") == _MULTI_LABEL

    @property
    @override
    def head_config(self) -> dict[str, Any]:
        names = self._type.dropouts
        name = next((name for name in names if self._config.get(name) is not None), names[-1])
        return {
            "activation": "sigmoid" if self.is_multi_label else None,
            "dropout": self._checked({name: "dropout"})[name],
        }

    @cached_property
    @override
    def labels(self) -> list[str]:
        if not self.has_classifier:
            raise self.no_classifier()
        labels = self._labels()
        problem = self._config.get("problem_type")
        if problem == "regression" or (problem != _MULTI_LABEL and len(labels) == 1):
            raise self.error(CONFIG, "a regression model, which has no classes, cannot be used")
        if problem not in _PROBLEM_TYPES:
            choices = ", ".join(filter(None, _PROBLEM_TYPES))
            raise self.error(CONFIG, f"problem_type {problem!r} is not one of {choices}")
        return labels

    def _labels(self) -> list[str]:
        num_labels, names = self._config.get("num_labels"), self._config.get("id2label")
        if num_labels is not None:
            try:
                check_fields({"num_labels": num_labels}, {"num_labels": int})
            except ValueError as error:
                raise self.error(CONFIG, str(error)) from None
        if names is None:
            return default_labels(2 if num_labels is None else num_labels)
        if not isinstance(names, dict) or not all(map(is_text, names.values())):
            raise self.error(CONFIG, "id2label must be an object of strings")
        ids = [str(index) for index in range(len(names))]
        if not names or names.keys() != set(ids):
            raise self.error(CONFIG, f"id2label must name the classes 0 to {len(names) - 1}")
        labels = [names[index] for index in ids]
        if len(set(labels)) != len(labels):
            raise self.error(CONFIG, "id2label gives two classes the same name")
        if num_labels is not None and num_labels != len(labels):
            raise self.error(
                CONFIG, f"id2label names {len(labels)} classes, num_labels is {num_labels}"
            )
        return labels

    @cached_property
    def _tokenizer(self) -> TokenizerFiles:
        config = self._config
        return TokenizerFiles(self, config["model_type"], config.get("tokenizer_class"))

    @property
    @override
    def vocabulary_file(self) -> str:
        return self._tokenizer.vocabulary_file

    @cached_property
    def _recognized(self) -> tuple[TokenizerKind, dict[str, Any]]:
        """The kind of the tokenizer, and the arguments of its constructor."""
        return self._tokenizer.recognized(sentence_transformers.lowers_texts(self))

    @property
    @override
    def tokenizer_kind(self) -> TokenizerKind:
        return self._recognized[0]

    @property
    @override
    def tokenizer_arguments(self) -> dict[str, Any]:
        return self._recognized[1]

    @property
    @override
    def packing(self) -> Packing:
        return self._tokenizer.packing

    @cached_property
    @override
    def own_length(self) -> int | None:
        length = sentence_transformers.max_length(self)
        if length is not None:
            return min(length, self.max_sequence_length)
        length = self._tokenizer.max_length
        # Tokenizers without a limit write a huge number.
        return length if length is not None and length <= self.max_sequence_length else None

    @cached_property
    @override
    def embedding(self) -> EmbeddingSettings:
        return sentence_transformers.embedding(self)

    @cached_property
    @override
    def prompts(self) -> Prompts:
        return sentence_transformers.prompts(self)

    @override
    def module_weights(self) -> Iterable[tuple[str, np.ndarray]]:
        modules = (*self.embedding.token_modules, *self.embedding.modules)
        stored = []
        for module in modules:
            if not isinstance(module, Normalize):
                file = sentence_transformers.weights_file(self, module.name)
                layout = hugging_face.module_weights(module)
                stored.append(SafetensorsWeights(self, Safetensors(self, file=file), layout, ()))
        return chain.from_iterable(stored)

    @cached_property
    def _stored(self) -> Safetensors:
        return Safetensors(self, partial(hugging_face.rename, self._family))

    @cached_property
    @override
    def has_pooler(self) -> bool:
        return super().has_pooler and f"{POOLER}.weight" in self._stored.arrays

    @property
    @override
    def files(self) -> Sequence[str]:
        others = (INDEX, *ALL_FILES, *sentence_transformers.files(self))
        shaping = {CONFIG, *self._stored.files, *filter(self.has, others)}
        return sorted(map(self.located, shaping))

    @override
    def backbone_weights(self, config: Mapping[str, Any]) -> StoredWeights:
        family = self._family
        known = {
            "pooler": family.has_pooler and (self.has_pooler or self.has_classifier),
            "unused_positions": self._unused_positions,
            "segments": self._config.get("type_vocab_size"),
        }
        weights = hugging_face.backbone_weights(family, config, known)
        ignored = (*hugging_face.ignored_names(family), *hugging_face.head_names(family))
        return SafetensorsWeights(self, self._stored, weights, ignored)

    @override
    def head_weights(self, config: Mapping[str, Any], hidden_dim: int) -> StoredWeights:
        family, width = self._family, config["hidden_dim"]
        weights = hugging_face.head_weights(family, width, hidden_dim, len(self.labels))
        heads = hugging_face.head_names(family)
        ignored = {n for n in self._stored.arrays if not n.startswith(heads)}
        return SafetensorsWeights(self, self._stored, weights, ignored)
