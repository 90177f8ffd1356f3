"""Labels every text of a corpus: `python -m pipelines.classify`.

Reads text, JSONL, CSV, TSV or Parquet, and writes Parquet with all input columns, `label` and
`score`. Without arguments it labels the bundled sample reviews with the bundled preset.
"""

import functools
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import UserError
from pipelines import __version__, options
from pipelines.console import exit_now, print_error, run_command

if TYPE_CHECKING:
    import argparse

    import apache_beam as beam
    import pyarrow as pa

    from models.preset import Preset
    from transforms.corpus import Corpus
    from transforms.output import OutputPlan

SAMPLE = Path(__file__).parent / "sample" / "reviews.jsonl"
DEFAULT_PRESET = "sentiment_tiny_en"
DEFAULT_OUTPUT = "output/"

# Packages that shape the result.
_VERSIONED = ("apache-beam", "tensorflow", "tensorflow-text", "keras", "pyarrow")

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
        description="Labels every text of a corpus and writes Parquet.",
        epilog=_EXAMPLES,
    )
    options.add_corpus_flags(parser)
    options.add_output_flags(parser)
    options.add_model_flags(parser, DEFAULT_PRESET)
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--probabilities",
        action="store_true",
        help="add a column with the probability of every label",
    )
    group.add_argument(
        "--top_k",
        type=options.positive,
        metavar="K",
        help="add a column with the K likeliest labels and their scores",
    )
    options.add_beam_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run_command(_classify, argv)


@dataclass(frozen=True)
class Plan:
    """All that is known of a run before any work is done."""

    args: "argparse.Namespace"
    preset: "Preset"
    sequence_length: int
    corpus: "Corpus"
    schema: "pa.Schema"
    output: "OutputPlan"
    metadata: Mapping[str, str]


def _classify(argv: Sequence[str]) -> int:
    args, beam_flags = make_parser().parse(argv)
    if args.input and not args.output:
        raise UserError("--output is required with --input: the folder to write to")
    args.output = args.output or DEFAULT_OUTPUT

    # Imported here, so that --help and a mistyped flag are answered at once.
    from pipelines.running import RunFailedError, run_pipeline
    from pipelines.summary import print_summary
    from transforms.manifest import read_manifest
    from transforms.output import discard
    from transforms.progress import PROGRESS

    plan = _plan(args)
    began = time.monotonic()
    try:
        earlier = read_manifest(args.output) if plan.output.if_exists == "append" else None
        run_pipeline(functools.partial(_build, plan), beam_flags, plan.corpus.size)
    except RunFailedError as error:
        discard(plan.output)
        print_error(str(error))
        return 1
    except BaseException:
        discard(plan.output)
        raise
    manifest = read_manifest(args.output)
    if manifest is None:
        raise UserError(f"{args.output} has no manifest: the job was started but did not finish")
    print_summary(
        manifest,
        earlier,
        output=args.output,
        text_column=plan.corpus.output_text_column,
        renamed=plan.corpus.renamed,
        start_seconds=PROGRESS.model_ready and PROGRESS.model_ready - began,
    )
    rows = manifest["runs"][-1]["rows"]
    if args.max_rejected and not args.max_rejected.allows(rows["rejected"], rows["read"]):
        print_error(
            f"{rows['rejected']:,} of {rows['read']:,} rows were rejected, more than "
            f"--max_rejected={args.max_rejected} allows"
        )
        return 1
    return 0


def _plan(args: "argparse.Namespace") -> Plan:
    """Checks all that can be checked before any work.

    Raises:
        UserError: Something is not there, or does not fit together.
    """
    from models.presets import open_preset
    from transforms import schemas
    from transforms.corpus import plan_corpus
    from transforms.output import prepare_output

    preset = open_preset(args.preset)
    sequence_length = preset.resolve_length(args.sequence_length)
    num_texts = 2 if args.text_pair_column else 1
    options.check_sequence_length(sequence_length, preset.family, num_texts)
    added = [
        *schemas.token_fields(preset.has_segments),
        *schemas.label_fields(preset.labels, args.probabilities, args.top_k or 0),
    ]
    corpus = plan_corpus(
        args.input or [str(SAMPLE)],
        input_format=args.input_format,
        text_column=args.text_column,
        text_pair_column=args.text_pair_column,
        columns=args.columns,
        reserved=[field.name for field in added],
    )
    schema = functools.reduce(lambda schema, field: schema.append(field), added, corpus.schema)
    metadata = {
        "preset": preset.name,
        "weights": preset.digest,
        "sequence_length": str(sequence_length),
        "precision": args.precision,
        "textbeam": __version__,
    }
    output = prepare_output(
        args.output,
        if_exists=args.if_exists,
        schema=schema,
        metadata={"weights": preset.digest, "sequence_length": str(sequence_length)},
        replace_if=None if args.input else _is_sample_run,
    )
    return Plan(args, preset, sequence_length, corpus, schema, output, metadata)


def _is_sample_run(manifest: Mapping[str, Any]) -> bool:
    """Returns whether an output folder holds nothing but an earlier run over the sample."""
    return [entry["source"] for entry in manifest.get("inputs", [])] == [str(SAMPLE)]


def _build(plan: Plan, pipeline: "beam.Pipeline") -> None:
    """Applies the transforms of a run."""
    from transforms.infer import ClassifierHandler, Classify
    from transforms.read import ReadCorpus
    from transforms.tokenize import Tokenize
    from transforms.write import WriteResults

    args, corpus = plan.args, plan.corpus
    preset = str(plan.preset.name)
    text_columns = [corpus.output_text_column]
    if corpus.output_text_pair_column:
        text_columns.append(corpus.output_text_pair_column)

    read = pipeline | ReadCorpus(corpus, args.limit)
    tokenized = read.rows | Tokenize(preset, plan.sequence_length, *text_columns)
    classified = tokenized.rows | Classify(
        ClassifierHandler(preset, args.batch_tokens, args.precision),
        plan.preset.labels,
        text_columns,
        args.probabilities,
        args.top_k or 0,
    )
    streams = {
        "rows": classified.rows,
        "rejected": [read.rejected, tokenized.rejected, classified.rejected],
        "tallies": [read.tallies, classified.tallies],
    }
    streams | WriteResults(
        plan.output, plan.schema, plan.metadata, _facts(plan), label_column="label"
    )


def _facts(plan: Plan) -> dict[str, Any]:
    """Returns what the manifest says of the command."""
    from transforms.files import fingerprint

    return {
        "command": "classify",
        "model": {
            "preset": plan.preset.name,
            "family": plan.preset.family,
            "weights": plan.preset.digest,
            "labels": plan.preset.labels,
            "sequence_length": plan.sequence_length,
            "precision": plan.args.precision,
        },
        "inputs": [
            {
                "source": file.path,
                "bytes": file.size,
                "fingerprint": fingerprint(file.path, file.size),
            }
            for file in plan.corpus.files
        ],
        "versions": {
            "textbeam": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONED},
        },
    }


if __name__ == "__main__":
    exit_now(main())
