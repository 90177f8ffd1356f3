"""Batched inference: many texts in, one row of results for each out, in order.

The hot loop of the project, usable without Beam:

    predictor = Predictor.from_preset("sentiment_tiny_en")
    probabilities = predictor(["What a film!", "Two hours I won't get back."])
"""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import Self

from models import runtime
from models.errors import UserError
from models.packing import Tokens
from models.preset import Preset
from models.presets import open_preset
from models.runtime import Precision

if TYPE_CHECKING:
    from models.classifier import Classifier

BATCH_TOKENS = {"CPU": 1024, "GPU": 65_536}
"""Token area (rows times the longest row) of a micro-batch for each device.

On a CPU what a micro-batch needs stays in the caches of its core; `benchmarks/predictor.py`
compares areas.
"""


@dataclass
class Prediction:
    """The results of a batch.

    Attributes:
        outputs: float32 `[rows, num_classes]`, the probability of each class; NaN in failed rows.
        errors: What went wrong with a row, by its index.
        padded_tokens: Places of the micro-batches that held padding, not a token.
        precision: Type that was computed in.
    """

    outputs: np.ndarray
    errors: dict[int, str] = field(default_factory=dict)
    padded_tokens: int = 0
    precision: str = "float32"


class Predictor:
    """Runs a classifier over batches of token sequences of any lengths.

    A batch is sorted by length and cut into micro-batches by token area, so that little is padding;
    identical sequences are computed once; a micro-batch that does not fit into memory is halved;
    a row that fails alone takes no other along.

    Args:
        classifier: The model, with its preprocessor.
        device: `"CPU"` or `"GPU"`.
        batch_tokens: Token area of a micro-batch; chosen for the device if `None`.
    """

    def __init__(
        self, classifier: "Classifier", device: str, batch_tokens: int | None = None
    ) -> None:
        if classifier.preprocessor is None:
            raise ValueError("a predictor needs a classifier with a preprocessor")
        self.classifier = classifier
        self.preprocessor = classifier.preprocessor
        self.labels = classifier.labels
        self.precision = classifier.backbone.compute_dtype
        self._pad_id = self.preprocessor.tokenizer.pad_token_id
        self._compute = _probabilities(classifier)
        self._batch_tokens = batch_tokens or BATCH_TOKENS[device]
        self._streams = runtime.num_streams(device)
        self._pool = ThreadPoolExecutor(self._streams, thread_name_prefix="predictor")
        self._lock = threading.Lock()

    @classmethod
    def from_preset(
        cls,
        preset: str | Path | Preset,
        *,
        sequence_length: int | None = None,
        batch_tokens: int | None = None,
        precision: Precision = "auto",
    ) -> Self:
        """Loads a classifier's preset onto this machine's device.

        Args:
            preset: A preset's name or folder.
            sequence_length: Tokens of a row at most; the preset's own if `None`.
            batch_tokens: Token area of a micro-batch; chosen for the device if `None`.
            precision: Compute type; `auto` is half precision on a GPU, float32 on a CPU.

        Raises:
            PresetError: There is no such preset, it has no classifier, or its files are not what
                they should be.
        """
        preset = open_preset(preset)
        preset.labels  # noqa: B018 - a preset without a classifier fails before TensorFlow starts
        device = runtime.start()
        from models.families import classifier_class

        kind = classifier_class(preset)
        classifier = kind.from_preset(
            preset,
            preprocessor=kind.preprocessor_class.from_preset(preset, sequence_length),
            dtype=runtime.resolve_precision(precision, device),
        )
        return cls(classifier, device, batch_tokens)

    def __call__(self, texts: Sequence[str], pair_texts: Sequence[str] | None = None) -> np.ndarray:
        """Returns the probability of each class of `labels`, float32 `[rows, num_classes]`.

        Args:
            texts: Strings `[rows]`.
            pair_texts: Strings `[rows]`: the second texts, where rows are pairs.

        Raises:
            RuntimeError: The model failed on a row.
        """
        tokens, _ = self.preprocessor.encode(texts, pair_texts)
        prediction = self.predict(tokens)
        for row, error in prediction.errors.items():
            raise RuntimeError(f"row {row}: {error}")
        return prediction.outputs

    def predict(self, tokens: Tokens, on_rows: Callable[[int], None] | None = None) -> Prediction:
        """Computes the outputs of packed rows.

        Args:
            tokens: The rows.
            on_rows: Called with the number of rows that are done, from time to time.
        """
        first, inverse = distinct_rows(tokens)
        copies = np.bincount(inverse, minlength=len(first))
        outputs = np.full((len(first), len(self.labels)), np.nan, np.float32)
        work = _Work(tokens, first, outputs)

        def run(chosen: np.ndarray) -> int:
            """Computes distinct rows; returns how many places were padding."""
            padded = self._run(work, chosen)
            if on_rows is not None:
                with self._lock:
                    on_rows(int(copies[chosen].sum()))
            return padded

        batches = micro_batches(tokens.lengths[first], self._batch_tokens)
        padded_tokens = sum(self._pool.map(run, batches))
        errors = {}
        if work.errors:
            failed = np.flatnonzero(np.isin(inverse, list(work.errors)))
            errors = {int(row): work.errors[int(inverse[row])] for row in failed}
        return Prediction(outputs[inverse], errors, padded_tokens, self.precision)

    def _run(self, work: "_Work", chosen: np.ndarray) -> int:
        """Computes one micro-batch, in halves if it fails as a whole.

        Args:
            work: Takes the results.
            chosen: Indices of its distinct rows.

        Returns:
            How many places were padding.
        """
        rows = work.first[chosen]
        lengths = work.tokens.lengths[rows]
        longest = int(lengths.max())
        area = len(chosen) * longest
        middle = len(chosen) // 2
        halves = (chosen[:middle], chosen[middle:])
        if middle and area > self._batch_tokens:
            # An earlier micro-batch of this area did not fit into memory.
            return sum(self._run(work, half) for half in halves)
        try:
            outputs = self._compute(work.tokens.pad(rows, longest, self._pad_id))
        except Exception as error:
            if not middle:
                work.errors[int(chosen[0])] = _one_line(error)
                return 0
            if _is_out_of_memory(error):
                # The micro-batches to come are cut to what fits.
                self._batch_tokens = min(self._batch_tokens, middle * longest)
            return sum(self._run(work, half) for half in halves)
        is_finite = np.isfinite(outputs).all(axis=1)
        work.outputs[chosen[is_finite]] = outputs[is_finite]
        for index in chosen[~is_finite]:
            work.errors[int(index)] = "the model's output is not a finite number"
        return area - int(lengths.sum())


@dataclass(frozen=True)
class _Work:
    """A batch that is being computed.

    Attributes:
        tokens: Its rows.
        first: int64 `[distinct]`: the row to compute of each distinct sequence.
        outputs: float32 `[distinct, num_classes]`: takes the results.
        errors: Takes what went wrong with a distinct row, by its index.
    """

    tokens: Tokens
    first: np.ndarray
    outputs: np.ndarray
    errors: dict[int, str] = field(default_factory=dict)


def distinct_rows(tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
    """Finds the rows that are the same sequence.

    Args:
        tokens: Packed rows.

    Returns:
        int64 `[distinct]`, the first row of each distinct sequence, and int64 `[rows]`, the index
        of each row's sequence among them.
    """
    flat = [ids.tobytes() for ids in (tokens.ids, tokens.segment_ids) if ids is not None]
    item = tokens.ids.itemsize
    seen: dict[bytes, int] = {}
    first: list[int] = []
    inverse = np.empty(len(tokens), np.int64)
    bounds = (tokens.splits * item).tolist()
    for row, (start, end) in enumerate(itertools.pairwise(bounds)):
        key = b"".join(part[start:end] for part in flat)
        index = seen.setdefault(key, len(first))
        if index == len(first):
            first.append(row)
        inverse[row] = index
    return np.array(first, np.int64), inverse


def micro_batches(lengths: np.ndarray, batch_tokens: int) -> Iterator[np.ndarray]:
    """Cuts rows into micro-batches of like length, the longest first.

    Args:
        lengths: int64 `[rows]`: tokens in each row.
        batch_tokens: Token area of a micro-batch at most, unless one row alone is longer.

    Yields:
        Indices of the rows of a micro-batch.
    """
    order = np.argsort(-lengths, kind="stable")
    at = 0
    while at < len(order):
        rows = max(1, batch_tokens // max(1, int(lengths[order[at]])))
        yield order[at : at + rows]
        at += rows


def _probabilities(classifier: "Classifier") -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Returns the compiled function from a micro-batch's features to probabilities."""
    import keras
    import tensorflow as tf

    to_probabilities = {
        keras.activations.linear: tf.nn.softmax,
        keras.activations.softmax: tf.identity,
    }.get(classifier.activation)
    if to_probabilities is None:
        name = keras.activations.serialize(classifier.activation)
        raise UserError(f"scores with the activation {name!r} are no probabilities of classes")
    names = list(classifier.input)

    @tf.function(
        input_signature=[{name: tf.TensorSpec([None, None], tf.int32) for name in names}],
        autograph=False,
    )
    def compute(features: dict[str, tf.Tensor]) -> tf.Tensor:
        scores = classifier.scores(features)
        return to_probabilities(tf.cast(scores, tf.float32))

    concrete = compute.get_concrete_function()

    def call(features: dict[str, np.ndarray]) -> np.ndarray:
        tensors = {name: tf.constant(features[name]) for name in names}
        return concrete(tensors).numpy()

    return call


def _is_out_of_memory(error: Exception) -> bool:
    import tensorflow as tf

    return isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError))


def _one_line(error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"
