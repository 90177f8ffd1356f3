"""A preprocessor that the steps of a pipeline share."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from apache_beam.utils.shared import Shared

from models.presets.lookup import PlannedPreset, open_preset
from transforms.worker_processes import hidden_processes

if TYPE_CHECKING:
    from models.preprocessors.preprocessor import Preprocessor


class SharedPreprocessor:
    """The preprocessor of a preset, made once per process by the first step that needs it.

    Args:
        preset: A preset's name or folder, readable on every worker; a planned preset is checked to
            be unchanged.
        sequence_length: Maximum tokens per row; the preset's own if `None`.
        backend: Keras's backend in a worker's process, `tensorflow` or `jax`; what its environment
            says if `None`.
    """

    def __init__(
        self,
        preset: str | Path | PlannedPreset,
        sequence_length: int | None = None,
        backend: str | None = None,
    ) -> None:
        self.preset = preset
        self._sequence_length = sequence_length
        self._backend = backend
        self._shared = Shared()

    def acquire(self) -> "Preprocessor":
        """Returns the preprocessor, and makes it if need be.

        Raises:
            PresetError: There is no such preset, or it is not the one that was planned.
            UserError: The backend is not installed, or Keras runs on another already.
        """
        return self._shared.acquire(self._load)

    def _load(self) -> "Preprocessor":
        from models import backends
        from models.inference import cores, runtime

        cores.divide(hidden_processes())
        if self._backend is not None:
            backends.choose(self._backend)
        if gc.isenabled():  # in a command it is paused already
            runtime.pause_collection()
        try:
            runtime.start()
        finally:
            runtime.resume_collection()
        from models.preprocessors.preprocessor import Preprocessor

        return Preprocessor.from_preset(open_preset(self.preset), self._sequence_length)
