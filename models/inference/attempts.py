"""Computing micro-batches, smaller ones where the machine or a row does not let them pass whole."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from models.errors import RunError
from models.faults import is_of_the_machine, is_out_of_memory, reason_of, try_again
from models.inference.micro_batches import MicroBatch, Work

NOT_FINITE = "the model's output is not a finite number"


class Attempts:
    """Computes micro-batches; safe to use from several threads.

    Args:
        compute: Makes a micro-batch's results of its features, an array or a tensor, float32
            `[num_results, width]`.
        width: Numbers in a row's result.
        batch_tokens: Token area of a micro-batch; becomes less when there is no memory for it.
    """

    def __init__(
        self,
        compute: Callable[[Mapping[str, np.ndarray]], Any],
        width: int,
        batch_tokens: int,
    ) -> None:
        self.batch_tokens = batch_tokens
        self._compute = compute
        self._width = width

    def run(self, work: Work, batch: MicroBatch) -> int:
        """Computes one micro-batch, in halves if it fails as a whole.

        Args:
            work: Receives the results.
            batch: The micro-batch.

        Returns:
            How many positions were padding.
        """
        smaller = batch.smaller()
        if batch.area > self.batch_tokens and smaller:
            # An earlier micro-batch of this area did not fit into memory.
            return self._run_all(work, smaller)

        def compute() -> np.ndarray:
            return batch.own(self._checked(self._compute(batch.features(work)), batch.num_results))

        def is_fault(error: Exception) -> bool:
            return is_of_the_machine(error) and not (is_out_of_memory(error) and smaller)

        try:
            outputs = try_again(compute, "the computation", is_fault)
        except RunError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                # Later micro-batches are cut to what fits.
                self.batch_tokens = min(self.batch_tokens, max(each.area for each in smaller))
                return self._run_all(work, smaller)
            if halves := batch.halves():
                return self._run_all(work, halves)
            work.errors[int(batch.chosen[0])] = reason_of(error)
            return 0
        is_finite = np.isfinite(outputs).all(axis=1)
        work.outputs[batch.chosen[is_finite]] = outputs[is_finite]
        padded = batch.area - int(work.lengths[batch.chosen].sum())
        if is_finite.all():
            return padded
        again = batch.apart(np.flatnonzero(~is_finite))
        padded += self._run_all(work, again)
        computed_again = [index for each in again for index in each.chosen.tolist()]
        for index in np.setdiff1d(batch.chosen[~is_finite], computed_again).tolist():
            work.errors[index] = NOT_FINITE
        return padded

    def _run_all(self, work: Work, batches: Iterable[MicroBatch]) -> int:
        return sum(self.run(work, batch) for batch in batches)

    def _checked(self, outputs: Any, num_rows: int) -> Any:
        """Returns a micro-batch's results, of which there must be one for each row."""
        if outputs.shape != (num_rows, self._width):
            raise RunError(
                f"the model gave results of the shape {list(outputs.shape)}, not "
                f"{[num_rows, self._width]}: no row can be told its own"
            )
        return outputs
