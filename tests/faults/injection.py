"""Faults at the n-th operation on files that a process does.

Whatever changes or opens a file, from the module os or by open(), counts; so do writes to files
that were opened by open().
"""

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

Fault = Literal["kill", "kill after", "ENOSPC", "EIO", "interrupt"]
FAULTS: tuple[Fault, ...] = ("kill", "kill after", "ENOSPC", "EIO", "interrupt")

_CALLS = (
    *("link", "replace", "rename", "unlink", "remove", "rmdir", "mkdir", "fsync", "utime"),
    *("scandir", "listdir"),
)


class Injector:
    """Counts operations, and lets one fail.

    Args:
        fault: What happens.
        at: At which operation, from 1; never if 0.
        lasts: Whether the operations after it fail too, as on a full disk.
    """

    def __init__(self, fault: Fault, at: int, lasts: bool = False) -> None:
        self.count = 0
        self._fault = fault
        self._at = at
        self._lasts = lasts

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls a function, or does what is to happen instead, or afterwards."""
        self.count += 1
        is_hit = self.count == self._at or (self._lasts and 0 < self._at < self.count)
        if not is_hit:
            return function(*args, **kwargs)
        if self._fault in ("ENOSPC", "EIO"):
            if function.__name__ == "write" and args and len(args[0]) > 1:
                function(args[0][: len(args[0]) // 2])  # a part of it is written
            number = getattr(errno, self._fault)
            raise OSError(number, os.strerror(number))
        if self._fault == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
            return function(*args, **kwargs)
        if self._fault == "kill after":
            function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed")


class _File:
    """A file whose writes count."""

    def __init__(self, file: Any, injector: Injector) -> None:
        self._file = file
        self._injector = injector

    def write(self, content: bytes) -> int:
        return self._injector.call(self._file.write, content)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def injected(injector: Injector) -> Iterator[None]:
    """Lets an injector count, and fail, what the body does."""
    before = {name: getattr(os, name) for name in _CALLS}
    plain_open = builtins.open

    def counted(name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: injector.call(before[name], *args, **kwargs)

    def counted_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        opened = injector.call(plain_open, file, mode, *args, **kwargs)
        return opened if mode in ("r", "rb") else _File(opened, injector)

    for name in _CALLS:
        setattr(os, name, counted(name))
    builtins.open = io.open = counted_open
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(os, name, function)
        builtins.open = io.open = plain_open
