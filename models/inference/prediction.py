"""What a predictor gives for a batch, at once or later."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Prediction:
    """The results of a batch.

    Attributes:
        outputs: float32 `[rows, width]`: the probability of each class, or a vector; NaN in failed
            rows.
        errors: What went wrong with a row, by its index.
        padded_tokens: Positions in the micro-batches that held padding, not a token.
        precision: The compute type.
    """

    outputs: np.ndarray
    errors: dict[int, str] = field(default_factory=dict)
    padded_tokens: int = 0
    precision: str = "float32"


class Pending:
    """A prediction that is being computed.

    Args:
        tasks: What computes it; each gives how many positions were padding.
        finish: Makes the prediction of the sum.
        is_over: Tells tasks that wait for their turn that nothing more is to be computed.
    """

    def __init__(
        self,
        tasks: Sequence[Future[int]],
        finish: Callable[[int], Prediction],
        is_over: threading.Event,
    ) -> None:
        self._tasks = tasks
        self._finish = finish
        self._is_over = is_over

    def result(self) -> Prediction:
        """Waits for the prediction and returns it; to be called once.

        Raises:
            RunError: As `Predictor.predict` does.
        """
        try:
            padded_tokens = sum(task.result() for task in self._tasks)
        finally:  # nothing is computed any more when an error is told
            self.cancel()
        return self._finish(padded_tokens)

    def cancel(self) -> None:
        """Computes nothing more of it than what is under way, and waits for that."""
        self._is_over.set()
        for task in self._tasks:
            task.cancel()
        wait(self._tasks)

    def then(self, change: Callable[[Prediction], Prediction]) -> "Pending":
        """Returns what will be something else made of the prediction, in place of this one."""
        return Pending(
            self._tasks, lambda padded_tokens: change(self._finish(padded_tokens)), self._is_over
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Only a runner that takes its steps apart stores one.
        return Pending.of, (self.result(),)

    @classmethod
    def of(cls, prediction: Prediction) -> "Pending":
        """Returns one that is there already."""
        return cls((), lambda padded_tokens: prediction, threading.Event())
