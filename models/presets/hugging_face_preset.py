"""Preset folders in the format of Hugging Face, read without TensorFlow.

`config.json` describes the model and its labels; `model.safetensors` or its shards hold the
weights, or else `tf_model.h5`. See `models.presets.hugging_face_tokenizer` for the tokenizer's
files, and `models.presets.sentence_transformers` for those that say how texts become vectors.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from models.errors import PresetError
from models.families.record import (
    FAMILIES,
    Family,
    HuggingFaceFormat,
    Packing,
    TokenizerKind,
)
from models.presets import hugging_face, sentence_transformers
from models.presets.embedding import EmbeddingSettings, Normalize, Prompts
from models.presets.fields import BACKBONE_FIELDS, check_fields
from models.presets.heads import masked_lm
from models.presets.hugging_face import POOLER
from models.presets.hugging_face_head import OTHER_TASKS, SETTINGS, Head, read_head
from models.presets.hugging_face_tokenizer import ALL_FILES, TokenizerFiles
from models.presets.preset import MaskedLMSettings, Preset, StoredWeights
from models.presets.weights.chosen import stored_weights
from models.presets.weights.safetensors_weights import (
    INDEX,
    Safetensors,
    SafetensorsWeights,
    TensorFiles,
)

CONFIG = "config.json"

_CLASSIFIER = "ForSequenceClassification"
_ANY_HEAD = re.compile(r"For[A-Z]")

ACTIVATIONS: dict[str, str] = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_fast": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "gelu_python_tanh": "gelu_approximate",
    "gelu_accurate": "gelu_approximate",
    "gelu_10": "gelu_10",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "relu2",
    "relu6": "relu6",
    "leaky_relu": "leaky_relu",
    "silu": "silu",
    "swish": "silu",
    "hardswish": "hard_silu",
    "mish": "mish",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "linear": "linear",
}
"""Activations by Hugging Face's names for them."""

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
    labels_file = CONFIG

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
    def _architectures(self) -> list[str]:
        """The classes of transformers that the checkpoint was saved from."""
        architectures = self._config.get("architectures") or []
        if not isinstance(architectures, list):
            raise self.error(CONFIG, f"architectures must be an array, not {architectures!r:.60}")
        return [str(name) for name in architectures]

    @cached_property
    @override
    def has_classifier(self) -> bool:
        is_described = any(name.endswith(_CLASSIFIER) for name in self._architectures)
        if not is_described and any(_ANY_HEAD.search(name) for name in self._architectures):
            return False
        try:
            return self._missing_of_head is None
        except PresetError:
            return is_described  # loading the weights says what is wrong with them

    @property
    def _missing_of_head(self) -> str | None:
        """A weight that a classifier has on top of its tokens and that is not stored, if any."""
        head = (*self._type.head, *([POOLER] if self._family.has_pooler else []))
        names = (f"{name}.weight" for name in head)
        return next((name for name in names if name not in self._stored.arrays), None)

    @override
    def no_classifier(self) -> PresetError:
        try:
            missing = self._missing_of_head
        except PresetError as error:
            return error
        name = next(iter(self._architectures), "")
        task = next((task for end, task in OTHER_TASKS.items() if name.endswith(end)), None)
        if task is not None:
            reason = f"it is a {name}, which {task}"
        elif name.endswith(_CLASSIFIER):
            reason = (
                f"{CONFIG} says that it is a {name}, but its weights lack {missing!r}, which "
                "transformers would draw at random"
            )
        else:
            return super().no_classifier()
        return PresetError(
            f"preset {self.name!r} has no classifier: {reason}; fine-tune it first: "
            "python -m pipelines.finetune --help"
        )

    @cached_property
    def _head(self) -> Head:
        if not self.has_classifier:
            raise self.no_classifier()
        return read_head(self, self._config, self._num_outputs)

    def _num_outputs(self) -> int | None:
        """Returns how many outputs the stored head has, if it can be read."""
        try:
            stored = self._stored.arrays.get(f"{self._type.head[-1]}.bias")
        except PresetError:
            return None
        return stored.shape[0] if stored and len(stored.shape) == 1 else None

    @property
    @override
    def is_multi_label(self) -> bool:
        return self._head.is_multi_label

    @property
    @override
    def gives_numbers(self) -> bool:
        return self._head.gives_numbers

    @property
    @override
    def head_config(self) -> dict[str, Any]:
        names = self._type.dropouts
        name = next((name for name in names if self._config.get(name) is not None), names[-1])
        config = {
            "activation": self._head.activation,
            "dropout": self._checked({name: "dropout"})[name],
        }
        if self._head.gives_numbers and len(self._head.labels) > 1:
            config["is_regression"] = True
        return config

    @property
    @override
    def labels(self) -> list[str]:
        return self._head.labels

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

    @property
    @override
    def preprocessor_settings(self) -> dict[str, Any]:
        # `longest_first` whatever `tokenizer.json` says: transformers and sentence-transformers ask
        # for it in every call. The side of padding, which the files name too, does not matter: a
        # row's numbers do not depend on its padding.
        return {"truncate": "longest_first", "truncation_side": self._tokenizer.truncation_side}

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
    def _stored(self) -> TensorFiles:
        rename = partial(hugging_face.rename, self._family)
        return stored_weights(self, rename, self._architectures)

    @cached_property
    @override
    def has_pooler(self) -> bool:
        return super().has_pooler and f"{POOLER}.weight" in self._stored.arrays

    @property
    @override
    def files(self) -> Sequence[str]:
        others = (INDEX, *ALL_FILES, SETTINGS, *sentence_transformers.files(self))
        shaping = {CONFIG, *self._stored.files, *filter(self.has, others)}
        return sorted(map(self.located, shaping))

    @override
    def backbone_weights(self, config: Mapping[str, Any]) -> StoredWeights:
        family = self._family
        known = {
            "pooler": self.has_pooler,
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

    @property
    @override
    def masked_lm(self) -> MaskedLMSettings:
        activation = self.backbone_config["activation"]
        return masked_lm.of_hugging_face(self._family, self._config, activation)

    @override
    def masked_lm_weights(self, config: Mapping[str, Any]) -> StoredWeights | None:
        is_tied = self._config.get("tie_word_embeddings", True)
        return masked_lm.in_hugging_face(self, self._family, config, self._stored, is_tied)
