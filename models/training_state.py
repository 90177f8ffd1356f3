"""What a training needs to go on after its process has died: a file for every epoch."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

# Of a safetensors file, whose metadata are strings.
_RECORD = "training"


class TrainingState(keras.callbacks.Callback):
    """Writes the state of a training before each epoch but the first, and reads it back.

    A training that goes on from it ends with the same weights as one that was never stopped. Stands
    behind `keras.callbacks.SwapEMAWeights` and `BestEpoch` in the list of callbacks, so that the
    weights are those that learn, and the best ones are known.

    Args:
        path: The file.
        key: Of the data and the settings: the state of another training is not read.
        random: Orders the rows and hides tokens.
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
        self.epoch = 0
        """The first epoch to train: those before it are in the state that was read."""
        self.history: dict[str, list[float]] = {}
        """What the epochs before it gave."""
        self._record = self._read_record()
        if self._record:
            self.epoch, self.history = self._record["epoch"], self._record["history"]

    def on_train_begin(self, logs: Any = None) -> None:
        """Puts back what was read."""
        if not self.epoch:
            return
        with safe_open(self._path, "np") as stored:
            for name, variable in self._variables().items():
                variable.assign(stored.get_tensor(name))
            best = {name: stored.get_tensor(name) for name in stored.keys() if "best/" in name}  # noqa: SIM118
        self._random.bit_generator.state = self._record["random"]
        weights = [best[f"best/{index}"] for index in range(len(best))]
        self._best.restore(self._record["best"], weights)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Writes the state, unless it is the one that was read."""
        if epoch == self.epoch:
            return
        record = {
            "key": self._key,
            "epoch": epoch,
            "history": self._history(),
            "random": self._random.bit_generator.state,
            "best": self._best.record(),
        }
        arrays = {
            name: keras.ops.convert_to_numpy(variable)
            for name, variable in self._variables().items()
        }
        arrays |= {f"best/{index}": array for index, array in enumerate(self._best.weights)}
        new = self._path.with_name(f"{self._path.name}.new")
        save_file(arrays, new, {_RECORD: json.dumps(record)})
        os.replace(new, self._path)

    def _history(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = self.model.history.history
        return {name: self.history.get(name, []) + values for name, values in found.items()}

    def _variables(self) -> dict[str, keras.Variable]:
        """Returns all that changes in training, the states of random generators too."""
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        named: dict[str, keras.Variable] = {}
        for kind, variables in (
            ("model", self.model.variables),
            ("optimizer", self.model.optimizer.variables),
        ):
            named |= {f"{kind}/{index}": variable for index, variable in enumerate(variables)}
        return named

    def _read_record(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, SafetensorError, ValueError, KeyError, TypeError):
            with safe_open(self._path, "np") as stored:
                record: dict[str, Any] = json.loads(stored.metadata()[_RECORD])
            if record["key"] == self._key:
                return record
        return {}


class BestEpoch(keras.callbacks.Callback):
    """Leaves a model with the weights of its best epoch, and ends a training that gets no better.

    Args:
        metric: Of validation, by which an epoch is judged; among equals by the validation loss.
        is_loss: Whether less of the metric is better.
        patience: Epochs without a better metric after which the training ends; never if `None`.
    """

    def __init__(self, metric: str, is_loss: bool = False, patience: int | None = None) -> None:
        super().__init__()
        self._metric = metric
        self._sign = -1 if is_loss else 1
        self._patience = patience
        self.weights: list[np.ndarray] = []
        """The best ones so far."""
        self.epoch = 0
        """The epoch that they are of, from 0."""
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
        """Returns what `restore` takes, beside the weights."""
        return {"epoch": self.epoch, "score": self._score, "waited": self._waited}

    def restore(self, record: dict[str, Any], weights: list[np.ndarray]) -> None:
        """Takes up what an earlier process kept."""
        self.epoch, self._waited = record["epoch"], record["waited"]
        first, second = record["score"]
        self._score = (first, second)
        self.weights = weights
