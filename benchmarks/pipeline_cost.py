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
from models.inference.predictor import Prediction
from transforms.infer import Classify, Predicted
from transforms.read import ReadCorpus
from transforms.reading.corpus import Corpus, plan_corpus
from transforms.schemas import label_fields
from transforms.write import WriteResults
from transforms.writing.output import prepare_output

ROWS = 1_000_000
REPEATS = 5
LABELS = ["negative", "positive"]


class NullHandler(ModelHandler[pa.RecordBatch, Predicted, Any]):
    """Gives every row the same probabilities."""

    def load_model(self) -> Any:
        """Returns something that can be shared."""
        return np.zeros(1)

    def run_inference(
        self, batch: pa.RecordBatch, model: Any, inference_args: Any = None
    ) -> list[Predicted]:
        """Returns the batch with the same prediction for every row."""
        outputs = np.full((len(batch), len(LABELS)), 0.5, np.float32)
        return [(batch, Prediction(outputs))]

    def get_num_bytes(self, batch: pa.RecordBatch) -> int:
        """Returns the memory of the batch."""
        return batch.nbytes


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
    plan = prepare_output(output, schema=schema)
    with beam.Pipeline("FnApiRunner", options=PipelineOptions([])) as pipeline:
        read = pipeline | ReadCorpus(corpus)
        rows = read.rows | beam.Map(_add_counts).with_output_types(pa.RecordBatch)
        classified = rows | Classify(NullHandler(), LABELS, ["text"])
        streams = {
            "rows": classified.rows,
            "rejected": [read.rejected, classified.rejected],
            "tallies": [read.tallies, classified.tallies],
        }
        streams | WriteResults(plan, schema, {}, {"inputs": []}, label_column="label")


def _add_counts(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Adds the columns of counts that Tokenize would add."""
    batch = batch.append_column("num_tokens", pa.repeat(pa.scalar(1, pa.int32()), len(batch)))
    return batch.append_column("truncated", pa.repeat(pa.scalar(False), len(batch)))


if __name__ == "__main__":
    main()
