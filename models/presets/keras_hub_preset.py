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
from models.packing import TRUNCATION_SIDES, TRUNCATIONS, Truncation
from models.presets import keras_hub
from models.presets.embedding import EmbeddingSettings
from models.presets.fields import (
    BACKBONE_FIELDS,
    Fields,
    check_fields,
    check_size,
    default_labels,
    is_text,
)
from models.presets.heads import embedder, masked_lm
from models.presets.preset import MaskedLMSettings, Preset, StoredWeights
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
"""Key in `tokenizer.json`, `preprocessor.json` and `task.json` for settings that Keras Hub lacks;
it ignores the key."""

KERAS_HUB_TRUNCATIONS: tuple[Truncation, ...] = ("round_robin", "waterfall")
"""How Keras Hub may truncate a pair."""


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
_OTHER_TASKS = (masked_lm.TASK, embedder.TASK)

# Fields of every Keras object, which say nothing about what it computes.
_NEUTRAL_FIELDS = {"name", "trainable", "dtype"}

# What Keras Hub writes about a tokenizer, and the only values that are supported here: a vocabulary
# is the file in the preset's own folder, wherever its description points.
_WORDPIECE_FIELDS: Fields = {
    "config_file": str,
    "vocabulary": type(None),
    "sequence_length": (int, type(None)),
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
    "sequence_length": (int, type(None)),
    "add_prefix_space": bool,
    "unsplittable_tokens": (list, type(None)),
}
_BYTE_PAIR_ONLY = {"config_file": TOKENIZER, "add_prefix_space": False}
_SENTENCE_PIECE_FIELDS: Fields = {
    "config_file": str,
    "proto": type(None),
    "sequence_length": (int, type(None)),
    "add_bos": bool,
    "add_eos": bool,
}
_SENTENCE_PIECE_ONLY = {"config_file": TOKENIZER, "add_bos": False, "add_eos": False}
_TOKENIZERS: dict[TokenizerKind, tuple[Fields, dict[str, Any], str]] = {
    "wordpiece": (_WORDPIECE_FIELDS, _WORDPIECE_ONLY, WORDPIECE_VOCABULARY),
    "byte_pair": (_BYTE_PAIR_FIELDS, _BYTE_PAIR_ONLY, BYTE_PAIR_VOCABULARY),
    "sentence_piece": (_SENTENCE_PIECE_FIELDS, _SENTENCE_PIECE_ONLY, SENTENCE_PIECE_MODEL),
}

# What a text may spell is not taken from Keras Hub's own fields: by default its tokenizers of byte
# pairs let every text spell a special token.
_OWN_TOKENIZER_FIELDS: dict[str, Fields] = {
    WORDPIECE_VOCABULARY: {
        "strip_accents": bool,
        "as_transformers": bool,
        "special_tokens_in_strings": bool,
    },
    BYTE_PAIR_VOCABULARY: {"unsplittable_tokens": list},
    SENTENCE_PIECE_MODEL: {"as_transformers": bool},
}

MASKING: Fields = {
    "mask_selection_rate": float,
    "mask_selection_length": int,
    "mask_token_rate": float,
    "random_token_rate": float,
}
"""Fields of preprocessors of masked language models: nothing about how a text is packed."""

# What Keras Hub writes about a preprocessor.
_PREPROCESSOR_FIELDS: Fields = {
    "tokenizer": (dict, type(None)),
    "config_file": str,
    "sequence_length": int,
    "truncate": str,
    **MASKING,
}

_TASK_FIELDS: Fields = {
    "backbone": dict,
    "preprocessor": (dict, type(None)),
    "num_classes": int,
    "activation": (str, type(None)),
    "dropout": float,
    "hidden_dim": int,
}
_OWN_TASK_FIELDS: Fields = {"is_regression": bool}


class KerasHubPreset(Preset):
    """A preset folder in the format of Keras Hub.

    Args:
        name: What the user called it.
        folder: Where it is.
        label_names: Names of the classes if the folder gives none.
    """

    head_file = TASK
    labels_file = LABELS

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

    def _config(self, file: str, fields: Fields, only: str | None = None) -> dict[str, Any]:
        """Returns the checked configuration of one of the preset's objects.

        Args:
            file: Describes the object.
            fields: The type of each field that it may have.
            only: Its class; one of `classes` if `None`.
        """
        class_name, config = self._describe(file)
        expected = (only,) if only else classes(FAMILIES[self.family])[file]
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
        length = {"sequence_length": config.get("sequence_length")}
        own = {**length, **self._own_settings(TOKENIZER, _OWN_TOKENIZER_FIELDS[vocabulary])}
        if vocabulary == WORDPIECE_VOCABULARY:
            return {
                "vocabulary": self.parsed(vocabulary, read_lines),
                "lowercase": config.get("lowercase", False),
                **own,
            }
        if vocabulary == BYTE_PAIR_VOCABULARY:
            return {
                "vocabulary": self.parsed(vocabulary, read_vocabulary),
                "merges": self.parsed(BYTE_PAIR_MERGES, read_merges),
                **own,
            }
        return {"proto": self.read(vocabulary), **own}

    def _own_settings(self, file: str, fields: Fields) -> dict[str, Any]:
        settings = self.json(file).get(OWN_SETTINGS, {})
        try:
            if not isinstance(settings, dict):
                raise ValueError(f"must not be {settings!r}")
            check_fields(settings, fields)
        except ValueError as error:
            raise self.error(file, f"{OWN_SETTINGS}: {error}") from None
        return settings

    @cached_property
    def _preprocessor_config(self) -> dict[str, Any]:
        return self._config(PREPROCESSOR, _PREPROCESSOR_FIELDS) if self.has(PREPROCESSOR) else {}

    @cached_property
    @override
    def preprocessor_settings(self) -> dict[str, Any]:
        if not self.has(PREPROCESSOR):
            return {}
        config = self._preprocessor_config
        own = self._own_settings(PREPROCESSOR, {"truncate": str, "truncation_side": str})
        choices = {
            "truncate": TRUNCATIONS if "truncate" in own else KERAS_HUB_TRUNCATIONS,
            "truncation_side": TRUNCATION_SIDES,
        }
        settings = {**config, **own}
        for name, values in choices.items():
            if settings.get(name, values[0]) not in values:
                raise self.error(
                    PREPROCESSOR,
                    f"{name} must be one of {', '.join(values)}, not {settings[name]!r}",
                )
        return {name: settings[name] for name in choices if name in settings}

    @property
    @override
    def masking_settings(self) -> dict[str, Any]:
        return {k: self._preprocessor_config[k] for k in MASKING if k in self._preprocessor_config}

    @property
    @override
    def own_length(self) -> int | None:
        return self._preprocessor_config.get("sequence_length")

    @cached_property
    @override
    def has_classifier(self) -> bool:
        return self.has(TASK) and not self._describe(TASK)[0].endswith(_OTHER_TASKS)

    @cached_property
    @override
    def embedding(self) -> EmbeddingSettings:
        if not self._is(embedder.TASK):
            return EmbeddingSettings()
        config = self._other_task(embedder.TASK, embedder.FIELDS)
        pooling = config.get("pooling_mode", embedder.POOLINGS[0])
        if pooling not in embedder.POOLINGS:
            raise self.error(TASK, embedder.unknown(pooling))
        # Keras Hub's preprocessor of embedders puts one `</s>` between the texts of a pair, where
        # the family has two.
        preprocessor = self._describe(PREPROCESSOR)[0] if self.has(PREPROCESSOR) else ""
        is_one = preprocessor.endswith(f"{embedder.TASK}Preprocessor")
        pairs = not is_one or FAMILIES[self.family].packing.num_special(2) == 3
        return EmbeddingSettings(pooling, config.get("normalize", True), pairs=pairs)

    @cached_property
    def _task_config(self) -> dict[str, Any]:
        return self._config(TASK, _TASK_FIELDS)

    @property
    @override
    def head_config(self) -> dict[str, Any]:
        names = ("activation", "dropout", "hidden_dim")
        config = {name: self._task_config[name] for name in names if name in self._task_config}
        return {**config, **self._own_settings(TASK, _OWN_TASK_FIELDS)}

    @property
    @override
    def is_multi_label(self) -> bool:
        return self._task_config.get("activation") == "sigmoid" and not self.gives_numbers

    @property
    @override
    def gives_numbers(self) -> bool:
        if super().gives_numbers:
            return True
        return self._own_settings(TASK, _OWN_TASK_FIELDS).get("is_regression", False)

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
        if len(labels) != num_classes:
            problem = f"{len(labels)} labels for {num_classes} classes; there must be one for each"
            raise self.error(LABELS, problem)
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

    def _is(self, task: str) -> bool:
        return self.has(TASK) and self._describe(TASK)[0].endswith(task)

    @property
    @override
    def masked_lm(self) -> MaskedLMSettings:
        if not self._is(masked_lm.TASK):
            return MaskedLMSettings()
        return masked_lm.of_keras_hub(self._other_task(masked_lm.TASK, masked_lm.FIELDS))

    def _other_task(self, task: str, fields: Fields) -> dict[str, Any]:
        return self._config(TASK, fields, f"{FAMILIES[self.family].prefix}{task}")

    @override
    def masked_lm_weights(self, config: Mapping[str, Any]) -> StoredWeights | None:
        if not (self._is(masked_lm.TASK) and self.has(TASK_WEIGHTS)):
            return None
        layout = masked_lm.keras_hub_layout(config["hidden_dim"], config["vocabulary_size"])
        return keras_hub.H5Weights(self, TASK_WEIGHTS, layout)
