"""What is not the same in Keras's backends: start, memory, and functions compiled for inference.

The models are written in `keras.ops`. A backend that the predictor runs on has a module here, named
as Keras names it, with what `Backend` lists.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from models.backends import importing
from models.errors import UserError

if TYPE_CHECKING:
    import keras
    import numpy as np

    from models.training.batches import Batches

BackendName = Literal["tensorflow", "jax"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
"""Keras's backends that the predictor runs on."""

Outputs = Callable[[Mapping[str, Any]], Any]
"""From a micro-batch's features, each int32 `[rows, length]`, to float32 `[rows, width]`, in
`keras.ops`."""

Compiled = Callable[[Mapping[str, "np.ndarray"]], Any]
"""The same from arrays to a tensor, which may be computed still."""


class Backend(Protocol):
    """What the module of a backend has."""

    def start(self, streams: bool) -> str:
        """Returns the device, `"CPU"` or `"GPU"`; arguments as of `models.inference.runtime`."""

    def compiled(
        self,
        outputs: Outputs,
        variables: "Sequence[keras.Variable]",
        features: Sequence[str],
        use_xla: bool,
    ) -> Compiled:
        """Returns a compiled function.

        Args:
            outputs: What to compute.
            variables: All weights that this depends on.
            features: Names of the features.
            use_xla: Whether every shape is compiled for itself. Otherwise any shape will do.
        """

    def rows_of(self, results: Any, rows: "np.ndarray") -> "np.ndarray":
        """Returns some rows of what a compiled function returned, waiting for them.

        Args:
            results: float32 `[rows, width]`.
            rows: int64 `[chosen]`: which rows, one at least.
        """


def version_of(package: str) -> str | None:
    """Returns the version of a package, or of the one in its place that is for processors alone.

    Args:
        package: Its name, such as `tensorflow`, in whose place there may be `tensorflow-cpu`.

    Returns:
        The version; `None` if neither is installed.
    """
    for each in (package, f"{package}-cpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(each)
    return None


def name() -> str:
    """Returns the name of the backend that Keras has, or will have when it is imported."""
    if (keras := sys.modules.get("keras")) is not None and hasattr(keras, "backend"):
        return str(keras.backend.backend())
    return os.environ["KERAS_BACKEND"]


def choose(wanted: str) -> None:
    """Makes Keras use a backend in this process, which must not have imported it with another.

    Raises:
        UserError: The predictor does not run on it, it is not installed, or it is too late.
    """
    if wanted not in BACKENDS:
        raise _unfit(wanted)
    _check_installed(wanted)
    if (found := name()) != wanted and "keras" in sys.modules:
        raise UserError(
            f"Keras runs on the backend {found!r} in this process already, and not on {wanted!r}: "
            f"set KERAS_BACKEND={wanted} before it is imported"
        )
    os.environ["KERAS_BACKEND"] = wanted


def _check_installed(wanted: str) -> None:
    if importlib.util.find_spec(wanted) is None:
        raise UserError(f"the backend {wanted!r} is not installed: pip install {wanted}")


def _unfit(chosen: str) -> UserError:
    return UserError(
        f"the predictor does not run on Keras's backend {chosen!r}: set KERAS_BACKEND to "
        f"{' or '.join(BACKENDS)} before Keras is imported"
    )


def current() -> Backend:
    """Imports Keras's backend and returns its module.

    Raises:
        UserError: The predictor does not run on it, or it is not installed.
    """
    if (chosen := name()) not in BACKENDS:
        raise _unfit(chosen)
    _check_installed(chosen)
    if chosen == "tensorflow":
        importing.tensorflow()
    with importing.lock:
        module: Any = importlib.import_module(f"{__name__}.{chosen}")
    return module


def empty(shape: Sequence[int], dtype: str) -> Any:
    """Returns a tensor of any content, for a weight that is about to be loaded."""
    if name() == "tensorflow":
        from models.backends import tensorflow

        return tensorflow.empty(shape, dtype)
    import keras

    return keras.ops.empty(shape, dtype)


def compiles_each_shape() -> bool:
    """Returns whether every shape of a batch is compiled for itself, in training and on a CPU."""
    return name() == "jax"


def fed(batches: "Batches") -> Any:
    """Returns batches as `keras.Model.fit` is best given them."""
    if name() == "tensorflow":
        from models.backends import tensorflow

        return tensorflow.fed(batches)
    return batches
