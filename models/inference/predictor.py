"""Batched inference: many texts in, one row of results for each out, in order.

The hot loop of the project, usable without Beam.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from typing_extensions import Self

from models import backends
from models.errors import UserError
from models.faults import FailuresInSuccession
from models.inference import runtime
from models.inference.attempts import NOT_FINITE, Attempts
from models.inference.computation import Computation, computation_of
from models.inference.cores import CorePool
from models.inference.cost import seconds_per_token
from models.inference.distinct import distinct_rows
from models.inference.lines import line_lengths, shared_lines
from models.inference.loading import load
from models.inference.micro_batches import MicroBatch, Work, padded_rows
from models.inference.precision import Precision
from models.inference.prediction import Pending, Prediction
from models.inference.recent import RecentResults
from models.inputs import as_texts
from models.packing import Tokens
from models.presets.embedding import Pooling
from models.presets.fields import check_size
from models.presets.lookup import PlannedPreset, open_preset
from models.presets.preset import Preset
from models.tasks.embedder import Embedder, check_embeds_pairs, resolve_embedding
from models.windows import LONG_TEXTS, LongText

if TYPE_CHECKING:
    from models.preprocessors.preprocessor import Preprocessor
    from models.tasks.classifier import Classifier

Task = Literal["classify", "embed"]
TASKS: tuple[Task, ...] = get_args(Task)
"""What a predictor computes for a text: the probability of each class, or a vector."""

BATCH_TOKENS = {"CPU": 1024, "GPU": 16_384}
"""Token area (rows times the longest row, or all lines) of a micro-batch for each device.

On a CPU, what a micro-batch needs stays in its core's caches; `benchmarks/predictor.py` compares
areas. On a GPU, it is large enough that its matrix products fill the device, and small enough that
what one layer of BERT base hands to the next stays in its cache.
"""


def _batch_tokens(device: str, width: int) -> int:
    """Returns the token area of a micro-batch for a model.

    Small models have larger ones, up to four times as large on a CPU and twice on a GPU: what
    Python takes for each is the same for all models, and bounds small ones on many cores
    (`benchmarks/scaling_cores.py`) and on a card (docs/gpus.md). They fit into the caches all the
    same.

    Args:
        device: `"CPU"` or `"GPU"`.
        width: The model's hidden width.
    """
    most, whole = (4, 512) if device == "CPU" else (2, 768)
    return BATCH_TOKENS[device] * max(1, min(most, whole // width))


STREAMS = {"CPU": 2, "GPU": 4}
"""How many micro-batches each core, or a GPU, has in flight.

While one is computed, the next is padded and handed over; a GPU also has results brought back.
"""


def streams(device: str) -> ThreadPoolExecutor:
    """Returns the threads that keep a device busy."""
    if device == "GPU":
        return ThreadPoolExecutor(STREAMS[device], "predictor")
    return CorePool("predictor", STREAMS[device])


class Predictor:
    """Runs a classifier or an embedder over batches of token sequences of any lengths.

    >>> predictor = Predictor.from_preset("sentiment_tiny_en")
    >>> predictor.labels
    ['negative', 'positive']
    >>> predictor(["What a lovely day!", "Cold soup, slow service."]).argmax(axis=1).tolist()
    [1, 0]

    A batch is sorted by length and cut into micro-batches by token area, so that little is padding;
    identical sequences are computed once, and not again while their results are among the recent
    ones (`models.inference.recent`); a micro-batch that does not fit into memory is halved;
    a row that fails by itself does not take others with it. What is no fault of the rows
    (`models.faults`) is raised: a device or memory that fails again and again, a model that fails
    on every row.

    On a GPU, and on JAX everywhere, XLA compiles the model for a few shapes: rows stand side by
    side in lines of a fixed length (`models.inference.lines`), of which a micro-batch has as many
    as fit into the token area. While one micro-batch is computed, another thread prepares the next
    and hands it over.

    Args:
        model: The model to run, with its preprocessor; its weights are not to change any more.
        device: `"CPU"` or `"GPU"`.
        batch_tokens: Token area of a micro-batch; chosen for the device if `None`.
        long_text: Whether a text longer than the preprocessor's length is truncated, or split into
            windows whose results are averaged.
        computation: Computes a micro-batch; the model's own for the device if `None`.
        precision: What that computes in; the model's compute type if `None`.

    Attributes:
        labels: Names of the classes or numbers; empty if vectors are computed.
        width: Numbers in a row's result.
        precision: The compute type.
        seconds_per_token: About how long the model takes for a token.
    """

    def __init__(
        self,
        model: "Classifier | Embedder",
        device: str,
        batch_tokens: int | None = None,
        long_text: LongText = "truncate",
        computation: Computation | None = None,
        precision: str | None = None,
    ) -> None:
        if model.preprocessor is None:
            raise ValueError("a predictor needs a model with a preprocessor")
        if long_text not in LONG_TEXTS:
            raise UserError(f"long_text={long_text!r} is not one of {', '.join(LONG_TEXTS)}")
        self.model = model
        self.preprocessor = model.preprocessor
        self.labels = [] if isinstance(model, Embedder) else model.labels
        self.long_text: LongText = long_text
        self.precision = precision or model.backbone.compute_dtype
        self.seconds_per_token = seconds_per_token(model.backbone, device)
        use_xla = device == "GPU" or backends.compiles_each_shape()
        self._longest = model.backbone.max_sequence_length
        self._line_lengths: tuple[int, ...] = ()
        if use_xla:
            truncated = min(self.preprocessor.sequence_length, self._longest)
            self._line_lengths = line_lengths((truncated, self._longest))
        compute = computation or computation_of(model, use_xla)
        self.width = compute.width
        self._num_skipped = model.num_skipped if isinstance(model, Embedder) else 0
        self._recent = RecentResults(self.width)
        self._failures = FailuresInSuccession("the model")
        if batch_tokens is None:
            batch_tokens = _batch_tokens(device, model.backbone.hidden_dim)
        self._attempts = Attempts(compute, self.width, check_size("batch_tokens", batch_tokens))
        self._pool = streams(device)
        self._lock = threading.Lock()

    @classmethod
    def from_preset(
        cls,
        preset: str | Path | Preset | PlannedPreset,
        task: Task = "classify",
        *,
        sequence_length: int | None = None,
        preprocessor: "Preprocessor | None" = None,
        batch_tokens: int | None = None,
        precision: Precision = "auto",
        long_text: LongText = "truncate",
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        dimensions: int | None = None,
        prompt: str | None = None,
        prefix: str | None = None,
    ) -> Self:
        """Loads a preset onto this machine's device.

        Args:
            preset: A preset's name or folder.
            task: `classify` for the probability of each class, or the preset's numbers; `embed`
                for vectors.
            sequence_length: Maximum tokens per row; the preset's own if `None`.
            preprocessor: One that already has the preset's tokenizer, with its own length.
            batch_tokens: Token area of a micro-batch; chosen for the device if `None`.
            precision: What to compute in; `auto` is half precision on a GPU, float32 on a CPU,
                and `fast` the fastest that is close enough to float32 (`models.inference.precision`
                says how close).
            long_text: Whether longer texts are truncated (`truncate`) or split into `windows`.
            pooling: How the vectors of a text's tokens become one; the preset's own if `None`.
            normalize: Whether vectors are divided by their length; the preset's own if `None`.
            dimensions: How many dimensions of a vector to keep; the preset's own if `None`.
            prompt: Which of the preset's prompts stands before every text; its default if `None`.
            prefix: The text to put there instead; "" for none.

        Raises:
            UserError: An argument is not one of its choices, or belongs to the other task.
            PresetError: There is no such preset, it has no classifier or pooler, or its files are
                invalid.
        """
        preset = open_preset(preset)
        settings = None
        asked = (pooling, normalize, dimensions, prompt, prefix)
        # Arguments that do not fit together fail before TensorFlow starts.
        if task == "embed":
            settings, dimensions = resolve_embedding(preset, *asked)
        elif task not in TASKS:
            raise UserError(f"task {task!r} is not one of {', '.join(TASKS)}")
        elif any(argument is not None for argument in asked):
            raise UserError("arguments that shape vectors belong to the task 'embed'")
        elif not preset.has_classifier:
            raise preset.no_classifier()
        device = runtime.start()
        from models.preprocessors.preprocessor import Preprocessor
        from models.tasks.classifier import Classifier
        from models.tasks.text_embedder import TextEmbedder

        if preprocessor is None:
            preprocessor = Preprocessor.from_preset(preset, sequence_length)

        def make(dtype: str) -> Classifier | Embedder:
            if settings is None:
                return Classifier.from_preset(preset, preprocessor=preprocessor, dtype=dtype)
            return TextEmbedder.member_of(preset).of_settings(
                preset, settings, dimensions, preprocessor=preprocessor, dtype=dtype
            )

        model, computation, chosen = load(make, precision, device)
        return cls(model, device, batch_tokens, long_text, computation, chosen)

    def __call__(self, texts: Any, pair_texts: Any = None) -> np.ndarray:
        """Returns what each row gets, float32 `[rows, width]`.

        That is the probability of each class of `labels`, the numbers of a preset that gives
        numbers, or a vector.

        Args:
            texts: Strings `[rows]`, in a list, NumPy array, tensor or Arrow array; one string is
                one row.
            pair_texts: Strings `[rows]`: the second texts, where rows are pairs.

        Raises:
            TypeError: A value is not a string.
            UserError: The preset makes no vectors of pairs.
            ValueError: There are not as many first texts as second texts.
            RuntimeError: The model failed on a row.
            RunError: It failed on every row, or the machine failed.
        """
        if pair_texts is not None and isinstance(self.model, Embedder):
            check_embeds_pairs(self.model.settings)
        segments: list[Any] = [
            as_texts(each)[0] for each in (texts, pair_texts) if each is not None
        ]
        if isinstance(self.model, Embedder):
            segments = self.model.settings.prepare(segments)
        windows = self.long_text == "windows"
        encode = self.preprocessor.encode_windows if windows else self.preprocessor.encode
        tokens = encode(*segments)[0]
        prediction = self.predict(tokens)
        for row, error in prediction.errors.items():
            raise RuntimeError(f"row {row}: {error}")
        return prediction.outputs

    def predict(self, tokens: Tokens, on_rows: Callable[[int], None] | None = None) -> Prediction:
        """Computes the outputs of packed rows.

        Args:
            tokens: The rows. With `long_text="windows"`, those longer than the preprocessor's
                length consist of several windows, as `Preprocessor.encode_windows` packs them.
            on_rows: Called from time to time with the number of rows that have just been done.

        Raises:
            RunError: The machine failed several times; the model failed on every row, and these
                were more than a handful, or it gave another number of results than it was asked
                for.
        """
        return self.begin(tokens, on_rows).result()

    def begin(self, tokens: Tokens, on_rows: Callable[[int], None] | None = None) -> Pending:
        """Begins to compute what `predict` returns, so that something else can be done meanwhile.

        Args:
            tokens: As of `predict`.
            on_rows: As of `predict`; called from other threads.
        """
        skipped = self._num_skipped
        if self.long_text == "truncate":
            rows = np.arange(len(tokens))
            return self._begin(tokens, rows, on_rows, np.full(len(tokens), skipped))
        windows = self.preprocessor.split_windows(tokens)
        rows = windows.bounds[:-1]  # a row counts as done with its first window

        def combined(found: Prediction) -> Prediction:
            long_rows = windows.long_rows
            outputs = windows.combine(found.outputs)
            if isinstance(self.model, Embedder):
                outputs[long_rows] = self.model.normalized(outputs[long_rows])
            row_of = np.repeat(np.arange(len(tokens)), np.diff(windows.bounds))
            errors = {int(row_of[window]): error for window, error in found.errors.items()}
            return Prediction(outputs, errors, found.padded_tokens, found.precision)

        pending = self._begin(windows.tokens, rows, on_rows, windows.num_skipped(skipped))
        return pending.then(combined)

    @property
    def batch_tokens(self) -> int:
        """Token area of a micro-batch: what was asked for, or what fits into memory."""
        return self._attempts.batch_tokens

    def forget(self) -> None:
        """Forgets the results of recent rows, so that the same rows are computed again."""
        self._recent.clear()

    def _begin(
        self,
        tokens: Tokens,
        counted: np.ndarray,
        on_rows: Callable[[int], None] | None,
        num_skipped: np.ndarray,
    ) -> Pending:
        """Begins to compute the outputs of packed rows as they are.

        Args:
            tokens: The rows.
            counted: Indices of the rows to report to `on_rows`.
            on_rows: Called with their number.
            num_skipped: int64 `[rows]`: how many tokens at a row's beginning are not pooled.
        """
        first, inverse, keys = distinct_rows(tokens, num_skipped)
        copies = np.bincount(inverse[counted], minlength=len(first))
        outputs = np.full((len(first), self.width), np.nan, np.float32)
        known, results = self._recent.find(keys)
        outputs[known] = results
        new = np.delete(np.arange(len(first)), known)
        pad_id = self.preprocessor.tokenizer.pad_token_id
        work = Work(tokens, first, outputs, num_skipped, pad_id)
        is_over = threading.Event()

        def count(chosen: np.ndarray) -> None:
            """Reports distinct rows that are done."""
            done = int(copies[chosen].sum())
            if on_rows is not None and done:
                with self._lock:
                    on_rows(done)

        def run(batch: MicroBatch) -> int:
            """Computes distinct rows; returns how many positions were padding."""
            if is_over.is_set():  # it waited for its turn, and could not be cancelled any more
                return 0
            padded = self._attempts.run(work, batch)
            count(batch.chosen)
            return padded

        count(known)
        is_long = work.lengths[new] > self._longest
        for index in new[is_long].tolist():
            work.errors[index] = (
                f"a row of {work.lengths[index]} tokens; the model has {self._longest} positions"
            )
        count(new[is_long])
        batches = self._micro_batches(work, new[~is_long])
        tasks = [self._pool.submit(run, batch) for batch in batches]

        def finish(padded_tokens: int) -> Prediction:
            computed = [index for index in new.tolist() if index not in work.errors]
            self._recent.add([keys[index] for index in computed], outputs[computed])
            errors = {}
            if computed:
                self._failures.clear()
            if work.errors:
                if not computed:
                    # The windows of a row count as one row.
                    rows = [index for index in inverse[counted].tolist() if index in work.errors]
                    self._add_failures(work, {keys[index] for index in rows})
                failed = np.flatnonzero(np.isin(inverse, list(work.errors)))
                errors = {int(row): work.errors[int(inverse[row])] for row in failed}
            return Prediction(outputs[inverse], errors, padded_tokens, self.precision)

        return Pending(tasks, finish, is_over)

    def _micro_batches(self, work: Work, new: np.ndarray) -> Iterator[MicroBatch]:
        """Returns the micro-batches of distinct rows."""
        lengths = work.lengths[new]
        if not self._line_lengths:
            return padded_rows(new, lengths, self.batch_tokens)
        return shared_lines(new, lengths, self.batch_tokens, self._line_lengths)

    def _add_failures(self, work: Work, failed: set[bytes]) -> None:
        """Raises `RunError` if it is the model's fault that every row of a batch failed."""
        reason = next(iter(work.errors.values()))
        if reason == NOT_FINITE and self.precision != "float32":
            reason += f"; {self.precision} may be too narrow for it: compute in float32"
        self._failures.add(failed, reason)
