"""What is shown while a classifier is trained."""

import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from pipelines.reporting.console import LINE_SECONDS, has_bar, tell, telling
from pipelines.reporting.late_bar import LateBar
from pipelines.reporting.messages import say_outcome
from pipelines.reporting.pace import Pace


class TrainingProgress(keras.callbacks.Callback):
    """Shows the steps of an epoch, as a bar or in lines, and a line at the end of each epoch.

    The caller must close it: a training that breaks off leaves the bar on the screen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bar: LateBar | None = None
        self._is_compiled = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Shows an empty bar, on a terminal."""
        self._began, self._epoch = time.monotonic(), epoch
        self._pace, self._due = Pace(self.params["steps"] or 0), self._began + LINE_SECONDS
        if not has_bar():
            return
        self._bar = LateBar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[doing]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        doing = self._steps(0) if self._is_compiled else "compiling the model"
        self._task = self._bar.add_task(self._name(epoch), total=self.params["steps"], doing=doing)
        self._bar.start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar, or says now and then how far the epoch is."""
        self._is_compiled = True
        if self._bar is not None:
            self._bar.update(self._task, completed=batch + 1, doing=self._steps(batch + 1))
            return
        now = self._pace.now(batch + 1, batch + 1)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + LINE_SECONDS
            left = f", {now.left}" if now.left else ""
            facts = {"epoch": self._epoch + 1, "step": batch + 1, "steps": self.params["steps"]}
            tell(f"{self._name(self._epoch)}: {self._steps(batch + 1)}{left}", **facts)

    def on_test_begin(self, logs: Any = None) -> None:
        """Says, beside the bar, that the validation rows are judged."""
        if self._bar is not None:
            self._bar.update(self._task, doing="judging the validation rows")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Says the epoch's figures on standard output, which the bar would capture if open."""
        self.close()
        with telling():
            say_outcome(
                f"{self._name(epoch)}  loss {logs['loss']:.3f}  "
                f"validation loss {logs['val_loss']:.3f}{self._judged(logs)}  "
                f"{logs['seconds']:.0f} s",
                epoch=epoch + 1,
                epochs=self.params["epochs"],
                **{name: float(figure) for name, figure in logs.items()},
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

    def _steps(self, done: int) -> str:
        return f"{done}/{self.params['steps']} steps"

    def _name(self, epoch: int) -> str:
        return f"epoch {epoch + 1}/{self.params['epochs']}"
