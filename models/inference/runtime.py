"""Starting Keras's backend: quietly, and quickly."""

import functools
import gc
import importlib
import os
import threading
import warnings
from pathlib import Path

from models import backends
from models.backends import cards, importing
from models.backends.importing import quiet_stderr
from models.errors import Advice

_collection_paused = threading.Event()

_DEVICES = Path("/dev")


def pause_collection() -> None:
    """Pauses Python's garbage collection until Keras's backend has started.

    By then, imports and planning have made a million objects that live to the end, and would be
    scanned again and again (`benchmarks/startup.py` times a short run). For processes that run one
    command.
    """
    gc.disable()
    _collection_paused.set()


def resume_collection() -> None:
    """Ends what `pause_collection` began; the objects that exist by now are never scanned again."""
    if _collection_paused.is_set():
        _collection_paused.clear()
        gc.freeze()
        gc.enable()


def start(streams: bool = True) -> str:
    """Imports Keras's backend without its banner and returns the device: `"CPU"` or `"GPU"`.

    Safe to call again, and from several threads.

    Args:
        streams: Whether work will come in parallel streams, as the predictor's does: on a CPU,
            every operation of TensorFlow then gets one thread (`benchmarks/predictor.py` compares).
            Has no effect if TensorFlow is already running.

    Raises:
        UserError: The predictor does not run on Keras's backend, or the process may not use enough
            memory to start.
    """
    with importing.lock:
        return _start(streams)


@functools.cache
def _start(streams: bool) -> str:
    with quiet_stderr():
        device = backends.current().start(streams)
    resume_collection()
    _advise(device)
    return device


def import_keras() -> None:
    """Imports Keras and its backend without their banner, and starts nothing: for models alone.

    Whoever trains one may still choose devices and threads.

    Raises:
        UserError: The backend is not installed, or the process may not use enough memory.
    """
    with importing.lock:
        _import_keras()


@functools.cache
def _import_keras() -> None:
    is_tensorflow = backends.name() == "tensorflow"
    module = importing.tensorflow() if is_tensorflow else None
    with quiet_stderr():
        importlib.import_module("keras")
        # The library of the driver says that there is none, when it is first asked.
        gpus = module.config.list_physical_devices("GPU") if module is not None else []
    if module is not None:
        _advise("GPU" if gpus else "CPU")


@functools.cache
def _advise(device: str) -> None:
    """Says what is missing if there is a card that the backend does not find."""
    if device == "CPU" and (card := _card()):
        warnings.warn(cards.missing(backends.name(), card), Advice, stacklevel=5)


def _card() -> Path | None:
    """Returns the device of an NVIDIA card that a backend may use, if there is one."""
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    is_hidden |= "cuda" not in (os.environ.get("JAX_PLATFORMS") or "cuda")
    return None if is_hidden else next(iter(cards.cards(_DEVICES)), None)
