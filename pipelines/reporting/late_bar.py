"""A bar for work that may be over in an instant."""

import time
from collections.abc import Iterable
from typing import Any

from rich.console import RenderableType
from rich.progress import Progress

SECONDS = 0.5
"""From which on work has a bar: what comes and goes faster flickers, and nobody reads it."""


class LateBar(Progress):
    """A `rich.progress.Progress` that shows nothing until it is `SECONDS` old."""

    def __init__(self, *columns: Any, **arguments: Any) -> None:
        self._due = time.monotonic() + SECONDS
        super().__init__(*columns, **arguments)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yields what there is to show."""
        if time.monotonic() >= self._due:
            yield from super().get_renderables()
