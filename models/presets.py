"""Preset folders: finding them and reading their description, without TensorFlow.

A preset is a folder in the format of Keras Hub: `config.json` and `model.weights.h5` hold the
backbone, `tokenizer.json` and `assets/tokenizer/` the tokenizer, `preprocessor.json` the length,
`task.json` and `task.weights.h5` the classifier. A `labels.json` beside them, an array of strings,
names the classes. Nothing in these files is executed, and no path in them is followed.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from models.errors import PresetError
from models.packing import LAYOUTS, TRUNCATIONS

BUNDLED = Path(__file__).parent / "bundled"

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
PREPROCESSOR = "preprocessor.json"
TASK = "task.json"
METADATA = "metadata.json"
LABELS = "labels.json"
VOCABULARY = "assets/tokenizer/vocabulary.txt"
BACKBONE_WEIGHTS = "model.weights.h5"
TASK_WEIGHTS = "task.weights.h5"

# Far above any real description, far below what would fill the memory.
_MAX_JSON_BYTES = 4 << 20

FAMILIES: dict[str, dict[str, tuple[str, ...]]] = {
    "bert": {
        CONFIG: ("BertBackbone",),
        TOKENIZER: ("BertTokenizer",),
        PREPROCESSOR: (
            "BertTextClassifierPreprocessor",
            "BertPreprocessor",
            "BertTextEmbedderPreprocessor",
            "BertMaskedLMPreprocessor",
        ),
        TASK: ("BertTextClassifier", "BertClassifier"),
    },
}
"""For each family the classes that each file may describe, first the one that is written.

The others are older names in Keras Hub, and preprocessors that pack a text in the same way.
"""

# Fields of every Keras object, which say nothing about what it computes.
_NEUTRAL_FIELDS = {"name", "trainable", "dtype"}

# What Keras Hub writes about a WordPiece tokenizer, and the fields that leave no choice here: the
# vocabulary is the file in the preset's own folder, wherever its description points.
_TOKENIZER_FIELDS: dict[str, type | tuple[type, ...]] = {
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
_TOKENIZER_ONLY = {
    "config_file": TOKENIZER,
    "split": True,
    "suffix_indicator": "##",
    "oov_token": "[UNK]",
}

# What Keras Hub writes about a preprocessor. The last four are of those for masked language models
# and say nothing about how a text is packed.
_PREPROCESSOR_FIELDS: dict[str, type | tuple[type, ...]] = {
    "tokenizer": (dict, type(None)),
    "config_file": str,
    "sequence_length": int,
    "truncate": str,
    "mask_selection_rate": float,
    "mask_selection_length": int,
    "mask_token_rate": float,
    "random_token_rate": float,
}

BACKBONE_FIELDS: dict[str, type | tuple[type, ...]] = {
    "vocabulary_size": int,
    "num_layers": int,
    "num_heads": int,
    "hidden_dim": int,
    "intermediate_dim": int,
    "dropout": float,
    "max_sequence_length": int,
    "num_segments": int,
    "activation": str,
    "layer_norm_epsilon": float,
}
"""What a backbone's description may hold."""

# Sizes that cost memory before the shape of a stored array can contradict them: far above any real
# model's, far below what would fill the memory.
_LARGEST = {"num_layers": 1_000, "num_classes": 1_000_000}


def check_fields(config: Mapping[str, Any], fields: Mapping[str, type | tuple[type, ...]]) -> None:
    """Raises `ValueError` for an unknown field or a value of a wrong type.

    Args:
        config: Values by field.
        fields: The type of each field that may be there. `int` is a positive integer, `float` a
            share: a number from 0 up to 1, which may be written without a point.
    """
    for field, value in config.items():
        if field not in fields:
            near = difflib.get_close_matches(field, fields, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"unknown field {field!r}; {hint}known are {', '.join(fields)}")
        kinds = fields[field]
        if kinds is int:
            _check_size(field, value)
        elif kinds is float:
            _check_share(field, value)
        elif not isinstance(value, kinds):
            raise ValueError(f"{field} must not be {value!r}")


def _check_size(field: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{field} must be a positive integer, not {value!r}")
    if value > _LARGEST.get(field, value):
        raise ValueError(f"{field} must be at most {_LARGEST[field]}, not {value}")


def _check_share(field: str, value: Any) -> None:
    # Not a number fails the comparison.
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(f"{field} must be a number from 0 up to 1, not {value!r}")


def read_vocabulary(path: Path) -> list[str]:
    """Reads a vocabulary file: one token a line, in the order of the ids, in UTF-8."""
    lines = path.read_bytes().decode().split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def bundled_presets() -> list[str]:
    """Returns the names of the presets that come with this package."""
    return sorted(path.parent.name for path in BUNDLED.glob(f"*/{CONFIG}"))


def locate(preset: str | Path) -> Path:
    """Returns the folder of a preset.

    Args:
        preset: The name of a bundled preset, or a folder.

    Raises:
        PresetError: There is no such preset.
    """
    bundled = bundled_presets()
    if preset in bundled:
        return BUNDLED / preset
    folder = Path(preset)
    if folder.is_dir():
        return folder
    near = difflib.get_close_matches(str(preset), bundled, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise PresetError(
        f"preset {str(preset)!r} is neither a folder nor one of {', '.join(bundled)}{hint}"
    )


def default_labels(num_classes: int) -> list[str]:
    """Returns the names of classes that have none: `LABEL_0`, `LABEL_1` and so on."""
    return [f"LABEL_{index}" for index in range(num_classes)]


@dataclass(frozen=True)
class Preset:
    """A preset folder, its files read when they are asked for and checked as they are.

    Attributes:
        name: What the user called it.
        folder: Where it is.
    """

    name: str
    folder: Path

    @classmethod
    def open(cls, preset: "str | Path | Preset") -> "Preset":
        """Finds a preset by name or folder; raises `PresetError` where there is none."""
        if isinstance(preset, Preset):
            return preset
        return cls(str(preset), locate(preset))

    def error(self, file: str, problem: str) -> PresetError:
        """Returns an error that names the file and what is wrong in it."""
        return PresetError(f"preset {self.name!r}: {file}: {problem}")

    def path(self, file: str) -> Path:
        """Returns the path of one of the preset's files; raises `PresetError` if it is missing."""
        path = self.folder / file
        if not path.is_file():
            raise self.error(file, "no such file")
        return path

    def has(self, file: str) -> bool:
        """Returns whether the preset has a file."""
        return (self.folder / file).is_file()

    def json(self, file: str) -> Any:
        """Returns the content of a JSON file."""
        path = self.path(file)
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise self.error(file, f"larger than {_MAX_JSON_BYTES >> 20} MiB")
        try:
            return json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise self.error(file, f"no valid JSON ({error})") from None

    def _describe(self, file: str) -> tuple[str, dict[str, Any]]:
        """Returns the class and the configuration that a Keras object's JSON file names."""
        content = self.json(file)
        if (
            not isinstance(content, dict)
            or not isinstance(content.get("class_name"), str)
            or not isinstance(content.get("config"), dict)
        ):
            raise self.error(file, "must be an object with `class_name` and `config`")
        return content["class_name"], content["config"]

    @cached_property
    def family(self) -> str:
        """The family of the backbone, a key of `FAMILIES`."""
        class_name, _ = self._describe(CONFIG)
        for family, classes in FAMILIES.items():
            if class_name in classes[CONFIG]:
                return family
        known = ", ".join(classes[CONFIG][0] for classes in FAMILIES.values())
        raise self.error(CONFIG, f"class_name {class_name!r} is not one of {known}")

    def config(self, file: str, fields: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
        """Returns the checked configuration of one of the preset's objects.

        Args:
            file: Such as `config.json`.
            fields: The fields that this project knows; see `check_fields`.

        Raises:
            PresetError: A class of another family or none at all, an unknown field, a wrong type.
        """
        class_name, config = self._describe(file)
        expected = FAMILIES[self.family][file]
        if class_name not in expected:
            raise self.error(file, f"class_name {class_name!r} is not {expected[0]!r}")
        config = {k: v for k, v in config.items() if k not in _NEUTRAL_FIELDS}
        try:
            check_fields(config, fields)
        except ValueError as error:
            raise self.error(file, str(error)) from None
        return config

    def check_family(self, family: str) -> None:
        """Raises `PresetError` unless the preset is of a family."""
        if self.family != family:
            raise PresetError(
                f"preset {self.name!r} is of the family {self.family!r}, not {family!r}"
            )

    @cached_property
    def vocabulary(self) -> list[str]:
        """The tokens, in the order of their ids."""
        try:
            return read_vocabulary(self.path(VOCABULARY))
        except UnicodeDecodeError as error:
            raise self.error(VOCABULARY, f"no UTF-8 ({error})") from None

    @cached_property
    def tokenizer_settings(self) -> dict[str, Any]:
        """Arguments of the tokenizer's constructor beside the vocabulary."""
        config = self.config(TOKENIZER, _TOKENIZER_FIELDS)
        for field, only in _TOKENIZER_ONLY.items():
            if config.get(field, only) != only:
                raise self.error(TOKENIZER, f"{field} must be {only!r}, not {config[field]!r}")
        return {"lowercase": config.get("lowercase", False)}

    @property
    def has_segments(self) -> bool:
        """Whether its rows have segment ids."""
        return LAYOUTS[self.family].segments

    @property
    def has_classifier(self) -> bool:
        """Whether the preset holds a classifier, not only a backbone."""
        return self.has(TASK)

    @cached_property
    def max_sequence_length(self) -> int:
        """Positions that the backbone has: no sequence may be longer."""
        _, config = self._describe(CONFIG)
        return self._size(CONFIG, "max_sequence_length", config.get("max_sequence_length", 512))

    @cached_property
    def sequence_length(self) -> int:
        """The length its preprocessor was saved with, in tokens; else all that the backbone has."""
        return self._preprocessor_config.get("sequence_length", self.max_sequence_length)

    @property
    def preprocessor_settings(self) -> dict[str, Any]:
        """Arguments of the preprocessor's constructor beside tokenizer and length."""
        config = self._preprocessor_config
        return {"truncate": config["truncate"]} if "truncate" in config else {}

    @cached_property
    def _preprocessor_config(self) -> dict[str, Any]:
        if not self.has(PREPROCESSOR):
            return {}
        config = self.config(PREPROCESSOR, _PREPROCESSOR_FIELDS)
        truncate = config.get("truncate", TRUNCATIONS[0])
        if truncate not in TRUNCATIONS:
            raise self.error(
                PREPROCESSOR, f"truncate must be one of {', '.join(TRUNCATIONS)}, not {truncate!r}"
            )
        return config

    def _size(self, file: str, field: str, value: Any) -> int:
        try:
            _check_size(field, value)
        except ValueError as error:
            raise self.error(file, str(error)) from None
        return value

    def resolve_length(self, sequence_length: int | None) -> int:
        """Returns the length to cut rows to.

        Args:
            sequence_length: The one asked for; the preset's own if `None`.

        Raises:
            PresetError: The backbone has no positions for as many tokens.
        """
        length = self.sequence_length if sequence_length is None else sequence_length
        if length > self.max_sequence_length:
            raise PresetError(
                f"preset {self.name!r} takes at most {self.max_sequence_length} tokens, not a "
                f"sequence_length of {length}"
            )
        return length

    @cached_property
    def labels(self) -> list[str]:
        """Names of the classes; `LABEL_0`, … where the preset does not name them.

        Raises:
            PresetError: The preset has no classifier.
        """
        if not self.has_classifier:
            raise PresetError(
                f"preset {self.name!r} has no classifier, only a backbone; fine-tune it first: "
                "python -m pipelines.finetune --help"
            )
        _, config = self._describe(TASK)
        num_classes = self._size(TASK, "num_classes", config.get("num_classes"))
        if not self.has(LABELS):
            return default_labels(num_classes)
        labels = self.json(LABELS)
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise self.error(LABELS, "must be an array of strings")
        if len(labels) != num_classes or len(set(labels)) != num_classes:
            raise self.error(
                LABELS,
                f"{len(labels)} labels for {num_classes} classes; must be as many, distinct",
            )
        return labels

    @cached_property
    def digest(self) -> str:
        """`sha256:` and the hash over the names and contents of all files that shape the result."""
        total = hashlib.sha256()
        described = (CONFIG, TOKENIZER, PREPROCESSOR, TASK, LABELS)
        for file in sorted((*described, VOCABULARY, BACKBONE_WEIGHTS, TASK_WEIGHTS)):
            if self.has(file):
                with self.path(file).open("rb") as stream:
                    content = hashlib.sha256()
                    while block := stream.read(1 << 20):
                        content.update(block)
                total.update(f"{file} {content.hexdigest()}\n".encode())
        return f"sha256:{total.hexdigest()}"
