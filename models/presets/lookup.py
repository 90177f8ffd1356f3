"""Finding presets."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import PresetError, did_you_mean
from models.hubs import store
from models.hubs.remote import is_uri
from models.presets import registry
from models.presets.hugging_face_preset import HuggingFacePreset
from models.presets.keras_hub_preset import KerasHubPreset
from models.presets.preset import Preset
from models.presets.registry import RegisteredPreset

BUNDLED = Path(__file__).parents[1] / "bundled"


def bundled_presets() -> list[str]:
    """Returns the names of the presets that come with this package."""
    return sorted(path.parent.name for path in BUNDLED.glob("*/config.json"))


def open_preset_folder(name: str, folder: Path, label_names: Sequence[str] | None = None) -> Preset:
    """Returns the preset in a folder.

    Args:
        name: What the user called it.
        folder: Where it is.
        label_names: Names of its classes if the folder gives none.
    """
    opened = KerasHubPreset(name, folder, label_names)
    description = opened.json(opened.config_file)
    if isinstance(description, dict) and "model_type" in description:
        return HuggingFacePreset(name, folder)
    return opened


@dataclass(frozen=True)
class Location:
    """Where a preset is.

    Attributes:
        name: What the user called it, or the name that an alias stands for.
        folder: Where it stays on this machine; `None` for a remote one.
        uri: Where a remote one comes from; `None` for one that is only on this machine.
        registered: What the registry says of it, if it is there.
    """

    name: str
    folder: Path | None = None
    uri: str | None = None
    registered: RegisteredPreset | None = None

    def cached(self) -> Path | None:
        """Returns its folder if that is on this machine, complete."""
        return self.folder if self.uri is None else store.cached(self.uri)

    def open(self, on_progress: Callable[[int, int], None] | None = None) -> Preset:
        """Opens it; brings it into this machine's cache if it is remote.

        Args:
            on_progress: Called with bytes fetched and bytes in all, from time to time.

        Raises:
            PresetError: It cannot be fetched, or is no preset.
        """
        folder = self.folder or store.fetch(str(self.uri), on_progress)
        return open_preset_folder(
            self.name, folder, self.registered.labels if self.registered else None
        )


def locate(name: str) -> Location:
    """Returns where a preset is; asks no network.

    Args:
        name: Of a bundled or registered preset, a folder, or a URI (`hf://`, `kaggle://`, `gs://`).

    Raises:
        PresetError: There is no such preset.
    """
    if name in bundled_presets():
        return Location(name, BUNDLED / name)
    if registered := registry.find(name):
        return Location(registered.name, uri=registered.handle, registered=registered)
    if is_uri(name):
        return Location(name, uri=name)
    if os.path.isdir(name):
        return Location(name, Path(name))
    hint = did_you_mean(name, [*bundled_presets(), *registry.names()])
    raise PresetError(
        f"preset {name!r} is no folder, no URI and none of the names; {hint}"
        "python -m pipelines.presets list shows them"
    )


def open_preset(preset: str | Path | Preset, family: str | None = None) -> Preset:
    """Finds a preset; brings it into this machine's cache if it is remote.

    Args:
        preset: What `locate` takes, or what this function returned.
        family: The family that it must be of; any if `None`. Asked of a registered preset before
            gigabytes are fetched.

    Raises:
        PresetError: There is no such preset, it cannot be fetched, or it is of another family.
    """
    if not isinstance(preset, Preset):
        location = locate(str(preset))
        if family and location.registered:
            check_family(location.name, location.registered.family, family)
        preset = location.open()
    if family:
        check_family(preset.name, preset.family, family)
    return preset


def check_family(name: str, family: str, expected: str) -> None:
    """Raises `PresetError` unless the family of a preset is the one expected."""
    if family != expected:
        raise PresetError(f"preset {name!r} is of the family {family!r}, not {expected!r}")
