"""What a training needs to resume after its process has died: a file written every epoch."""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

# Key in a safetensors file's metadata, whose values are strings.
_RECORD = "training"


def read_record(path: Path) -> dict[str, Any]:
    """Returns what a state file records about its training; empty if no complete one is there."""
    with contextlib.suppress(OSError, SafetensorError, ValueError, KeyError, TypeError):
        with safe_open(path, "np") as stored:
            record: dict[str, Any] = json.loads(stored.metadata()[_RECORD])
        if {"key", "epoch", "best"} <= record.keys():
            return record
    return {}


def is_state_of(path: Path, key: str) -> bool:
    """Returns whether there is a state file for the training with a key."""
    return bool(read_record(path).get("key") == key)


class TrainingState(keras.callbacks.Callback):
    """Saves a training's state before each epoch but the first and at the end, and restores it.

    A training resumed from it ends with the same weights as one that was never stopped. Must come
    after `keras.callbacks.SwapEMAWeights` and `BestEpoch` in the list of callbacks, so that the
    weights are those being trained, and the best ones are known.

    If the state cannot be written, training continues.

    Args:
        path: The file.
        key: Identifies the data and the settings: the state of another training is not read.
        random: Shuffles the rows and masks tokens.
        best: Keeps the best epoch.
    """

    def __init__(
        self, path: Path, key: str, random: np.random.Generator, best: "BestEpoch"
    ) -> None:
        super().__init__()
        self._path = path
        self._key = key
        self._random = random
        self._best = best
        self._began = time.monotonic()
        self.problem: str | None = None
        """Why the state could not be written, if it could not."""
        record = read_record(path)
        self.is_of_another = bool(record) and record["key"] != key
        """Whether the file belongs to a training on other data or with other settings."""
        self._record = {} if self.is_of_another else record
        self.epoch: int = self._record.get("epoch", 0)
        """The first epoch to train: those before it are in the state that was read."""
        self.is_finished: bool = self._record.get("is_finished", False)
        """Whether the training had finished."""
        self.history: dict[str, list[float]] = self._record.get("history", {})
        """The history of the epochs before."""
        self.seconds: float = self._record.get("seconds", 0.0)
        """How long they took."""

    def restore_best(self) -> None:
        """Hands the best epoch so far to the callback that keeps it."""
        with safe_open(self._path, "np") as stored:
            count = sum(name.startswith("best/") for name in stored.keys())  # noqa: SIM118 - not a mapping
            weights = [stored.get_tensor(f"best/{index}") for index in range(count)]
        self._best.restore(self._record["best"], weights)

    def on_train_begin(self, logs: Any = None) -> None:
        """Restores what was read."""
        if not self.epoch:
            return
        with safe_open(self._path, "np") as stored:
            for name, variable in self._variables().items():
                variable.assign(stored.get_tensor(name))
        self._random.bit_generator.state = self._record["random"]
        self.restore_best()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Writes the state, unless it is the one that was read."""
        if epoch == self.epoch:
            return
        arrays = {
            name: keras.ops.convert_to_numpy(variable)
            for name, variable in self._variables().items()
        }
        self._write(arrays, epoch=epoch, random=self._random.bit_generator.state)

    def on_train_end(self, logs: Any = None) -> None:
        """Writes the result, for what comes after the training."""
        epochs = len(next(iter(self._history().values())))
        self._write({}, epoch=epochs, is_finished=True)

    def _write(self, arrays: dict[str, np.ndarray], **record: Any) -> None:
        record |= {
            "key": self._key,
            "history": self._history(),
            "best": self._best.record(),
            "seconds": self.seconds + time.monotonic() - self._began,
        }
        arrays |= {f"best/{index}": array for index, array in enumerate(self._best.weights)}
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            save_file(arrays, new, {_RECORD: json.dumps(record)})
            os.replace(new, self._path)
        except (OSError, SafetensorError) as error:
            with contextlib.suppress(OSError):
                new.unlink()
            self.problem = str(error)

    def _history(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = self.model.history.history
        return {name: self.history.get(name, []) + values for name, values in found.items()}

    def _variables(self) -> dict[str, keras.Variable]:
        """Returns all that changes in training, including the states of random generators."""
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        named: dict[str, keras.Variable] = {}
        for kind, variables in (
            ("model", self.model.variables),
            ("optimizer", self.model.optimizer.variables),
        ):
            named |= {f"{kind}/{index}": variable for index, variable in enumerate(variables)}
        return named


class BestEpoch(keras.callbacks.Callback):
    """Leaves a model with the weights of its best epoch; stops a training that no longer improves.

    Args:
        metric: The validation metric that epochs are compared by; the validation loss breaks ties.
        is_loss: Whether a lower metric is better.
        patience: Epochs without improvement after which training stops; never if `None`.
    """

    def __init__(self, metric: str, is_loss: bool = False, patience: int | None = None) -> None:
        super().__init__()
        self._metric = metric
        self._sign = -1 if is_loss else 1
        self._patience = patience
        self.weights: list[np.ndarray] = []
        """The best weights so far."""
        self.epoch = 0
        """The epoch that they are from, counting from 0."""
        self._score: tuple[float, float] | None = None
        self._waited = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the weights if they are the best so far."""
        score = (self._sign * logs[self._metric], -logs["val_loss"])
        better = self._score is None or score[0] > self._score[0]
        self._waited = 0 if better else self._waited + 1
        if self._score is None or score > self._score:
            self._score, self.epoch = score, epoch
            self.weights = self.model.get_weights()
        if self._patience is not None and self._waited >= self._patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Puts the best weights back."""
        self.model.set_weights(self.weights)

    def record(self) -> dict[str, Any]:
        """Returns what `restore` takes besides the weights."""
        return {"epoch": self.epoch, "score": self._score, "waited": self._waited}

    def restore(self, record: dict[str, Any], weights: list[np.ndarray]) -> None:
        """Restores what an earlier process kept."""
        self.epoch, self._waited = record["epoch"], record["waited"]
        first, second = record["score"]
        self._score = (first, second)
        self.weights = weights
