"""Finding and opening presets."""

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from models.errors import PresetError, alternatives, nearest
from models.hubs import store
from models.hubs.remote import RemoteUri, is_uri
from models.presets import registry, sentence_transformers
from models.presets.hugging_face_preset import HuggingFacePreset
from models.presets.keras_hub_preset import KerasHubPreset
from models.presets.preset import Preset
from models.presets.registry import RegisteredPreset, bundled_presets

_ADAPTER = "adapter_config.json"

_LIKELY_SHOWN = 3

# How others spell what the names of the registry say.
_SPELLINGS = {
    "distilbert": "distil_bert",
    "xlmroberta": "xlm_roberta",
    "xlmr": "xlm_roberta",
    "multilingual": "multi",
    "chinese": "zh",
    "english": "en",
}

State = Literal["bundled", "local", "cached", "to fetch"]


@dataclass(frozen=True)
class KnownPreset:
    """What is known about a preset that a user named, before it is fetched or opened.

    Attributes:
        name: Its name, folder or URI; for an alias, the name that it stands for.
        folder: Where it is on this machine; `None` if it has yet to be fetched.
        uri: Where it comes from; `None` for one that is only on this machine.
        registered: Its entry in the registry, if it has one.
    """

    name: str
    folder: Path | None = None
    uri: str | None = None
    registered: RegisteredPreset | None = None

    def open(self, on_progress: Callable[[int, int], None] | None = None) -> Preset:
        """Opens it, fetching it into this machine's cache if needed.

        Args:
            on_progress: Called from time to time with the number of bytes fetched and the total.

        Raises:
            PresetError: It cannot be fetched, or is not a preset.
        """
        folder = self.folder or store.fetch(str(self.uri), on_progress)
        labels = self.registered.labels if self.registered else None
        return open_preset_folder(self.name, folder, labels)

    @cached_property
    def stored(self) -> Preset | None:
        """The opened preset; `None` if it has yet to be fetched."""
        return self.open() if self.folder else None

    @property
    def state(self) -> State:
        """Where it is."""
        if self.uri is not None:
            return "cached" if self.folder else "to fetch"
        return "bundled" if self.name in bundled_presets() else "local"

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of the backbone's constructor, as far as they are known."""
        if self.registered is not None:
            return self.registered.config
        return {} if self.stored is None else self.stored.backbone_config

    @property
    def family(self) -> str | None:
        """The family of its backbone, if it is known."""
        if self.registered is not None:
            return self.registered.family
        return None if self.stored is None else self.stored.family

    @property
    def labels(self) -> list[str] | None:
        """Names of its classes; `None` for a backbone, or if they are not known."""
        if self.registered is not None:
            return list(self.registered.labels) if self.registered.labels else None
        if self.stored is None or not self.stored.has_classifier:
            return None
        return self.stored.labels

    @property
    def parameters(self) -> int | None:
        """How many weights its backbone has, if that is known without counting."""
        if self.registered is not None:
            return self.registered.parameters
        if self.stored is None or not self.stored.has("metadata.json"):
            return None
        metadata = self.stored.json("metadata.json")
        count = metadata.get("parameter_count") if isinstance(metadata, dict) else None
        return count if isinstance(count, int) else None

    @property
    def sequence_length(self) -> int | None:
        """The length that texts are truncated to by default, in tokens, if it is known."""
        if self.registered is not None and not self.registered.is_embedder:
            return self.registered.config["max_sequence_length"]
        return None if self.stored is None else self.stored.sequence_length

    @property
    def lowercase(self) -> bool | None:
        """Whether its WordPiece tokenizer lowercases; `None` for others, or if it is not known."""
        if self.registered is not None and not self.registered.is_embedder:
            return self.registered.lowercase
        return None if self.stored is None else self.stored.tokenizer_arguments.get("lowercase")

    @property
    def description(self) -> str | None:
        """A description in one sentence, if there is one."""
        if self.registered is not None:
            return self.registered.description
        if self.state == "bundled" and self.labels:
            return f"Labels texts as {' or '.join(self.labels)}; comes with this package."
        return None


@dataclass(frozen=True)
class PlannedPreset:
    """A preset as it was when a run was planned: what is sent to the workers.

    Attributes:
        name: What opens it on a worker: a name, a URI, or the absolute path of a folder.
        digest: `Preset.digest` when the run was planned.
        staged: The folder of a bucket that it was copied to, for workers that do not have it;
            `None` if it is opened by its name.
    """

    name: str
    digest: str
    staged: str | None = None

    @classmethod
    def of(cls, preset: Preset, staged: str | None = None) -> "PlannedPreset":
        """Returns the planned form of an opened preset."""
        is_path = preset.folder == Path(preset.name)
        name = os.path.abspath(preset.name) if is_path else preset.name
        return cls(name, preset.digest, staged)

    def open(self) -> Preset:
        """Opens it.

        Raises:
            PresetError: It is missing, or has changed since the run was planned.
        """
        preset = find_preset(self.name).open() if self.staged is None else self._open_staged()
        if preset.digest != self.digest:
            raise PresetError(
                f"preset {self.name!r} has changed since the run was planned; start the run again"
            )
        return preset

    def _open_staged(self) -> Preset:
        """Opens the copy, unless this machine has the preset, as an image may."""
        with suppress(PresetError):
            known = find_preset(self.name)
            if known.stored is not None and known.stored.digest == self.digest:
                return known.stored
        registered = registry.find(self.name)
        labels = registered.labels if registered else None
        return open_preset_folder(self.name, store.fetch(str(self.staged)), labels)


def all_presets() -> list[KnownPreset]:
    """Returns the presets that have names: the bundled ones, then those of the registry."""
    return [find_preset(name) for name in registry.all_names()]


def find_preset(name: str) -> KnownPreset:
    """Returns what is known about a preset, without using the network.

    Args:
        name: The name of a bundled or registered preset, a folder, or a URI (`hf://`, `kaggle://`,
            `gs://`).

    Raises:
        PresetError: There is no such preset.
    """
    if name in bundled_presets():
        return KnownPreset(name, registry.BUNDLED / name)
    if registered := registry.find(name):
        uri = registered.handle
        return KnownPreset(registered.name, store.cached(uri), uri, registered)
    if is_uri(name):
        return KnownPreset(name, store.cached(name), name)
    if os.path.isdir(name):
        return KnownPreset(name, Path(name))
    likely = _likely(name)
    hint = f"did you mean {alternatives(likely)}? " if likely else ""
    raise PresetError(
        f"preset {name!r} is not a folder, a URI or a known name; {hint}"
        "python -m pipelines.presets list shows the names"
    )


def _likely(name: str) -> list[str]:
    """Returns the presets that an unknown name may stand for, the likeliest first."""
    known = registry.all_names()
    likely = _with_words_of(name, known)[:_LIKELY_SHOWN]
    if _is_of_hugging_face(name):
        likely.append(f"hf://{name}")
    near = nearest(name, [*known, *registry.names()])
    return likely or ([near] if near else [])


def _with_words_of(name: str, known: Sequence[str]) -> list[str]:
    """Returns the known names that have all the words of a name, whatever else they have.

    If one has no others, it is that; of several, those that begin with the same word.
    """
    words = _words(name.rpartition("/")[2])
    found = {each: _words(each) for each in known if words and {*words} <= {*_words(each)}}
    alike = [each for each, its in found.items() if {*its} == {*words}]
    return alike or [each for each, its in found.items() if its[0] == words[0]] or list(found)


def _words(name: str) -> list[str]:
    """Returns the words of a name, as the registry spells them."""
    spelled = re.sub(r"[-\s]+", "_", name.lower())
    for other, ours in _SPELLINGS.items():
        spelled = re.sub(rf"(?<![a-z]){other}(?![a-z])", ours, spelled)
    return [word for word in spelled.split("_") if word]


def _is_of_hugging_face(name: str) -> bool:
    """Returns whether a name is rather one of a model there than of a folder that is missing."""
    if name.startswith((".", "/", "~")) or os.path.isdir(name.partition("/")[0]):
        return False
    with suppress(PresetError):
        RemoteUri.parse(f"hf://{name}")
        return True
    return False


def open_preset(preset: str | Path | Preset | PlannedPreset, family: str | None = None) -> Preset:
    """Opens a preset, fetching it into this machine's cache if it is remote.

    Args:
        preset: What `find_preset` takes, a planned preset, or what this function returned.
        family: The family that it must belong to; any if `None`. For a registered preset, this is
            checked before gigabytes are fetched.

    Raises:
        PresetError: There is no such preset, it cannot be fetched, it belongs to another family, or
            it has changed since a run was planned with it.
    """
    if isinstance(preset, PlannedPreset):
        preset = preset.open()
    elif not isinstance(preset, Preset):
        known = find_preset(str(preset))
        if family and known.registered:
            check_family(known.name, known.registered.family, family)
        preset = known.open()
    if family:
        check_family(preset.name, preset.family, family)
    return preset


def open_preset_folder(name: str, folder: Path, label_names: Sequence[str] | None = None) -> Preset:
    """Returns the preset in a folder.

    Args:
        name: What the user called it.
        folder: Where it is.
        label_names: Names of its classes if the folder gives none.
    """
    opened = KerasHubPreset(name, folder, label_names)
    if model_folder := sentence_transformers.model_folder(opened):
        return HuggingFacePreset(name, folder, model_folder)
    if opened.has(_ADAPTER) and not opened.has(opened.config_file):
        raise opened.error(
            _ADAPTER,
            "an adapter, which has no model of its own; merge it into its model with peft "
            "(merge_and_unload) and save that",
        )
    description = opened.json(opened.config_file)
    if isinstance(description, dict) and "model_type" in description:
        return HuggingFacePreset(name, folder)
    return opened


def check_family(name: str, family: str, expected: str) -> None:
    """Raises `PresetError` unless the family of a preset is the one expected."""
    if family != expected:
        raise PresetError(f"preset {name!r} is of the family {family!r}, not {expected!r}")
