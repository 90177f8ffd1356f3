"""Preset folders in the format of Keras Hub, read without TensorFlow.

`config.json` and `model.weights.h5` hold the backbone, `tokenizer.json` and `assets/tokenizer/` the
tokenizer, `preprocessor.json` the length, `task.json` and `task.weights.h5` the classifier. A
`labels.json` beside them, an array of strings, names the classes.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from typing_extensions import override

from models.families.record import FAMILIES, Family, TokenizerKind
from models.packing import TRUNCATIONS
from models.presets import keras_hub
from models.presets.preset import (
    BACKBONE_FIELDS,
    Fields,
    Preset,
    StoredWeights,
    check_fields,
    check_size,
    default_labels,
    is_text,
)
from models.presets.vocabulary_files import read_lines, read_merges, read_vocabulary

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
PREPROCESSOR = "preprocessor.json"
TASK = "task.json"
METADATA = "metadata.json"
LABELS = "labels.json"
BACKBONE_WEIGHTS = "model.weights.h5"
TASK_WEIGHTS = "task.weights.h5"

WORDPIECE_VOCABULARY = "assets/tokenizer/vocabulary.txt"
BYTE_PAIR_VOCABULARY = "assets/tokenizer/vocabulary.json"
BYTE_PAIR_MERGES = "assets/tokenizer/merges.txt"
SENTENCE_PIECE_MODEL = "assets/tokenizer/vocabulary.spm"

OWN_SETTINGS = "textbeam"
"""Key in `tokenizer.json` for settings that Keras Hub does not have; it ignores the key."""


def classes(family: Family) -> dict[str, tuple[str, ...]]:
    """Returns the classes that each file may describe, beginning with the one that is written.

    The others are older names in Keras Hub, and preprocessors that pack a text in the same way.
    """
    prefix = family.prefix
    return {
        CONFIG: (f"{prefix}Backbone",),
        TOKENIZER: (f"{prefix}Tokenizer",),
        PREPROCESSOR: (
            f"{prefix}TextClassifierPreprocessor",
            f"{prefix}Preprocessor",
            f"{prefix}TextEmbedderPreprocessor",
            f"{prefix}MaskedLMPreprocessor",
        ),
        TASK: (f"{prefix}TextClassifier", f"{prefix}Classifier"),
    }


# Keras Hub tasks that label nothing: such a preset counts as its backbone's.
_OTHER_TASKS = ("MaskedLM", "TextEmbedder")

# Fields of every Keras object, which say nothing about what it computes.
_NEUTRAL_FIELDS = {"name", "trainable", "dtype"}

# What Keras Hub writes about a tokenizer, and the only values that are supported here: a vocabulary
# is the file in the preset's own folder, wherever its description points.
_WORDPIECE_FIELDS: Fields = {
    "config_file": str,
    "vocabulary": type(None),
    "sequence_length": type(None),
    "lowercase": bool,
    "strip_accents": bool,
    "split": bool,
    "suffix_indicator": str,
    "oov_token": str,
    "special_tokens": (list, type(None)),
    "special_tokens_in_strings": bool,
}
_WORDPIECE_ONLY = {
    "config_file": TOKENIZER,
    "split": True,
    "suffix_indicator": "##",
    "oov_token": "[UNK]",
}
_BYTE_PAIR_FIELDS: Fields = {
    "config_file": str,
    "vocabulary": type(None),
    "merges": type(None),
    "sequence_length": type(None),
    "add_prefix_space": bool,
    "unsplittable_tokens": (list, type(None)),
}
_BYTE_PAIR_ONLY = {"config_file": TOKENIZER, "add_prefix_space": False}
_SENTENCE_PIECE_FIELDS: Fields = {
    "config_file": str,
    "proto": type(None),
    "sequence_length": type(None),
    "add_bos": bool,
    "add_eos": bool,
}
_SENTENCE_PIECE_ONLY = {"config_file": TOKENIZER, "add_bos": False, "add_eos": False}
_TOKENIZERS: dict[TokenizerKind, tuple[Fields, dict[str, Any], str]] = {
    "wordpiece": (_WORDPIECE_FIELDS, _WORDPIECE_ONLY, WORDPIECE_VOCABULARY),
    "byte_pair": (_BYTE_PAIR_FIELDS, _BYTE_PAIR_ONLY, BYTE_PAIR_VOCABULARY),
    "sentence_piece": (_SENTENCE_PIECE_FIELDS, _SENTENCE_PIECE_ONLY, SENTENCE_PIECE_MODEL),
}

# What Keras Hub writes about a preprocessor. The last four belong to masked language models and
# say nothing about how a text is packed.
_PREPROCESSOR_FIELDS: Fields = {
    "tokenizer": (dict, type(None)),
    "config_file": str,
    "sequence_length": int,
    "truncate": str,
    "mask_selection_rate": float,
    "mask_selection_length": int,
    "mask_token_rate": float,
    "random_token_rate": float,
}

_TASK_FIELDS: Fields = {
    "backbone": dict,
    "preprocessor": (dict, type(None)),
    "num_classes": int,
    "activation": (str, type(None)),
    "dropout": float,
    "hidden_dim": int,
}


class KerasHubPreset(Preset):
    """A preset folder in the format of Keras Hub.

    Args:
        name: What the user called it.
        folder: Where it is.
        label_names: Names of the classes if the folder gives none.
    """

    head_file = TASK

    def __init__(self, name: str, folder: Path, label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, folder)
        self._label_names = label_names

    def _describe(self, file: str) -> tuple[str, dict[str, Any]]:
        """Returns the class and the configuration that a Keras object's JSON file names."""
        content = self.json(file)
        if (
            not isinstance(content, dict)
            or not isinstance(content.get("class_name"), str)
            or not isinstance(content.get("config"), dict)
        ):
            other = " (Keras Hub), or `model_type` (Hugging Face)" if file == CONFIG else ""
            raise self.error(file, f"must be an object with `class_name` and `config`{other}")
        return content["class_name"], content["config"]

    def _config(self, file: str, fields: Fields) -> dict[str, Any]:
        """Returns the checked configuration of one of the preset's objects."""
        class_name, config = self._describe(file)
        expected = classes(FAMILIES[self.family])[file]
        if class_name not in expected:
            raise self.error(file, f"class_name {class_name!r} is not {expected[0]!r}")
        config = {k: v for k, v in config.items() if k not in _NEUTRAL_FIELDS}
        try:
            check_fields(config, fields)
        except ValueError as error:
            raise self.error(file, str(error)) from None
        return config

    @cached_property
    @override
    def family(self) -> str:
        class_name, _ = self._describe(CONFIG)
        for family in FAMILIES.values():
            if class_name in classes(family)[CONFIG]:
                return family.name
        known = ", ".join(classes(family)[CONFIG][0] for family in FAMILIES.values())
        raise self.error(CONFIG, f"class_name {class_name!r} is not one of {known}")

    @cached_property
    @override
    def backbone_config(self) -> dict[str, Any]:
        return self._config(CONFIG, BACKBONE_FIELDS)

    @property
    @override
    def vocabulary_file(self) -> str:
        return _TOKENIZERS[FAMILIES[self.family].tokenizer][2]

    @cached_property
    @override
    def tokenizer_arguments(self) -> dict[str, Any]:
        fields, only, vocabulary = _TOKENIZERS[FAMILIES[self.family].tokenizer]
        config = self._config(TOKENIZER, fields)
        for field, value in only.items():
            if config.get(field, value) != value:
                raise self.error(TOKENIZER, f"{field} must be {value!r}, not {config[field]!r}")
        if vocabulary == WORDPIECE_VOCABULARY:
            return {
                "vocabulary": self.parsed(vocabulary, read_lines),
                "lowercase": config.get("lowercase", False),
                **self._own_settings(),
            }
        if vocabulary == BYTE_PAIR_VOCABULARY:
            return {
                "vocabulary": self.parsed(vocabulary, read_vocabulary),
                "merges": self.parsed(BYTE_PAIR_MERGES, read_merges),
            }
        return {"proto": self.read(vocabulary), **self._own_settings()}

    def _own_settings(self) -> dict[str, Any]:
        settings = self.json(TOKENIZER).get(OWN_SETTINGS, {})
        try:
            if not isinstance(settings, dict):
                raise ValueError(f"must not be {settings!r}")
            known = {"wordpiece": ("strip_accents", "as_transformers"), "byte_pair": ()}
            kind = FAMILIES[self.family].tokenizer
            check_fields(settings, dict.fromkeys(known.get(kind, ("as_transformers",)), bool))
        except ValueError as error:
            raise self.error(TOKENIZER, f"{OWN_SETTINGS}: {error}") from None
        return settings

    @cached_property
    def _preprocessor_config(self) -> dict[str, Any]:
        if not self.has(PREPROCESSOR):
            return {}
        config = self._config(PREPROCESSOR, _PREPROCESSOR_FIELDS)
        truncate = config.get("truncate", TRUNCATIONS[0])
        if truncate not in TRUNCATIONS:
            raise self.error(
                PREPROCESSOR, f"truncate must be one of {', '.join(TRUNCATIONS)}, not {truncate!r}"
            )
        return config

    @property
    @override
    def preprocessor_settings(self) -> dict[str, Any]:
        config = self._preprocessor_config
        return {"truncate": config["truncate"]} if "truncate" in config else {}

    @property
    @override
    def own_length(self) -> int | None:
        return self._preprocessor_config.get("sequence_length")

    @cached_property
    @override
    def has_classifier(self) -> bool:
        return self.has(TASK) and not self._describe(TASK)[0].endswith(_OTHER_TASKS)

    @cached_property
    def _task_config(self) -> dict[str, Any]:
        return self._config(TASK, _TASK_FIELDS)

    @property
    @override
    def head_config(self) -> dict[str, Any]:
        names = ("activation", "dropout", "hidden_dim")
        return {name: self._task_config[name] for name in names if name in self._task_config}

    @property
    @override
    def is_multi_label(self) -> bool:
        return self._task_config.get("activation") == "sigmoid"

    @cached_property
    @override
    def labels(self) -> list[str]:
        if not self.has_classifier:
            raise self.no_classifier()
        num_classes = self._task_config.get("num_classes")
        try:
            check_size("num_classes", num_classes)
        except ValueError as error:
            raise self.error(TASK, str(error)) from None
        assert isinstance(num_classes, int)
        if self.has(LABELS):
            labels = self.json(LABELS)
        else:
            labels = list(self._label_names or default_labels(num_classes))
        if not isinstance(labels, list) or not all(map(is_text, labels)):
            raise self.error(LABELS, "must be an array of strings")
        if len(labels) != num_classes or len(set(labels)) != num_classes:
            raise self.error(
                LABELS,
                f"{len(labels)} labels for {num_classes} classes; there must be one distinct label "
                "for each class",
            )
        return labels

    @property
    @override
    def files(self) -> Sequence[str]:
        shaping = (
            *(CONFIG, TOKENIZER, PREPROCESSOR, TASK, LABELS, BACKBONE_WEIGHTS, TASK_WEIGHTS),
            *(WORDPIECE_VOCABULARY, BYTE_PAIR_VOCABULARY, BYTE_PAIR_MERGES, SENTENCE_PIECE_MODEL),
        )
        return [file for file in shaping if self.has(file)]

    @override
    def backbone_weights(self, config: Mapping[str, Any]) -> StoredWeights:
        layout = keras_hub.backbone_layout(FAMILIES[self.family], config)
        return keras_hub.H5Weights(self, BACKBONE_WEIGHTS, layout)

    @override
    def head_weights(self, config: Mapping[str, Any], hidden_dim: int) -> StoredWeights:
        layout = keras_hub.head_layout(FAMILIES[self.family], config, hidden_dim, len(self.labels))
        return keras_hub.H5Weights(self, TASK_WEIGHTS, layout)
