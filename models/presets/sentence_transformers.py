"""How sentence-transformers' files in a preset folder say that texts become vectors.

`modules.json` names the steps: the model, pooling and perhaps normalization
(https://sbert.net/docs/package_reference/sentence_transformer/models.html).
"""

from typing import Any

from models.errors import quoted
from models.presets.preset import EmbeddingSettings, Pooling, Preset, check_fields

MODULES = "modules.json"

# The first one that is there counts.
_SETTINGS = tuple(
    f"sentence_{kind}_config.json" for kind in ("bert", "roberta", "distilbert", "xlm-roberta")
)

# Names of poolings: today's, and those of versions before 6, which have a field for each.
_POOLINGS: dict[str, Pooling] = {"cls": "cls", "mean": "mean", "max": "max"}
_POOLING_FIELDS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_STEPS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])


def _settings(preset: Preset) -> tuple[str, dict[str, Any]]:
    """Returns the file with the settings of the model, and what it says."""
    file = next(filter(preset.has, _SETTINGS), None)
    if file is None:
        return _SETTINGS[0], {}
    return file, _object(preset, file)


def _object(preset: Preset, file: str) -> dict[str, Any]:
    content = preset.json(file)
    if not isinstance(content, dict):
        raise preset.error(file, "must be an object")
    return content


def max_length(preset: Preset) -> int | None:
    """Returns the length that texts are truncated to, in tokens; `None` if no file gives one."""
    file, settings = _settings(preset)
    length = settings.get("max_seq_length")
    if length is None:
        return None
    try:
        check_fields({"max_seq_length": length}, {"max_seq_length": int})
    except ValueError as error:
        raise preset.error(file, str(error)) from None
    return length


def lowers_texts(preset: Preset) -> bool:
    """Returns whether texts are lowercased before they are tokenized."""
    file, settings = _settings(preset)
    lowers = settings.get("do_lower_case") or False
    if not isinstance(lowers, bool):
        raise preset.error(file, f"do_lower_case must be true or false, not {lowers!r}")
    return lowers


def embedding(preset: Preset) -> EmbeddingSettings:
    """Returns how texts become vectors: by the mean of the tokens' vectors if no file says."""
    if not preset.has(MODULES):
        return EmbeddingSettings()
    steps = _modules(preset)
    kinds = [kind for kind, _ in steps]
    if kinds not in _STEPS:
        raise preset.error(
            MODULES,
            f"the modules {quoted(kinds)} are not supported; must be "
            f"{' or '.join(', '.join(known) for known in _STEPS)}",
        )
    if steps[0][1]:
        raise preset.error(MODULES, f"the model must be in the folder itself, not {steps[0][1]!r}")
    return EmbeddingSettings(_pooling(preset, _config_of(steps[1][1])), "Normalize" in kinds)


def _config_of(folder: str) -> str:
    return f"{folder}/config.json" if folder else "config.json"


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


def _pooling(preset: Preset, file: str) -> Pooling:
    config = _object(preset, file)
    if "pooling_mode" in config:
        modes = config["pooling_mode"]
        modes = modes if isinstance(modes, list) else [modes]
    else:
        modes = [mode for name, mode in _POOLING_FIELDS.items() if config.get(name)] or ["mean"]
    if len(modes) != 1 or not isinstance(modes[0], str) or modes[0] not in _POOLINGS:
        raise preset.error(
            file, f"pooling {' and '.join(map(repr, modes))} is not one of {', '.join(_POOLINGS)}"
        )
    return _POOLINGS[modes[0]]


def files(preset: Preset) -> list[str]:
    """Returns the files that shape vectors, whether or not they are there."""
    poolings = [
        _config_of(path)
        for kind, path in (_modules(preset) if preset.has(MODULES) else [])
        if kind == "Pooling"
    ]
    return [MODULES, *_SETTINGS, *poolings]
