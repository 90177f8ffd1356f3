"""What is computed together: a micro-batch of rows, each padded to the longest of them."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from models.packing import Tokens
from models.tasks.embedder import NUM_SKIPPED


@dataclass(frozen=True)
class Work:
    """A batch that is being computed.

    Attributes:
        tokens: Its rows.
        first: int64 `[distinct]`: the row to compute for each distinct sequence.
        outputs: float32 `[distinct, width]`: receives the results.
        num_skipped: int64 `[rows]`: how many tokens at a row's beginning are not pooled.
        pad_id: Id of the padding token.
        errors: Receives what went wrong with a distinct row, by its index.
    """

    tokens: Tokens
    first: np.ndarray
    outputs: np.ndarray
    num_skipped: np.ndarray
    pad_id: int
    errors: dict[int, str] = field(default_factory=dict)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """int64 `[distinct]`: tokens in each distinct row."""
        return self.tokens.lengths[self.first]

    @functools.cached_property
    def has_skipped(self) -> bool:
        """Whether there are tokens that are not pooled."""
        return bool(self.num_skipped.any())


class MicroBatch(Protocol):
    """Rows that are computed together."""

    @property
    def chosen(self) -> np.ndarray:
        """int64 `[rows]`: their indices among the distinct rows of a `Work`."""

    @property
    def area(self) -> int:
        """How many positions it has, tokens and padding."""

    @property
    def num_results(self) -> int:
        """How many results the model gives, one for each row that there is room for."""

    def features(self, work: Work) -> dict[str, np.ndarray]:
        """Returns the inputs of the model."""

    def own(self, results: Any) -> np.ndarray:
        """Returns the results of its rows, `[rows, width]`, from `[num_results, width]`.

        Args:
            results: An array, or a tensor of the backend's.
        """

    def halves(self) -> "Sequence[MicroBatch]":
        """Returns two with half of its rows each; none if there is but one row."""

    def smaller(self) -> "Sequence[MicroBatch]":
        """Returns two of about half its area; none if it cannot be smaller."""

    def apart(self, rows: np.ndarray) -> "Sequence[MicroBatch]":
        """Returns its rows at these indices in which one cannot spoil another's results.

        None for those that stand so in this one already.
        """


@dataclass(frozen=True)
class PaddedRows:
    """Rows that are padded to the longest of them; see `MicroBatch`.

    Attributes:
        chosen: int64 `[rows]`: their indices among the distinct rows.
        lengths: int64 `[rows]`: tokens in each of them.
    """

    chosen: np.ndarray
    lengths: np.ndarray

    @property
    def area(self) -> int:
        """How many positions it has, tokens and padding."""
        return self.num_results * int(self.lengths.max())

    @property
    def num_results(self) -> int:
        """How many rows there are."""
        return len(self.chosen)

    def features(self, work: Work) -> dict[str, np.ndarray]:
        """Returns the inputs of the model, each int32 `[rows, length]`."""
        rows = work.first[self.chosen]
        features = work.tokens.pad(rows, int(self.lengths.max()), work.pad_id)
        if work.has_skipped:
            features[NUM_SKIPPED] = work.num_skipped[rows, None].astype(np.int32)
        return features

    def own(self, results: Any) -> np.ndarray:
        """Returns the results as they are."""
        return np.asarray(results)

    def halves(self) -> "list[PaddedRows]":
        """Returns two with half of its rows each; none if there is but one row."""
        middle = len(self.chosen) // 2
        parts = (slice(middle), slice(middle, None)) if middle else ()
        return [PaddedRows(self.chosen[part], self.lengths[part]) for part in parts]

    def smaller(self) -> "list[PaddedRows]":
        """Returns `halves`."""
        return self.halves()

    def apart(self, rows: np.ndarray) -> "list[PaddedRows]":
        """Returns none: no row of a padded micro-batch depends on another."""
        return []


def padded_rows(rows: np.ndarray, lengths: np.ndarray, batch_tokens: int) -> Iterator[PaddedRows]:
    """Groups rows into micro-batches of similar length, the longest first.

    Args:
        rows: int64 `[rows]`: their indices among the distinct rows.
        lengths: int64 `[rows]`: tokens in each of them.
        batch_tokens: Maximum token area of a micro-batch, unless one row alone is longer.
    """
    order = np.argsort(-lengths, kind="stable")
    at = 0
    while at < len(order):
        num_rows = max(1, batch_tokens // max(1, int(lengths[order[at]])))
        some = order[at : at + num_rows]
        yield PaddedRows(rows[some], lengths[some])
        at += num_rows
