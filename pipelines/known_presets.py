"""What is known of a preset before it is used, and where its files are."""

import contextlib
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from models.hubs import store
from models.presets import lookup as presets
from models.presets import registry
from models.presets.preset import Preset
from models.presets.registry import RegisteredPreset
from pipelines.console import transfer_bar


@dataclass(frozen=True)
class KnownPreset:
    """A preset that a user named.

    Attributes:
        name: The name, folder or URI.
        state: `bundled`, `local`, `cached`, or `to fetch`.
        folder: Where it is on this machine; `None` if it is to be fetched.
        uri: Where it comes from; `None` for one that is only on this machine.
        registered: What the registry says of it, if it is there.
    """

    name: str
    state: str
    folder: Path | None = None
    uri: str | None = None
    registered: RegisteredPreset | None = None

    @cached_property
    def stored(self) -> Preset | None:
        """Its folder, opened; `None` if it is to be fetched."""
        return None if self.folder is None else presets.open_preset_folder(self.name, self.folder)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of the backbone's constructor, as far as they are known."""
        if self.registered is not None:
            return self.registered.config
        if self.stored is None:
            return {}
        return self.stored.backbone_config

    @property
    def family(self) -> str | None:
        """The family of its backbone, if it is known."""
        if self.registered is not None:
            return self.registered.family
        return self.stored.family if self.stored is not None else None

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
        """Weights of its backbone, if they are known without counting."""
        if self.registered is not None:
            return self.registered.parameters
        if self.stored is None or not self.stored.has("metadata.json"):
            return None
        metadata = self.stored.json("metadata.json")
        count = metadata.get("parameter_count") if isinstance(metadata, dict) else None
        return count if isinstance(count, int) else None

    @property
    def sequence_length(self) -> int | None:
        """Tokens that texts are cut to unless another length is asked for, if it is known."""
        if self.registered is not None:
            return self.registered.config["max_sequence_length"]
        return self.stored.sequence_length if self.stored is not None else None

    @property
    def lowercase(self) -> bool | None:
        """Whether its WordPiece tokenizer lowercases; `None` for others, or if it is not known."""
        if self.registered is not None:
            return self.registered.lowercase
        return None if self.stored is None else self.stored.tokenizer_arguments.get("lowercase")

    @property
    def description(self) -> str | None:
        """One sentence for people."""
        if self.registered is not None:
            return self.registered.description
        if self.state == "bundled" and self.labels:
            return f"Labels texts {' or '.join(self.labels)}; comes with this package."
        return None

    def facts(self) -> dict[str, Any]:
        """Returns all that is known, for programs; what is not known is `None`."""
        return {
            "name": self.name,
            "state": self.state,
            "family": self.family,
            "parameters": self.parameters,
            "description": self.description,
            "config": self.config or None,
            "lowercase": self.lowercase,
            "sequence_length": self.sequence_length,
            "labels": self.labels,
            "aliases": list(self.registered.aliases) if self.registered else [],
            "uri": self.uri,
            "source": store.source(self.uri) if self.uri and self.folder else None,
            "folder": str(self.folder) if self.folder else None,
        }


def find_preset(name: str) -> KnownPreset:
    """Returns what is known of a preset; asks no network.

    Args:
        name: Of a bundled or registered preset, a folder, or a URI.

    Raises:
        PresetError: There is no such preset.
    """
    found = presets.locate(name)
    folder = found.cached()
    if found.uri is None:
        state = "bundled" if name in presets.bundled_presets() else "local"
    else:
        state = "cached" if folder else "to fetch"
    return KnownPreset(found.name, state, folder, found.uri, found.registered)


def open_known(name: str) -> Preset:
    """Opens a preset; shows a progress bar while it is fetched.

    Args:
        name: Of a bundled or registered preset, a folder, or a URI.

    Raises:
        PresetError: There is no such preset, or it cannot be fetched.
    """
    found = presets.locate(name)
    if found.cached():
        return found.open()
    # Some clients print notices; standard output is for what the command was asked for.
    with transfer_bar(name) as on_progress, contextlib.redirect_stdout(sys.stderr):
        return found.open(on_progress)


def all_presets() -> list[KnownPreset]:
    """Returns the presets that have names: those bundled, then those of the registry."""
    names = [*presets.bundled_presets(), *(preset.name for preset in registry.PRESETS)]
    return [find_preset(name) for name in names]
