"""Turns every text of a corpus into a vector: `python -m pipelines.embed`.

Reads text, JSONL, CSV, TSV, Parquet, Avro or Arrow, and writes Parquet, CSV or JSONL with all input
columns and `embedding`. Without arguments it embeds the bundled sample reviews with the bundled
preset.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.errors import UserError
from pipelines.command import run_job
from pipelines.flags import flag_types, options
from pipelines.job import Job
from pipelines.reporting.console import run_command, run_process

if TYPE_CHECKING:
    import argparse

    import apache_beam as beam

    from models.presets.preset import Preset
    from transforms.infer import PredictorHandler

DEFAULT_PRESET = "embedding_tiny_en"

_EXAMPLES = """examples:
  python -m pipelines.embed
  python -m pipelines.embed --input='news/*.parquet' --preset=my_preset/ --output=vectors/
  python -m pipelines.embed --input=faq.csv --text_column=question --prefix='query: ' \\
      --preset=my_preset/ --normalize --embedding_dtype=float16 --output=vectors/
"""


def make_parser() -> options.Parser:
    """Returns the parser of the command's flags."""
    parser = options.Parser(
        prog="python -m pipelines.embed",
        description="Turns every text of a corpus into a vector; writes Parquet, CSV or JSONL.",
        epilog=_EXAMPLES,
    )
    options.add_corpus_flags(parser)
    options.add_output_flags(parser, "sample_vectors/")
    options.add_model_flags(parser, DEFAULT_PRESET)
    group = parser.add_argument_group("vectors")
    group.add_argument(
        "--pooling",
        choices=(
            *("cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"),
            "pooled",
        ),
        metavar="POOLING",
        help="how the vectors of a text's tokens become one: %(choices)s; default: the preset's, "
        "else mean",
    )
    normalize = group.add_mutually_exclusive_group()
    normalize.add_argument(
        "--normalize",
        action="store_true",
        default=None,
        help="divide vectors by their length; default: the preset's",
    )
    normalize.add_argument(
        "--no_normalize", action="store_false", dest="normalize", help="leave vectors as they are"
    )
    group.add_argument(
        "--dimensions",
        type=flag_types.positive,
        metavar="N",
        help="keep the first N numbers of a vector; default: the preset's",
    )
    group.add_argument(
        "--embedding_dtype",
        choices=("float32", "float16", "int8", "binary"),
        default="float32",
        metavar="DTYPE",
        help="type of the numbers: %(choices)s; int8 is a byte a number and binary a bit, as "
        "sentence-transformers makes them; default: float32",
    )
    before = group.add_mutually_exclusive_group()
    before.add_argument(
        "--prompt",
        metavar="NAME",
        help="which of the preset's prompts the model reads before every text; default: the "
        "preset's, if it has one",
    )
    before.add_argument(
        "--prefix",
        metavar="TEXT",
        help="a text for the model to read there instead, such as 'query: '; '' for none",
    )
    options.add_plan_flags(parser)
    options.add_beam_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run_command(lambda flags: run_job(make_parser(), flags, _job), argv)


def _job(args: "argparse.Namespace", preset: "Preset") -> Job:
    """Returns the command's job."""
    from models.quantization import BITS_A_NUMBER, QUANTIZED
    from models.tasks.embedder import check_embeds_pairs, resolve_embedding
    from transforms.schemas import vector_field

    names = ("pooling", "normalize", "dimensions", "prompt", "prefix")
    arguments = {name: getattr(args, name) for name in names}
    settings, dimensions = resolve_embedding(preset, **arguments)
    if args.text_pair_column:
        check_embeds_pairs(settings)
    dtype = args.embedding_dtype
    quantized = dtype if dtype in QUANTIZED else None
    if dtype == "binary" and dimensions % BITS_A_NUMBER:
        raise UserError(_no_whole_bytes(dimensions))
    facts = {**settings.facts, "dimensions": dimensions, "embedding_dtype": dtype}

    def infer(handler: "PredictorHandler", text_columns: Sequence[str]) -> "beam.PTransform":
        from transforms.infer import Embed

        return Embed(handler, text_columns, "float32" if quantized else dtype)

    return Job(
        "embed",
        [vector_field(dimensions, dtype)],
        infer,
        model={"embedding": {**facts, "prompt": args.prompt}},
        settings={name: str(value) for name, value in facts.items() if name != "modules"},
        arguments=arguments,
        embedding=settings,
        quantized=quantized,
    )


def _no_whole_bytes(dimensions: int) -> str:
    """Returns what to say of vectors whose bits fill no whole bytes."""
    from models.quantization import BITS_A_NUMBER

    fitting = dimensions // BITS_A_NUMBER * BITS_A_NUMBER
    instead = f"--dimensions={fitting}, or " if fitting else ""
    return (
        f"--embedding_dtype=binary puts {BITS_A_NUMBER} dimensions into a byte, and the vectors "
        f"have {dimensions}: give {instead}--embedding_dtype=int8"
    )


if __name__ == "__main__":
    run_process(main)
