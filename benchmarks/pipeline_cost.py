"""What the pipeline itself costs per row: Parquet to Parquet with a model that does nothing.

    python -m benchmarks.pipeline_cost

Reads a Parquet file, passes each record batch through RunInference, and writes Parquet, the
manifest with its digests included. Tokenization is measured separately.
"""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.ml.inference.base import ModelHandler
from apache_beam.options.pipeline_options import PipelineOptions

from benchmarks.measuring import median, news_lines
from models.inference.prediction import Pending, Prediction
from transforms.infer import Classify, Predicted
from transforms.read import ReadUnits
from transforms.reading.corpus import Corpus, plan_corpus
from transforms.reading.units import plan_units, unit_bytes_of
from transforms.schemas import label_fields
from transforms.unit_batch import UnitBatch
from transforms.write import WriteUnits
from transforms.writing.output import reserve_output
from transforms.writing.records import UnitsToDo
from transforms.writing.schemas import OutputSchemas

ROWS = 1_000_000
REPEATS = 5
LABELS = ["negative", "positive"]


class NullHandler(ModelHandler[UnitBatch, Predicted, Any]):
    """Gives every row the same probabilities."""

    def load_model(self) -> Any:
        """Returns something that can be shared."""
        return np.zeros(1)

    def run_inference(
        self, batch: UnitBatch, model: Any, inference_args: Any = None
    ) -> list[Predicted]:
        """Returns the batch with the same prediction for every row."""
        outputs = np.full((len(batch), len(LABELS)), 0.5, np.float32)
        return [(batch, Pending.of(Prediction(outputs)))]

    def get_num_bytes(self, batch: UnitBatch) -> int:
        """Returns the memory of the batch."""
        return batch.rows.nbytes


def main() -> None:
    """Prints rows a second per core, for each run and the median."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = _write_corpus(Path(folder))
        speeds = []
        for repeat in range(REPEATS + 1):
            shutil.rmtree(Path(folder) / "out", ignore_errors=True)
            began, cpu_began = time.perf_counter(), time.process_time()
            _run(corpus, str(Path(folder) / "out"))
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
            if repeat:
                speeds.append(ROWS / cpu)
                print(
                    f"{ROWS:,} rows: {wall:.2f} s, {cpu:.2f} CPU s, {speeds[-1]:,.0f} rows/s a core"
                )
        print(f"median {median(speeds):,.0f} rows/s a core")


def _write_corpus(folder: Path) -> Corpus:
    lines = news_lines()
    texts = [lines[row % len(lines)] for row in range(ROWS)]
    table = pa.table({"id": pa.array(range(ROWS)), "text": texts})
    pq.write_table(table, folder / "corpus.parquet")
    return plan_corpus([str(folder / "corpus.parquet")])


def _run(corpus: Corpus, output: str) -> None:
    schema = corpus.schema
    for field in (
        pa.field("num_tokens", pa.int32()),
        pa.field("truncated", pa.bool_()),
        *label_fields(LABELS, False, 0),
    ):
        schema = schema.append(field)
    reservation = reserve_output(output)
    todo = reservation.compare(corpus.files)
    unit_bytes = unit_bytes_of(corpus)
    reservation.start(schema, todo, plan_units(corpus, unit_bytes=unit_bytes), unit_bytes)
    plan = reservation.plan
    with beam.Pipeline("FnApiRunner", options=PipelineOptions([])) as pipeline:
        _ = (
            pipeline
            | ReadUnits(corpus, work=UnitsToDo(plan.folder, plan.run_id))
            | beam.Map(_add_counts).with_output_types(UnitBatch)
            | Classify(NullHandler(), LABELS, ["text"])
            | WriteUnits(plan, OutputSchemas(schema, {}, "label"), {})
        )
    reservation.close(finished=True)


def _add_counts(batch: UnitBatch) -> UnitBatch:
    """Adds the columns of counts that Tokenize would add."""
    rows = batch.rows
    rows = rows.append_column("num_tokens", pa.repeat(pa.scalar(1, pa.int32()), len(rows)))
    return batch.with_rows(rows.append_column("truncated", pa.repeat(pa.scalar(False), len(rows))))


if __name__ == "__main__":
    main()
