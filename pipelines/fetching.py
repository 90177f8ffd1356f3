"""Fetching presets while a person waits."""

import contextlib
from pathlib import Path

from models.hubs import store
from models.presets.lookup import KnownPreset, find_preset
from models.presets.preset import Preset
from pipelines.reporting.console import transfer_bar
from pipelines.reporting.shown import SafeNotices


def fetch(preset: KnownPreset, *, refresh: bool = False) -> Path:
    """Returns the local folder of a remote preset; shows a progress bar while it is fetched.

    Args:
        preset: A preset with a URI.
        refresh: Whether to look for a newer version, and fetch that.

    Raises:
        PresetError: It cannot be fetched.
    """
    # Some clients print notices; standard output is for what the command was asked for.
    with transfer_bar(preset.name) as on_progress, contextlib.redirect_stdout(SafeNotices()):
        return store.fetch(str(preset.uri), on_progress, refresh=refresh)


def open_named(name: str) -> Preset:
    """Opens a preset; shows a progress bar while it is fetched.

    Args:
        name: Name of a bundled or registered preset, a folder, or a URI.

    Raises:
        PresetError: There is no such preset, or it cannot be fetched.
    """
    known = find_preset(name)
    if known.folder is None:
        fetch(known)
    return known.open()
