"""Starting Keras's backend: quietly, and quickly."""

import contextlib
import functools
import gc
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Literal

from models import backends
from models.errors import UserError

Precision = Literal["auto", "float32", "bfloat16", "float16"]


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Holds back what is written to the process's standard error, even by native code.

    TensorFlow's libraries write a banner before any of their log settings is read. If the body
    raises, what was held back is shown.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)


_collection_paused = threading.Event()


def pause_collection() -> None:
    """Pauses Python's garbage collection until TensorFlow has started.

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


# With a GPU or many cores it is more; below this, the C library ends the process on the way.
_LEAST_ADDRESSES = 15 << 28


def check_address_space() -> None:
    """Checks that the process may use the addresses that TensorFlow takes when it starts.

    Raises:
        UserError: A limit on them (`ulimit -v`) is too low.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _LEAST_ADDRESSES:
        raise UserError(
            f"this process may use {limit >> 10:,} KiB of addresses (ulimit -v), and TensorFlow "
            f"takes some {_LEAST_ADDRESSES >> 10:,} to start, most of which are never memory; "
            "limit the resident memory instead, for example with systemd-run -p MemoryMax=3G"
        )


_starting = threading.RLock()


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
    with _starting:
        return _start(streams)


@functools.cache
def _start(streams: bool) -> str:
    if backends.name() == "tensorflow" and "tensorflow" not in sys.modules:
        check_address_space()
    with quiet_stderr():
        device = backends.current().start(streams)
    resume_collection()
    return device


def num_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_streams(device: str) -> int:
    """Returns how many micro-batches a device should have in flight at a time.

    Two for each GPU or core: while one is computed, the next is padded and handed over.
    """
    return 2 if device == "GPU" else 2 * num_cores()


def resolve_precision(precision: Precision, device: str) -> str:
    """Returns the compute type for a device; `auto` is half precision on a GPU only."""
    if precision != "auto":
        return precision
    return "float16" if device == "GPU" else "float32"
