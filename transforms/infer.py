"""Classification of record batches through RunInference."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from models.predictor import Prediction
from transforms.progress import PROGRESS
from transforms.schemas import label_fields
from transforms.tokenize import reject_rows, tokens_of

if TYPE_CHECKING:
    from models.predictor import Predictor
    from models.runtime import Precision


Predicted = tuple[pa.RecordBatch, Prediction]
"""A record batch and the model's results for its rows."""


class ClassifierHandler(ModelHandler[pa.RecordBatch, Predicted, "Predictor"]):
    """Runs a classifier's preset over tokenized record batches.

    A record batch is a batch as it is: the predictor sorts it and cuts it into micro-batches, so
    Beam is told to batch no further. Weights are read once a process.

    Args:
        preset: A preset's name or folder, readable on every worker.
        batch_tokens: Token area of a micro-batch; chosen for the device if `None`.
        precision: Compute type; `auto` is half precision on a GPU, float32 on a CPU.
    """

    def __init__(
        self, preset: str, batch_tokens: int | None = None, precision: "Precision" = "auto"
    ) -> None:
        super().__init__()
        self._preset = preset
        self._batch_tokens = batch_tokens
        self._precision = precision

    def load_model(self) -> "Predictor":
        """Loads the preset onto this worker's device."""
        from models.predictor import Predictor

        predictor = Predictor.from_preset(
            self._preset, batch_tokens=self._batch_tokens, precision=self._precision
        )
        PROGRESS.set_model_ready()
        return predictor

    def run_inference(
        self,
        batch: pa.RecordBatch,
        model: "Predictor",
        inference_args: dict[str, Any] | None = None,
    ) -> list[Predicted]:
        """Returns the batch with its prediction."""
        return [(batch, model.predict(tokens_of(batch), PROGRESS.add_done))]

    def get_num_bytes(self, batch: pa.RecordBatch) -> int:
        """Returns the memory of the batch."""
        return batch.nbytes

    def get_metrics_namespace(self) -> str:
        """Returns the namespace of RunInference's metrics."""
        return "textbeam"


class ClassifiedCorpus(NamedTuple):
    """What `Classify` returns.

    Attributes:
        rows: Record batches with the columns of the input and those of `label_fields`.
        rejected: Record batches of the schema `REJECTED`.
        tallies: Dicts with `padded_tokens`, the places of micro-batches that held no token, and
            `precision`, the rows computed in each type.
    """

    rows: beam.PCollection[pa.RecordBatch]
    rejected: beam.PCollection[pa.RecordBatch]
    tallies: beam.PCollection[dict[str, Any]]


class Classify(beam.PTransform):
    """Adds the label of each row, and its score, to tokenized record batches.

    Args:
        handler: Runs the model.
        labels: Names of the classes.
        text_columns: What a rejected row keeps.
        probabilities: Whether to add the probability of each class.
        top_k: How many of the likeliest classes to add as a list; none if 0.
    """

    def __init__(
        self,
        handler: ModelHandler,
        labels: Sequence[str],
        text_columns: Sequence[str],
        probabilities: bool = False,
        top_k: int = 0,
    ) -> None:
        super().__init__()
        self._handler = handler
        self._add_labels = _AddLabels(list(labels), list(text_columns), probabilities, top_k)

    @no_annotations
    def expand(self, rows: beam.PCollection[pa.RecordBatch]) -> ClassifiedCorpus:
        """Returns the classified rows, the rejected ones and the tallies."""
        predicted = rows | RunInference(self._handler.with_no_batching())
        outputs = predicted | "AddLabels" >> beam.ParDo(self._add_labels).with_outputs(
            "rejected", "tallies", main="rows"
        )
        outputs["rows"].element_type = pa.RecordBatch
        outputs["rejected"].element_type = pa.RecordBatch
        outputs["tallies"].element_type = dict[str, Any]
        return ClassifiedCorpus(outputs["rows"], outputs["rejected"], outputs["tallies"])


class _AddLabels(beam.DoFn):
    def __init__(
        self, labels: list[str], text_columns: list[str], probabilities: bool, top_k: int
    ) -> None:
        self._labels = labels
        self._text_columns = text_columns
        self._probabilities = probabilities
        self._top_k = top_k

    def process(self, predicted: Predicted) -> Iterator[Any]:
        batch, prediction = predicted
        outputs = prediction.outputs
        if prediction.errors:
            PROGRESS.rows_rejected += len(prediction.errors)
            Metrics.counter("textbeam", "rows_rejected").inc(len(prediction.errors))
            rejected, batch = reject_rows(batch, prediction.errors, self._text_columns, "infer")
            outputs = np.delete(outputs, list(prediction.errors), axis=0)
            yield TaggedOutput("rejected", rejected)
        yield TaggedOutput(
            "tallies",
            {
                "padded_tokens": prediction.padded_tokens,
                "precision": {prediction.precision: len(batch)},
            },
        )
        if len(batch):
            yield add_labels(batch, outputs, self._labels, self._probabilities, self._top_k)


def add_labels(
    batch: pa.RecordBatch,
    outputs: np.ndarray,
    labels: Sequence[str],
    probabilities: bool,
    top_k: int,
) -> pa.RecordBatch:
    """Returns a record batch with the columns of `label_fields` behind its own.

    Args:
        batch: `[rows]`.
        outputs: float32 `[rows, labels]`: the probability of each class.
        labels: Names of the classes.
        probabilities: Whether to add all probabilities.
        top_k: How many of the likeliest classes to add; none if 0.
    """
    names = pa.array(labels, pa.string())
    best = outputs.argmax(axis=1)
    columns = [names.take(pa.array(best)), pa.array(outputs[np.arange(len(batch)), best])]
    if probabilities:
        columns.append(
            pa.StructArray.from_arrays(
                [pa.array(np.ascontiguousarray(column)) for column in outputs.T], list(labels)
            )
        )
    if top_k:
        order = np.argsort(-outputs, axis=1, kind="stable")[:, :top_k]
        entries = pa.StructArray.from_arrays(
            [
                names.take(pa.array(order.ravel())),
                pa.array(np.take_along_axis(outputs, order, axis=1).ravel()),
            ],
            ["label", "score"],
        )
        splits = np.arange(len(batch) + 1, dtype=np.int32) * order.shape[1]
        columns.append(pa.ListArray.from_arrays(pa.array(splits), entries))
    schema = batch.schema
    for field in label_fields(labels, probabilities, top_k):
        schema = schema.append(field)
    return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)
