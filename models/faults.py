"""Faults of the machine or of the model, which are no faults of the rows.

A row is rejected for what is wrong with the row. What would fail in the same way with any other row
ends the work with a `RunError` instead, so that good rows are never lost to a bad machine.
"""

import itertools
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from models.errors import RunError

_T = TypeVar("_T")

PAUSES = (0.1, 0.5, 2.0)
"""Seconds before each new try after a fault of the machine.

A tenth is enough for another thread to close a file or to free its memory, two seconds for another
process to end or a mounted file system to come back. All together they are shorter than the start
of a run, so that a fault that stays is told soon; a runner with workers tries again after that.
"""

HANDFUL = 8
"""Rows that may all fail and still be taken for bad rows; more in succession are no coincidence."""


# The errors of TensorFlow and JAX that values of an operation's arguments can cause.
_CAUSED_BY_VALUES = ("INVALID_ARGUMENT", "OUT_OF_RANGE")
_OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"
_CARD_OUT_OF_MEMORY = "OUT_OF_MEMORY"


def is_of_the_machine(error: BaseException) -> bool:
    """Returns whether an error comes from a device, memory, or the file system, not from a row.

    A module that cannot be imported is a file that cannot be opened. Of the errors of TensorFlow
    and JAX, a row can cause only those about the values of an operation's arguments.
    """
    if isinstance(error, (OSError, MemoryError, ImportError)):
        return True
    status = _status(error)
    return status is not None and status not in _CAUSED_BY_VALUES


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether there was not enough memory; less work at a time may fit."""
    return isinstance(error, MemoryError) or _status(error) == _OUT_OF_MEMORY


def _status(error: BaseException) -> str | None:
    """Returns the status that an error of TensorFlow or JAX has, such as `INTERNAL`."""
    status = _own_status(error)
    # What tunes kernels, and the driver, tell it inside of another error.
    is_of_memory = any(told in str(error) for told in (_OUT_OF_MEMORY, _CARD_OUT_OF_MEMORY))
    return _OUT_OF_MEMORY if status is not None and is_of_memory else status


def _own_status(error: BaseException) -> str | None:
    if (tensorflow := sys.modules.get("tensorflow")) is not None:
        errors = tensorflow.errors
        kinds = {
            errors.InvalidArgumentError: "INVALID_ARGUMENT",
            errors.OutOfRangeError: "OUT_OF_RANGE",
            errors.ResourceExhaustedError: _OUT_OF_MEMORY,
            errors.OpError: "INTERNAL",
        }
        if (status := next((kinds[k] for k in kinds if isinstance(error, k)), None)) is not None:
            return status
    if (jax := sys.modules.get("jax")) is not None and isinstance(
        error, jax.errors.JaxRuntimeError
    ):
        return str(error).partition(":")[0]
    return None


def try_again(
    work: Callable[[], _T],
    what: str,
    is_fault: Callable[[Exception], bool] = is_of_the_machine,
) -> _T:
    """Does some work, and again after a pause if the machine failed.

    Args:
        work: The work, which may be done several times.
        what: What it is, for the message.
        is_fault: Whether one of its errors is a fault of the machine; others are raised at once.

    Raises:
        RunError: The machine failed every time.
    """
    for pause in (*PAUSES, None):
        try:
            return work()
        except RunError:
            raise
        except Exception as error:
            if not is_fault(error):
                raise
            if pause is None:
                raise RunError(
                    f"{what} failed {len(PAUSES) + 1} times on this machine, which is no fault of "
                    f"the rows: {reason_of(error)}"
                ) from error
        time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def reason_of(error: BaseException) -> str:
    """Returns the type of an error and the first line of its message."""
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


class FailuresInSuccession:
    """The rows that failed since the last one that did not, to tell a broken model from bad rows.

    A batch of more than `HANDFUL` different rows of which every one fails is a fault of what
    computes them, and so are as many rows in several smaller batches. Safe to use from several
    threads.

    Args:
        what: What computes the rows, for the message.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._rows: set[Hashable] = set()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Notes that a row did not fail."""
        with self._lock:
            self._rows.clear()

    def add(self, failed: Iterable[Hashable], reason: str) -> None:
        """Adds a batch of which every row failed.

        Args:
            failed: What tells its rows apart; the same row counts once.
            reason: Why one of them failed.

        Raises:
            RunError: More than `HANDFUL` rows failed in succession.
        """
        different = set(failed)
        with self._lock:
            self._rows.update(itertools.islice(different, HANDFUL + 1))  # no need to keep more
            num_rows = max(len(self._rows), len(different))
        if num_rows > HANDFUL:
            raise RunError(
                f"{self._what} failed on every row, {num_rows:,} different ones in succession, "
                f"which is no fault of the rows: {reason}"
            )
