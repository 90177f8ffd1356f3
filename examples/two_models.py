"""Two models over one reading: every text gets a label of one and a vector of the other.

python examples/two_models.py --input='reviews/*.jsonl' --output=both/
"""

import argparse

import apache_beam as beam

from transforms import ClassifyText, EmbedText, ReadCorpus, WriteResults


def main(argv: list[str] | None = None) -> None:
    """Runs the pipeline; what it does not know goes to Beam, such as --runner."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", default="pipelines/sample/reviews.jsonl")
    parser.add_argument("--output", required=True)
    parser.add_argument("--embedder", default="embedding_tiny_en")
    args, beam_flags = parser.parse_known_args(argv)
    with beam.Pipeline(argv=["--runner=FnApiRunner", *beam_flags]) as pipeline:
        _ = (
            pipeline
            | ReadCorpus(args.input)
            | ClassifyText("sentiment_tiny_en")
            | EmbedText(args.embedder, embedding_dtype="float16")
            | WriteResults(args.output, if_exists="overwrite")
        )


if __name__ == "__main__":
    main()
