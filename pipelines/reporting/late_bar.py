"""A bar for work that may be over in an instant."""

import time
from collections.abc import Iterable
from typing import Any

from rich.console import RenderableType
from rich.progress import Progress
from rich.text import Text

from pipelines.reporting.messages import bars

SECONDS = 0.5
"""From which on work has a bar: what comes and goes faster flickers, and nobody reads it."""


class LateBar(Progress):
    """A `rich.progress.Progress` that shows nothing until it is `SECONDS` old.

    What is said meanwhile stands above it.
    """

    def __init__(self, *columns: Any, **arguments: Any) -> None:
        self._due = time.monotonic() + SECONDS
        super().__init__(*columns, **arguments)

    def start(self) -> None:
        """Begins to show it."""
        super().start()
        bars.append(self._print_above)

    def stop(self) -> None:
        """Takes it away."""
        if self._print_above in bars:
            bars.remove(self._print_above)
        super().stop()

    def _print_above(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yields what there is to show."""
        if time.monotonic() >= self._due:
            yield from super().get_renderables()
