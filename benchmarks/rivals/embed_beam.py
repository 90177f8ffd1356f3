"""Beam's own way to embed: ReadFromText, MLTransform, WriteToParquet.

python -m benchmarks.rivals.embed_beam MODEL CORPUS OUTPUT
"""

import sys
import tempfile

import apache_beam as beam
import pyarrow as pa
from apache_beam.ml.transforms.base import MLTransform
from apache_beam.ml.transforms.embeddings.huggingface import SentenceTransformerEmbeddings
from apache_beam.options.pipeline_options import PipelineOptions

SCHEMA = pa.schema([("text", pa.string()), ("embedding", pa.list_(pa.float32()))])


def main(model: str, corpus: str, output: str) -> None:
    """Embeds every line of a text file."""
    embeddings = SentenceTransformerEmbeddings(
        model, columns=["embedding"], load_model_args={"device": "cpu"}
    )
    with (
        tempfile.TemporaryDirectory() as artifacts,
        beam.Pipeline("FnApiRunner", options=PipelineOptions([])) as pipeline,
    ):
        (
            pipeline
            | beam.io.ReadFromText(corpus)
            # The vector replaces the text that it is made from, hence a second copy.
            | beam.Map(lambda text: {"text": text, "embedding": text})
            | MLTransform(write_artifact_location=artifacts).with_transform(embeddings)
            | beam.Map(as_row)
            | beam.io.WriteToParquet(f"{output}/part", SCHEMA)
        )


def as_row(row: "dict[str, object] | beam.Row") -> dict[str, object]:
    """Returns a row of the output."""
    return row if isinstance(row, dict) else row._asdict()


if __name__ == "__main__":
    main(*sys.argv[1:])
