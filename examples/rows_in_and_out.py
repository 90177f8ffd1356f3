r"""Dicts in and out: labels the rows of a BigQuery table, and keeps those that have no text.

python examples/rows_in_and_out.py --table=project:shop.reviews --output=project:shop.labelled \
    --rejected=project:shop.rejected --temp_location=gs://bucket/tmp
"""

import argparse

import apache_beam as beam

from transforms import ClassifyText


def main(argv: list[str] | None = None) -> None:
    """Runs the pipeline from table to tables."""
    parser = argparse.ArgumentParser()
    for name in ("table", "output", "rejected"):
        parser.add_argument(f"--{name}", required=True)
    args, beam_flags = parser.parse_known_args(argv)
    with beam.Pipeline(argv=beam_flags) as pipeline:
        rows = pipeline | beam.io.ReadFromBigQuery(table=args.table)
        labelled, rejected = label(rows)
        _ = labelled | "Labelled" >> beam.io.WriteToBigQuery(
            args.output, schema="id:INTEGER,review:STRING,sentiment:STRING,score:FLOAT"
        )
        _ = rejected | "Rejected" >> beam.io.WriteToBigQuery(
            args.rejected, schema="id:INTEGER,error:STRING"
        )


def label(rows):
    """Returns rows with `sentiment` and `score`, and id and error of those without a text."""
    classify = ClassifyText("sentiment_tiny_en", "review", rename={"label": "sentiment"})
    labelled, rejected = rows | classify.with_exception_handling()
    errors = rejected | beam.Map(lambda bad: {"id": bad.row["id"], "error": bad.error})
    return labelled, errors


if __name__ == "__main__":
    main()
