"""What rows cost in a pipeline of one's own, beside Beam's RunInference over the same texts.

    python -m benchmarks.own_pipeline --rows=100000

With a model that does nothing, what is measured is Beam, gathering and giving back: `ClassifyText`
for each kind of row, and RunInference as its documentation has it, an element a text, which gives
no row but the text and the result. With `--preset` both run that preset, tokenizing included.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import GlobalWindows

from benchmarks.measuring import median, news_lines
from models.inference.prediction import Pending, Prediction
from models.inference.predictor import Predictor
from models.packing import Tokens
from transforms import ClassifyText
from transforms.infer import Classify
from transforms.rows.inference import TextModel, infer_rows
from transforms.schemas import label_fields
from transforms.tokenize import add_tokens
from transforms.unit_batch import UnitBatch

LABELS = ["negative", "positive"]
BATCH_ROWS = 2048
REPEATS = 3


class NoTokens(beam.DoFn):
    """Gives every text a single token."""

    batches = property(lambda self: self)

    def process(self, batch: UnitBatch) -> Iterator[UnitBatch]:
        """Yields the batch with its tokens."""
        rows = np.arange(len(batch.rows) + 1)
        tokens = Tokens(rows[:-1].astype(np.int32), rows)
        counts = np.ones(len(batch.rows), np.int64)
        yield batch.with_rows(add_tokens(batch.rows, tokens, counts, counts > 1))


class NoModel(ModelHandler[Any, Any, Any]):
    """Gives every row the same probabilities."""

    def load_model(self) -> Any:
        """Returns something that can be shared."""
        return np.zeros(1)

    def run_inference(self, batch: UnitBatch, model: Any, inference_args: Any = None) -> Any:
        """Returns the batch with the same prediction for every row."""
        return [(batch, Pending.of(Prediction(np.full((len(batch), 2), 0.5, np.float32))))]


class PerElement(ModelHandler[str, PredictionResult, Any]):
    """The handler that somebody would write for RunInference."""

    def __init__(self, preset: str | None) -> None:
        super().__init__()
        self._preset = preset

    def load_model(self) -> Any:
        """Returns the predictor, or something that can be shared."""
        return Predictor.from_preset(self._preset) if self._preset else np.zeros(1)

    def run_inference(
        self, batch: Sequence[str], model: Any, inference_args: Any = None
    ) -> Iterable[PredictionResult]:
        """Returns each text with its probabilities."""
        outputs = model(list(batch)) if self._preset else np.full((len(batch), 2), 0.5, np.float32)
        return [PredictionResult(*each) for each in zip(batch, outputs, strict=True)]


def main() -> None:
    """Prints rows a second of CPU time, the median of several runs that alternate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--preset")
    args = parser.parse_args()
    lines = news_lines()
    texts = [f"{lines[i % len(lines)]} {i}" for i in range(args.rows)]
    seconds: dict[str, list[float]] = {}
    for repeat in range(REPEATS + 1):
        for name, (make, transform) in _contenders(args.preset).items():
            took = _cpu_seconds(list(make(texts)), transform())
            if repeat:
                seconds.setdefault(name, []).append(took)
    for name, each in seconds.items():
        each_row = median(each) / args.rows
        print(f"{name:32} {1 / each_row:10,.0f} rows/s of CPU time, {1e6 * each_row:6.1f} µs a row")


def _contenders(
    preset: str | None,
) -> dict[str, tuple[Callable[[list[str]], Iterable[Any]], Callable[[], beam.PTransform]]]:
    """Returns what makes elements of texts, and the transform over them, by name."""

    def ours() -> beam.PTransform:
        if preset:
            return ClassifyText(preset)
        fields = label_fields(LABELS, False, 0)
        infer = Classify(NoModel(), LABELS, ["text"])
        added = {field.name: field for field in fields}
        model = TextModel("ClassifyText", NoTokens(), NoModel(), infer, ("text",), added)
        return beam.ParDo(infer_rows(model, False, GlobalWindows()))

    return {
        "nothing but Beam": (iter, lambda: beam.Map(lambda text: text)),
        "RunInference, an element a text": (iter, lambda: RunInference(PerElement(preset))),
        "ClassifyText, str": (iter, ours),
        "ClassifyText, dict": (lambda texts: ({"text": text} for text in texts), ours),
        "ClassifyText, beam.Row": (lambda texts: (beam.Row(text=text) for text in texts), ours),
        "ClassifyText, RecordBatch": (_batches, ours),
    }


def _batches(texts: list[str]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(texts), BATCH_ROWS):
        yield pa.RecordBatch.from_pydict({"text": texts[start : start + BATCH_ROWS]})


def _cpu_seconds(elements: list[Any], transform: beam.PTransform) -> float:
    """Returns the CPU time of a pipeline in which elements are made, and counted in the end."""
    _ELEMENTS[:] = elements
    began = time.process_time()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        made = pipeline | beam.Create([None]) | beam.FlatMap(_made).with_output_types(Any)
        _ = made | transform | beam.combiners.Count.Globally()
    return time.process_time() - began


_ELEMENTS: list[Any] = []


def _made(_: None) -> list[Any]:
    import benchmarks.own_pipeline

    return benchmarks.own_pipeline._ELEMENTS


if __name__ == "__main__":
    import benchmarks.own_pipeline

    benchmarks.own_pipeline.main()
