"""What is shown while a classifier learns."""

import sys
import time
from typing import Any

import keras
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class TrainingProgress(keras.callbacks.Callback):
    """Shows a bar for the steps of an epoch, on a terminal, and a line at the end of each."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts the bar."""
        from rich.console import Console

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("")
        self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Empties the bar."""
        self._began = time.monotonic()
        self._bar.reset(
            self._task, description=self._name(epoch), total=self.params["steps"], completed=0
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Prints the epoch's figures."""
        self._bar.console.file.flush()
        print(
            f"{self._name(epoch)}  loss {logs['loss']:.3f}  accuracy {logs['accuracy']:.1%}  "
            f"validation accuracy {logs['val_accuracy']:.1%}  "
            f"{time.monotonic() - self._began:.0f} s",
            flush=True,
        )

    def on_train_end(self, logs: Any = None) -> None:
        """Removes the bar."""
        self._bar.stop()

    def _name(self, epoch: int) -> str:
        return f"epoch {epoch + 1}/{self.params['epochs']}"
