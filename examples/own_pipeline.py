"""A pipeline of one's own: reads reviews, mends their texts, labels them and writes the result.

python examples/own_pipeline.py --input='reviews/*.jsonl' --output=labelled/
"""

import argparse
import html

import apache_beam as beam
import pyarrow as pa

from transforms import ClassifyText, ReadCorpus, WriteResults


def main(argv: list[str] | None = None) -> None:
    """Runs the pipeline; what it does not know goes to Beam, such as --runner."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", default="pipelines/sample/reviews.jsonl")
    parser.add_argument("--output", required=True)
    args, beam_flags = parser.parse_known_args(argv)
    with beam.Pipeline(argv=["--runner=FnApiRunner", *beam_flags]) as pipeline:
        _ = (
            pipeline
            | ReadCorpus(args.input)
            | "Unescape" >> beam.Map(unescaped)
            | ClassifyText("sentiment_tiny_en", top_k=2)
            | WriteResults(args.output, if_exists="overwrite")
        )


def unescaped(batch):
    """Returns a batch of rows whose texts have no HTML entities: & for &amp;."""
    rows = batch.rows
    texts = pa.array([html.unescape(text) for text in rows["text"].to_pylist()], pa.string())
    return batch.with_rows(rows.set_column(rows.schema.get_field_index("text"), "text", texts))


if __name__ == "__main__":
    main()
