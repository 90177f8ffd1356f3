"""Finding presets."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from models import registry, store
from models.errors import PresetError
from models.hugging_face_preset import HuggingFacePreset
from models.keras_hub_preset import KerasHubPreset
from models.preset import Preset
from models.remote import is_remote

BUNDLED = Path(__file__).parent / "bundled"


def bundled_presets() -> list[str]:
    """Returns the names of the presets that come with this package."""
    return sorted(path.parent.name for path in BUNDLED.glob("*/config.json"))


def open_folder(name: str, folder: Path, label_names: Sequence[str] | None = None) -> Preset:
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


def open_preset(
    preset: str | Path | Preset, on_progress: Callable[[int, int], None] | None = None
) -> Preset:
    """Finds a preset; brings it into this machine's cache if it is remote.

    Args:
        preset: The name of a bundled or registered preset, a folder, a URI (`hf://`, `kaggle://`,
            `gs://`), or what this function returned.
        on_progress: Called with bytes fetched and bytes in all, from time to time.

    Raises:
        PresetError: There is no such preset, or it cannot be fetched.
    """
    if isinstance(preset, Preset):
        return preset
    name = str(preset)
    if name in bundled_presets():
        return open_folder(name, BUNDLED / name)
    if registered := registry.find(name):
        folder = store.fetch(registered.handle, on_progress)
        return open_folder(name, folder, registered.labels)
    if is_remote(name):
        return open_folder(name, store.fetch(name, on_progress))
    if Path(preset).is_dir():
        return open_folder(name, Path(preset))
    names = [*bundled_presets(), *registry.names()]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise PresetError(
        f"preset {name!r} is no folder, no URI and none of the names; {hint}"
        "python -m pipelines.presets list shows them"
    )
