"""Importing TensorFlow, which handles texts on every backend: quietly, and only where needed."""

import contextlib
import faulthandler
import functools
import importlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

from models.errors import UserError

_T = TypeVar("_T", bound=Callable[..., Any])

lock = threading.RLock()
"""Held while a library is imported whose modules import each other, and while a backend starts.

Two threads would meet halfway. One lock for both: starting imports, and importing a class starts.
"""


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Holds back what is written to the process's standard error, even by native code.

    TensorFlow's libraries write a banner before any of their log settings is read. If the body
    raises, what was held back is shown. Nothing is held back from who asks for it, by a
    `TF_CPP_MIN_LOG_LEVEL` of 0 or 1. If native code ends the process, Python says where.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1"):
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        tells_end = not faulthandler.is_enabled()
        if tells_end:
            faulthandler.enable(stderr)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            if tells_end:
                faulthandler.disable()
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)


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


@functools.cache
def tensorflow() -> Any:
    """Imports TensorFlow and returns it; where Keras runs on another backend, it gets no GPU.

    Raises:
        UserError: It is not installed, or the process may not use enough memory to start it.
    """
    from models import backends

    with lock:
        if sys.modules.get("tensorflow") is None:
            check_address_space()
            # Its converter for phones would import JAX, which takes a second or two. Where Keras
            # runs on JAX, another thread may be importing it.
            unused = () if backends.name() == "jax" else ("jax",)
            with quiet_stderr(), without(*unused):
                _import("tensorflow")
        module = sys.modules["tensorflow"]
        if backends.name() != "tensorflow":
            # It says that there is no GPU, or fails if it is already running.
            with quiet_stderr(), contextlib.suppress(RuntimeError):
                module.config.set_visible_devices([], "GPU")
        return module


@functools.cache
def tensorflow_text() -> Any:
    """Imports tensorflow-text without its banner and returns it; raises as `tensorflow` does."""
    tensorflow()
    with lock, quiet_stderr():
        return _import("tensorflow_text")


@functools.cache
def has_tensorflow_text() -> bool:
    """Returns whether tensorflow-text is installed; does not import it."""
    return importlib.util.find_spec("tensorflow_text") is not None


def _import(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise UserError(
            f"{package.replace('_', '-')}, which makes this tokenizer's ids of texts, is not "
            "installed: pip install tensorflow tensorflow-text"
        ) from None


class _Refused(MetaPathFinder, Loader):
    """Finds packages, and fails to import them.

    `None` in `sys.modules` would do, but libraries look there for packages to ask for their types.
    """

    def __init__(self, packages: Collection[str]) -> None:
        self._packages = packages

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in self._packages else None

    def exec_module(self, module: ModuleType) -> None:
        raise ModuleNotFoundError(f"{module.__name__} is not imported here", name=module.__name__)


@contextlib.contextmanager
def without(*packages: str) -> Iterator[None]:
    """Makes imports of packages fail in the body, unless they are imported already.

    For those that others import wherever they are installed, whether they need them or not.
    """
    refused = _Refused(packages)
    sys.meta_path.insert(0, refused)
    try:
        yield
    finally:
        sys.meta_path.remove(refused)


@contextlib.contextmanager
def with_all() -> Iterator[None]:
    """Lets the body import what `without` refuses around it: a library that needs it."""
    refusing = [finder for finder in sys.meta_path if isinstance(finder, _Refused)]
    for finder in refusing:
        sys.meta_path.remove(finder)
    try:
        yield
    finally:
        sys.meta_path[:0] = refusing


def is_tracing() -> bool:
    """Returns whether TensorFlow is tracing a graph, as in `tf.data.Dataset.map`."""
    module = sys.modules.get("tensorflow")
    return module is not None and not module.executing_eagerly()


def unconverted(method: _T) -> _T:
    """Keeps TensorFlow's AutoGraph from rewriting a method in `tf.data.Dataset.map`.

    As `tf.autograph.experimental.do_not_convert`, but without importing TensorFlow.
    """

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not is_tracing():
            return method(*args, **kwargs)
        return tensorflow().autograph.experimental.do_not_convert(method)(*args, **kwargs)

    return call  # type: ignore[return-value]  # takes and returns what the method does
