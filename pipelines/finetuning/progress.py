"""What is shown while a classifier is trained."""

import sys
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipelines.reporting.console import telling


class TrainingProgress(keras.callbacks.Callback):
    """Shows a bar for the steps of an epoch, on a terminal, and a line at the end of each epoch.

    The caller must close it: a training that breaks off leaves the bar on the screen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bar: Progress | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Shows an empty bar, on a terminal."""
        if not sys.stderr.isatty():
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(self._name(epoch), total=self.params["steps"])
        self._bar.start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Prints the epoch's figures to standard output, which the bar would capture if open."""
        self.close()
        with telling():
            print(
                f"{self._name(epoch)}  loss {logs['loss']:.3f}  "
                f"validation loss {logs['val_loss']:.3f}{self._judged(logs)}  "
                f"{logs['seconds']:.0f} s",
                flush=True,
            )

    @staticmethod
    def _judged(logs: Any) -> str:
        """Returns the figure on the validation rows that is shown, if there is one."""
        shown = {"val_f1": "F1", "val_mean_recall": "mean recall", "val_accuracy": "accuracy"}
        found = next((name for name in shown if name in logs), None)
        return f"  validation {shown[found]} {logs[found]:.1%}" if found else ""

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _name(self, epoch: int) -> str:
        return f"epoch {epoch + 1}/{self.params['epochs']}"
