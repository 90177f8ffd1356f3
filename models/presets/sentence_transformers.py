"""How sentence-transformers' files in a preset folder say that texts become vectors.

`modules.json` names the steps in their order and their folders, each with a `config.json` of its
own (https://sbert.net/docs/package_reference/sentence_transformer/models.html);
`config_sentence_transformers.json` has the prompts.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.errors import PresetError, quoted
from models.presets.embedding import (
    SIMILARITIES,
    Dense,
    EmbeddingSettings,
    LayerNorm,
    Module,
    Normalize,
    Pooling,
    Prompts,
    Similarity,
)
from models.presets.fields import check_size, is_text
from models.presets.preset import Preset

MODULES = "modules.json"
CONFIG = "config_sentence_transformers.json"
IN_ROOT = (MODULES, CONFIG)
"""The files that describe the steps, not one of them."""
_WEIGHTS = "model.safetensors"

# The first one that says something counts.
_SETTINGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)

# The fields of versions before 6 for each pooling, in the order of their vectors.
_POOLING_FIELDS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_POOLINGS = {str(name): name for name in _POOLING_FIELDS.values()}

# Names of Keras's activations by those of PyTorch's classes.
_ACTIVATIONS = {
    "Tanh": "tanh",
    "Identity": "linear",
    "ReLU": "relu",
    "ReLU6": "relu6",
    "GELU": "gelu",
    "SiLU": "silu",
    "Sigmoid": "sigmoid",
    "ELU": "elu",
    "SELU": "selu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Mish": "mish",
}

_KINDS = ("Transformer", "Pooling", "Dense", "LayerNorm", "Normalize", "Dropout")
_TOKENS, _TEXT = "token_embeddings", "sentence_embedding"
_TEXT_MODALITY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}

# The supported values of each setting of the transformer, if they are not all.
_SETTINGS_ONLY: dict[str, tuple[Any, ...] | None] = {
    "max_seq_length": None,
    "do_lower_case": None,
    "unpad_inputs": None,
    **dict.fromkeys(("query_length", "document_length", "query_expansion")),
    "transformer_task": ("feature-extraction", None),
    "module_output_name": (_TOKENS, None),
    "modality_config": (_TEXT_MODALITY, None),
    "processing_kwargs": ({}, None),
}
_ARGUMENTS = (
    *("model_args", "tokenizer_args", "config_args"),
    *("model_kwargs", "processor_kwargs", "config_kwargs"),
)
# Arguments of transformers that change no result beyond rounding.
_HARMLESS = {
    *("torch_dtype", "dtype", "attn_implementation", "add_pooling_layer", "use_cache"),
    *("trust_remote_code", "low_cpu_mem_usage", "use_safetensors", "use_fast"),
}


def _settings(preset: Preset) -> tuple[str, dict[str, Any]]:
    """Returns the file with the settings of the model, and what it says."""
    for file in filter(preset.has, _SETTINGS):
        if content := _object(preset, file):
            return file, content
    return _SETTINGS[0], {}


def _object(preset: Preset, file: str) -> dict[str, Any]:
    content = preset.json(file)
    if not isinstance(content, dict):
        raise preset.error(file, "must be an object")
    return content


def max_length(preset: Preset) -> int | None:
    """Returns the length that texts are truncated to, in tokens; `None` if no file gives one."""
    file, settings = _settings(preset)
    return _size(preset, file, settings, "max_seq_length")


def lowers_texts(preset: Preset) -> bool:
    """Returns whether texts, with what stands before them, are lowercased to be tokenized."""
    file, settings = _settings(preset)
    return _flag(preset, file, settings, "do_lower_case", False)


def _size(preset: Preset, file: str, config: Mapping[str, Any], field: str) -> int | None:
    """Returns a positive integer; `None` where the field is missing or null."""
    if config.get(field) is None:
        return None
    try:
        return check_size(field, config[field])
    except ValueError as error:
        raise preset.error(file, str(error)) from None


def _flag(preset: Preset, file: str, config: Mapping[str, Any], field: str, default: bool) -> bool:
    value = config.get(field)
    value = default if value is None else value
    if not isinstance(value, bool):
        raise preset.error(file, f"{field} must be true or false, not {value!r:.60}")
    return value


def embedding(preset: Preset) -> EmbeddingSettings:
    """Returns how texts become vectors: by the mean of the tokens' vectors if no file says."""
    if not preset.has(MODULES) or _model_type(preset) == "CrossEncoder":
        return EmbeddingSettings()
    (kind, _), *modules = _modules(preset)
    if kind != "Transformer":
        raise _unsupported(preset, kind)
    for other, _ in modules:
        if other not in _KINDS[1:]:
            raise _unsupported(preset, other)
    kinds = [kind for kind, _ in modules]
    if kinds.count("Pooling") != 1:
        raise preset.error(
            MODULES,
            f"the modules {quoted(['Transformer', *kinds])} make no vector of a text; there must "
            "be one Pooling",
        )
    _check_settings(preset)
    at = kinds.index("Pooling")
    token_modules = _steps(preset, modules[:at], _TOKENS)
    steps = _steps(preset, modules[at + 1 :], _TEXT)
    ends_normalized = bool(steps) and isinstance(steps[-1], Normalize)
    settings = _pooling(preset, _file(modules[at][1], "config.json"))
    return replace(
        settings,
        normalize=ends_normalized,
        modules=steps[:-1] if ends_normalized else steps,
        token_modules=token_modules,
        dimensions=_size(preset, CONFIG, _config(preset), "truncate_dim"),
        similarity=_similarity(preset),
    )


def _similarity(preset: Preset) -> Similarity:
    name = _config(preset).get("similarity_fn_name") or "cosine"
    if name not in SIMILARITIES:
        raise preset.error(
            CONFIG, f"similarity_fn_name {name!r:.60} is not one of {', '.join(SIMILARITIES)}"
        )
    return name


def prompts(preset: Preset) -> Prompts:
    """Returns the prompts, of which sentence-transformers always knows `query` and `document`."""
    if not preset.has(MODULES) or _model_type(preset) == "CrossEncoder":
        return Prompts()
    config = _config(preset)
    found = config.get("prompts") or {}
    if not isinstance(found, dict) or not all(
        is_text(name) and (text is None or is_text(text)) for name, text in found.items()
    ):
        raise preset.error(CONFIG, "prompts must be an object of strings")
    texts = {name: text or "" for name, text in found.items()}
    default = config.get("default_prompt_name")
    known = {"query": "", "document": "", **texts}
    if default is not None and default not in known:
        raise preset.error(
            CONFIG, f"default_prompt_name {default!r:.60} is not one of {', '.join(known)}"
        )
    return Prompts(texts, "" if default is None else known[default])


def _config(preset: Preset) -> dict[str, Any]:
    return _object(preset, CONFIG) if preset.has(CONFIG) else {}


def _model_type(preset: Preset) -> str:
    kind = _config(preset).get("model_type") or "SentenceTransformer"
    if kind not in ("SentenceTransformer", "CrossEncoder"):
        raise preset.error(
            CONFIG,
            f"a model of the type {kind!r:.60} does not make one dense vector of a text; only a "
            "SentenceTransformer does",
        )
    return kind


def model_folder(preset: Preset) -> str:
    """Returns the folder of the transformer in that of the preset; "" if it is the same."""
    if not preset.has(MODULES):
        return ""
    kind, folder = _modules(preset)[0]
    if kind == "Transformer":
        return folder
    if not preset.has("config.json"):
        raise _unsupported(preset, kind)
    return ""


def _unsupported(preset: Preset, kind: str) -> PresetError:
    if "." in kind:
        reason = "is code by the author of the preset, which is not run"
    else:
        reason = "is not computed here"
    return preset.error(MODULES, f"the module {kind!r} {reason}; must be {', '.join(_KINDS)}")


def _modules(preset: Preset) -> list[tuple[str, str]]:
    """Returns the kind and the folder of each module."""
    modules = preset.json(MODULES)
    if not isinstance(modules, list) or not modules:
        raise preset.error(MODULES, "must be an array of modules")
    found = []
    for module in modules:
        kind = module.get("type") if isinstance(module, dict) else None
        path = module.get("path") if isinstance(module, dict) else None
        if not isinstance(kind, str) or not isinstance(path, str):
            raise preset.error(MODULES, "each module must be an object with `type` and `path`")
        if set(path) & set("/\\:") or path == ".." or not path.isprintable():
            raise preset.error(MODULES, f"{path!r} is not the name of a folder in the preset's own")
        # A class from another package is code by the preset's author.
        package, _, name = kind.rpartition(".")
        is_known = package.split(".")[0] == "sentence_transformers"
        found.append((name if is_known else kind, path))
    return found


def _file(folder: str, file: str) -> str:
    return f"{folder}/{file}" if folder else file


def _check_settings(preset: Preset) -> None:
    """Raises `PresetError` for settings of the transformer that are not followed here."""
    _ = lowers_texts(preset)
    file, settings = _settings(preset)
    for field, value in settings.items():
        if field in _ARGUMENTS:
            unknown = value.keys() - _HARMLESS if isinstance(value, dict) else {repr(value)}
            if unknown:
                raise preset.error(file, f"{field} {quoted(sorted(unknown))} is not supported")
            continue
        if field not in _SETTINGS_ONLY:
            raise preset.error(
                file, f"unknown field {field!r:.60}; known are {', '.join(_SETTINGS_ONLY)}"
            )
        values = _SETTINGS_ONLY[field]
        if values is not None and value not in values:
            raise preset.error(
                file, f"{field} {value!r:.200} is not supported; must be {values[0]!r}"
            )


def _steps(preset: Preset, modules: list[tuple[str, str]], feature: str) -> tuple[Module, ...]:
    """Returns the modules before or after pooling.

    Args:
        preset: The preset.
        modules: The kind and the folder of each.
        feature: The vectors that they change, as sentence-transformers calls them.
    """
    steps: list[Module] = []
    for kind, folder in modules:
        file = _file(folder, "config.json")
        # Versions before 6 wrote nothing for a Normalize.
        config = _object(preset, file) if kind != "Normalize" or preset.has(file) else {}
        reads = config.get("module_input_name", _TEXT)
        for name in (reads, config.get("module_output_name") or reads):
            if name != feature:
                side = "before" if feature == _TOKENS else "behind"
                raise preset.error(
                    MODULES,
                    f"a {kind} of {name!r:.60} {side} Pooling is not supported, only one of "
                    f"{feature!r}",
                )
        if kind == "Dense":
            steps.append(_dense(preset, file, folder, config))
        elif kind == "LayerNorm":
            steps.append(LayerNorm(folder, _needed(preset, file, config, "dimension")))
        elif kind == "Normalize":
            steps.append(Normalize())
        # A Dropout does nothing outside of training.
    return tuple(steps)


def _needed(preset: Preset, file: str, config: Mapping[str, Any], field: str) -> int:
    size = _size(preset, file, config, field)
    if size is None:
        raise preset.error(file, f"lacks {field!r}")
    return size


def _dense(preset: Preset, file: str, folder: str, config: Mapping[str, Any]) -> Dense:
    path = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    package, _, name = path.rpartition(".") if isinstance(path, str) else ("", "", "")
    if package.split(".")[0] != "torch" or name not in _ACTIVATIONS:
        raise preset.error(
            file,
            f"activation_function {path!r:.100} is not supported; must be PyTorch's "
            f"{', '.join(_ACTIVATIONS)}",
        )
    return Dense(
        folder,
        _needed(preset, file, config, "in_features"),
        _needed(preset, file, config, "out_features"),
        _ACTIVATIONS[name],
        _flag(preset, file, config, "bias", True),
        _flag(preset, file, config, "use_residual", False),
    )


def _pooling(preset: Preset, file: str) -> EmbeddingSettings:
    """Returns settings with only what a Pooling says."""
    config = _object(preset, file)
    modes: Any
    if "pooling_mode" in config:
        modes = config["pooling_mode"]
        modes = modes if isinstance(modes, list) and modes else [modes]
    else:
        modes = [mode for name, mode in _POOLING_FIELDS.items() if config.get(name)] or ["mean"]
    for mode in modes:
        if not isinstance(mode, str) or mode not in _POOLINGS:
            raise preset.error(file, f"pooling {mode!r:.60} is not one of {', '.join(_POOLINGS)}")
    for field, value in config.items():
        if field.startswith("pooling_mode_") and value and field not in _POOLING_FIELDS:
            raise preset.error(file, f"{field!r:.60} is not one of {', '.join(_POOLING_FIELDS)}")
    poolings = tuple(_POOLINGS[mode] for mode in modes)
    return EmbeddingSettings(
        poolings if len(poolings) > 1 else poolings[0],
        pools_prefix=_flag(preset, file, config, "include_prompt", True),
    )


def weights_file(preset: Preset, folder: str) -> str:
    """Returns the file with the weights of a module; raises `PresetError` if it is not there."""
    file = _file(folder, _WEIGHTS)
    if not preset.has(file):
        name = preset.name.removeprefix("hf://").partition("@")[0]
        raise preset.error(
            file,
            "no such file; other formats of weights can run code and are not read; convert them "
            f"with sentence-transformers: SentenceTransformer({name!r}).save('converted/')",
        )
    return file


def files(preset: Preset) -> list[str]:
    """Returns the files that shape vectors, whether or not they are there."""
    modules = _modules(preset) if preset.has(MODULES) else []
    own = [
        _file(folder, file)
        for kind, folder in modules
        if kind in _KINDS[1:] and folder
        for file in ("config.json", _WEIGHTS)
    ]
    return [MODULES, CONFIG, *_SETTINGS, *own]
