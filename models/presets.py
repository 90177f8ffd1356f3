"""Finding presets."""

import difflib
from pathlib import Path

from models.errors import PresetError
from models.hugging_face_preset import HuggingFacePreset
from models.keras_hub_preset import KerasHubPreset
from models.preset import Preset

BUNDLED = Path(__file__).parent / "bundled"


def bundled_presets() -> list[str]:
    """Returns the names of the presets that come with this package."""
    return sorted(path.parent.name for path in BUNDLED.glob("*/config.json"))


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


def open_preset(preset: str | Path | Preset) -> Preset:
    """Finds a preset by name or folder; raises `PresetError` where there is none."""
    if isinstance(preset, Preset):
        return preset
    opened = KerasHubPreset(str(preset), locate(preset))
    description = opened.json(opened.config_file)
    if isinstance(description, dict) and "model_type" in description:
        return HuggingFacePreset(opened.name, opened.folder)
    return opened
