"""Small sound preset folders, and what is read from a damaged one."""

import hashlib
import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.fuzz.mutations import mutated
from tests.fuzz.properties import Case, Outcome

_FAMILIES = {
    "bert": "Bert",
    "roberta": "Roberta",
    "xlm_roberta": "XLMRoberta",
    "distil_bert": "DistilBert",
}
_TEXTS = ["a good film", "", "Ünïcode 日本 [SEP] <s>", "ab" * 200]


@cache
def _sound(form: str, family: str) -> dict[str, bytes]:
    """Returns the content of each file of a sound folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if form == "keras_hub":
            _save_keras_hub(folder, family)
        else:
            _save_hugging_face(folder, family, form)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


def _save_keras_hub(folder: Path, family: str) -> None:
    import keras

    from tests.models.family_cases import case

    keras.utils.set_random_seed(0)
    case(family).classifier(["bad", "good"]).save_to_preset(folder)


def _save_hugging_face(folder: Path, family: str, form: str) -> None:
    from tests.models.presets import hugging_face_folders as made

    if form == "tensorflow":
        made.make_tensorflow_folder(folder, family)
    else:
        made.make_folder(folder, family, head=True)
    tokenizers = {
        "bert": made.wordpiece_json,
        "roberta": made.byte_pair_json,
        "xlm_roberta": made.unigram_json,
    }
    if family in tokenizers:
        made.write(folder, "tokenizer.json", tokenizers[family]())
    made.write(folder, "tokenizer_config.json", {"model_max_length": 8})
    dense = {"in_features": made.WIDTH, "out_features": 2, "bias": False}
    made.write_modules(folder, ("Pooling", {"pooling_mode": ["cls"]}), ("Dense", dense))
    weights = {"linear.weight": np.ones((2, made.WIDTH), np.float32)}
    save_file(weights, folder / "2_Dense" / "model.safetensors")
    prompts = {"prompts": {"query": "a "}, "default_prompt_name": "query"}
    made.write(folder, "config_sentence_transformers.json", prompts)


def _make(form: str, family: str, folder: Path, chance: random.Random) -> Path:
    """Writes a folder of which one file is damaged, sometimes two."""
    files = dict(_sound(form, family))
    for file in chance.sample(sorted(files), chance.choice((1, 1, 1, 2))):
        files[file] = mutated(files[file], chance)
    for file, content in files.items():
        path = folder / "preset" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "preset"


def _read(prefix: str, path: Path) -> Outcome:
    """Reads all that a classifier is made of, in the order of a run, without making it."""
    import models
    from models.errors import PresetError
    from models.presets.lookup import find_preset

    preset = find_preset(str(path)).open()
    expected = getattr(models, f"{prefix}Tokenizer").family
    if preset.family != expected:
        raise PresetError("another family")
    digest = hashlib.sha256(preset.digest.encode())
    length = preset.resolve_length(None)
    facts: list[Any] = [length, preset.embedding, preset.is_multi_label, preset.head_config]
    if not preset.has_classifier:
        raise preset.no_classifier()
    facts += [preset.labels, preset.preprocessor_settings, preset.prompts]
    digest.update(repr(facts).encode("utf-8", "backslashreplace"))
    preprocessor = getattr(models, f"{prefix}Preprocessor").from_preset(preset)
    tokens = preprocessor.tokenizer.encode(_TEXTS)
    digest.update(tokens.ids.tobytes() + tokens.splits.tobytes())
    backbone = getattr(models, f"{prefix}Backbone")
    config = backbone._complete(preset.backbone_config, preset)
    width = preset.head_config.get("hidden_dim", config["hidden_dim"])
    weights = (
        preset.backbone_weights(config),
        preset.head_weights(config, width),
        preset.module_weights(),
    )
    count = 0
    for name, value in (item for part in weights for item in part):
        digest.update(name.encode() + value.tobytes())
        count += 1
    return Outcome(rows=count, digest=digest.hexdigest())


def _case(form: str, family: str) -> Case:
    return Case(
        f"{form}.{family}",
        lambda folder, chance: _make(form, family, folder, chance),
        lambda path: _read(_FAMILIES[family], path),
    )


PRESETS = tuple(
    _case(form, family)
    for form in ("keras_hub", "hugging_face", "tensorflow")
    for family in _FAMILIES
)
"""A case for each format and family."""
