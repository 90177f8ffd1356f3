"""What a Hugging Face checkpoint says of its head: labels for texts, or numbers.

Where a head has one output, the reference is `CrossEncoder.predict` of sentence-transformers
(https://sbert.net/docs/package_reference/cross_encoder/cross_encoder.html); otherwise the pipeline
`text-classification` of transformers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.errors import quoted
from models.presets.fields import check_fields, default_labels, is_text
from models.presets.preset import Preset

CONFIG = "config.json"
MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
"""Where sentence-transformers keeps the settings of a model that has a `modules.json`."""

_REGRESSION = "regression"
_MULTI_LABEL = "multi_label_classification"
_PROBLEM_TYPES = ("single_label_classification", _MULTI_LABEL, _REGRESSION)

# What Keras calls torch's functions of a single number, where both compute the same.
_FUNCTIONS: dict[str, str | None] = {
    "Identity": None,
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "ReLU": "relu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Hardsigmoid": "hard_sigmoid",
    "Hardtanh": "hard_tanh",
}

OTHER_TASKS = {
    "ForTokenClassification": "labels tokens",
    "ForQuestionAnswering": "finds answers in texts",
    "ForMultipleChoice": "chooses one of several texts",
    "ForMaskedLM": "fills in masked tokens",
    "ForNextSentencePrediction": "says whether one text follows another",
    "ForPreTraining": "is pretrained only",
    "ForCausalLM": "continues texts",
}
"""What the classes of transformers do whose names end so."""


@dataclass(frozen=True)
class Head:
    """What comes out of a checkpoint's head.

    Attributes:
        labels: Names of its outputs.
        gives_numbers: Whether these are numbers, not scores of classes.
        is_multi_label: Whether the classes do not exclude each other.
        activation: Keras's name of the function that makes the outputs of the last layer scores;
            `None` leaves them as they are.
    """

    labels: list[str]
    gives_numbers: bool
    is_multi_label: bool
    activation: str | None


def read_head(
    preset: Preset, config: Mapping[str, Any], num_stored: Callable[[], int | None]
) -> Head:
    """Returns what `config.json`, and the files of a CrossEncoder, say of a head.

    Args:
        preset: The preset.
        config: Content of its `config.json`.
        num_stored: Returns how many outputs the head's weights have, `None` if that is not known.

    Raises:
        PresetError: It cannot be what they say, or is a function that is not supported.
    """
    labels = _labels(preset, config, num_stored)
    problem = config.get("problem_type")
    if problem is not None and problem not in _PROBLEM_TYPES:
        choices = ", ".join(_PROBLEM_TYPES)
        raise preset.error(CONFIG, f"problem_type {problem!r} is not one of {choices}")
    if len(labels) == 1 or problem == _REGRESSION:
        activation = _of_number(preset, config, is_one=len(labels) == 1)
        return Head(labels, True, False, activation)
    is_multi_label = problem == _MULTI_LABEL
    return Head(labels, False, is_multi_label, "sigmoid" if is_multi_label else None)


def _labels(
    preset: Preset, config: Mapping[str, Any], num_stored: Callable[[], int | None]
) -> list[str]:
    num_labels, names = config.get("num_labels"), config.get("id2label")
    if num_labels is not None:
        try:
            check_fields({"num_labels": num_labels}, {"num_labels": int})
        except ValueError as error:
            raise preset.error(CONFIG, str(error)) from None
    if names is None:
        return default_labels(2 if num_labels is None else num_labels)
    if not isinstance(names, dict):
        raise preset.error(CONFIG, f"id2label must be an object, not {names!r:.60}")
    ids: dict[int, Any] = {}
    for key, name in names.items():
        # As many digits as any number of classes has; int() of more takes long.
        ids[int(key) if key.isdecimal() and len(key) < 10 else -1] = name
    if not ids or sorted(ids) != list(range(len(names))):
        last = max(0, len(names) - 1)
        raise preset.error(
            CONFIG, f"id2label must name the classes 0 to {last}, and has {quoted(names) or 'none'}"
        )
    if num_labels not in (None, len(ids)) and num_stored() != len(ids):
        # Another number of labels than there are names: today's transformers numbers them.
        return default_labels(num_labels)
    return [_name(preset, ids[index]) for index in range(len(ids))]


def _name(preset: Preset, name: Any) -> str:
    if isinstance(name, (int, float)) and not isinstance(name, bool):
        return str(name)
    if not is_text(name):
        raise preset.error(
            CONFIG, f"id2label must give each class a string or a number, not {name!r:.60}"
        )
    return name


def _of_number(preset: Preset, config: Mapping[str, Any], *, is_one: bool) -> str | None:
    """Returns the activation of a head that gives numbers."""
    file, path = _function(preset, config)
    if path is None:
        # A model that says it was trained by regression is not squeezed between 0 and 1.
        is_raw = config.get("problem_type") == _REGRESSION or not is_one
        return None if is_raw else "sigmoid"
    name = path.rpartition(".")[2] if isinstance(path, str) and path.startswith("torch.nn.") else ""
    if name not in _FUNCTIONS:
        raise preset.error(
            file,
            f"the scores' function {path!r:.100} is not one of torch's {', '.join(_FUNCTIONS)}, "
            "and no code of a preset is run",
        )
    return _FUNCTIONS[name]


def _function(preset: Preset, config: Mapping[str, Any]) -> tuple[str, Any]:
    """Returns the file in which a CrossEncoder names the function of its scores, and its path."""
    settings = _cross_encoder_settings(preset)
    if settings.get("activation_fn") is not None:
        return SETTINGS, settings["activation_fn"]
    own = config.get("sentence_transformers")
    if isinstance(own, dict) and "activation_fn" in own:
        return CONFIG, own["activation_fn"]
    return CONFIG, config.get("sbert_ce_default_activation_function")


def _cross_encoder_settings(preset: Preset) -> dict[str, Any]:
    """Returns the settings of a folder that versions 5.4 and later saved as a CrossEncoder."""
    if not preset.has(MODULES) or not preset.has(SETTINGS):
        return {}
    settings = preset.json(SETTINGS)
    if not isinstance(settings, dict) or settings.get("model_type") != "CrossEncoder":
        return {}
    modules = preset.json(MODULES)
    kinds = [
        str(module.get("type") if isinstance(module, dict) else module).rpartition(".")[2]
        for module in (modules if isinstance(modules, list) else [])
    ]
    if kinds != ["Transformer"]:
        raise preset.error(
            MODULES, f"a CrossEncoder must be of the one module 'Transformer', not {quoted(kinds)}"
        )
    if settings.get("default_prompt_name") is not None:
        raise preset.error(
            SETTINGS,
            f"default_prompt_name {settings['default_prompt_name']!r:.60} puts a prompt before the "
            "texts, which is not supported; set it to null and put it into the texts",
        )
    return settings
