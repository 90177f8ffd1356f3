"""Classification and embedding of record batches through RunInference."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.shared import Shared
from apache_beam.utils.windowed_value import WindowedValue

from models.errors import RunError
from models.inference.prediction import Pending, Prediction
from models.inference.predictor import Task
from transforms.progress import RunProgress
from transforms.schemas import label_fields, vector_field
from transforms.shared_preprocessor import SharedPreprocessor
from transforms.tokenize import tokens_of
from transforms.unit_batch import UnitBatch, count_done

if TYPE_CHECKING:
    from models.inference.predictor import Predictor


Predicted = tuple[UnitBatch, Pending | None]
"""A batch and what will be the model's results for its rows; None for one without rows."""

AddResults = Callable[[pa.RecordBatch, np.ndarray], pa.RecordBatch]
"""Adds the columns of a task, from the rows and their results `[rows, width]`."""


class PredictorHandler(ModelHandler[UnitBatch, Predicted, "Predictor"]):
    """Runs a preset over tokenized batches.

    An element is already a batch: the predictor sorts it and cuts it into micro-batches, so
    Beam is told not to batch further. Weights are read once per process, however many steps run
    them.

    Args:
        preprocessor: The one that `Tokenize` uses; its preset is run.
        task: `classify` or `embed`.
        progress: Counts the rows that have been through the model.
        **arguments: Other arguments of `models.inference.predictor.Predictor.from_preset`.
    """

    def __init__(
        self,
        preprocessor: SharedPreprocessor,
        task: Task,
        progress: RunProgress | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__()
        self._progress = progress or RunProgress()
        self._preprocessor = preprocessor
        self._task = task
        self._arguments = arguments
        self._shared = Shared()

    def load_model(self) -> "Predictor":
        """Returns the predictor, loaded onto this worker's device if no step has it already."""
        return self._shared.acquire(self._load)

    def _load(self) -> "Predictor":
        from models.inference.predictor import Predictor

        predictor = Predictor.from_preset(
            self._preprocessor.preset,
            self._task,
            preprocessor=self._preprocessor.acquire(),
            **self._arguments,
        )
        self._progress.set_model_ready()
        return predictor

    # An element is a batch already, and Beam's types have sequences for them.
    def run_inference(  # type: ignore[override]
        self,
        batch: UnitBatch,
        model: "Predictor",
        inference_args: dict[str, Any] | None = None,
    ) -> list[Predicted]:
        """Returns the batch, and the prediction for it that has begun."""
        if not batch.rows.num_rows:
            return [(batch, None)]
        tokens = tokens_of(batch.rows)
        seconds = model.seconds_per_token * len(tokens.ids)
        pending = model.begin(tokens, self._progress.add_done)
        return [(replace(batch, model_seconds=seconds), pending)]

    def get_num_bytes(self, batch: UnitBatch) -> int:  # type: ignore[override]
        """Returns the memory of the batch."""
        return batch.rows.nbytes

    def get_metrics_namespace(self) -> str:
        """Returns the namespace of RunInference's metrics."""
        return "textbeam"


class _Infer(beam.PTransform):
    """Runs a model over tokenized batches and adds columns to them.

    Args:
        handler: Runs the model.
        text_columns: Names of the columns that a rejected row keeps.
        add: Adds the columns.
        dtype: Type of the numbers that `add` is given, `float32` or `float16`.
    """

    def __init__(
        self,
        handler: ModelHandler,
        text_columns: Sequence[str],
        add: AddResults,
        dtype: str = "float32",
    ) -> None:
        super().__init__()
        self._handler = handler
        self._add_results = _AddResults(list(text_columns), add, dtype)

    @property
    def results(self) -> "_AddResults":
        """What adds the columns, for a step that runs the model itself."""
        return self._add_results

    @no_annotations
    def expand(self, batches: beam.PCollection[UnitBatch]) -> beam.PCollection[UnitBatch]:
        """Returns the batches with the results of their rows.

        Their counts have `padded_tokens`, the padding positions of the micro-batches, and
        `precision`, the number of rows computed in each type.
        """
        predicted = batches | RunInference(self._handler.with_no_batching())
        return predicted | "AddResults" >> beam.ParDo(self._add_results).with_output_types(
            UnitBatch
        )


class Classify(_Infer):
    """Adds the label of each row, and its score, to tokenized batches.

    >>> from transforms.tokenize import Tokenize
    >>> preprocessor = SharedPreprocessor("sentiment_tiny_en")
    >>> handler = PredictorHandler(preprocessor, "classify")
    >>> batch = UnitBatch(pa.RecordBatch.from_pydict({"text": ["A fine day.", "A dull day."]}))
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     tokenized = pipeline | beam.Create([batch]) | Tokenize(preprocessor)
    ...     labelled = tokenized | Classify(handler, ["negative", "positive"], ["text"])
    ...     _ = labelled | beam.Map(lambda batch: print(batch.rows.column("label").to_pylist()))
    ['positive', 'negative']

    Args:
        handler: Runs the model.
        labels: Names of the classes.
        text_columns: Names of the columns that a rejected row keeps.
        probabilities: Whether to add the probability of each class.
        top_k: How many of the likeliest classes to add as a list; none if 0.
        threshold: Lowest probability at which a class is one of the row's `labels`, if the
            classes are not mutually exclusive; `None` if they are.
        gives_numbers: Whether the model gives a number for each label, and no label.
    """

    def __init__(
        self,
        handler: ModelHandler,
        labels: Sequence[str],
        text_columns: Sequence[str],
        probabilities: bool = False,
        top_k: int = 0,
        threshold: float | None = None,
        gives_numbers: bool = False,
    ) -> None:
        add = partial(
            add_labels,
            labels=list(labels),
            probabilities=probabilities,
            top_k=top_k,
            threshold=threshold,
            gives_numbers=gives_numbers,
        )
        super().__init__(handler, text_columns, add)


class Embed(_Infer):
    """Adds the vector of each row to tokenized batches.

    Args:
        handler: Runs the model.
        text_columns: Names of the columns that a rejected row keeps.
        dtype: Type of the numbers of a vector, `float32` or `float16`.
    """

    def __init__(
        self, handler: ModelHandler, text_columns: Sequence[str], dtype: str = "float32"
    ) -> None:
        super().__init__(handler, text_columns, add_vectors, dtype)


class _AddResults(beam.DoFn):
    """Adds a batch's results when the next one comes, which the model then has already.

    So it never waits for a batch to be read, tokenized or written. A unit's last batch has no rows,
    and takes the one that waits along.

    Args:
        text_columns: Names of the columns that a rejected row keeps.
        add: Adds the columns.
        dtype: Type of the numbers that `add` is given.
    """

    def __init__(self, text_columns: list[str], add: AddResults, dtype: str) -> None:
        self._text_columns = text_columns
        self._add = add
        self._dtype = dtype
        self._waiting: tuple[UnitBatch, Pending, Any, Any] | None = None

    def start_bundle(self) -> None:
        self._forget()  # what an earlier one left that failed

    def process(
        self,
        predicted: Predicted,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[UnitBatch | WindowedValue]:
        batch, pending = predicted
        yield from self.finish_bundle()
        if pending is None:
            yield batch
        else:
            self._waiting = batch, pending, timestamp, window

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._waiting is not None:
            batch, pending, timestamp, window = self._waiting
            self._waiting = None
            prediction = pending.result()
            count_done(batch.rows.num_rows)
            yield WindowedValue(self.added(batch, prediction), timestamp, (window,))

    def teardown(self) -> None:
        self._forget()

    def _forget(self) -> None:
        if self._waiting is not None:
            self._waiting[1].cancel()
            self._waiting = None

    def added(self, batch: UnitBatch, prediction: Prediction) -> UnitBatch:
        """Returns a batch with the results of its rows; those that have none are rejected.

        Args:
            batch: The batch, `[rows]`.
            prediction: The model's results.

        Raises:
            RunError: They are not as many as the rows.
        """
        if len(prediction.outputs) != batch.rows.num_rows:
            raise RunError(
                f"the model gave {len(prediction.outputs):,} results for "
                f"{batch.rows.num_rows:,} rows: no row can be told its own"
            )
        with np.errstate(over="ignore"):
            outputs = prediction.outputs.astype(self._dtype, copy=False)
        errors = prediction.errors
        if self._dtype != "float32":
            problem = f"the model's output is too large for {self._dtype}"
            errors = dict.fromkeys(_infinite(outputs), problem) | errors
        if errors:
            batch = batch.reject(errors, self._text_columns, "infer")
            outputs = np.delete(outputs, list(errors), axis=0)
        if batch.rows.num_rows:
            batch = batch.with_rows(self._add(batch.rows, outputs))
        return batch.count(
            {
                "padded_tokens": prediction.padded_tokens,
                "precision": {prediction.precision: batch.rows.num_rows},
            }
        )


def _infinite(outputs: np.ndarray) -> list[int]:
    """Returns the indices of the rows that contain an infinite number."""
    return np.flatnonzero(np.isinf(outputs).any(axis=1)).tolist()


def add_labels(
    batch: pa.RecordBatch,
    outputs: np.ndarray,
    labels: Sequence[str],
    probabilities: bool,
    top_k: int,
    threshold: float | None = None,
    gives_numbers: bool = False,
) -> pa.RecordBatch:
    """Returns a record batch with the columns of `label_fields` after its own.

    Args:
        batch: The record batch, `[rows]`.
        outputs: float32 `[rows, labels]`: the probability of each class, or numbers.
        labels: Names of the classes.
        probabilities: Whether to add all probabilities.
        top_k: How many of the likeliest classes to add; none if 0.
        threshold: Lowest probability at which a class is one of the row's `labels`; `None` if the
            classes are mutually exclusive.
        gives_numbers: Whether the outputs are numbers; a single one always is.
    """
    fields = label_fields(labels, probabilities, top_k, threshold is not None, gives_numbers)
    columns: list[pa.Array]
    if len(labels) == 1:
        columns = [pa.array(outputs[:, 0])]
    elif gives_numbers:
        columns = [_by_label(outputs, labels)]
    else:
        columns = _label_columns(outputs, labels, probabilities, top_k, threshold)
    schema = pa.schema([*batch.schema, *fields], batch.schema.metadata)
    return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)


def _label_columns(
    outputs: np.ndarray,
    labels: Sequence[str],
    probabilities: bool,
    top_k: int,
    threshold: float | None,
) -> list[pa.Array]:
    """Returns the columns of a model that gives labels; arguments as in `add_labels`."""
    names = pa.array(labels, pa.string())
    best = outputs.argmax(axis=1)
    columns = [names.take(pa.array(best)), pa.array(outputs[np.arange(len(outputs)), best])]
    if threshold is not None:
        columns.append(_ranked(names, outputs, (outputs >= threshold).sum(axis=1)))
    if probabilities:
        columns.append(_by_label(outputs, labels))
    if top_k:
        columns.append(_ranked(names, outputs, np.full(len(outputs), min(top_k, len(labels)))))
    return columns


def _by_label(outputs: np.ndarray, labels: Sequence[str]) -> pa.StructArray:
    """Returns numbers `[rows, labels]` as a column with a field for each label."""
    columns = [pa.array(np.ascontiguousarray(column)) for column in outputs.T]
    return pa.StructArray.from_arrays(columns, list(labels))


def _ranked(names: pa.Array, outputs: np.ndarray, counts: np.ndarray) -> pa.ListArray:
    """Returns the likeliest classes of each row with their probabilities, the likeliest first.

    Args:
        names: Names of the classes.
        outputs: float32 `[rows, labels]`.
        counts: int64 `[rows]`: how many classes to return for each row.
    """
    order = np.argsort(-outputs, axis=1, kind="stable")
    is_kept = np.arange(outputs.shape[1]) < counts[:, None]
    scores = np.take_along_axis(outputs, order, axis=1)[is_kept]
    entries = pa.StructArray.from_arrays(
        [names.take(pa.array(order[is_kept])), pa.array(scores)], ["label", "score"]
    )
    splits = np.concatenate([[0], np.cumsum(counts)])
    return pa.ListArray.from_arrays(pa.array(splits, pa.int32()), entries)


def add_vectors(batch: pa.RecordBatch, outputs: np.ndarray) -> pa.RecordBatch:
    """Returns a record batch with the column of `vector_field` after its own.

    Args:
        batch: The record batch, `[rows]`.
        outputs: float32 or float16 `[rows, dimensions]`.
    """
    dimensions = outputs.shape[1]
    field = vector_field(dimensions, outputs.dtype.name)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(outputs.ravel()), dimensions)
    schema = batch.schema.append(field)
    return pa.RecordBatch.from_arrays([*batch.columns, vectors], schema=schema)
