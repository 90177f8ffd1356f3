"""Labels every text of a corpus: `python -m pipelines.classify`.

Reads text, JSONL, CSV, TSV, Parquet, Avro or Arrow, and writes Parquet, CSV or JSONL with all input
columns, `label` and `score`; with a preset that gives a number, such as a reranker, `score` alone.
Without arguments it labels the bundled sample reviews with the bundled preset.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.command import run_job
from pipelines.flags import flag_types, options
from pipelines.job import Job
from pipelines.reporting.console import run_command, run_process
from transforms.rows.fitting import DEFAULT_THRESHOLD, resolve_threshold

if TYPE_CHECKING:
    import argparse

    import apache_beam as beam

    from models.presets.preset import Preset
    from transforms.infer import PredictorHandler

DEFAULT_PRESET = "sentiment_tiny_en"

_EXAMPLES = """examples:
  python -m pipelines.classify
  python -m pipelines.classify --input='reviews/*.jsonl.gz' --text_column=body --output=labels/
  python -m pipelines.classify --input=mail.csv --text_column=subject --text_pair_column=body \\
      --preset=my_preset/ --probabilities --output=labels/
"""


def make_parser() -> options.Parser:
    """Returns the parser of the command's flags."""
    parser = options.Parser(
        prog="python -m pipelines.classify",
        description="Labels every text of a corpus and writes Parquet, CSV or JSONL.",
        epilog=_EXAMPLES,
    )
    options.add_corpus_flags(parser)
    options.add_output_flags(parser, "output/")
    options.add_model_flags(parser, DEFAULT_PRESET)
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--probabilities",
        action="store_true",
        help="add a column with the probability of every label",
    )
    group.add_argument(
        "--top_k",
        type=flag_types.positive,
        metavar="K",
        help="add a column with the K likeliest labels and their scores",
    )
    group.add_argument(
        "--threshold",
        type=flag_types.probability,
        metavar="SCORE",
        help="a text has every label with at least this score; for presets whose labels do not "
        f"exclude each other; default: {DEFAULT_THRESHOLD}",
    )
    options.add_plan_flags(parser)
    options.add_beam_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run_command(lambda flags: run_job(make_parser(), flags, _job), argv)


def _job(args: "argparse.Namespace", preset: "Preset") -> Job:
    """Returns the command's job."""
    from transforms.schemas import label_fields

    labels = preset.labels
    gives_numbers, is_multi_label = preset.gives_numbers, preset.is_multi_label
    threshold = resolve_threshold(preset, args.probabilities, args.top_k, args.threshold)
    top_k = args.top_k or 0

    def infer(handler: "PredictorHandler", text_columns: Sequence[str]) -> "beam.PTransform":
        from transforms.infer import Classify

        return Classify(
            *(handler, labels, text_columns, args.probabilities, top_k, threshold),
            gives_numbers=gives_numbers,
        )

    settings = {} if threshold is None else {"threshold": threshold}
    return Job(
        "classify",
        label_fields(labels, args.probabilities, top_k, is_multi_label, gives_numbers),
        infer,
        model={"labels": labels, **settings, **({"gives_numbers": True} if gives_numbers else {})},
        settings={name: str(value) for name, value in settings.items()},
        label_column=None if gives_numbers else "labels" if is_multi_label else "label",
    )


if __name__ == "__main__":
    run_process(main)
