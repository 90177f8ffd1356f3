"""Letting a piece of work come to its end before an interrupt is heeded."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]

_AT_WORK = threading.RLock()


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Holds the signals that end a process back until the body has ended.

    Signals come to the main thread. If the body runs in another one, the main thread waits for it
    with `wait_for_work`.
    """
    with _AT_WORK:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        held: list[int] = []

        def hold(number: int, _: FrameType | None) -> None:
            held.append(number)

        before = {number: signal.signal(number, hold) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                # None stands for a handler that was not set from Python.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            for signal_number in dict.fromkeys(held):
                signal.raise_signal(signal_number)


def wait_for_work() -> None:
    """Returns when no thread of this process holds interrupts back."""
    with _AT_WORK:
        pass
